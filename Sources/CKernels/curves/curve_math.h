/* Branch-free double-precision functions that the compiler vectorises inside a loop. */
#pragma once
#include "../math/vector_math.h"

#define CURVE_INLINE static inline __attribute__((always_inline))
/* 1.5·2⁵²: rounds to nearest in the low mantissa bits. */
#define ROUNDS 6755399441055744.0

/* sin r on [−π/2, π/2]: Taylor's series to r²¹. */
CURVE_INLINE double sine_core(double r) {
    const double z = r * r;
    double p = 1.9572941063391263e-20;
    p = p * z - 8.2206352466243295e-18;
    p = p * z + 2.8114572543455206e-15;
    p = p * z - 7.6471637318198164e-13;
    p = p * z + 1.6059043836821613e-10;
    p = p * z - 2.5052108385441720e-08;
    p = p * z + 2.7557319223985893e-06;
    p = p * z - 1.9841269841269841e-04;
    p = p * z + 8.3333333333333332e-03;
    p = p * z - 1.6666666666666666e-01;
    return r + r * z * p;
}

/* r = x − (k + half) π, by Cody and Waite in three parts, of which the first two make exact products; the sign is
   (−1)^k. */
CURVE_INLINE double reduced(double x, double half, double *sign) {
    const double k = x * 0.31830988618379067 - half + ROUNDS, n = k - ROUNDS + half;
    int64_t bits;
    memcpy(&bits, &k, 8);
    *sign = 1.0 - 2.0 * (double)(int32_t)(bits & 1);
    return ((x - n * 3.1415926534682512) - n * 1.2154201012607932e-10) - n * 4.044532497591901e-21;
}

CURVE_INLINE double fast_sine(double x) {
    double sign;
    const double r = reduced(x, 0, &sign);
    return sign * sine_core(r);
}

CURVE_INLINE double fast_cosine(double x) {
    double sign;
    const double r = reduced(x, 0.5, &sign);
    return -sign * sine_core(r);
}

/* exp x, clamped to [−700, 700]: Taylor's series to r¹³. */
CURVE_INLINE double exponential(double x) {
    x = x < -700.0 ? -700.0 : x;
    x = x > 700.0 ? 700.0 : x;
    const double k = x * 1.4426950408889634 + ROUNDS, n = k - ROUNDS;
    const double r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10;
    double p = 1.6059043836821613e-10;
    p = p * r + 2.0876756987868100e-09;
    p = p * r + 2.5052108385441720e-08;
    p = p * r + 2.7557319223985888e-07;
    p = p * r + 2.7557319223985893e-06;
    p = p * r + 2.4801587301587302e-05;
    p = p * r + 1.9841269841269841e-04;
    p = p * r + 1.3888888888888889e-03;
    p = p * r + 8.3333333333333332e-03;
    p = p * r + 4.1666666666666664e-02;
    p = p * r + 1.6666666666666666e-01;
    p = p * r + 0.5;
    p = p * r * r + r + 1.0;
    int64_t bits;
    memcpy(&bits, &k, 8);
    bits = (int64_t)((uint64_t)(bits + 1023) << 52);
    double scale;
    memcpy(&scale, &bits, 8);
    return p * scale;
}

/* tanh x by its exponential: absolute error ≤ 2e-16. */
CURVE_INLINE double hyperbolic_tangent(double x) { return 1.0 - 2.0 / (exponential(2.0 * x) + 1.0); }

/* log x of normal x > 0 (about −709 at 0): x = 2^e m, log m = 2 artanh((m − 1)/(m + 1)). */
CURVE_INLINE double logarithm(double x) {
    int64_t bits;
    memcpy(&bits, &x, 8);
    const int64_t e = (bits - 0x3FE6A09E667F3BCD) >> 52;
    bits -= (int64_t)((uint64_t)e << 52);
    double m;
    memcpy(&m, &bits, 8);
    const double s = (m - 1.0) / (m + 1.0), z = s * s, n = (double)(int32_t)e;
    double p = 1.0 / 23;
    p = p * z + 1.0 / 21;
    p = p * z + 1.0 / 19;
    p = p * z + 1.0 / 17;
    p = p * z + 1.0 / 15;
    p = p * z + 1.0 / 13;
    p = p * z + 1.0 / 11;
    p = p * z + 1.0 / 9;
    p = p * z + 1.0 / 7;
    p = p * z + 1.0 / 5;
    p = p * z + 1.0 / 3;
    return n * 0.693147180369123816490 + (2.0 * s + (2.0 * s * z * p + n * 1.90821492927058770002e-10));
}

/* log(1 + x), x ≥ 0, without the loss of 1 + x's rounding. */
CURVE_INLINE double logarithm_beside_one(double x) {
    const double u = 1.0 + x;
    return logarithm(u) + (x - (u - 1.0)) / u;
}

/* atan x. Cephes' rational function, after reduction to |x| ≤ 0.66. */
CURVE_INLINE double arctangent(double x) {
    const double t = x < 0 ? -x : x;
    const int is_large = t > 2.414213562373095, is_middle = t > 0.66;
    const double r = is_large ? -1.0 / t : is_middle ? (t - 1.0) / (t + 1.0) : t, z = r * r;
    double p = -8.750608600031904122785e-1, q = z + 2.485846490142306297962e1;
    p = p * z - 1.615753718733365076637e1;
    p = p * z - 7.500855792314704667340e1;
    p = p * z - 1.228866684490136173410e2;
    p = p * z - 6.485021904942025371773e1;
    q = q * z + 1.650270098316988542046e2;
    q = q * z + 4.328810604912902668951e2;
    q = q * z + 4.853903996359136964868e2;
    q = q * z + 1.945506571482613964425e2;
    const double y = (is_large ? 1.5707963267948966 : is_middle ? 0.78539816339744831 : 0.0) + (r * z * p / q + r);
    return x < 0 ? -y : y;
}

/* asin x, |x| < 1. */
CURVE_INLINE double arcsine(double x) { return arctangent(x / ROOT((1.0 - x) * (1.0 + x))); }
