#include "../include/point_moves.h"
#include <math.h>
#include "lane_random.h"
#include "point_lanes.h"

PER_CPU void pk_points_start(const pk_points *p, const pk_point_block *block, float *x, float *bonus) {
    memcpy(x, block->rows, (size_t)p->count * sizeof(lanes_f32));
    memset(bonus, 0, sizeof(lanes_f32));
}

/* Whether lanes lie in the prior's support. */
INLINE void supports(const pk_points *p, const lanes_f32 *x, int32_t *inside) {
    EACH(i) {
        const float level = p->has_scale ? x[PK_POINT_SCALE][i] - x[PK_POINT_SIGMA][i] : x[PK_POINT_SIGMA][i];
        inside[i] = (x[PK_POINT_SCALE][i] < 80.0f) & (x[PK_POINT_SCALE][i] > -80.0f) &
                    (p->knows_noise | ((level >= p->noise_low) & (level <= p->noise_high)));
    }
    for (long s = 0; s < p->scalars; s++) EACH(i) {
            const float v = x[p->first_scalar + s][i];
            inside[i] &= (v >= p->low[s]) & (v <= p->high[s]);
        }
    if (!p->simplex) return;
    for (long k = 0; k < p->components; k++) {
        const float *f = x[PK_POINT_WEIGHT + k], *before = p->after[k] >= 0 ? x[PK_POINT_WEIGHT + p->after[k]] : f;
        EACH(i) inside[i] &= (f[i] >= p->bound[k]) & (f[i] <= before[i]);
    }
}

/* −½ Σ (u/sd)² */
INLINE void coefficient_prior(const pk_points *p, const float *rows, double *out) {
    EACH(i) out[i] = 0;
    if (p->simplex || p->collapsed) return;
    for (long k = 0; k < p->components; k++) {
        const double inverse = 1.0 / (double)p->bound[k];
        EACH(i) {
            const double t = (double)rows[(PK_POINT_WEIGHT + k) * LANES + i] * inverse;
            out[i] -= 0.5 * t * t;
        }
    }
}

/* Lanes of the mask. */
INLINE void copy_lanes(const block_i32 *mask, const float *from, float *to, long count, long stride) {
    for (long i = 0; i < count; i++, from += stride, to += stride)
        STORE_BLOCK(to, *mask ? LOAD_BLOCK(from) : LOAD_BLOCK(to));
}

PER_CPU void pk_points_decide(const pk_points *p, const pk_point_block *block, pk_lane_random *random,
                              const float *values, const float *bonus, const float *fresh, long what, long a, long b,
                              long *proposed, long *accepted) {
    const lanes_f32 *x = (const lanes_f32 *)values;
    const long w = p->components, m = p->measurements;
    float *e = block->attenuations;
    lanes_f64 likelihood, window, prior, before;
    lanes_i32 takes;
    lanes_f32 u;
    const point_attenuations attenuations = {what == PK_POINT_ALL ? fresh : e,
                                             what >= 0              ? fresh
                                             : what == PK_POINT_ALL ? fresh
                                                                    : e,
                                             what >= 0 ? what : w};
    densities(p, &attenuations, x, a, b, likelihood, window);
    supports(p, x, takes);
    coefficient_prior(p, values, prior);
    coefficient_prior(p, block->rows, before);
    uniforms(random, u);
    const double power = (double)p->power;
    /* Both −∞ gives NaN, which refuses. */
    EACH(i) {
        const double change = power * (likelihood[i] - block->log_likelihood[i]) +
                              (1 - power) * (window[i] - block->log_window[i]) + prior[i] - before[i];
        takes[i] &= change + (double)bonus[i] > (double)fast_log(u[i]);
    }
    int any = 0, own = 0;
    EACH(i) any |= takes[i];
    for (int i = 0; i < block->draws; i++) own += takes[i];
    *proposed += block->draws;
    *accepted += own;
    if (!any) return;
    EACH(i) block->log_likelihood[i] = takes[i] ? likelihood[i] : block->log_likelihood[i];
    EACH(i) block->log_window[i] = takes[i] ? window[i] : block->log_window[i];
    block_i32 mask = 0;
    EACH(i) mask[i] = -takes[i];
    copy_lanes(&mask, values, block->rows, p->count, LANES);
    if (what == PK_POINT_ALL)
        copy_lanes(&mask, fresh, e, m * w, LANES);
    else if (what >= 0)
        copy_lanes(&mask, fresh + what * LANES, e + what * LANES, m, w * LANES);
    if (a < 0) return;
    for (long i = 0; i < m; i++) {
        float *first = e + (i * w + a) * LANES, *second = e + (i * w + b) * LANES;
        const block_f32 one = LOAD_BLOCK(first), two = LOAD_BLOCK(second);
        STORE_BLOCK(first, mask ? two : one);
        STORE_BLOCK(second, mask ? one : two);
    }
}

PER_CPU void pk_points_evaluate(const pk_points *p, const pk_point_block *block) {
    const point_attenuations attenuations = {block->attenuations, block->attenuations, p->components};
    densities(p, &attenuations, (const lanes_f32 *)block->rows, -1, -1, block->log_likelihood, block->log_window);
}

PER_CPU void pk_points_window(const pk_points *p, const pk_point_block *block, float *centre, float *width) {
    const lanes_f32 *x = (const lanes_f32 *)block->rows;
    const point_attenuations attenuations = {block->attenuations, block->attenuations, p->components};
    lanes_f32 inverse, v[PK_POINT_COMPONENTS];
    lanes_f64 shift, size;
    point_sums s;
    EACH(i) inverse[i] = fast_exp(-x[PK_POINT_SIGMA][i]);
    signal_weights(p, x, -1, -1, v);
    sums_of(p, &attenuations, v, inverse, &s);
    window_of(p, x, &s, shift, size);
    EACH(i) centre[i] = (float)((double)x[PK_POINT_SCALE][i] + shift[i]);
    EACH(i) width[i] = (float)size[i];
}

PER_CPU void pk_points_coefficients(const pk_points *p, const pk_point_block *block, pk_lane_random *random) {
    lanes_f32 *x = (lanes_f32 *)block->rows;
    const point_attenuations attenuations = {block->attenuations, block->attenuations, p->components};
    lanes_f64 factor[PACKED(PK_POINT_COLLAPSED, 0)], u[PK_POINT_COLLAPSED], logs;
    collapse(p, &attenuations, (const lanes_f32 *)x, factor, u, logs);
    /* Lᵀ u = L⁻¹ b + z */
    for (long j = p->components - 1; j >= 0; j--) {
        lanes_f32 z;
        normals(random, z);
        EACH(i) u[j][i] += (double)z[i];
        for (long k = j + 1; k < p->components; k++) EACH(i) u[j][i] -= factor[PACKED(k, j)][i] * u[k][i];
        EACH(i) u[j][i] /= factor[PACKED(j, j)][i];
        EACH(i) x[PK_POINT_WEIGHT + j][i] = (float)u[j][i];
    }
}
