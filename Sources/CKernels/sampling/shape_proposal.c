#include "../include/shape_proposal.h"
#include <math.h>
#include "shape_parts.h"

long pk_shape_component_size(const pk_shape_space *s) {
    const long d = 2 * s->axes + 3 * s->rotations + s->scalars;
    return s->scalars + 9 * s->axes + 4 * s->rotations + d * d;
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
    BY_COUNTS(space, DRAW, DRAW)
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
