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

enum { TERMS = PK_ZONAL_TERMS };

/* How many k_l(x), 0 ≤ x, are not negligible: all others together are below 1e-8. That many steps and two leave those
   with an error below 1e-11. */
#define NEEDED(at_most) \
    (at_most(0.0) ? 1 : at_most(0.5) ? 8 : at_most(1.5) ? 10 : at_most(3.0) ? 12 : at_most(6.0) ? 15 : TERMS)
/* Steps that leave them so for every x, and R_l(κ) for κ ≤ 64. */
enum { FEW_STEPS = 30 };
static int steps_for(double size) { return size < 200.0 ? 20 + (int)(0.3 * size) : RECURRENCE_STEPS; }

/* S_l up to a common factor, l = 0, 2 … 32; total = Σ_l (2l+1) weight_l |κ|^(l/2) S_l over all l. */
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

/* The largest |κ|; one that is no number counts as none. */
BLOCK_INLINE double largest(const block_f64 *kappa) {
    const block_f64 k = *kappa < 0.0 ? -*kappa : *kappa;
    return __builtin_reduce_max(k > 0.0 ? k : (block_f64)0.0);
}

PER_CPU void pk_watson_moments(const float *concentration, double *moments) {
    const block_f64 k = WIDE(concentration);
    block_f64 s[TERMS], total, power = 1;
    miller(&k, steps_for(largest(&k)), 0, s, &total);
    const block_f64 scale = 1.0 / s[0];
    for (int j = 0; j < TERMS; j++) {
        const block_f64 f = power * (s[j] * scale);
        memcpy(moments + j * LANES, &f, sizeof f);
        power *= k;
    }
}

/* e^(−p) k_l(x), l = 0, 2 …; returns how many of them are not negligible. */
BLOCK_INLINE int kernel_moments(const block_f64 *across, const block_f64 *along, block_f64 *out) {
    const block_f64 x = *along, minus = -x, exponent = x < 0.0 ? -(*across + x) : -*across;
    const block_i64 is_negative = x < 0.0;
    const int has_negative = __builtin_reduce_or(is_negative) != 0;
#define ALL(bound) !__builtin_reduce_or(~(x <= bound))
    const int needed = has_negative ? TERMS : NEEDED(ALL);
#undef ALL
    block_f64 total, scale = exponent, power = 1;
    block_exp_f64(&scale);
    miller(&minus, needed < TERMS ? needed + 2 : FEW_STEPS, legendre_at_zero, out, &total);
    if (has_negative) {
        block_f64 s[TERMS], sum;
        miller(&minus, steps_for(largest(&minus)), 0, s, &sum);
        total = is_negative ? sum : total;
        for (int j = 0; j < TERMS; j++) out[j] = is_negative ? s[j] : out[j];
    }
    scale /= total;
    for (int j = 0; j < needed; j++) {
        out[j] *= scale * power;
        power *= minus;
    }
    return needed;
}

PER_CPU int pk_zonal_coefficients(const double *moments, int terms, const pk_term_kind *kinds, const float *weight,
                                  const float *across, const float *along, float *coefficients) {
    block_f64 a[TERMS], k[TERMS], f;
    int most = 1;
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
        const int needed = kernel_moments(&p, &x, k);
        most = needed > most ? needed : most;
        for (int j = 0; j < needed; j++) {
            const block_f64 wk = w * k[j] * (double)(4 * j + 1);
            if (!is_averaged) memcpy(&f, moments + j * LANES, sizeof f);
            a[j] += is_averaged ? wk : wk * f;
        }
    }
    /* Each lane ends where the rest of its own series no longer matters. */
    block_f64 rest = 0;
    int used = 1;
    for (int j = most - 1; j > 0; j--) {
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
enum { MOMENTS = PK_WATSON_MOMENTS, WIDTH = 8, MOST_BLOCKS = (PK_MOST_COORDINATES + WIDTH) / WIDTH };
typedef double columns __attribute__((ext_vector_type(WIDTH), aligned(8)));

#define L(j) (2.0 * (j))
#define EVERY(f) \
    { f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15), f(16) }
#define UP(j) ((L(j) + 1) * (L(j) + 2) / ((2 * L(j) + 1) * (2 * L(j) + 3)))
#define LEVEL(j) ((2 * L(j) * L(j) + 2 * L(j) - 1) / ((2 * L(j) - 1) * (2 * L(j) + 3)))
#define DOWN(j) (L(j) * (L(j) - 1) / ((2 * L(j) + 1) * (2 * L(j) - 1)))
static const double up[TERMS] = EVERY(UP), level[TERMS] = EVERY(LEVEL), down[TERMS] = EVERY(DOWN);
_Static_assert(TERMS == 17, "EVERY lists the degrees");

/* total: as miller's, times the weight of each degree (NULL: 1). */
static void scalar_miller(double kappa, int steps, const double *weights, double *s, double *total) {
    const double square = kappa * kappa, size = kappa < 0 ? -kappa : kappa;
    double above = 0, here = 1e-150, sum = 0;
    for (int j = steps; j > 0; j--) {
        const double *r = recurrence + 3 * (j - 1);
        const double below = (kappa * r[1] + r[0]) * here + square * r[2] * above;
        if (j < MOMENTS) s[j] = here;
        sum = sum * size + here * (4 * j + 1) * (weights ? weights[j] : 1);
        above = here;
        here = below;
    }
    s[0] = here;
    *total = sum * size + here;
}

/* ⟨t² P_l⟩ from ⟨P_l⟩, `count` of them from one more. */
static void with_square(const double *moments, int count, double *out) {
    out[0] = up[0] * moments[1] + level[0] * moments[0];
    for (int j = 1; j < count; j++)
        out[j] = up[j] * moments[j + 1] + level[j] * moments[j] + down[j] * moments[j - 1];
}

void pk_watson_moment_row(double concentration, double *moments) {
    double total, power = 1;
    scalar_miller(concentration, steps_for(fabs(concentration)), 0, moments, &total);
    const double scale = 1 / moments[0];
    for (int j = 0; j < MOMENTS; j++, power *= concentration) moments[j] *= power * scale;
}

PER_CPU void pk_zonal_coefficient_gradient(long count, const double *f, const double *concentration, int terms,
                                           const pk_term_kind *kinds, const double *weight, const double *across,
                                           const double *along, float *coefficients) {
    /* Columns: the value, then the derivative by each coordinate; WIDTH at a time. */
    const long blocks = (count + WIDTH) / WIDTH;
    double k[MOMENTS], s[MOMENTS], f_squared[TERMS], k_squared[TERMS], total;
    columns a[MOST_BLOCKS][TERMS];
    int most = 1;
    for (long b = 0; b < blocks; b++)
        for (int j = 0; j < TERMS; j++) a[b][j] = 0;
    with_square(f, TERMS, f_squared);
    const double square = (1 + 2 * f[1]) / 3, f2_slope = f_squared[1] - square * f[1];
    for (int t = 0; t < terms; t++) {
        const double *w = weight + t * (count + 1);
        double p[MOST_BLOCKS * WIDTH] = {0}, x[MOST_BLOCKS * WIDTH] = {0};
        columns own[MOST_BLOCKS], by_along[MOST_BLOCKS], by_moments[MOST_BLOCKS];
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
        /* At x = 0 the derivatives by it still have terms. */
        double by_any = 0;
        for (long c = 1; c <= count; c++) by_any += fabs(x[c]);
#define THIS(bound) (x[0] <= bound && (bound > 0 || by_any == 0))
        const int needed = x[0] < 0 ? TERMS : NEEDED(THIS);
#undef THIS
        if (x[0] < 0) scalar_miller(-x[0], steps_for(-x[0]), 0, s, &total);
        else scalar_miller(-x[0], needed < TERMS ? needed + 2 : FEW_STEPS, legendre_at_zero, s, &total);
        double power = exp(x[0] < 0 ? -(p[0] + x[0]) : -p[0]) / total;
        for (int j = 0; j <= needed; j++, power *= -x[0]) k[j] = power * s[j];
        with_square(k, needed, k_squared);
        most = needed > most ? needed : most;
        /* By each coordinate: through weight and across, through along, through the moments. */
        for (long c = 0; c < blocks * WIDTH; c++) {
            const int is_there = c <= count;
            own[c / WIDTH][c % WIDTH] = c == 0 ? w[0] : is_there ? w[c] - w[0] * p[c] : 0;
            by_along[c / WIDTH][c % WIDTH] = c == 0 ? 0 : -w[0] * x[c];
            by_moments[c / WIDTH][c % WIDTH] = c == 0 || is_averaged || !is_there ? 0 : w[0] * concentration[c];
        }
        for (int j = 0; j < needed; j++) {
            const double moment = (4 * j + 1) * (is_averaged ? 1 : f[j]), first = k[j] * moment,
                         second = k_squared[j] * moment, third = (4 * j + 1) * k[j] * (f_squared[j] - square * f[j]);
            for (long b = 0; b < blocks; b++)
                a[b][j] += first * own[b] + second * by_along[b] + third * by_moments[b];
        }
    }
    for (long b = 0; b < blocks; b++) {
        /* |s| ≤ 1 and |P_l| ≤ 1: from where on none of the columns' terms matters. */
        int used = most;
        for (double rest = 0; used > 1; used--) {
            const columns last = a[b][used - 1] < 0.0 ? -a[b][used - 1] : a[b][used - 1];
            rest += __builtin_reduce_max(last);
            if (rest > 1e-8) break;
        }
        for (int i = 0; i < TERMS; i++) {
            columns sum = 0;
            for (int j = i; j < used; j++) sum += a[b][j] * legendre_powers[j * (j + 1) / 2 + i];
            for (long c = b * WIDTH; c < (b + 1) * WIDTH && c <= count; c++)
                coefficients[c * TERMS + i] = (float)sum[c - b * WIDTH];
        }
    }
}
