/* Blocks of the Rician likelihood. */
#pragma once
#include "vector_block.h"

/* (e^(−x) I₀(x))² for x ≥ 0: from 3.75 on a minimax polynomial in 1/x, below Abramowitz & Stegun 9.8.1, only where some
   lane needs it.  Relative error ≤ 9e-7. */
BLOCK_INLINE void block_squared_bessel(block_f32 *x) {
    const block_f32 v = *x > 1e8f ? (block_f32)1e8f : *x;
    const block_i32 is_near = v < 3.75f;
    block_f32 u = 3.75f / (v < 3.75f ? (block_f32)3.75f : v);
    block_f32 p = -4.094193589e-4f * u + 1.049799409e-3f;
    p = p * u - 7.809470941e-4f;
    p = p * u + 4.369705895e-4f;
    p = p * u + 4.217885662e-4f;
    p = p * u + 2.832375565e-3f;
    p = p * u + 4.244128984e-2f;
    block_f32 far = p * u;
    if (__builtin_reduce_or(is_near)) {
        block_f32 t = v * (1.0f / 3.75f), e = v * -1.44269504f;
        t *= t;
        block_f32 q = 4.5813e-3f * t + 3.60768e-2f;
        q = q * t + 2.659732e-1f;
        q = q * t + 1.2067492f;
        q = q * t + 3.0899424f;
        q = q * t + 3.5156229f;
        q = q * t + 1.0f;
        block_exp2(&e);
        q *= e;
        far = is_near ? q * q : far;
    }
    *x = far;
}

/* Products of squared Bessel values: their logarithm (base 2) is taken once for four blocks, of which none can fall
   below 1e-36. */
typedef struct { block_f32 product, logs; int count; } log_products;
BLOCK_INLINE void gather_logs(log_products *p) {
    block_log2(&p->product);
    p->logs += p->product;
    p->product = 1;
    p->count = 0;
}
BLOCK_INLINE void multiply(log_products *p, const block_f32 *x) {
    p->product *= *x;
    if (++p->count == 4) gather_logs(p);
}
/* A product of positive numbers that may leave the range of floats: its exponent is kept apart, taken off every fourth
   factor. */
typedef struct { block_f32 last, mantissa; block_i32 exponent; } long_product;
BLOCK_INLINE void fold(long_product *p) {
    const block_i32 e = (BITS_OF(p->last) - 0x3F3504F3) >> 23;
    p->mantissa *= FLOATS_OF(BITS_OF(p->last) - (e << 23));
    p->exponent += e;
    p->last = 1;
}
#define LN2 0.69314718055994531
