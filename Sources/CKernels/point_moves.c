#include "include/point_moves.h"
#include <math.h>
#include "lane_random.h"
#include "point_lanes.h"

PER_CPU void pk_points_start(const pk_points *p, const pk_point_block *block, float *x, float *bonus) {
    memcpy(x, block->rows, (size_t)p->count * sizeof(lanes_f32));
    memset(bonus, 0, sizeof(lanes_f32));
}

/* Two partners of each of the lanes that are `eligible` and have some; the others stay without. */
INLINE void choose_partners(const pk_point_block *block, pk_lane_random *r, int32_t *eligible, int32_t *j, int32_t *k) {
    uint32_t a[LANES], b[LANES];
    next_bits(r, a);
    next_bits(r, b);
    for (int i = 0; i < LANES; i++) {
        const int half = block->halves ? i & 1 : 0;
        const uint32_t count = (uint32_t)block->partner_count[half];
        eligible[i] = eligible[i] && count >= 2;
        j[i] = k[i] = -1;
        if (!eligible[i]) continue;
        const uint32_t first = (uint32_t)(((uint64_t)a[i] * count) >> 32), second = (uint32_t)(((uint64_t)b[i] * (count - 1)) >> 32);
        j[i] = block->partners[half][first];
        k[i] = block->partners[half][second < first ? second : second + 1];
    }
}
INLINE float partner(const pk_points *p, int32_t lane, long row) { return p->all[((long)(lane >> 4) * p->count + row) * LANES + (lane & 15)]; }
INLINE int evolves(int lanes, int i) { return lanes == PK_LANES_ALL || (lanes == PK_LANES_EVEN && !(i & 1)) || (lanes == PK_LANES_ODD && (i & 1)); }

/* The fraction that the others leave. */
INLINE void complete(const pk_points *p, lanes_f32 *x) {
    if (!p->simplex) return;
    float *rest = x[PK_POINT_WEIGHT + p->rest];
    EACH(i) rest[i] = 1.0f;
    for (long k = 0; k < p->components; k++)
        if (k != p->rest) EACH(i) rest[i] -= x[PK_POINT_WEIGHT + k][i];
}

/* Evolution of the lanes of the mask; walks where they have no partners. */
INLINE void evolve(const pk_points *p, const pk_point_block *block, pk_lane_random *r, const int32_t *mask, const int32_t *rows, long n, float dimension,
                   lanes_f32 *x, float *bonus) {
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

PER_CPU void pk_points_evolve(const pk_points *p, const pk_point_block *block, pk_lane_random *random, int lanes, const int32_t *rows, long n,
                              float dimension, float *values, float *bonus) {
    lanes_f32 *x = (lanes_f32 *)values;
    lanes_i32 mask, others;
    EACH(i) mask[i] = evolves(lanes, i);
    EACH(i) others[i] = !mask[i];
    evolve(p, block, random, mask, rows, n, dimension, x, bonus);
    if (lanes != PK_LANES_ALL) rescale(p, random, others, x);
}

PER_CPU void pk_points_rescale(const pk_points *p, const pk_point_block *block, pk_lane_random *random, int lanes, const int32_t *rows, long n,
                               float dimension, float *values, float *bonus) {
    lanes_f32 *x = (lanes_f32 *)values;
    lanes_i32 mask, others;
    uint32_t bits[LANES];
    next_bits(random, bits);
    EACH(i) mask[i] = lanes >= 0 && n > 0 && evolves(lanes, i) && (bits[i] & 1);
    EACH(i) others[i] = !mask[i];
    if (lanes >= 0 && n > 0) evolve(p, block, random, mask, rows, n, dimension, x, bonus);
    rescale(p, random, others, x);
}

/* At unit length, 3 or 4 rows. */
INLINE void normalise(lanes_f32 *v, long n) {
    lanes_f32 square;
    EACH(i) square[i] = 1e-20f;
    for (long c = 0; c < n; c++) EACH(i) square[i] += v[c][i] * v[c][i];
    EACH(i) square[i] = 1.0f / ROOT(square[i]);
    for (long c = 0; c < n; c++) EACH(i) v[c][i] *= square[i];
}

/* Rotations by small angles ω (3 rows) about their own axes: q (1, ½ω), at unit length. */
INLINE void turn_rotation(lanes_f32 *q, const lanes_f32 *omega, const int32_t *mask) {
    lanes_f32 out[4];
    EACH(i) {
        const float a = 0.5f * omega[0][i], b = 0.5f * omega[1][i], c = 0.5f * omega[2][i];
        out[0][i] = q[0][i] - q[1][i] * a - q[2][i] * b - q[3][i] * c;
        out[1][i] = q[1][i] + q[0][i] * a + q[2][i] * c - q[3][i] * b;
        out[2][i] = q[2][i] + q[0][i] * b + q[3][i] * a - q[1][i] * c;
        out[3][i] = q[3][i] + q[0][i] * c + q[1][i] * b - q[2][i] * a;
    }
    normalise(out, 4);
    for (long c = 0; c < 4; c++) EACH(i) q[c][i] = mask[i] ? out[c][i] : q[c][i];
}

/* Numbers of the prior for the lanes of the mask. */
INLINE void draw_part(const pk_points *p, pk_lane_random *r, const pk_point_part *part, const int32_t *mask, lanes_f32 *x) {
    lanes_f32 z[4];
    for (long s = 0; s < part->scalars; s++) {
        const long row = part->scalar[s], at = row - p->first_scalar;
        uniforms(r, z[0]);
        EACH(i) x[row][i] = mask[i] ? p->low[at] + (p->high[at] - p->low[at]) * z[0][i] : x[row][i];
    }
    for (long o = 0; o < part->axes + part->rotations; o++) {
        const long width = o < part->axes ? 3 : 4, row = o < part->axes ? part->axis[o] : part->rotation[o - part->axes];
        for (long c = 0; c < width; c++) normals(r, z[c]);
        normalise(z, width);
        for (long c = 0; c < width; c++) EACH(i) x[row + c][i] = mask[i] ? z[c][i] : x[row + c][i];
    }
}

/* The angle between two partners' axes (n = 3), or between the nearest of their frames that are alike (n = 4). */
INLINE float partner_angle(const pk_points *p, int32_t j, int32_t k, long row, long n) {
    float a[4], b[4];
    for (long c = 0; c < n; c++) {
        a[c] = partner(p, j, row + c);
        b[c] = partner(p, k, row + c);
    }
    float cosine;
    if (n == 3) {
        cosine = fabsf(a[0] * b[0] + a[1] * b[1] + a[2] * b[2]);
    } else {
        cosine = fabsf(a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3]);
        const float other[3] = {fabsf(a[0] * b[1] - a[1] * b[0] - a[2] * b[3] + a[3] * b[2]), fabsf(a[0] * b[2] - a[2] * b[0] - a[3] * b[1] + a[1] * b[3]),
                                fabsf(a[0] * b[3] - a[3] * b[0] - a[1] * b[2] + a[2] * b[1])};
        for (int c = 0; c < 3; c++) cosine = other[c] > cosine ? other[c] : cosine;
    }
    /* 2 (1 − cos) is the angle's square within a fifth. */
    const float square = 2.0f * (1.0f - (cosine < 1.0f ? cosine : 1.0f));
    return (n == 4 ? 2.0f : 1.0f) * sqrtf(square > 1e-8f ? square : 1e-8f);
}

PER_CPU void pk_points_reshape(const pk_points *p, const pk_point_block *block, pk_lane_random *random, int lanes, const pk_point_part *part,
                               float *values) {
    lanes_f32 *x = (lanes_f32 *)values;
    lanes_i32 pairs, j, k, turns, shifts, anew;
    lanes_f32 u, z, scale, step, gamma, omega[3];
    uniforms(random, u);
    EACH(i) anew[i] = u[i] < part->anew;
    uniforms(random, u);
    const long orientations = part->axes + part->rotations;
    EACH(i) turns[i] = !anew[i] && orientations > 0 && (part->scalars == 0 || u[i] < 0.4f || u[i] > 0.7f);
    EACH(i) shifts[i] = !anew[i] && part->scalars > 0 && (orientations == 0 || u[i] >= 0.4f);
    EACH(i) pairs[i] = evolves(lanes, i);
    if (part->scalars > 0 || part->by_partners) choose_partners(block, random, pairs, j, k);
    for (long o = 0; o < orientations; o++) {
        const long width = o < part->axes ? 3 : 4, row = o < part->axes ? part->axis[o] : part->rotation[o - part->axes];
        EACH(i) scale[i] = part->turn[o];
        if (part->by_partners)
            for (int i = 0; i < LANES; i++)
                if (pairs[i]) scale[i] = partner_angle(p, j[i], k[i], row, width);
        uniforms(random, u);
        EACH(i) scale[i] = turns[i] ? scale[i] * one_of_three(u[i], 1.4f, 0.5f, 0.15f) : 0.0f;
        for (long c = 0; c < 3; c++) {
            normals(random, z);
            EACH(i) omega[c][i] = scale[i] * z[i];
        }
        if (width == 4) {
            turn_rotation(x + row, omega, turns);
            continue;
        }
        lanes_f32 v[3];
        for (long c = 0; c < 3; c++) EACH(i) v[c][i] = x[row + c][i] + omega[c][i];
        normalise(v, 3);
        for (long c = 0; c < 3; c++) EACH(i) x[row + c][i] = turns[i] ? v[c][i] : x[row + c][i];
    }
    if (part->scalars > 0) {
        uniforms(random, u);
        step_sizes(random, 0.05f, 3.68887945f, step);
        EACH(i) gamma[i] = one_of_three(u[i], 2.38f, 1.19f, 0.357f) * ROOT(0.5f / (float)part->scalars);
        for (long s = 0; s < part->scalars; s++) {
            const long row = part->scalar[s];
            lanes_f32 apart = {0};
            normals(random, z);
            for (int i = 0; i < LANES; i++)
                if (pairs[i]) apart[i] = partner(p, j[i], row) - partner(p, k[i], row);
            EACH(i) {
                const float own = p->walk[row] * z[i], move = pairs[i] ? gamma[i] * apart[i] + 3e-4f * own : step[i] * own;
                x[row][i] += shifts[i] ? move : 0.0f;
            }
        }
    }
    draw_part(p, random, part, anew, x);
}

INLINE void swap_rows(lanes_f32 *x, long a, long b, long n, const int32_t *mask) {
    for (long c = 0; c < n; c++)
        EACH(i) {
            const float first = x[a + c][i], second = x[b + c][i];
            x[a + c][i] = mask[i] ? second : first;
            x[b + c][i] = mask[i] ? first : second;
        }
}
INLINE void swap_parts(const pk_point_part *a, const pk_point_part *b, const int32_t *mask, lanes_f32 *x) {
    for (long s = 0; s < a->scalars; s++) swap_rows(x, a->scalar[s], b->scalar[s], 1, mask);
    for (long s = 0; s < a->axes; s++) swap_rows(x, a->axis[s], b->axis[s], 3, mask);
    for (long s = 0; s < a->rotations; s++) swap_rows(x, a->rotation[s], b->rotation[s], 4, mask);
}

PER_CPU void pk_points_exchange(const pk_point_part *a, const pk_point_part *b, float *values) {
    lanes_i32 mask;
    EACH(i) mask[i] = 1;
    swap_parts(a, b, mask, (lanes_f32 *)values);
}

PER_CPU void pk_points_order(const pk_point_part *a, const pk_point_part *b, long k, long l, float *values) {
    lanes_f32 *x = (lanes_f32 *)values;
    lanes_i32 mask;
    EACH(i) mask[i] = x[PK_POINT_WEIGHT + l][i] > x[PK_POINT_WEIGHT + k][i];
    swap_rows(x, PK_POINT_WEIGHT + k, PK_POINT_WEIGHT + l, 1, mask);
    swap_parts(a, b, mask, x);
}

/* Density near another's shape, relative to the prior's: scalars normal, axes and rotations angular central Gaussian, of relative spread s. */
INLINE float near_density(const pk_points *p, const pk_point_part *part, const pk_point_part *near, const lanes_f32 *x, int i, float s) {
    float density = 1.0f;
    for (long c = 0; c < part->scalars; c++) {
        const long row = part->scalar[c], at = row - p->first_scalar;
        const float range = p->high[at] - p->low[at], sd = 0.4f * s * range, t = (x[row][i] - x[near->scalar[c]][i]) / sd;
        density *= fast_exp(-0.5f * t * t) * 0.398942280f * range / sd;
    }
    for (long c = 0; c < part->axes; c++) {
        const long a = part->axis[c], b = near->axis[c];
        const float cosine = x[a][i] * x[b][i] + x[a + 1][i] * x[b + 1][i] + x[a + 2][i] * x[b + 2][i], square = cosine < 1.0f ? cosine * cosine : 1.0f;
        const float q = square + (1.0f - square) / (s * s);
        density *= 1.0f / (s * s * q * ROOT(q));
    }
    for (long c = 0; c < part->rotations; c++) {
        const long a = part->rotation[c], b = near->rotation[c];
        float q[4], m[4], sum = 0.0f;
        for (int n = 0; n < 4; n++) {
            q[n] = x[a + n][i];
            m[n] = x[b + n][i];
        }
        const float r[4] = {m[0] * q[0] + m[1] * q[1] + m[2] * q[2] + m[3] * q[3], m[0] * q[1] - m[1] * q[0] - m[2] * q[3] + m[3] * q[2],
                            m[0] * q[2] - m[2] * q[0] - m[3] * q[1] + m[1] * q[3], m[0] * q[3] - m[3] * q[0] - m[1] * q[2] + m[2] * q[1]};
        for (int n = 0; n < 4; n++) {
            const float square = r[n] * r[n] < 1.0f ? r[n] * r[n] : 1.0f, v = square + (1.0f - square) / (s * s);
            sum += 1.0f / (s * s * s * v * v);
        }
        density *= 0.25f * sum;
    }
    return density;
}

enum { NEAR_SCALES = 2 };
static const float near_scales[NEAR_SCALES] = {0.12f, 0.35f};
INLINE void hop_density(const pk_points *p, const pk_point_part *part, const pk_point_part *near, const lanes_f32 *x, float *out) {
    EACH(i) out[i] = 1.0f;
    for (int s = 0; s < NEAR_SCALES; s++)
        for (int i = 0; i < LANES; i++) out[i] += near_density(p, part, near, x, i, near_scales[s]);
}

PER_CPU void pk_points_hop(const pk_points *p, pk_lane_random *random, long k, long l, const pk_point_part *part, const pk_point_part *near, float *values,
                           float *bonus) {
    lanes_f32 *x = (lanes_f32 *)values;
    lanes_f32 u, before, after, z[4];
    lanes_i32 mask, drawn;
    if (p->simplex) {
        float *f = x[PK_POINT_WEIGHT + k], *g = x[PK_POINT_WEIGHT + l];
        uniforms(random, u);
        EACH(i) {
            const float total = f[i] + g[i], room = total - p->bound[k] - p->bound[l];
            f[i] = p->bound[k] + room * u[i];
            g[i] = total - f[i];
        }
    }
    if (near) hop_density(p, part, near, x, before);
    uniforms(random, u);
    EACH(i) drawn[i] = !near || u[i] < 0.333333343f;
    EACH(i) mask[i] = !drawn[i];
    draw_part(p, random, part, drawn, x);
    if (!near) return;
    lanes_f32 spread;
    EACH(i) spread[i] = u[i] < 0.666666687f ? near_scales[0] : near_scales[1];
    for (long c = 0; c < part->scalars; c++) {
        const long row = part->scalar[c], at = row - p->first_scalar;
        normals(random, z[0]);
        EACH(i) x[row][i] = mask[i] ? x[near->scalar[c]][i] + 0.4f * spread[i] * (p->high[at] - p->low[at]) * z[0][i] : x[row][i];
    }
    for (long o = 0; o < part->axes + part->rotations; o++) {
        const int is_axis = o < part->axes;
        const long width = is_axis ? 3 : 4, row = is_axis ? part->axis[o] : part->rotation[o - part->axes];
        const long from = is_axis ? near->axis[o] : near->rotation[o - part->axes];
        /* Variance 1 along the centre, s² across. */
        lanes_f32 along;
        EACH(i) along[i] = 0.0f;
        for (long c = 0; c < width; c++) {
            normals(random, z[c]);
            EACH(i) along[i] += z[c][i] * x[from + c][i];
        }
        for (long c = 0; c < width; c++) EACH(i) z[c][i] = spread[i] * (z[c][i] - along[i] * x[from + c][i]) + along[i] * x[from + c][i];
        normalise(z, width);
        for (long c = 0; c < width; c++) EACH(i) x[row + c][i] = mask[i] ? z[c][i] : x[row + c][i];
    }
    hop_density(p, part, near, x, after);
    EACH(i) bonus[i] += fast_log(before[i]) - fast_log(after[i]);
}

/* Whether lanes lie in the prior's support. */
INLINE void supports(const pk_points *p, const lanes_f32 *x, int32_t *inside) {
    EACH(i) {
        const float level = p->has_scale ? x[PK_POINT_SCALE][i] - x[PK_POINT_SIGMA][i] : x[PK_POINT_SIGMA][i];
        inside[i] = (x[PK_POINT_SCALE][i] < 80.0f) & (x[PK_POINT_SCALE][i] > -80.0f)
                    & (p->knows_noise | ((level >= p->noise_low) & (level <= p->noise_high)));
    }
    for (long s = 0; s < p->scalars; s++)
        EACH(i) {
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
    for (long i = 0; i < count; i++, from += stride, to += stride) STORE_BLOCK(to, *mask ? LOAD_BLOCK(from) : LOAD_BLOCK(to));
}

PER_CPU void pk_points_decide(const pk_points *p, const pk_point_block *block, pk_lane_random *random, const float *values, const float *bonus,
                              const float *fresh, long what, long a, long b, long *proposed, long *accepted) {
    const lanes_f32 *x = (const lanes_f32 *)values;
    const long w = p->components, m = p->measurements;
    float *e = block->attenuations;
    lanes_f64 likelihood, window, prior, before;
    lanes_i32 takes;
    lanes_f32 u;
    const point_attenuations attenuations = {what == PK_POINT_ALL ? fresh : e, what >= 0 ? fresh : what == PK_POINT_ALL ? fresh : e, what >= 0 ? what : w};
    densities(p, &attenuations, x, a, b, likelihood, window);
    supports(p, x, takes);
    coefficient_prior(p, values, prior);
    coefficient_prior(p, block->rows, before);
    uniforms(random, u);
    const double power = (double)p->power;
    /* Both −∞ gives NaN, which refuses. */
    EACH(i) {
        const double change = power * (likelihood[i] - block->log_likelihood[i]) + (1 - power) * (window[i] - block->log_window[i]) + prior[i] - before[i];
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
    if (what == PK_POINT_ALL) copy_lanes(&mask, fresh, e, m * w, LANES);
    else if (what >= 0) copy_lanes(&mask, fresh + what * LANES, e + what * LANES, m, w * LANES);
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
