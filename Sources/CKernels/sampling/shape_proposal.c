#include "../include/shape_proposal.h"
#include <math.h>
#include "density_lanes.h"
#include "rotation_lanes.h"

/* Loops whose bounds are constants in some of the copies below are unrolled there. */
#pragma clang diagnostic ignored "-Wpass-failed"

/* Where a component's parts begin. */
typedef struct { const float *scalars, *axes, *tangents, *rotations, *factor; } parts;
INLINE parts parts_of(const float *c, long A, long R, long K) {
    return (parts){c, c + K, c + K + 3 * A, c + K + 9 * A, c + K + 9 * A + 4 * R};
}

long pk_shape_component_size(const pk_shape_space *s) {
    const long d = 2 * s->axes + 3 * s->rotations + s->scalars;
    return s->scalars + 9 * s->axes + 4 * s->rotations + d * d;
}

/* CALL(axes, rotations, scalars) with small numbers as constants, so that each gets code of its own. */
#define BY_SCALARS(A, CALL) \
    case 8 * (A) + 1: \
        CALL(A, 0, 1); \
        break; \
    case 8 * (A) + 2: \
        CALL(A, 0, 2); \
        break; \
    case 8 * (A) + 3: \
        CALL(A, 0, 3); \
        break; \
    case 8 * (A) + 4: \
        CALL(A, 0, 4); \
        break; \
    case 8 * (A) + 5: \
        CALL(A, 0, 5); \
        break; \
    case 8 * (A) + 6: \
        CALL(A, 0, 6); \
        break;
#define BY_COUNTS(s, CALL) \
    switch ((s)->axes < 4 && (s)->rotations == 0 && (s)->scalars < 8 ? 8 * (s)->axes + (s)->scalars : -1) { \
        BY_SCALARS(0, CALL) \
        BY_SCALARS(1, CALL) \
        BY_SCALARS(2, CALL) \
        BY_SCALARS(3, CALL) \
    case 0: \
        CALL(0, 0, 0); \
        break; \
    default: \
        CALL((s)->axes, (s)->rotations, (s)->scalars); \
    }

/* Sixteen samples from uniforms (rows of `across`) into rows of `stride`. */
INLINE void shape_draw(const float *c, long A, long R, long K, const pk_shape_space *space, const float *uniforms,
                       long across, long stride, float *out) {
    const parts p = parts_of(c, A, R, K);
    const long d = 2 * A + 3 * R + K, first = d - K;
    block_f32 u[PK_SHAPE_MOST];
    UNROLLED for (long j = d - 1; j >= 0; j--) {
        const float *v = uniforms + j * across, root = p.factor[j * d + j], inverse = 1.0f / root;
        float mean[LANES_IN_BLOCK], x[LANES_IN_BLOCK];
        block_f32 sum = 0;
        UNROLLED for (long k = j + 1; k < d; k++) sum -= p.factor[k * d + j] * u[k];
        STORE_BLOCK(mean, sum * inverse);
        int32_t is_near = 0;
        if (j >= first) {
            const float low = space->low[j - first] - p.scalars[j - first],
                        high = space->high[j - first] - p.scalars[j - first];
            EACH(i) is_near |= ((mean[i] - low) * root < FAR) | ((high - mean[i]) * root < FAR);
            if (is_near)
                EACH(i) {
                    const float w =
                        mean[i] + truncated_quantile(v[i], (low - mean[i]) * root, (high - mean[i]) * root) * inverse;
                    /* So far outside that no quantile is a number: no sample. At the bound it would be one whose
                       density, which is nothing, its weight is divided by. */
                    const float least = w < low ? low : w;
                    x[i] = least > high ? high : least;
                }
        }
        if (!is_near) EACH(i) x[i] = mean[i] + normal_quantile(v[i]) * inverse;
        u[j] = LOAD_BLOCK(x);
    }
    UNROLLED for (long k = 0; k < K; k++) STORE_BLOCK(out + k * stride, p.scalars[k] + u[first + k]);
    out += K * stride;
    UNROLLED for (long k = 0; k < A; k++, out += 3 * stride) {
        axis_at(p.axes + 3 * k, p.tangents + 6 * k, u + 2 * k, out, stride);
    }
    for (long k = 0; k < R; k++, out += 4 * stride)
        rotation_at(p.rotations + 4 * k, u + 2 * A + 3 * k, out, stride);
}

PER_CPU void pk_draw_shapes(const float *component, const pk_shape_space *space, const float *uniforms, long count,
                            long stride, float *rows) {
#define DRAW(A, R, K) \
    for (long from = 0; from < count; from += LANES_IN_BLOCK) \
    shape_draw(component, A, R, K, space, uniforms + from, count, stride, rows + from)
    BY_COUNTS(space, DRAW)
}

PER_CPU long pk_keep_shapes(const pk_shape_space *s, long count, long stride, float *rows) {
    const float *axes = rows + s->scalars * stride, *rotations = axes + 3 * s->axes * stride;
    const long height = s->scalars + 3 * s->axes + 4 * s->rotations;
    long kept = 0;
    for (long i = 0; i < count; i++) {
        /* Nearly always sixteen are there that stand where they are to stand. */
        if (kept == i && i + LANES_IN_BLOCK <= count) {
            block_f32 sums = 0;
            for (long k = 0; k < s->scalars; k++) sums += LOAD_BLOCK(rows + k * stride + i);
            for (long k = 0; k < s->axes; k++) sums += LOAD_BLOCK(axes + 3 * k * stride + i);
            for (long k = 0; k < s->rotations; k++) sums += LOAD_BLOCK(rotations + 4 * k * stride + i);
            if (!__builtin_reduce_or(sums != sums)) {
                kept += LANES_IN_BLOCK;
                i += LANES_IN_BLOCK - 1;
                continue;
            }
        }
        float sum = 0;
        for (long k = 0; k < s->scalars; k++) sum += rows[k * stride + i];
        for (long k = 0; k < s->axes; k++) sum += axes[3 * k * stride + i];
        for (long k = 0; k < s->rotations; k++) sum += rotations[4 * k * stride + i];
        if (!(sum == sum)) continue;
        if (kept < i) for (long k = 0; k < height; k++) rows[k * stride + kept] = rows[k * stride + i];
        kept++;
    }
    return kept;
}

/* What a component's log-density has that no sample changes: its normaliser, and what the truncation of the last
   coordinate leaves. */
INLINE float constant_of(const float *c, long A, long R, long K, const pk_shape_space *space) {
    const parts p = parts_of(c, A, R, K);
    const long d = 2 * A + 3 * R + K;
    float sum = -0.918938533f * (float)d;
    for (long j = 0; j < d; j++) sum += logf(p.factor[j * d + j]);
    if (K == 0) return sum;
    const float root = p.factor[d * d - 1];
    return sum -
           log_interval((space->low[K - 1] - p.scalars[K - 1]) * root, (space->high[K - 1] - p.scalars[K - 1]) * root);
}

/* Log-density of a component at sixteen samples, from its constant on. */
INLINE void log_density(const float *c, long A, long R, long K, const pk_shape_space *space, float constant,
                        const float *rows, long stride, block_f32 *out) {
    const parts p = parts_of(c, A, R, K);
    const long d = 2 * A + 3 * R + K, first = d - K;
    const float *r = rows;
    block_f32 u[PK_SHAPE_MOST], sum = constant, scale = 1.0f;
    int has_scale = 0;
    UNROLLED for (long k = 0; k < K; k++) u[first + k] = LOAD_BLOCK(r + k * stride) - p.scalars[k];
    r += K * stride;
    UNROLLED for (long k = 0; k < A; k++) {
        const float *t = p.tangents + 6 * k, *m = p.axes + 3 * k, *a = r + 3 * k * stride;
        axis_about(m, t, a, stride, u + 2 * k);
    }
    r += 3 * A * stride;
    for (long k = 0; k < R; k++) {
        block_f32 measure;
        angles_about(p.rotations + 4 * k, r + 4 * k * stride, stride, u + 2 * A + 3 * k, &measure);
        sum += measure;
    }
    UNROLLED for (long j = d - 1; j >= 0; j--) {
        const float root = p.factor[j * d + j];
        block_f32 mean = 0;
        UNROLLED for (long k = j + 1; k < d; k++) mean += p.factor[k * d + j] * u[k];
        const block_f32 w = mean + root * u[j];
        sum -= 0.5f * w * w;
        if (j < first || j == d - 1) continue;
        const float low = space->low[j - first] - p.scalars[j - first],
                    high = space->high[j - first] - p.scalars[j - first];
        has_scale |= take_inside(&mean, low, high, root, &scale, &sum);
    }
    if (has_scale) take_scale(&scale, &sum);
    *out = sum;
}

INLINE void add_block(const float *components, const float *constants, long many, long A, long R, long K,
                      const pk_shape_space *space, long size, const float *rows, long stride, float *total) {
    block_f32 term[TOGETHER];
    for (long k = 0; k < many; k++)
        log_density(components + k * size, A, R, K, space, constants[k], rows, stride, &term[k]);
    add_terms(term, many, total);
}

enum { ROWS_MOST = PK_SHAPE_MOST * 3 / 2 };

INLINE void add_all(const float *components, const float *counts, long many, long A, long R, long K,
                    const pk_shape_space *space, const float *rows, long stride, long count, float *total) {
    const long size = pk_shape_component_size(space), height = K + 3 * A + 4 * R;
    float own[ROWS_MOST * LANES_IN_BLOCK], sums[LANES_IN_BLOCK], constants[TOGETHER];
    for (long k = 0; k < many; k++) constants[k] = logf(counts[k]) + constant_of(components + k * size, A, R, K, space);
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        const long rest = count - from < LANES_IN_BLOCK ? count - from : LANES_IN_BLOCK;
        const int is_whole = rest == LANES_IN_BLOCK;
        if (!is_whole) {
            for (long k = 0; k < height; k++) take(rows + k * stride + from, rest, own + k * LANES_IN_BLOCK);
            take(total + from, rest, sums);
        }
        add_block(components, constants, many, A, R, K, space, size, is_whole ? rows + from : own,
                  is_whole ? stride : LANES_IN_BLOCK, is_whole ? total + from : sums);
        if (!is_whole) memcpy(total + from, sums, (size_t)rest * sizeof(float));
    }
}

PER_CPU void pk_add_proposals(const float *components, const float *counts, long many, const pk_shape_space *space,
                              const float *rows, long stride, long count, float *total) {
    const long size = pk_shape_component_size(space);
    for (long k = 0; k < many; k += TOGETHER) {
        const float *some = components + k * size;
        const long now = many - k < TOGETHER ? many - k : TOGETHER;
#define ADD(A, R, K) add_all(some, counts + k, now, A, R, K, space, rows, stride, count, total)
        BY_COUNTS(space, ADD)
    }
}
