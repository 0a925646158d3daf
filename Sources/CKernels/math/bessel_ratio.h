/* Blocks of the quotient of Bessel functions that Rician scores and moments of directions take. */
#pragma once
#include "vector_block.h"

/* I₁(x)/I₀(x) for x ≥ 0 (Abramowitz & Stegun 9.8.1–9.8.4), absolute error ≤ 1e-6; what holds below 3.75 only where some
   lane needs it. */
BLOCK_INLINE void block_bessel_ratio(block_f32 *argument) {
    const block_f32 x = *argument;
    const block_i32 is_far = x > 3.75f;
    const block_f32 q = is_far ? x : 3.75f, u = 3.75f / q;
    block_f32 c = 3.92377e-3f * u - 1.647633e-2f, d = -4.20059e-3f * u + 1.787654e-2f;
    c = c * u + 2.635537e-2f;   d = d * u - 2.895312e-2f;
    c = c * u - 2.057706e-2f;   d = d * u + 2.282967e-2f;
    c = c * u + 9.16281e-3f;    d = d * u - 1.031555e-2f;
    c = c * u - 1.57565e-3f;    d = d * u + 1.63801e-3f;
    c = c * u + 2.25319e-3f;    d = d * u - 3.62018e-3f;
    c = c * u + 1.328592e-2f;   d = d * u - 3.988024e-2f;
    c = c * u + 3.9894228e-1f;  d = d * u + 3.9894228e-1f;
    if (!__builtin_reduce_and(is_far)) {
        block_f32 t = x * (1.0f / 3.75f);
        t *= t;
        block_f32 a = 4.5813e-3f * t + 3.60768e-2f, b = 3.2411e-4f * t + 3.01532e-3f;
        a = a * t + 2.659732e-1f;   b = b * t + 2.658733e-2f;
        a = a * t + 1.2067492f;     b = b * t + 1.5084934e-1f;
        a = a * t + 3.0899424f;     b = b * t + 5.1498869e-1f;
        a = a * t + 3.5156229f;     b = b * t + 8.7890594e-1f;
        a = a * t + 1.0f;           b = (b * t + 0.5f) * x;
        c = is_far ? c : a;
        d = is_far ? d : b;
    }
    *argument = d / c;
}
