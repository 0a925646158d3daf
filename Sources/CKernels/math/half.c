/* IEEE half precision in bulk: integer arithmetic that the compiler vectorises on any CPU. */
#include "../include/half.h"
#include "vector_math.h"

/* Fabian Giesen's conversions (public domain): a multiplication by a power of two moves the exponent and normalises
   subnormals. */
PER_CPU void pk_half_to_float(const uint16_t *source, float *target, long n) {
    for (long i = 0; i < n; i++) {
        uint32_t h = source[i];
        uint32_t magnitude = (h & 0x7fffu) << 13;
        float scale, value;
        uint32_t bits = 0x77800000u; /* 2^112 */
        memcpy(&scale, &bits, 4);
        memcpy(&value, &magnitude, 4);
        value *= scale;
        memcpy(&bits, &value, 4);
        bits |= (h & 0x8000u) << 16;
        bits = (h & 0x7c00u) == 0x7c00u ? 0u : bits;
        memcpy(&target[i], &bits, 4);
    }
}

PER_CPU int pk_float_to_half(const float *source, uint16_t *target, long n) {
    uint32_t bad = 0;
    for (long i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &source[i], 4);
        uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
        uint32_t wrong = magnitude >= 0x477ff000u; /* 65520 and more would round to infinity */
        bad |= wrong;
        /* Normal numbers: rebias, round to nearest even in the 13 bits dropped. */
        uint32_t normal = (magnitude - 0x38000000u + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
        /* Below 2^-14: adding 0.5 leaves the rounded subnormal in the low bits. */
        float value;
        memcpy(&value, &magnitude, 4);
        value += 0.5f;
        uint32_t small;
        memcpy(&small, &value, 4);
        small -= 0x3f000000u;
        uint32_t half = magnitude < 0x38800000u ? small : normal;
        target[i] = (uint16_t)(wrong ? 0u : sign | half);
    }
    return bad == 0;
}
