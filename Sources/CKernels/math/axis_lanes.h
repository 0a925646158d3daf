/* Lambert's coordinates of axes about one axis m (AxisChart in the ModelSpace library), sixteen samples at once. */
#pragma once
#include <math.h>
#include "vector_block.h"

/* (½ + ½w)^(−½) on [0, 1], relative error ≤ 3e-7, for less than a root and a quotient take. */
BLOCK_INLINE void chord_root(block_f32 *w) {
    block_f32 p = 1.146678999e-02f;
    p = p * *w - 6.371226907e-02f;
    p = p * *w + 1.649916470e-01f;
    p = p * *w - 2.774452567e-01f;
    p = p * *w + 3.658913374e-01f;
    p = p * *w - 4.383135736e-01f;
    p = p * *w + 5.300030708e-01f;
    p = p * *w - 7.070952058e-01f;
    p = p * *w + 1.414213538e+00f;
    *w = p;
}

/* Lambert's coordinates u_0, u_1 of axes (three rows of `stride`) about m, tangents t. */
BLOCK_INLINE void axis_about(const float *m, const float *t, const float *a, long stride, block_f32 *u) {
    const block_f32 x = LOAD_BLOCK(a), y = LOAD_BLOCK(a + stride), z = LOAD_BLOCK(a + 2 * stride);
    const block_f32 w = x * m[0] + y * m[1] + z * m[2];
    block_f32 root = __builtin_elementwise_abs(w);
    chord_root(&root);
    const block_f32 scale = w < 0.0f ? -root : root;
    u[0] = (x * t[0] + y * t[1] + z * t[2]) * scale;
    u[1] = (x * t[3] + y * t[4] + z * t[5]) * scale;
}

/* The axes there, to three rows of `stride`; NaN beyond the half-sphere. */
BLOCK_INLINE void axis_at(const float *m, const float *t, const block_f32 *u, float *a, long stride) {
    const block_f32 p = u[0], q = u[1], square = p * p + q * q, across = ROOT(1.0f - 0.25f * square);
    const block_f32 x = across * p, y = across * q;
    const block_f32 along = square > 2.0f ? NAN : 1.0f - 0.5f * square;
    STORE_BLOCK(a, along * m[0] + x * t[0] + y * t[3]);
    STORE_BLOCK(a + stride, along * m[1] + x * t[1] + y * t[4]);
    STORE_BLOCK(a + 2 * stride, along * m[2] + x * t[2] + y * t[5]);
}
