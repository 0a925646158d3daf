/* What the signal forms share: doubles in sixteen lanes, and the exponential of either width. */
#pragma once
#include "../include/forms.h"
#include "../math/vector_block.h"

enum { LANES = LANES_IN_BLOCK };
typedef double block_f64 __attribute__((ext_vector_type(16)));
typedef int64_t block_i64 __attribute__((ext_vector_type(16)));

#define MINUS_LOG2E -1.44269504f
#define WIDE(p) __builtin_convertvector(LOAD_BLOCK(p), block_f64)
#define NARROW(x) __builtin_convertvector(x, block_f32)

/* x becomes exp(x): relative error ≤ 3e-14 on [−700, 700], clamped outside. */
BLOCK_INLINE void block_exp_f64(block_f64 *x) {
    block_f64 t = *x < -700.0 ? (block_f64)-700.0 : *x;
    t = t > 700.0 ? (block_f64)700.0 : t;
    /* 1.5·2⁵²: the nearest whole number in the low mantissa bits */
    const block_f64 k = t * 1.4426950408889634 + 6755399441055744.0;
    const block_f64 n = k - 6755399441055744.0;
    const block_f64 r = (t - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
    block_f64 p = r * (1.0 / 39916800) + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    *x = (block_f64)((block_i64)p + ((block_i64)k << 52));
}

/* u becomes the attenuation: the exponent times −log₂e where there is no spread, times ρ² where there is (shape =
   −1/ρ²). */
BLOCK_INLINE void block_attenuation(block_f32 *u, const block_f32 *shape, int has_spread) {
    if (has_spread) {
        block_log2_1p(u);
        *u *= *shape;
    }
    block_exp2(u);
}

/* What an exponent is multiplied with for block_attenuation, and the shape. */
BLOCK_INLINE void attenuation_law(const float *spread, block_f32 *factor, block_f32 *shape) {
    *factor = MINUS_LOG2E;
    *shape = 0;
    if (spread) {
        const block_f32 rho = LOAD_BLOCK(spread);
        *factor = rho * rho;
        *shape = -1.0f / *factor;
    }
}
