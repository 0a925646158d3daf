/* Proposals of all numbers of points, or all but their shapes. */
#include "../include/point_moves.h"
#include "../math/axis_lanes.h"
#include "point_proposals.h"

INLINE void to_chart(const float *frame, const lanes_f32 *axis, block_f32 *t) {
    axis_about(frame, frame + 3, axis[0], LANES, t);
}

/* Axes of the lanes with partners along the differences of these in the charts; NaN, which is refused, beyond a chart.
   */
INLINE void evolve_axes(const pk_points *p, pk_lane_random *r, const int32_t *pairs, const int32_t *stretches,
                        const int32_t *j, const int32_t *k, const float *gamma, lanes_f32 *x) {
    for (long a = 0; a < p->axes; a++) {
        const float *frame = p->frames + 9 * a;
        const long row = p->first_axis + 3 * a;
        lanes_f32 z[2], one[3], other[3], moved[3];
        block_f32 t[2], to[2], from[2];
        uniforms(r, z[0]);
        uniforms(r, z[1]);
        memcpy(one, x + row, sizeof one);
        memcpy(other, x + row, sizeof other);
        for (int i = 0; i < LANES; i++)
            for (int c = 0; pairs[i] && c < 3; c++) {
                one[c][i] = partner(p, j[i], row + c);
                if (!stretches[i]) other[c][i] = partner(p, k[i], row + c);
            }
        to_chart(frame, x + row, t);
        to_chart(frame, one, to);
        to_chart(frame, other, from);
        for (int c = 0; c < 2; c++) {
            EACH(i) z[c][i] = stretches[i] ? 0.0f : 3e-5f * (z[c][i] - 0.5f);
            t[c] += LOAD_BLOCK(gamma) * (to[c] - from[c]) + LOAD_BLOCK(z[c]);
        }
        axis_at(frame, frame + 3, t, moved[0], LANES);
        for (int c = 0; c < 3; c++) EACH(i) x[row + c][i] = pairs[i] ? moved[c][i] : x[row + c][i];
    }
}

/* Evolution of the lanes of the mask; walks where they have no partners. */
INLINE void evolve(const pk_points *p, const pk_point_block *block, pk_lane_random *r, const int32_t *mask,
                   const int32_t *rows, long n, int axes, lanes_f32 *x, float *bonus) {
    const float dimension = (float)(n + (axes ? 2 * p->axes : 0));
    lanes_i32 pairs, j, k, stretches;
    lanes_f32 u, gamma, noise, step, z;
    uint32_t bits[LANES];
    EACH(i) pairs[i] = mask[i];
    choose_partners(block, r, pairs, j, k);
    next_bits(r, bits);
    uniforms(r, u);
    uniforms(r, z);
    int any_walk = 0;
    EACH(i) any_walk |= mask[i] & !pairs[i];
    EACH(i) stretches[i] = pairs[i] & ((bits[i] & 7) == 0);
    EACH(i) {
        const float factor = 0.5f * (z[i] + 1.0f) * (z[i] + 1.0f);
        gamma[i] = stretches[i] ? 1.0f - factor : one_of_three(u[i], 2.38f, 1.19f, 0.357f) * ROOT(0.5f / dimension);
        noise[i] = stretches[i] ? 0.0f : 3e-4f;
        bonus[i] += stretches[i] ? (dimension - 1.0f) * fast_log(factor) : 0.0f;
    }
    step_sizes(r, 0.03f, 4.60517019f, step);
    for (long c = 0; c < n; c++) {
        const long row = rows[c];
        const float walk = p->walk[row];
        lanes_f32 apart = {0}, normal;
        uniforms(r, z);
        if (any_walk) normals(r, normal);
        for (int i = 0; i < LANES; i++)
            if (pairs[i]) apart[i] = partner(p, j[i], row) - (stretches[i] ? x[row][i] : partner(p, k[i], row));
        EACH(i) apart[i] = gamma[i] * apart[i] + noise[i] * walk * (z[i] - 0.5f);
        if (any_walk) EACH(i) apart[i] = pairs[i] ? apart[i] : step[i] * walk * normal[i];
        EACH(i) x[row][i] += mask[i] ? apart[i] : 0.0f;
    }
    complete(p, x);
    if (axes) evolve_axes(p, r, pairs, stretches, j, k, gamma, x);
}

/* A walk of log s0, and of log σ with it and apart. */
INLINE void rescale(const pk_points *p, pk_lane_random *r, const int32_t *mask, lanes_f32 *x) {
    lanes_f32 z, step;
    normals(r, z);
    step_sizes(r, 0.003f, 4.19970508f, step);
    EACH(i) z[i] = mask[i] ? z[i] * step[i] : 0.0f;
    if (p->has_scale) EACH(i) x[PK_POINT_SCALE][i] += z[i];
    if (p->knows_noise) return;
    if (p->has_scale) EACH(i) x[PK_POINT_SIGMA][i] += z[i];
    normals(r, z);
    step_sizes(r, 0.03f, 2.30258509f, step);
    EACH(i) x[PK_POINT_SIGMA][i] += mask[i] ? z[i] * step[i] : 0.0f;
}

PER_CPU void pk_points_evolve(const pk_points *p, const pk_point_block *block, pk_lane_random *random, int lanes,
                              const int32_t *rows, long n, int axes, float *values, float *bonus) {
    lanes_f32 *x = (lanes_f32 *)values;
    lanes_i32 mask, others;
    EACH(i) mask[i] = evolves(lanes, i);
    EACH(i) others[i] = !mask[i];
    evolve(p, block, random, mask, rows, n, axes, x, bonus);
    if (lanes != PK_LANES_ALL) rescale(p, random, others, x);
}

PER_CPU void pk_points_rescale(const pk_points *p, const pk_point_block *block, pk_lane_random *random, int lanes,
                               const int32_t *rows, long n, float *values, float *bonus) {
    lanes_f32 *x = (lanes_f32 *)values;
    lanes_i32 mask, others;
    uint32_t bits[LANES];
    next_bits(random, bits);
    EACH(i) mask[i] = lanes >= 0 && n > 0 && evolves(lanes, i) && (bits[i] & 1);
    EACH(i) others[i] = !mask[i];
    if (lanes >= 0 && n > 0) evolve(p, block, random, mask, rows, n, 0, x, bonus);
    rescale(p, random, others, x);
}

PER_CPU void pk_points_coordinates(const pk_points *p, const pk_point_block *block, const int32_t *rows, long n,
                                   float *out) {
    const lanes_f32 *x = (const lanes_f32 *)block->rows;
    lanes_f32 *u = (lanes_f32 *)out;
    for (long c = 0; c < n; c++) memcpy(u[c], x[rows[c]], sizeof(lanes_f32));
    for (long a = 0; a < p->axes; a++) {
        block_f32 t[2];
        to_chart(p->frames + 9 * a, x + p->first_axis + 3 * a, t);
        for (int c = 0; c < 2; c++) STORE_BLOCK(u[n + 2 * a + c], t[c]);
    }
}
