/* Proposals of the shapes of points. */
#include "../include/point_moves.h"
#include "point_proposals.h"

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
        const float other[3] = {fabsf(a[0] * b[1] - a[1] * b[0] - a[2] * b[3] + a[3] * b[2]),
                                fabsf(a[0] * b[2] - a[2] * b[0] - a[3] * b[1] + a[1] * b[3]),
                                fabsf(a[0] * b[3] - a[3] * b[0] - a[1] * b[2] + a[2] * b[1])};
        for (int c = 0; c < 3; c++) cosine = other[c] > cosine ? other[c] : cosine;
    }
    /* 2 (1 − cos) is the angle's square within a fifth. */
    const float square = 2.0f * (1.0f - (cosine < 1.0f ? cosine : 1.0f));
    return (n == 4 ? 2.0f : 1.0f) * sqrtf(square > 1e-8f ? square : 1e-8f);
}

PER_CPU void pk_points_reshape(const pk_points *p, const pk_point_block *block, pk_lane_random *random, int lanes,
                               const pk_point_part *part, float *values) {
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
        const long width = o < part->axes ? 3 : 4,
                   row = o < part->axes ? part->axis[o] : part->rotation[o - part->axes];
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
                const float own = p->walk[row] * z[i],
                            move = pairs[i] ? gamma[i] * apart[i] + 3e-4f * own : step[i] * own;
                x[row][i] += shifts[i] ? move : 0.0f;
            }
        }
    }
    draw_part(p, random, part, anew, x);
}

INLINE void swap_rows(lanes_f32 *x, long a, long b, long n, const int32_t *mask) {
    for (long c = 0; c < n; c++) EACH(i) {
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

/* Density near another's shape, relative to the prior's: scalars normal, axes and rotations angular central Gaussian,
   of relative spread s. */
INLINE float near_density(const pk_points *p, const pk_point_part *part, const pk_point_part *near, const lanes_f32 *x,
                          int i, float s) {
    float density = 1.0f;
    for (long c = 0; c < part->scalars; c++) {
        const long row = part->scalar[c], at = row - p->first_scalar;
        const float range = p->high[at] - p->low[at], sd = 0.4f * s * range,
                    t = (x[row][i] - x[near->scalar[c]][i]) / sd;
        density *= fast_exp(-0.5f * t * t) * 0.398942280f * range / sd;
    }
    for (long c = 0; c < part->axes; c++) {
        const long a = part->axis[c], b = near->axis[c];
        const float cosine = x[a][i] * x[b][i] + x[a + 1][i] * x[b + 1][i] + x[a + 2][i] * x[b + 2][i],
                    square = cosine < 1.0f ? cosine * cosine : 1.0f;
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
        const float r[4] = {m[0] * q[0] + m[1] * q[1] + m[2] * q[2] + m[3] * q[3],
                            m[0] * q[1] - m[1] * q[0] - m[2] * q[3] + m[3] * q[2],
                            m[0] * q[2] - m[2] * q[0] - m[3] * q[1] + m[1] * q[3],
                            m[0] * q[3] - m[3] * q[0] - m[1] * q[2] + m[2] * q[1]};
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
INLINE void hop_density(const pk_points *p, const pk_point_part *part, const pk_point_part *near, const lanes_f32 *x,
                        float *out) {
    EACH(i) out[i] = 1.0f;
    for (int s = 0; s < NEAR_SCALES; s++)
        for (int i = 0; i < LANES; i++) out[i] += near_density(p, part, near, x, i, near_scales[s]);
}

PER_CPU void pk_points_hop(const pk_points *p, pk_lane_random *random, long k, long l, const pk_point_part *part,
                           const pk_point_part *near, float *values, float *bonus) {
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
        EACH(i)
        x[row][i] = mask[i] ? x[near->scalar[c]][i] + 0.4f * spread[i] * (p->high[at] - p->low[at]) * z[0][i]
                            : x[row][i];
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
        for (long c = 0; c < width; c++)
            EACH(i) z[c][i] = spread[i] * (z[c][i] - along[i] * x[from + c][i]) + along[i] * x[from + c][i];
        normalise(z, width);
        for (long c = 0; c < width; c++) EACH(i) x[row + c][i] = mask[i] ? z[c][i] : x[row + c][i];
    }
    hop_density(p, part, near, x, after);
    EACH(i) bonus[i] += fast_log(before[i]) - fast_log(after[i]);
}
