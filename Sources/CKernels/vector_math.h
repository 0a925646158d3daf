/* Branch-free float functions that the compiler vectorises inside a loop. */
#pragma once
#include <stdint.h>
#include <string.h>

/* Compile a function three times (baseline, AVX2+FMA, AVX-512) and choose when the program is loaded. */
#if defined(__x86_64__)
#define PER_CPU __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define PER_CPU
#endif

/* exp(x): relative error ≤ 2e-7 on [−87, 88]; clamped outside. Cody–Waite reduction, degree-6 polynomial. */
static inline __attribute__((always_inline)) float fast_exp(float x) {
    x = x < -87.0f ? -87.0f : x;
    x = x > 88.0f ? 88.0f : x;
    float k = x * 1.44269504088896341f + 12582912.0f; /* 1.5·2²³: rounds to nearest in the low mantissa bits */
    int32_t bits;
    memcpy(&bits, &k, 4);
    float n = k - 12582912.0f;
    float r = x - n * 0.693145751953125f;
    r = r - n * 1.42860682030941723e-6f;
    float p = 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    int32_t e = (bits - 0x4B400000 + 127) << 23;
    float scale;
    memcpy(&scale, &e, 4);
    return p * scale;
}
