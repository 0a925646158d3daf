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

/* Unlike sqrt and sqrtf it sets no errno, which would keep a loop from being vectorised. */
#define ROOT(x) __builtin_elementwise_sqrt(x)

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

/* log(x) for normal x > 0: relative error ≤ 2e-7 (also near 1). Cephes logf's polynomial, branch-free reduction. */
static inline __attribute__((always_inline)) float fast_log(float x) {
    int32_t bits, mantissa;
    memcpy(&bits, &x, 4);
    int32_t e = (bits - 0x3F3504F3) >> 23;
    mantissa = bits - (e << 23);
    float r;
    memcpy(&r, &mantissa, 4);
    r -= 1.0f;
    float z = r * r, n = (float)e;
    float p = 7.0376836292e-2f;
    p = p * r - 1.1514610310e-1f;
    p = p * r + 1.1676998740e-1f;
    p = p * r - 1.2420140846e-1f;
    p = p * r + 1.4249322787e-1f;
    p = p * r - 1.6668057665e-1f;
    p = p * r + 2.0000714765e-1f;
    p = p * r - 2.4999993993e-1f;
    p = p * r + 3.3333331174e-1f;
    p = p * r * z;
    p += n * -2.12194440e-4f;
    p -= 0.5f * z;
    return (r + p) + n * 0.693359375f;
}

/* log(1 + x) for x ≥ 0, without the loss of 1 + x's rounding. */
static inline __attribute__((always_inline)) float fast_log1p(float x) {
    float u = 1.0f + x;
    return fast_log(u) + (x - (u - 1.0f)) / u;
}

/* log(eᵃ + eᵇ). */
static inline __attribute__((always_inline)) float fast_log_add(float a, float b) {
    const float high = a > b ? a : b, low = a > b ? b : a;
    return high + fast_log1p(fast_exp(low - high));
}
