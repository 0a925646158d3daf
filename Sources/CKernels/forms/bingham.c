/* Signals dispersed by Bingham's distribution (forms.h).

   ∫ exp(nᵀQn) dn depends on Q's eigenvalues λ₁ ≤ λ₂ ≤ λ₃ alone, and with the pole along the smallest is, up to a
   constant,
       e^λ₃ F,  F = ∫₀¹ exp(−(λ₃−λ₁)t²) · e^(−z) I₀(z) dt,  z = (λ₃−λ₂)/2 · (1 − t²),
   of which nine Gauss–Legendre nodes leave 2e-7 (bingham_lanes.h). The signal is its quotient for Q = K − x ggᵀ and K =
   diag(κ, β, 0) in the distribution's frame.

   What is worked with are the eigenvalues δ = κ − λ of κ − Q = diag(0, κ − β, κ) + x ggᵀ, which is not negative: sums
   of products without cancellation make its characteristic polynomial, and no distance of eigenvalues is a difference
   of large numbers. */
#include "bingham_lanes.h"
#include <math.h>

enum { FRAME = 9 };

/* The roots of δ³ − e1 δ² + e2 δ − e3, all real and ≥ 0, rising. Where two of them meet they are found to the root of
   the rounding error, with errors that cancel in anything symmetric and smooth. */
BLOCK_INLINE void eigenvalues(const block_f32 *e1, const block_f32 *e2, const block_f32 *e3, block_f32 *root) {
    const block_f32 zero = 0, mean = *e1 * (1.0f / 3), square = mean * mean - *e2 * (1.0f / 3),
                    tiny = mean * mean * 1e-12f + 1e-30f;
    const block_f32 p2 = square > tiny ? square : tiny, p = ROOT(p2);
    block_f32 y = -(mean * (2.0f * mean * mean - *e2) + *e3) / (2.0f * p2 * p);
    y = y < -1.0f ? (block_f32)-1.0f : y;
    y = y > 1.0f ? (block_f32)1.0f : y;
    /* cos(acos(y)/3) = cos(⅔ acos h), h = √((1 + y)/2). */
    const block_f32 h = ROOT(0.5f * y + 0.5f);
    block_f32 c = -2.288195931e-3f * h + 1.105233081e-2f;
    c = c * h - 2.701436342e-2f;
    c = c * h + 5.179041835e-2f;
    c = c * h - 1.108785669e-1f;
    c = c * h + 5.773380711e-1f;
    c = c * h + 5.000001020e-1f;
    block_f32 d = mean - 2.0f * p * c;
    d = d > 0.0f ? d : zero;
    for (int k = 0; k < 2; k++) {
        const block_f32 slope = (3.0f * d - 2.0f * *e1) * d + *e2, value = ((d - *e1) * d + *e2) * d - *e3;
        d = slope > 0.03f * mean * mean ? d - value / slope : d;
        d = d > 0.0f ? d : zero;
    }
    const block_f32 half = 0.5f * (*e1 - d);
    block_f32 gap = half * half - (*e2 - d * (half + half));
    gap = gap > 0.0f ? gap : zero;
    gap = ROOT(gap);
    root[0] = d;
    root[1] = half - gap;
    root[2] = half + gap;
    root[1] = root[1] > d ? root[1] : d;
}

PER_CPU void pk_bingham(const pk_form_design *d, const float *concentration, const float *ratio, const float *frame,
                        int terms, const pk_term_kind *kinds, const float *weight, const float *across,
                        const float *along, float *out, long stride) {
    const block_f32 kappa = LOAD_BLOCK(concentration), less = kappa * (1.0f - LOAD_BLOCK(ratio)), sum = kappa + less,
                    product = kappa * less;
    block_f32 axes[FRAME], whole, squares[3] = {0};
    for (int k = 0; k < FRAME; k++) axes[k] = LOAD_BLOCK(frame + k * LANES);
    block_f32 root[3] = {0, less, kappa};
    integral(root, &whole);
    for (int t = 0; t < terms; t++)
        if (kinds[t] == PK_AVERAGED_TENSOR) moments(root, &whole, squares);
    const block_f32 scale = 1.0f / whole;
    for (long s = 0; s < d->shells; s++)
        for (long i = d->start[s]; i < d->start[s + 1]; i++) {
            block_f32 g[3], e = 0;
            for (int k = 0; k < 3; k++) {
                g[k] = axes[3 * k] * d->gx[i] + axes[3 * k + 1] * d->gy[i] + axes[3 * k + 2] * d->gz[i];
                g[k] *= g[k];
            }
            const block_f32 minors = g[0] * sum + g[1] * kappa + g[2] * less, size = g[0] + g[1] + g[2];
            for (int t = 0; t < terms; t++) {
                const long at = (s * terms + t) * LANES;
                const block_f32 x = LOAD_BLOCK(along + at);
                if (kinds[t] == PK_AVERAGED_TENSOR) {
                    block_f32 u =
                        LOAD_BLOCK(across + at) + x * (g[0] * squares[0] + g[1] * squares[1] + g[2] * squares[2]);
                    u *= MINUS_LOG2E;
                    block_exp2(&u);
                    e += LOAD_BLOCK(weight + at) * u;
                    continue;
                }
                const block_f32 e1 = sum + x * size, e2 = product + x * minors, e3 = x * g[0] * product;
                block_f32 f, a;
                eigenvalues(&e1, &e2, &e3, root);
                integral(root, &f);
                a = (LOAD_BLOCK(across + at) + root[0]) * MINUS_LOG2E;
                block_exp2(&a);
                e += LOAD_BLOCK(weight + at) * a * f * scale;
            }
            STORE_BLOCK(out + d->place[i] * stride, e);
        }
}

/* One step of Jacobi's method that clears element (p, q) of a, symmetric, in each lane; v collects the rotations. */
BLOCK_INLINE void rotate(block_f64 (*a)[3], block_f64 (*v)[3], int p, int q) {
    const int r = 3 - p - q;
    const block_f64 off = a[p][q], apart = a[q][q] - a[p][p], size = off * off;
    /* t = tan of the angle, 0 where there is nothing to clear. */
    const block_f64 length = ROOT(apart * apart + 4.0 * size), sign = apart < 0.0 ? (block_f64)-1.0 : (block_f64)1.0;
    const block_f64 below = (apart * sign + length) * sign;
    const block_f64 t = size > 1e-60 ? 2.0 * off / below : 0.0, c = 1.0 / ROOT(t * t + 1.0), s = t * c;
    a[p][p] -= t * off;
    a[q][q] += t * off;
    a[p][q] = a[q][p] = 0;
    const block_f64 x = a[p][r], y = a[q][r];
    a[p][r] = a[r][p] = c * x - s * y;
    a[q][r] = a[r][q] = s * x + c * y;
    for (int k = 0; k < 3; k++) {
        const block_f64 m = v[k][p], n = v[k][q];
        v[k][p] = c * m - s * n;
        v[k][q] = s * m + c * n;
    }
}
BLOCK_INLINE void order(block_f64 (*a)[3], block_f64 (*v)[3], int p, int q) {
    const block_i64 is_wrong = a[p][p] > a[q][q];
    const block_f64 x = a[p][p], y = a[q][q];
    a[p][p] = is_wrong ? y : x;
    a[q][q] = is_wrong ? x : y;
    for (int k = 0; k < 3; k++) {
        const block_f64 m = v[k][p], n = v[k][q];
        v[k][p] = is_wrong ? n : m;
        v[k][q] = is_wrong ? m : n;
    }
}

/* ⟨n_i² n_j²⟩ and ⟨n_i²⟩ by the trapezoidal rule about e_1 and Gauss–Legendre along it: how averaged tensors change
   with κ and β. */
static void square_products(double kappa, double beta, double *squares, double (*products)[3]) {
    enum { ANGLES = 24, HALF = 16 };
    static const double place[HALF] = {
        0.0052995325041750, 0.0277124884633837, 0.0671843988060841, 0.1222977958224985, 0.1910618777986781,
        0.2709916111713863, 0.3591982246103705, 0.4524937450811813, 0.5475062549188188, 0.6408017753896295,
        0.7290083888286136, 0.8089381222013219, 0.8777022041775016, 0.9328156011939159, 0.9722875115366163,
        0.9947004674958250,
    };
    static const double share[HALF] = {
        0.0135762297058771, 0.0311267619693237, 0.0475792558412463, 0.0623144856277670, 0.0747979944082884,
        0.0845782596975013, 0.0913017075224618, 0.0947253052275343, 0.0947253052275343, 0.0913017075224618,
        0.0845782596975013, 0.0747979944082884, 0.0623144856277670, 0.0475792558412463, 0.0311267619693237,
        0.0135762297058771,
    };
    double total = 0;
    for (int i = 0; i < 3; i++) {
        squares[i] = 0;
        for (int j = 0; j < 3; j++) products[i][j] = 0;
    }
    for (int i = 0; i < 2 * HALF; i++)
        for (int k = 0; k < ANGLES; k++) {
            /* 16 nodes on either half of [0, 1]. */
            const double node = 0.5 * (place[i % HALF] + i / HALF),
                         c = cos((k + 0.5) * (1.5707963267948966 / ANGLES));
            const double t = node * node, n[3] = {t, (1 - t) * c * c, (1 - t) * (1 - c * c)};
            const double w = share[i % HALF] * exp(kappa * (n[0] - 1) + beta * n[1]);
            total += w;
            for (int p = 0; p < 3; p++) {
                squares[p] += w * n[p];
                for (int q = 0; q < 3; q++) products[p][q] += w * n[p] * n[q];
            }
        }
    for (int i = 0; i < 3; i++) {
        squares[i] /= total;
        for (int j = 0; j < 3; j++) products[i][j] /= total;
    }
}

/* Everything at 16 measurements of shell s: with the signal's own density of directions, ∝ exp(nᵀQn), come its
   derivatives by κ, ratio, x and g. */
PER_CPU void pk_bingham_gradient(const pk_form_design *d, long count, const double *concentration, const double *ratio,
                                 const float *frame, int terms, const pk_term_kind *kinds, const double *weight,
                                 const double *across, const double *along, float *attenuation, float *rows) {
    const long m = d->measurements, size = count + 1;
    const double kappa = concentration[0], beta = kappa * ratio[0];
    double squares[3] = {0}, products[3][3] = {{0}}, square_slopes[3][2];
    for (int t = 0; t < terms; t++)
        if (kinds[t] == PK_AVERAGED_TENSOR) {
            square_products(kappa, beta, squares, products);
            break;
        }
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) square_slopes[i][k] = products[i][k] - squares[i] * squares[k];
    const block_f32 none = 0;
    block_f32 whole, root[3] = {none, none + (float)(kappa - beta), none + (float)kappa};
    integral(root, &whole);
    /* ⟨n_i²⟩ as the signals' own are found, so that in their difference the approximation's errors go */
    block_f32 bare[3];
    moments(root, &whole, bare);
    for (long s = 0; s < d->shells; s++)
        for (long i = d->start[s]; i < d->start[s + 1]; i += LANES) {
            const long here = d->start[s + 1] - i < LANES ? d->start[s + 1] - i : LANES;
            float room[3][LANES];
            take(d->gx + i, here, room[0]);
            take(d->gy + i, here, room[1]);
            take(d->gz + i, here, room[2]);
            block_f32 g[3], total = 0, slope[PK_MOST_COORDINATES] = {0}, turn[3] = {0, 0, 0};
            for (int k = 0; k < 3; k++)
                g[k] = LOAD_BLOCK(room[0]) * frame[3 * k] + LOAD_BLOCK(room[1]) * frame[3 * k + 1] +
                       LOAD_BLOCK(room[2]) * frame[3 * k + 2];
            for (int t = 0; t < terms; t++) {
                const double *w = weight + (s * terms + t) * size, *p = across + (s * terms + t) * size,
                             *x = along + (s * terms + t) * size;
                block_f32 e, by_x = 0, by_kappa = 0, by_beta = 0, by_g[3];
                if (kinds[t] == PK_AVERAGED_TENSOR) {
                    for (int k = 0; k < 3; k++) {
                        const block_f32 square = g[k] * g[k];
                        by_x -= (float)squares[k] * square;
                        by_kappa -= (float)(x[0] * square_slopes[k][0]) * square;
                        by_beta -= (float)(x[0] * square_slopes[k][1]) * square;
                        by_g[k] = (float)(-2 * x[0] * squares[k]) * g[k];
                    }
                    e = ((float)p[0] - (float)x[0] * by_x) * MINUS_LOG2E;
                    block_exp2(&e);
                } else {
                    block_f64 a[3][3], v[3][3];
                    for (int k = 0; k < 3; k++)
                        for (int h = 0; h < 3; h++) {
                            a[k][h] = __builtin_convertvector(g[k] * g[h], block_f64) * x[0];
                            v[k][h] = k == h;
                        }
                    a[1][1] += kappa - beta;
                    a[2][2] += kappa;
                    /* What three sweeps leave beside the diagonal is 2e-10 of the largest. */
                    for (int sweep = 0; sweep < 3; sweep++) {
                        rotate(a, v, 0, 1);
                        rotate(a, v, 0, 2);
                        rotate(a, v, 1, 2);
                    }
                    order(a, v, 0, 1);
                    order(a, v, 1, 2);
                    order(a, v, 0, 1);
                    block_f32 f, share[3], along_g[3], own[3];
                    for (int k = 0; k < 3; k++) root[k] = NARROW(a[k][k]);
                    integral(root, &f);
                    moments(root, &f, share);
                    e = ((float)p[0] + root[0]) * MINUS_LOG2E;
                    block_exp2(&e);
                    e *= f / whole;
                    /* T = Σ share_k v_k v_kᵀ: of it T_11, T_22 and T g. */
                    for (int k = 0; k < 3; k++)
                        along_g[k] =
                            share[k] * (NARROW(v[0][k]) * g[0] + NARROW(v[1][k]) * g[1] + NARROW(v[2][k]) * g[2]);
                    for (int h = 0; h < 3; h++) {
                        own[h] = 0;
                        by_g[h] = 0;
                        for (int k = 0; k < 3; k++) {
                            const block_f32 n = NARROW(v[h][k]);
                            own[h] += share[k] * n * n;
                            by_g[h] += n * along_g[k];
                        }
                        by_x -= by_g[h] * g[h];
                        by_g[h] *= (float)(-2 * x[0]);
                    }
                    by_kappa = own[0] - bare[0];
                    by_beta = own[1] - bare[1];
                }
                const block_f32 we = e * (float)w[0];
                total += we;
                for (long k = 0; k < count; k++) {
                    const double kappa_slope = concentration[k + 1],
                                 beta_slope = kappa_slope * ratio[0] + kappa * ratio[k + 1];
                    slope[k] +=
                        e * (float)w[k + 1] + we * (by_x * (float)x[k + 1] - (float)p[k + 1] +
                                                    by_kappa * (float)kappa_slope + by_beta * (float)beta_slope);
                }
                /* Turning the frame by ω turns g by −ω in it. */
                turn[0] += we * (by_g[1] * g[2] - by_g[2] * g[1]);
                turn[1] += we * (by_g[2] * g[0] - by_g[0] * g[2]);
                turn[2] += we * (by_g[0] * g[1] - by_g[1] * g[0]);
            }
            for (long j = 0; j < here; j++) {
                const long at = d->place[i + j];
                attenuation[at] = total[j];
                for (long k = 0; k < count; k++) rows[k * m + at] = slope[k][j];
                for (long k = 0; k < 3; k++) rows[(count + k) * m + at] = turn[k][j];
            }
        }
}
