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
enum { MOMENTS = PK_WATSON_MOMENTS, COLUMNS = (PK_MOST_COORDINATES + 8) / 8 * 8 };

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

/* ⟨t² P_l⟩ from ⟨P_l⟩. */
static void with_square(const double *moments, double *out) {
    out[0] = up[0] * moments[1] + level[0] * moments[0];
    for (int j = 1; j < TERMS; j++)
        out[j] = up[j] * moments[j + 1] + level[j] * moments[j] + down[j] * moments[j - 1];
}

void pk_watson_moment_row(double concentration, double *moments) {
    double total, power = 1;
    scalar_miller(concentration, RECURRENCE_STEPS, 0, moments, &total);
    const double scale = 1 / moments[0];
    for (int j = 0; j < MOMENTS; j++, power *= concentration) moments[j] *= power * scale;
}

PER_CPU void pk_zonal_coefficient_gradient(long count, const double *f, const double *concentration, int terms,
                                           const pk_term_kind *kinds, const double *weight, const double *across,
                                           const double *along, float *coefficients) {
    const long columns = (count + 8) / 8 * 8;
    double k[MOMENTS], s[MOMENTS], f_squared[TERMS], k_squared[TERMS], total, a[TERMS][COLUMNS] = {{0}};
    with_square(f, f_squared);
    const double square = (1 + 2 * f[1]) / 3, f2_slope = f_squared[1] - square * f[1];
    for (int t = 0; t < terms; t++) {
        const double *w = weight + t * (count + 1);
        double p[COLUMNS], x[COLUMNS], own[COLUMNS] = {0}, by_along[COLUMNS] = {0}, by_moments[COLUMNS] = {0};
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
        scalar_miller(-x[0], x[0] < 0 ? RECURRENCE_STEPS : FEW_STEPS, x[0] < 0 ? 0 : legendre_at_zero, s, &total);
        double power = exp(x[0] < 0 ? -(p[0] + x[0]) : -p[0]) / total;
        for (int j = 0; j < MOMENTS; j++, power *= -x[0]) k[j] = power * s[j];
        with_square(k, k_squared);
        /* By each coordinate: through weight and across, through along, through the moments. */
        own[0] = w[0];
        for (long c = 1; c <= count; c++) {
            own[c] = w[c] - w[0] * p[c];
            by_along[c] = -w[0] * x[c];
            by_moments[c] = is_averaged ? 0 : w[0] * concentration[c];
        }
        for (int j = 0; j < TERMS; j++) {
            const double moment = (4 * j + 1) * (is_averaged ? 1 : f[j]), first = k[j] * moment,
                         second = k_squared[j] * moment, third = (4 * j + 1) * k[j] * (f_squared[j] - square * f[j]);
            for (long c = 0; c < columns; c++) a[j][c] += first * own[c] + second * by_along[c] + third * by_moments[c];
        }
    }
    double sum[TERMS][COLUMNS] = {{0}};
    const double *row = legendre_powers;
    for (int j = 0; j < TERMS; row += ++j)
        for (int i = 0; i <= j; i++)
            for (long c = 0; c < columns; c++) sum[i][c] += a[j][c] * row[i];
    for (long c = 0; c <= count; c++)
        for (int j = 0; j < TERMS; j++) coefficients[c * TERMS + j] = (float)sum[j][c];
}
