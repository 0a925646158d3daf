/* Log-densities of proposals of shapes (shape_proposal.h). */
#include <math.h>
#include "shape_parts.h"

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

/* Blocks of sixteen samples whose densities are had together where a shape's size is no constant, and columns of the
   factor that are gone through together: so many sums do not wait for one another, and what is loaded serves many. */
enum { BLOCKS = 4, COLUMNS = 4 };

/* Local coordinates of `blocks` times sixteen samples about a component, and the change of measure. */
INLINE void coordinates_about(const parts *p, long A, long R, long K, const float *rows, long stride, long blocks,
                              block_f32 (*u)[BLOCKS], block_f32 *sum) {
    const long first = 2 * A + 3 * R;
    UNROLLED for (long b = 0; b < blocks; b++) {
        const float *r = rows + b * LANES_IN_BLOCK;
        block_f32 w[3], measure;
        UNROLLED for (long k = 0; k < K; k++) u[first + k][b] = LOAD_BLOCK(r + k * stride) - p->scalars[k];
        r += K * stride;
        UNROLLED for (long k = 0; k < A; k++) {
            axis_about(p->axes + 3 * k, p->tangents + 6 * k, r + 3 * k * stride, stride, w);
            for (long c = 0; c < 2; c++) u[2 * k + c][b] = w[c];
        }
        r += 3 * A * stride;
        for (long k = 0; k < R; k++) {
            angles_about(p->rotations + 4 * k, r + 4 * k * stride, stride, w, &measure);
            for (long c = 0; c < 3; c++) u[2 * A + 3 * k + c][b] = w[c];
            sum[b] += measure;
        }
    }
}

/* What is known of samples on the way to their log-density. */
typedef struct { block_f32 (*u)[BLOCKS], *sum, *scale; int *has_scale; } lane_sums;

/* Takes off what `columns` coordinates add, of which `end` is the next one. `columns` and `blocks` are constants where
   it is called. */
INLINE void add_columns(const parts *p, const pk_shape_space *space, long d, long first, long end, long columns,
                        long blocks, const lane_sums *s) {
    const long from = end - columns;
    block_f32 mean[COLUMNS][BLOCKS];
    UNROLLED for (long h = 0; h < columns; h++) UNROLLED for (long b = 0; b < blocks; b++) mean[h][b] = 0;
    UNROLLED for (long k = 1; k < columns; k++)
        UNROLLED for (long h = 0; h < k; h++) {
            const float f = p->factor[(from + k) * d + from + h];
            UNROLLED for (long b = 0; b < blocks; b++) mean[h][b] += f * s->u[from + k][b];
        }
    UNROLLED for (long k = end; k < d; k++)
        UNROLLED for (long h = 0; h < columns; h++) {
            const float f = p->factor[k * d + from + h];
            UNROLLED for (long b = 0; b < blocks; b++) mean[h][b] += f * s->u[k][b];
        }
    UNROLLED for (long h = columns - 1; h >= 0; h--) {
        const long j = from + h;
        const float root = p->factor[j * d + j];
        UNROLLED for (long b = 0; b < blocks; b++) {
            const block_f32 w = mean[h][b] + root * s->u[j][b];
            s->sum[b] -= 0.5f * w * w;
        }
        if (j < first || j == d - 1) continue;
        const float low = space->low[j - first] - p->scalars[j - first],
                    high = space->high[j - first] - p->scalars[j - first];
        UNROLLED for (long b = 0; b < blocks; b++)
            s->has_scale[b] |= take_inside(&mean[h][b], low, high, root, &s->scale[b], &s->sum[b]);
    }
}

/* Log-densities of a component at `blocks` times sixteen samples, from its constant on. `columns` and `blocks` are
   constants where it is called. */
INLINE void log_densities(const float *c, long A, long R, long K, const pk_shape_space *space, float constant,
                          const float *rows, long stride, long columns, long blocks, block_f32 *out, long across) {
    const parts p = parts_of(c, A, R, K);
    const long d = 2 * A + 3 * R + K, first = d - K;
    block_f32 u[PK_SHAPE_MOST][BLOCKS], sum[BLOCKS], scale[BLOCKS];
    int has_scale[BLOCKS];
    UNROLLED for (long b = 0; b < blocks; b++) {
        sum[b] = constant;
        scale[b] = 1.0f;
        has_scale[b] = 0;
    }
    coordinates_about(&p, A, R, K, rows, stride, blocks, u, sum);
    const lane_sums sums = {u, sum, scale, has_scale};
    long end = d;
    UNROLLED for (; end >= columns; end -= columns) add_columns(&p, space, d, first, end, columns, blocks, &sums);
    if (columns > 1 && end == 3) add_columns(&p, space, d, first, end, 3, blocks, &sums);
    if (columns > 1 && end == 2) add_columns(&p, space, d, first, end, 2, blocks, &sums);
    if (columns > 1 && end == 1) add_columns(&p, space, d, first, end, 1, blocks, &sums);
    UNROLLED for (long b = 0; b < blocks; b++) {
        if (has_scale[b]) take_scale(&scale[b], &sum[b]);
        out[b * across] = sum[b];
    }
}

INLINE void add_blocks(const float *components, const float *constants, long many, long A, long R, long K,
                       const pk_shape_space *space, long size, const float *rows, long stride, long columns,
                       long blocks, float *total) {
    block_f32 term[BLOCKS][TOGETHER];
    for (long k = 0; k < many; k++)
        log_densities(components + k * size, A, R, K, space, constants[k], rows, stride, columns, blocks, &term[0][k],
                      TOGETHER);
    for (long b = 0; b < blocks; b++) add_terms(term[b], many, total + b * LANES_IN_BLOCK);
}

enum { ROWS_MOST = PK_SHAPE_MOST * 3 / 2 };

INLINE void add_all(const float *components, const float *counts, long many, long A, long R, long K,
                    const pk_shape_space *space, const float *rows, long stride, long count, long columns, long blocks,
                    float *total) {
    const long size = pk_shape_component_size(space), height = K + 3 * A + 4 * R, step = blocks * LANES_IN_BLOCK;
    float own[ROWS_MOST * LANES_IN_BLOCK], sums[LANES_IN_BLOCK], constants[TOGETHER];
    for (long k = 0; k < many; k++) constants[k] = logf(counts[k]) + constant_of(components + k * size, A, R, K, space);
#define ADD_BLOCKS(rows, stride, blocks, total) \
    add_blocks(components, constants, many, A, R, K, space, size, rows, stride, columns, blocks, total)
    long from = 0;
    for (; from + step <= count; from += step) ADD_BLOCKS(rows + from, stride, blocks, total + from);
    if (blocks > 1)
        for (; from + LANES_IN_BLOCK <= count; from += LANES_IN_BLOCK) ADD_BLOCKS(rows + from, stride, 1, total + from);
    if (from == count) return;
    const long rest = count - from;
    for (long k = 0; k < height; k++) take(rows + k * stride + from, rest, own + k * LANES_IN_BLOCK);
    take(total + from, rest, sums);
    ADD_BLOCKS(own, LANES_IN_BLOCK, 1, sums);
    memcpy(total + from, sums, (size_t)rest * sizeof(float));
}

PER_CPU void pk_add_proposals(const float *components, const float *counts, long many, const pk_shape_space *space,
                              const float *rows, long stride, long count, float *total) {
    const long size = pk_shape_component_size(space);
    for (long k = 0; k < many; k += TOGETHER) {
        const float *some = components + k * size;
        const long now = many - k < TOGETHER ? many - k : TOGETHER;
#define ADD(A, R, K) add_all(some, counts + k, now, A, R, K, space, rows, stride, count, 1, 1, total)
#define ADD_ANY(A, R, K) add_all(some, counts + k, now, A, R, K, space, rows, stride, count, COLUMNS, BLOCKS, total)
        BY_COUNTS(space, ADD, ADD_ANY)
    }
}
