#include "../include/weight_fit.h"
#include "../include/linear_weights.h"
#include "../math/vector_block.h"

#pragma STDC FP_CONTRACT OFF
/* Loops whose bounds are constants in some of the copies below are unrolled there. */
#pragma clang diagnostic ignored "-Wpass-failed"

enum { LANES = LANES_IN_BLOCK, SWEEPS = 24 };

BLOCK_INLINE void fit(long m, long W, const float *y, const float *e, const float *bound, float free, float *weights,
                      float *squares, float *scale) {
    const int is_simplex = free > 0.0f;
    block_f32 gram[PK_WEIGHTS_MOST][PK_WEIGHTS_MOST], product[PK_WEIGHTS_MOST], u[PK_WEIGHTS_MOST], total = 0, sum = 0;
    UNROLLED for (long k = 0; k < W; k++) {
        UNROLLED for (long j = 0; j <= k; j++) gram[k][j] = 0;
        product[k] = u[k] = 0;
    }
    for (long i = 0; i < m; i++) {
        block_f32 row[PK_WEIGHTS_MOST], mixed = 0;
        UNROLLED for (long k = 0; k < W; k++) {
            row[k] = LOAD_BLOCK(e + (i * W + k) * LANES);
            if (is_simplex && bound[k] > 0.0f) mixed += row[k] * (bound[k] / free);
        }
        if (is_simplex) UNROLLED for (long k = 0; k < W; k++) row[k] += mixed;
        total += y[i] * y[i];
        UNROLLED for (long k = 0; k < W; k++) {
            product[k] += row[k] * y[i];
            UNROLLED for (long j = 0; j <= k; j++) gram[k][j] += row[k] * row[j];
        }
    }
    const float ridge = is_simplex ? 1e-4f * (float)m : 1e-4f;
    UNROLLED for (long k = 0; k < W; k++) {
        gram[k][k] += ridge;
        UNROLLED for (long j = 0; j < k; j++) gram[j][k] = gram[k][j];
    }
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        UNROLLED for (long k = 0; k < W; k++) {
            block_f32 rest = product[k];
            UNROLLED for (long j = 0; j < W; j++) if (j != k) rest -= gram[k][j] * u[j];
            const block_f32 best = rest / gram[k][k];
            u[k] = is_simplex ? (best < 0.0f ? (block_f32)0.0f : best) : best;
        }
    UNROLLED for (long k = 0; k < W; k++) {
        block_f32 g = 0;
        UNROLLED for (long j = 0; j < W; j++) g += gram[k][j] * u[j];
        total += u[k] * (g - 2.0f * product[k]);
        sum += u[k];
    }
    STORE_BLOCK(squares, total);
    block_f32 s0 = 1.0f;
    if (is_simplex) s0 = sum < 1e-3f ? (block_f32)1e-3f : sum / free;
    STORE_BLOCK(scale, s0);
    UNROLLED for (long k = 0; k < W; k++)
        STORE_BLOCK(weights + k * LANES, is_simplex ? u[k] / s0 + bound[k] : u[k]);
}

#define FIT(W) fit(m, W, y, e, bound, free, weights, squares, scale)

PER_CPU void pk_fit_weights(long m, long components, const float *y, const float *e, const float *bound, float free,
                            float *weights, float *squares, float *scale) {
    switch (components) {
    case 1: FIT(1); break;
    case 2: FIT(2); break;
    case 3: FIT(3); break;
    case 4: FIT(4); break;
    default: FIT(components);
    }
}
