/* Coefficients of signals dispersed by Watson's distribution (forms.h).

   exp(−x (g·n)²) = Σ_l (2l+1) k_l(x) P_l(g·n), l even, so that its average over n is Σ_l (2l+1) f_l k_l(x) P_l(c), f_l
   = ⟨P_l(n·μ)⟩. Both are ratios of the same integrals, R_l(κ) = ∫₀¹ e^(κt²) P_l dt / ∫₀¹ e^(κt²) dt: f_l = R_l(κ),
   k_l(x) = k_0(x) R_l(−x).

   R_l is the solution that dies away with l of a recurrence in three terms: it is stable from above, whatever κ's sign
   (Miller), here of S_l = R_l/κ^(l/2), which has no singularity at κ = 0. k_0 follows from the sum of the whole series,
   which at c = 0 is 1 and has no negative terms for x ≥ 0; for x < 0 that is so at c = 1, where it is e^(−x). No
   integral and no error function is needed. */
#include "form_lanes.h"
#include <math.h>
#include "watson_tables.h"

enum { TERMS = PK_ZONAL_TERMS, FEW_STEPS = 30 };

/* S_l up to a common factor, l = 0, 2 … 32; total = Σ_l (2l+1) weight_l |κ|^(l/2) S_l over all l. 30 steps are enough
   for κ ≤ 0, 80 for κ ≤ 64. */
BLOCK_INLINE void miller(const block_f64 *kappa, int steps, const double *weights, block_f64 *s, block_f64 *total) {
    const block_f64 k = *kappa, square = k * k, size = k < 0.0 ? -k : k;
    block_f64 above = 0, here = 1e-150, sum = 0;
    for (int j = steps; j > 0; j--) {
        if (j < TERMS) s[j] = here;
        sum = sum * size + here * ((4 * j + 1) * (weights ? weights[j] : 1.0));
        const double *r = recurrence + 3 * (j - 1);
        const block_f64 below = (k * r[1] + r[0]) * here + (square * r[2]) * above;
        above = here;
        here = below;
    }
    s[0] = here;
    *total = sum * size + here;
}

PER_CPU void pk_watson_moments(const float *concentration, double *moments) {
    const block_f64 k = WIDE(concentration);
    block_f64 s[TERMS], total, power = 1;
    miller(&k, RECURRENCE_STEPS, 0, s, &total);
    const block_f64 scale = 1.0 / s[0];
    for (int j = 0; j < TERMS; j++) {
        const block_f64 f = power * (s[j] * scale);
        memcpy(moments + j * LANES, &f, sizeof f);
        power *= k;
    }
}

/* e^(−p) k_l(x), l = 0, 2 … 32. */
BLOCK_INLINE void kernel_moments(const block_f64 *across, const block_f64 *along, block_f64 *out) {
    const block_f64 x = *along, minus = -x, exponent = x < 0.0 ? -(*across + x) : -*across;
    const block_i64 is_negative = x < 0.0;
    block_f64 total, scale = exponent, power = 1;
    block_exp_f64(&scale);
    miller(&minus, FEW_STEPS, legendre_at_zero, out, &total);
    if (__builtin_reduce_or(is_negative)) {
        block_f64 s[TERMS], sum;
        miller(&minus, RECURRENCE_STEPS, 0, s, &sum);
        total = is_negative ? sum : total;
        for (int j = 0; j < TERMS; j++) out[j] = is_negative ? s[j] : out[j];
    }
    scale /= total;
    for (int j = 0; j < TERMS; j++) {
        out[j] *= scale * power;
        power *= minus;
    }
}

PER_CPU int pk_zonal_coefficients(const double *moments, int terms, const pk_term_kind *kinds, const float *weight,
                                  const float *across, const float *along, float *coefficients) {
    block_f64 a[TERMS], k[TERMS], f;
    for (int j = 0; j < TERMS; j++) a[j] = 0;
    for (int t = 0; t < terms; t++) {
        block_f64 w = WIDE(weight + t * LANES), p = WIDE(across + t * LANES), x = WIDE(along + t * LANES);
        const int is_averaged = kinds[t] == PK_AVERAGED_TENSOR;
        if (is_averaged) {
            /* ⟨(g·n)²⟩ = (1 − f_2)/3 + f_2 c². */
            memcpy(&f, moments + LANES, sizeof f);
            p += x * (1.0 - f) * (1.0 / 3);
            x *= f;
        }
        kernel_moments(&p, &x, k);
        for (int j = 0; j < TERMS; j++) {
            const block_f64 wk = w * k[j] * (double)(4 * j + 1);
            if (!is_averaged) memcpy(&f, moments + j * LANES, sizeof f);
            a[j] += is_averaged ? wk : wk * f;
        }
    }
    /* Each lane ends where the rest of its own series no longer matters. */
    block_f64 rest = 0;
    int used = 1;
    for (int j = TERMS - 1; j > 0; j--) {
        rest += a[j] < 0.0 ? -a[j] : a[j];
        const block_i64 matters = rest > 2e-7;
        a[j] = matters ? a[j] : 0.0;
        if (used == 1 && __builtin_reduce_or(matters)) used = j + 1;
    }
    const double *row = legendre_powers;
    block_f64 c[TERMS];
    for (int j = 0; j < TERMS; j++) c[j] = 0;
    for (int j = 0; j < used; j++) {
        for (int i = 0; i <= j; i++) c[i] += a[j] * row[i];
        row += j + 1;
    }
    for (int j = 0; j < TERMS; j++) STORE_BLOCK(coefficients + j * LANES, NARROW(c[j]));
    return used;
}

/* cot(y) with y = π/2 · dispersion, by sines and cosines of half its distance to π/4: cot y = (cos u − sin u)/(cos u +
   sin u), u = y − π/4. */
PER_CPU void pk_concentrations(const float *dispersion, float *out) {
    const block_f64 u = (WIDE(dispersion) - 0.5) * 1.5707963267948966, v = u * u;
    block_f64 c = v * (1.0 / 479001600) - 1.0 / 3628800, s = v * (-1.0 / 39916800) + 1.0 / 362880;
    c = c * v + 1.0 / 40320;  s = s * v - 1.0 / 5040;
    c = c * v - 1.0 / 720;    s = s * v + 1.0 / 120;
    c = c * v + 1.0 / 24;     s = s * v - 1.0 / 6;
    c = c * v - 0.5;          s = s * v + 1.0;
    c = c * v + 1.0;          s = s * u;
    const block_f64 k = (c - s) / (c + s);
    STORE_BLOCK(out, NARROW(k));
}

/* The same for one θ, in double, with derivatives: t² P_l = up_l P_(l+2) + level_l P_l + down_l P_(l−2) gives those of
   the moments. */
enum { MOMENTS = TERMS + 1, BOUND = PK_MOST_COORDINATES };

static void scalar_miller(double kappa, const double *weights, double *s, double *total) {
    double above = 0, here = 1e-150, sum = 0;
    for (int j = RECURRENCE_STEPS; j > 0; j--) {
        const double *r = recurrence + 3 * (j - 1), weight = !weights ? 1 : j <= FEW_STEPS ? weights[j] : 0;
        const double below = (kappa * r[1] + r[0]) * here + kappa * kappa * r[2] * above;
        if (j < MOMENTS) s[j] = here;
        sum = sum * (kappa < 0 ? -kappa : kappa) + here * (4 * j + 1) * weight;
        above = here;
        here = below;
    }
    s[0] = here;
    *total = sum * (kappa < 0 ? -kappa : kappa) + here;
}

/* ⟨t² P_l⟩ from ⟨P_l⟩. */
static double with_square(const double *moments, int j) {
    const double l = 2 * j, up = (l + 1) * (l + 2) / ((2 * l + 1) * (2 * l + 3)),
                 level = (2 * l * l + 2 * l - 1) / ((2 * l - 1) * (2 * l + 3));
    return up * moments[j + 1] + level * moments[j] +
           (j > 0 ? l * (l - 1) / ((2 * l - 1) * (2 * l + 1)) * moments[j - 1] : 0);
}

void pk_zonal_coefficient_gradient(long count, const double *concentration, int terms, const pk_term_kind *kinds,
                                   const double *weight, const double *across, const double *along,
                                   float *coefficients) {
    double f[MOMENTS], k[MOMENTS], s[MOMENTS], total, power = 1, a[BOUND + 1][TERMS] = {{0}};
    const double kappa = concentration[0];
    scalar_miller(kappa, 0, s, &total);
    for (int j = 0; j < MOMENTS; j++, power *= kappa) f[j] = power * s[j] / s[0];
    const double square = (1 + 2 * f[1]) / 3, f2_slope = with_square(f, 1) - square * f[1];
    for (int t = 0; t < terms; t++) {
        const double *w = weight + t * (count + 1);
        double p[BOUND + 1], x[BOUND + 1];
        const int is_averaged = kinds[t] == PK_AVERAGED_TENSOR;
        for (long c = 0; c <= count; c++) {
            p[c] = across[t * (count + 1) + c];
            x[c] = along[t * (count + 1) + c];
        }
        if (is_averaged) {
            for (long c = count; c >= 0; c--) {
                const double slope = c > 0 ? x[0] * f2_slope * concentration[c] : 0;
                p[c] += x[c] * (1 - f[1]) / 3 - slope / 3;
                x[c] = x[c] * f[1] + slope;
            }
        }
        scalar_miller(-x[0], x[0] < 0 ? 0 : legendre_at_zero, s, &total);
        const double scale = exp(x[0] < 0 ? -(p[0] + x[0]) : -p[0]) / total;
        power = 1;
        for (int j = 0; j < MOMENTS; j++, power *= -x[0]) k[j] = scale * power * s[j];
        for (int j = 0; j < TERMS; j++) {
            const double own = is_averaged ? 1 : f[j], own_slope = is_averaged ? 0 : with_square(f, j) - square * f[j];
            a[0][j] += (4 * j + 1) * w[0] * k[j] * own;
            for (long c = 1; c <= count; c++)
                a[c][j] += (4 * j + 1) * ((w[c] - w[0] * p[c]) * k[j] * own - w[0] * x[c] * with_square(k, j) * own
                                          + w[0] * k[j] * own_slope * concentration[c]);
        }
    }
    for (long c = 0; c <= count; c++) {
        double sum[TERMS] = {0};
        const double *row = legendre_powers;
        for (int j = 0; j < TERMS; row += ++j)
            for (int i = 0; i <= j; i++) sum[i] += a[c][j] * row[i];
        for (int j = 0; j < TERMS; j++) coefficients[c * TERMS + j] = (float)sum[j];
    }
}
