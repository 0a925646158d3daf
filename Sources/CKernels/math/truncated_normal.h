/* Truncated normals without loss in the tails, branch-free so that loops over samples vectorise. */
#pragma once
#include <math.h>
#include "vector_math.h"

#define INLINE static inline __attribute__((always_inline))
/* Bounds so many standard deviations away take nothing from a normal (1e-12 each). */
#define FAR 7.0f

/* Q, the normal's upper tail, for x ≥ 0 is ½ t e^p e^(−x²/2); relative error of t e^p ≤ 2e-7 (Numerical Recipes'
   rational-Chebyshev erfc). */
INLINE void scaled_tail(float x, float *t_out, float *p_out) {
    float t = 1.0f / (1.0f + 0.35355339f * x);
    float p = 0.17087277f;
    p = p * t - 0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t - 1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t - 0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t - 1.26551223f;
    *t_out = t;
    *p_out = p;
}

/* An interval lo < hi of a normal, mirrored if need be so that its nearer end is on the left of its centre or right of
   0.  The masses below lo (or, for lo ≥ 0, above it) and above hi, and inside, all times e^−shift: right of 0 the tails
   would underflow. */
typedef struct { float lo, hi, shift, end, beyond, inside; } interval;

INLINE interval make_interval(float a, float b) {
    interval v;
    const float mirror = a + b < 0.0f ? 1.0f : 0.0f;
    v.lo = mirror > 0.0f ? -b : a;
    v.hi = mirror > 0.0f ? -a : b;
    v.lo = v.lo < -30.0f ? -30.0f : v.lo;
    v.hi = v.hi > 30.0f ? 30.0f : v.hi;
    const float x = fabsf(v.lo), y = fabsf(v.hi);
    float t, p, u, q;
    scaled_tail(x, &t, &p);
    scaled_tail(y, &u, &q);
    p -= 0.5f * x * x;
    q -= 0.5f * y * y;
    v.shift = v.lo >= 0.0f ? p : 0.0f;
    v.end = 0.5f * t * fast_exp(p - v.shift);
    v.beyond = 0.5f * u * fast_exp(q - v.shift);
    v.inside = (v.lo >= 0.0f ? v.end : 1.0f - v.end) - v.beyond;
    return v;
}

/* log(Φ(b) − Φ(a)), a < b, without loss in the tails. */
INLINE float log_interval(float a, float b) {
    const interval v = make_interval(a, b);
    const float value = v.shift + fast_log(v.inside > 1e-30f ? v.inside : 1e-30f);
    /* An interval more than 30 standard deviations out is never drawn from (NaN below): 0 leaves the untruncated
       density, which is nothing. */
    return (a + b < 0.0f ? -b : a) > 30.0f ? 0.0f : value;
}

/* x with log Q(x) = l, for x ≥ 0 (l ≤ log ½): rational start, a Newton step in the logarithm.  |error| ≤ 1e-5. */
INLINE float upper_quantile(float l) {
    float q = -2.0f * l;
    float s = ROOT(q > 1.3862944f ? q : 1.3862944f);
    /* Abramowitz & Stegun 26.2.23, within 4.5e-4 */
    float x =
        s - (2.515517f + s * (0.802853f + s * 0.010328f)) / (1.0f + s * (1.432788f + s * (0.189269f + s * 0.001308f)));
    float a = x > 0.0f ? x : 0.0f, t, p;
    scaled_tail(a, &t, &p);
    /* d log Q / dx = −φ/Q = −1/(√2π e^r), e^r = ½ t e^p */
    float e = 0.5f * t * fast_exp(p);
    return a + (fast_log(0.5f * t) + p - 0.5f * a * a - l) * 2.50662827f * e;
}

/* Φ⁻¹(u) restricted to [a, b]; NaN when the interval lies more than 30 from 0. */
INLINE float truncated_quantile(float u, float a, float b) {
    const interval v = make_interval(a, b);
    const float mirror = a + b < 0.0f ? 1.0f : 0.0f, isTail = v.lo >= 0.0f ? 1.0f : 0.0f;
    /* What lies above the quantile, and below it. */
    float above = (isTail > 0.0f ? v.end : 1.0f - v.end) - u * v.inside, below = v.end + u * v.inside;
    float right = isTail > 0.0f ? 1.0f : above <= 0.5f ? 1.0f : 0.0f, m = right > 0.0f ? above : below;
    float x = upper_quantile(v.shift + fast_log(m > 1e-30f ? m : 1e-30f));
    x = right > 0.0f ? x : -x;
    x = x < v.lo ? v.lo : x;
    x = x > v.hi ? v.hi : x;
    return (a + b < 0.0f ? -b : a) > 30.0f ? NAN : mirror > 0.0f ? -x : x;
}

/* Φ⁻¹(u) = (2u − 1) P(√(4 − log 4u(1 − u))), P minimax: relative error ≤ 3e-6 for 5e-8 ≤ u ≤ 1 − 1e-7; beyond, about
   5.3. */
INLINE float normal_quantile(float u) {
    const float m = 4.0f * u * (1.0f - u), w = -fast_log(m > 1.2e-7f ? m : 1.2e-7f),
                z = ROOT(4.0f + (w > 0.0f ? w : 0.0f)) - 3.25f;
    float p = 1.867428132e-03f;
    p = p * z - 8.322693633e-04f;
    p = p * z - 1.060631230e-02f;
    p = p * z + 1.143073037e-02f;
    p = p * z + 1.584751773e-02f;
    p = p * z - 4.451439337e-02f;
    p = p * z + 4.630991027e-02f;
    p = p * z - 6.966338871e-03f;
    p = p * z - 9.799547600e-02f;
    p = p * z + 1.769498297e+00f;
    p = p * z + 3.389466568e+00f;
    return (2.0f * u - 1.0f) * p;
}

/* log Q(a), a ≤ 8: of a normal restricted to [a, ∞) what it is divided by. */
INLINE float lower_log_mass(float a) {
    const float x = fabsf(a);
    float t, p;
    scaled_tail(x, &t, &p);
    p -= 0.5f * x * x;
    return a >= 0.0f ? p + fast_log(0.5f * t) : fast_log(1.0f - 0.5f * t * fast_exp(p));
}

/* The quantile of u of a normal restricted to [a, ∞), and its log-density there without the constant −½ log 2π.  Beyond
   8 standard deviations an exponential of rate a stands for it, which has no limit. */
INLINE float lower_quantile(float u, float a, float *log_density) {
    const float b = a > 8.0f ? 8.0f : a, mass = lower_log_mass(b), rest = fast_log(1.0f - u), l = mass + rest;
    /* Below the median from the other side, where 1 − e^l has more digits. */
    const float below = l > -0.693147181f ? 1.0f : 0.0f, m = 1.0f - fast_exp(l);
    float x = upper_quantile(below > 0.0f ? fast_log(m > 1e-30f ? m : 1e-30f) : l);
    x = below > 0.0f ? -x : x;
    x = x < b ? b : x;
    *log_density = a > 8.0f ? 0.918938533f + fast_log(a > 8.0f ? a : 8.0f) + rest : -0.5f * x * x - mass;
    return a > 8.0f ? a - rest / (a > 8.0f ? a : 8.0f) : x;
}
INLINE float lower_log_density(float z, float a) {
    const float b = a > 8.0f ? 8.0f : a;
    const float near = -0.5f * z * z - lower_log_mass(b),
                far = 0.918938533f + fast_log(a > 8.0f ? a : 8.0f) - a * (z - a);
    return a > 8.0f ? far : near;
}
