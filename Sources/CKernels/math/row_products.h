/* Scalar products of rows, of which normal equations are made. */
#pragma once
#include "vector_block.h"

/* `count` values times weights (or as they are) at the beginning of a row of whole blocks, the others zeros. The last
   block looks back, with zeros for what its neighbour holds: in which order measurements stand makes no difference to
   scalar products. */
BLOCK_INLINE void lay(const float *x, const float *weight, long count, float *out) {
    const long whole = count & ~15L, tail = count & 15L;
    for (long i = 0; i < whole; i += 16)
        STORE_BLOCK(out + i, weight ? LOAD_BLOCK(x + i) * LOAD_BLOCK(weight + i) : LOAD_BLOCK(x + i));
    if (tail && whole) {
        const long i = count - 16;
        const block_f32 v = weight ? LOAD_BLOCK(x + i) * LOAD_BLOCK(weight + i) : LOAD_BLOCK(x + i);
        STORE_BLOCK(out + whole, LOAD_BLOCK(tail_lanes + tail) != 0.0f ? v : 0.0f);
    } else if (tail) {
        for (long i = 0; i < 16; i++) out[i] = i < tail ? (weight ? x[i] * weight[i] : x[i]) : 0;
    }
}

/* Scalar products of d scaled rows with each other and, as row d, of the score with them; rows of `chunk` measurements
   stay in the nearest cache. */
BLOCK_INLINE void row_products(long m, long d, long chunk, const float *weight, const float *score, const float *rows,
                               float *scaled, long width, float *products) {
    for (long i = 0; i < (d + 1) * width; i++) products[i] = 0;
    for (long start = 0; start < m; start += chunk) {
        const long count = m - start < chunk ? m - start : chunk, end = (count + 15) & ~15L;
        for (long j = 0; j <= d; j++) {
            float *row = scaled + j * chunk;
            if (j < d) lay(rows + j * m + start, weight + start, count, row);
            else lay(score + start, 0, count, row);
            for (long k = 0; k <= j; k += 4) {
                const float *a = scaled + k * chunk, *b = k + 1 < j ? a + chunk : row,
                            *c = k + 2 < j ? a + 2 * chunk : row, *e = k + 3 < j ? a + 3 * chunk : row;
                block_f32 s[4] = {0, 0, 0, 0};
                for (long i = 0; i < end; i += 16) {
                    const block_f32 v = LOAD_BLOCK(row + i);
                    s[0] += v * LOAD_BLOCK(a + i);
                    s[1] += v * LOAD_BLOCK(b + i);
                    s[2] += v * LOAD_BLOCK(c + i);
                    s[3] += v * LOAD_BLOCK(e + i);
                }
                float sums[4];
                block_sums(s, sums);
                for (int c = 0; c < 4; c++) products[j * width + k + c] += sums[c];
            }
        }
    }
}
