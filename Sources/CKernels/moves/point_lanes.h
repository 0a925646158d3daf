/* Likelihoods of 16 points at once for their moves (point_moves.h). */
#pragma once
#include "../include/point_moves.h"
#include "../math/truncated_normal.h"
#include "../math/rician_block.h"

enum { LANES = LANES_IN_BLOCK, PART = 32 };
typedef float lanes_f32[LANES];
typedef double lanes_f64[LANES];
typedef int32_t lanes_i32[LANES];

/* Attenuations of a proposal: all of one array, but for the component `own` (W: none), which is at its place in
   another. */
typedef struct {
    const float *e, *other;
    long own;
} point_attenuations;

/* What the data say of 16 points: Σ (y − S)², Σ log₂ (e^−x I₀(x))² with x = yS/σ², Σ yS, Σ S². */
typedef struct {
    lanes_f64 squares, logs, product, signal;
} point_sums;

/* The measurements from … end. u: weights, that of the component kept apart 0; its own is `weight`. */
INLINE void sums_part(const pk_points *p, long w, int rician, int windowed, long from, long end,
                      const point_attenuations *a, const block_f32 *u, const block_f32 *weight,
                      const block_f32 *inverse, block_f32 *squares, long_product *bessel, block_f32 *product,
                      block_f32 *signal) {
    block_f32 rss = 0, ys = 0, ss = 0;
    long_product b = {1, 1, 0};
    const long own = a->own < w ? a->own : 0;
    _Pragma("clang loop unroll(disable)") for (long i = from; i < end; i++) {
        const float *row = a->e + i * w * LANES;
        block_f32 s = *weight * LOAD_BLOCK(a->other + (i * w + own) * LANES);
        for (long k = 0; k < w; k++) s += u[k] * LOAD_BLOCK(row + k * LANES);
        const float y = p->y[i];
        if (rician) s = __builtin_elementwise_abs(s);
        const block_f32 r = y - s;
        rss += r * r;
        if (windowed) {
            ys += y * s;
            ss += s * s;
        }
        if (rician) {
            block_f32 x = (*inverse * y) * (s * *inverse);
            block_squared_bessel(&x);
            b.last *= x;
            if ((i & 3) == 3) fold(&b);
        }
    }
    fold(&b);
    *squares = rss;
    *product = ys;
    *signal = ss;
    *bessel = b;
}

#define SUMS_AS(n, rician, windowed)                                                                                   \
    sums_part(p, n, rician, windowed, from, end, a, u, &weight, &root, &part[0], &bessel, &part[1], &part[2])
#define SUMS_OF(n)                                                                                                     \
    do {                                                                                                               \
        if (p->rician && p->windowed)                                                                                  \
            SUMS_AS(n, 1, 1);                                                                                          \
        else if (p->rician)                                                                                            \
            SUMS_AS(n, 1, 0);                                                                                          \
        else if (p->windowed)                                                                                          \
            SUMS_AS(n, 0, 1);                                                                                          \
        else                                                                                                           \
            SUMS_AS(n, 0, 0);                                                                                          \
    } while (0)

/* v: rows of the W weights v_k; inverse: 1/σ. */
INLINE void sums_of(const pk_points *p, const point_attenuations *a, const lanes_f32 *v, const float *inverse,
                    point_sums *out) {
    block_f32 u[PK_POINT_COMPONENTS], weight = 0;
    const block_f32 root = LOAD_BLOCK(inverse);
    for (long k = 0; k < p->components; k++) u[k] = LOAD_BLOCK(v[k]);
    if (a->own < p->components) {
        weight = u[a->own];
        u[a->own] = 0;
    }
    EACH(i) out->squares[i] = out->logs[i] = out->product[i] = out->signal[i] = 0;
    for (long from = 0; from < p->measurements; from += PART) {
        const long end = from + PART < p->measurements ? from + PART : p->measurements;
        block_f32 part[3];
        long_product bessel;
        switch (p->components) {
        case 1: SUMS_OF(1); break;
        case 2: SUMS_OF(2); break;
        case 3: SUMS_OF(3); break;
        case 4: SUMS_OF(4); break;
        case 5: SUMS_OF(5); break;
        default: SUMS_OF(p->components);
        }
        lanes_f32 values;
        STORE_BLOCK(values, part[0]);
        EACH(i) out->squares[i] += (double)values[i];
        if (p->windowed) {
            STORE_BLOCK(values, part[1]);
            EACH(i) out->product[i] += (double)values[i];
            STORE_BLOCK(values, part[2]);
            EACH(i) out->signal[i] += (double)values[i];
        }
        if (!p->rician) continue;
        block_log2(&bessel.mantissa);
        STORE_BLOCK(values, bessel.mantissa);
        lanes_i32 exponent;
        memcpy(exponent, &bessel.exponent, sizeof exponent);
        EACH(i) out->logs[i] += (double)values[i] + (double)exponent[i];
    }
}

/* v_k of the rows x, those of a and b (≥ 0) exchanged. */
INLINE void signal_weights(const pk_points *p, const lanes_f32 *x, long a, long b, lanes_f32 *v) {
    lanes_f32 scale;
    EACH(i) scale[i] = p->has_scale ? fast_exp(x[PK_POINT_SCALE][i]) : 1.0f;
    for (long k = 0; k < p->components; k++) {
        const long from = k == a ? b : k == b ? a : k;
        EACH(i) v[k][i] = scale[i] * x[PK_POINT_WEIGHT + from][i];
    }
}

/* Centre less log s0, and width, of the window (pk_points_window) from Σ yS, Σ S²: ŝ = s0 Σ yS / Σ S², its variance
   from the noise by least squares, and something for a likelihood that is not Gaussian.  Both depend on all but s0,
   with σ known, or else s0/σ, given. */
INLINE void window_of(const pk_points *p, const lanes_f32 *x, const point_sums *s, double *shift, double *width) {
    EACH(i) {
        const double signal = s->signal[i] > 1e-300 ? s->signal[i] : 1e-300, least = 0.1 * ROOT(signal * p->squares);
        const double product = s->product[i] > least ? s->product[i] : least,
                     ratio = product / signal > 1e-30 ? product / signal : 1e-30;
        shift[i] = (double)fast_log((float)ratio);
        /* σ relative to the signal's scale: s0, or where σ is known ŝ. */
        const double r = (double)fast_exp(x[PK_POINT_SIGMA][i]) / (p->knows_noise ? ratio : 1.0);
        const double relative = (double)fast_exp(x[PK_POINT_SIGMA][i] - x[PK_POINT_SCALE][i]) /
                                (p->knows_noise ? ratio : 1.0);
        width[i] = ROOT(4.0 * r * r / signal + 0.25 * relative * relative + 4e-4);
    }
}

/* Columns of component k, of which one may be kept apart. */
INLINE const float *column(const point_attenuations *a, long k) { return (a->own == k ? a->other : a->e) + k * LANES; }

/* With A = EᵀE/σ² + diag(1/sd²) = L Lᵀ and b = Eᵀy/σ²: L (packed rows) and L⁻¹b of 16 points, and log N(y; 0, σ²I + Σ
   sd² E Eᵀ). */
#define PACKED(j, k) ((j) * ((j) + 1) / 2 + (k))
typedef double block_f64 __attribute__((ext_vector_type(16)));
INLINE void collapse(const pk_points *p, const point_attenuations *a, const lanes_f32 *x, lanes_f64 *factor,
                     lanes_f64 *solved, double *logs) {
    const long w = p->components;
    lanes_f64 precision;
    EACH(i) precision[i] = (double)fast_exp(-2.0f * x[PK_POINT_SIGMA][i]);
    for (long j = 0; j < w; j++) {
        const float *own = column(a, j);
        for (long k = 0; k <= j; k++) {
            const float *other = column(a, k);
            block_f64 sum = 0, data = 0;
            for (long i = 0; i < p->measurements; i++) {
                const block_f64 e = __builtin_convertvector(LOAD_BLOCK(own + i * w * LANES), block_f64);
                sum += e * __builtin_convertvector(LOAD_BLOCK(other + i * w * LANES), block_f64);
                if (k == j) data += e * (double)p->y[i];
            }
            EACH(i) factor[PACKED(j, k)][i] = sum[i] * precision[i];
            if (k == j) {
                const double ridge = 1.0 / ((double)p->bound[j] * (double)p->bound[j]);
                EACH(i) factor[PACKED(j, j)][i] += ridge;
                EACH(i) solved[j][i] = data[i] * precision[i];
            }
        }
    }
    double constant = -0.91893853320467274178 * (double)p->measurements;
    for (long j = 0; j < w; j++) constant -= log((double)p->bound[j]);
    EACH(i)
    logs[i] = constant - (double)p->measurements * (double)x[PK_POINT_SIGMA][i] - 0.5 * p->squares * precision[i];
    for (long j = 0; j < w; j++) {
        for (long k = 0; k < j; k++) {
            for (long q = 0; q < k; q++)
                EACH(i) factor[PACKED(j, k)][i] -= factor[PACKED(j, q)][i] * factor[PACKED(k, q)][i];
            EACH(i) factor[PACKED(j, k)][i] /= factor[PACKED(k, k)][i];
            EACH(i) factor[PACKED(j, j)][i] -= factor[PACKED(j, k)][i] * factor[PACKED(j, k)][i];
            EACH(i) solved[j][i] -= factor[PACKED(j, k)][i] * solved[k][i];
        }
        for (int i = 0; i < LANES; i++) {
            const double root = sqrt(factor[PACKED(j, j)][i]);
            factor[PACKED(j, j)][i] = root;
            solved[j][i] /= root;
            logs[i] += 0.5 * solved[j][i] * solved[j][i] - log(root);
        }
    }
}

/* log L and, windowed, log q of the rows x; weights of a and b (≥ 0) exchanged. */
INLINE void densities(const pk_points *p, const point_attenuations *attenuations, const lanes_f32 *x, long a, long b,
                      double *likelihood, double *window) {
    EACH(i) window[i] = 0;
    if (p->collapsed) {
        lanes_f64 factor[PACKED(PK_POINT_COLLAPSED, 0)], solved[PK_POINT_COLLAPSED];
        collapse(p, attenuations, x, factor, solved, likelihood);
        return;
    }
    lanes_f32 inverse, v[PK_POINT_COMPONENTS];
    point_sums s;
    EACH(i) inverse[i] = fast_exp(-x[PK_POINT_SIGMA][i]);
    signal_weights(p, x, a, b, v);
    sums_of(p, attenuations, v, inverse, &s);
    const double m = (double)p->measurements;
    EACH(i) {
        const double log_sigma = (double)x[PK_POINT_SIGMA][i],
                     half = 0.5 * s.squares[i] * (double)inverse[i] * (double)inverse[i];
        const double gaussian = -half - m * (log_sigma + 0.91893853320467274178);
        const double rician = p->log_signals - 2 * m * log_sigma + 0.5 * LN2 * s.logs[i] - half;
        likelihood[i] = p->rician ? (p->positive ? rician : -INFINITY) : gaussian;
    }
    if (!p->windowed || !p->has_scale) return;
    lanes_f64 shift, width;
    window_of(p, x, &s, shift, width);
    EACH(i) {
        const double t = shift[i] / width[i];
        /* t of four degrees of freedom: ⅜ (1 + t²/4)^(−5/2). */
        window[i] = -0.98082925301172623 - (double)fast_log((float)width[i]) -
                    2.5 * (double)fast_log1p((float)(0.25 * t * t));
    }
}
