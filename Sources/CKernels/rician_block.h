/* Blocks of the Rician likelihood. */
#pragma once
#include "vector_block.h"

/* (e^(−x) I₀(x))² for x ≥ 0: Abramowitz & Stegun 9.8.1 and 9.8.2; the former only where some lane needs it.  Relative error ≤ 6e-7. */
BLOCK_INLINE void block_squared_bessel(block_f32 *x) {
    const block_f32 v = *x > 1e8f ? (block_f32)1e8f : *x;
    const block_i32 is_near = v < 3.75f;
    block_f32 u = 3.75f / (v < 3.75f ? (block_f32)3.75f : v);
    block_f32 p = 3.92377e-3f * u - 1.647633e-2f;
    p = p * u + 2.635537e-2f;
    p = p * u - 2.057706e-2f;
    p = p * u + 9.16281e-3f;
    p = p * u - 1.57565e-3f;
    p = p * u + 2.25319e-3f;
    p = p * u + 1.328592e-2f;
    p = p * u + 3.9894228e-1f;
    block_f32 far = p * p * (u * (1.0f / 3.75f));
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

/* Products of squared Bessel values: their logarithm (base 2) is taken once for four blocks, of which none can fall below 1e-36. */
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
#define LN2 0.69314718055994531
