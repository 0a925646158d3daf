/* Blocks of 16 measurements as one vector each, cut into registers by the compiler. Arguments go by address: functions
   that pass vectors by value cannot be inlined across instruction sets. */
#pragma once
#include <string.h>
#include "vector_math.h"

enum { LANES_IN_BLOCK = 16 };
typedef float block_f32 __attribute__((ext_vector_type(16)));
typedef int32_t block_i32 __attribute__((ext_vector_type(16)));
typedef struct { block_f32 v; } __attribute__((packed, aligned(4), may_alias)) block_anywhere;

#define BLOCK_INLINE static inline __attribute__((always_inline))
#define LOAD_BLOCK(p) (((const block_anywhere *)(p))->v)
#define STORE_BLOCK(p, x) (((block_anywhere *)(p))->v = (x))
#define EACH(i) for (int i = 0; i < LANES_IN_BLOCK; i++)
#define UNROLLED _Pragma("clang loop unroll(full)")
#define BITS_OF(x) ((block_i32)(x))
#define FLOATS_OF(x) ((block_f32)(x))

/* 16 zeros, then 16 ones: from `tail` on, a mask of the last `tail` lanes. */
static const float tail_lanes[32] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* x becomes 2^x: relative error ≤ 2e-7 on [−120, 120], at least 2^−120; above is not for it. NaN stays. */
BLOCK_INLINE void block_exp2(block_f32 *x) {
    block_f32 t = *x < -120.0f ? (block_f32)-120.0f : *x;
    block_f32 k = t + 12582912.0f; /* 1.5·2²³: the nearest whole number in the low mantissa bits */
    block_f32 r = t - (k - 12582912.0f);
    block_f32 p = 1.326466561e-3f * r + 9.671511129e-3f; /* minimax with 2^0 = 1 exactly */
    p = p * r + 5.550733954e-2f;
    p = p * r + 2.402224243e-1f;
    p = p * r + 6.931470037e-1f;
    p = p * r + 1.0f;
    *x = FLOATS_OF(BITS_OF(p) + (BITS_OF(k) << 23));
}

/* r·P(r) = log₂(1 + r) on [√½ − 1, √2 − 1], relative error ≤ 2e-7. */
BLOCK_INLINE void block_log2_core(block_f32 *x) {
    const block_f32 r = *x;
    block_f32 p = -1.458116887e-1f * r + 2.340423706e-1f;
    p = p * r - 2.488768647e-1f;
    p = p * r + 2.870986995e-1f;
    p = p * r - 3.602396397e-1f;
    p = p * r + 4.809232423e-1f;
    p = p * r - 7.213527881e-1f;
    p = p * r + 1.442694962f;
    *x = p * r;
}

/* Normal x > 0 becomes log₂ x, relative error ≤ 4e-7. */
BLOCK_INLINE void block_log2(block_f32 *x) {
    block_i32 e = (BITS_OF(*x) - 0x3F3504F3) >> 23;
    block_f32 r = FLOATS_OF(BITS_OF(*x) - (e << 23)) - 1.0f;
    block_log2_core(&r);
    *x = r + __builtin_convertvector(e, block_f32);
}

/* x ≥ 0 becomes log₂(1 + x), relative error ≤ 4e-7 also near 0.  With 2^e ≤ about 1 + x, r = (1 + x) 2^−e − 1 = x 2^−e
   + (2^−e − 1) keeps what the sum 1 + x would round away. */
BLOCK_INLINE void block_log2_1p(block_f32 *x) {
    block_i32 e = (BITS_OF(1.0f + *x) - 0x3F3504F3) >> 23;
    block_f32 s = FLOATS_OF(0x3F800000 - (e << 23));
    block_f32 r = *x * s + (s - 1.0f);
    block_log2_core(&r);
    *x = r + __builtin_convertvector(e, block_f32);
}

/* How a compartment's signal falls with b: exp(−b d), or (1 + b s²/d)^(−d²/s²) for diffusivities of spread s. */
typedef struct {
    float rate, shape;
    int has_spread;
} decay_law;

BLOCK_INLINE decay_law make_decay(float d, float s) {
    if (s > 0.0f) return (decay_law){s * (s / d), -(d / s) * (d / s), 1};
    return (decay_law){d * -1.44269504f, 0.0f, 0};
}

/* b·rate becomes the attenuation. `has_spread` is a constant where it is called. */
BLOCK_INLINE void block_decay(block_f32 *x, const decay_law *law, int has_spread) {
    if (has_spread) {
        block_log2_1p(x);
        *x *= law->shape;
    }
    block_exp2(x);
}

/* As block_decay, each lane with a law of its own. */
BLOCK_INLINE void decay_lanes(block_f32 *x, const block_f32 *shape, int has_spread) {
    if (has_spread) {
        block_log2_1p(x);
        *x *= *shape;
    }
    block_exp2(x);
}

/* Attenuations of a ball and n sticks at 16 measurements. */
BLOCK_INLINE void block_signal(const float *b, const float *gx, const float *gy, const float *gz, const decay_law *law,
                               int has_spread, long n, const float *fractions, const float *axes, block_f32 *out) {
    const block_f32 q = LOAD_BLOCK(b) * law->rate, x = LOAD_BLOCK(gx), y = LOAD_BLOCK(gy), z = LOAD_BLOCK(gz);
    block_f32 a = q;
    block_decay(&a, law, has_spread);
    block_f32 total = fractions[0] * a;
    for (long k = 0; k < n; k++) {
        block_f32 c = x * axes[3 * k] + y * axes[3 * k + 1] + z * axes[3 * k + 2];
        block_f32 t = q * c * c;
        block_decay(&t, law, has_spread);
        total += fractions[k + 1] * t;
    }
    *out = total;
}

/* The sum of the lanes in a fixed order. */
typedef float quarter_f32 __attribute__((ext_vector_type(4)));
BLOCK_INLINE quarter_f32 block_quarter(const block_f32 *x) { return (x->lo.lo + x->hi.lo) + (x->lo.hi + x->hi.hi); }
BLOCK_INLINE float block_sum(const block_f32 *x) {
    const quarter_f32 q = block_quarter(x);
    return (q.x + q.y) + (q.z + q.w);
}
/* Four at once: pairs of neighbouring lanes first, so that the four share every addition. */
BLOCK_INLINE void block_sums(const block_f32 *x, float *out) {
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define ODD(a, b) __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
    const block_f32 a = EVEN(x[0], x[1]) + ODD(x[0], x[1]), b = EVEN(x[2], x[3]) + ODD(x[2], x[3]);
    const block_f32 c = __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
                        + __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
    const quarter_f32 s = block_quarter(&c);
    memcpy(out, &s, sizeof s);
#undef EVEN
#undef ODD
}

/* Up to 16 values at the beginning of a block of their own, the last of them repeated. */
BLOCK_INLINE void take(const float *x, long count, float *out) {
    if (count == LANES_IN_BLOCK) memcpy(out, x, LANES_IN_BLOCK * sizeof(float));
    else EACH(i) out[i] = x[i < count ? i : count - 1];
}

/* CALL(n, spread) with both as constants, so that each structure of the family gets code of its own. */
#define BY_STRUCTURE(n, spread, CALL) \
    switch (2 * (n) + ((spread) ? 1 : 0)) { \
    case 0: \
        CALL(0, 0); \
        break; \
    case 1: \
        CALL(0, 1); \
        break; \
    case 2: \
        CALL(1, 0); \
        break; \
    case 3: \
        CALL(1, 1); \
        break; \
    case 4: \
        CALL(2, 0); \
        break; \
    case 5: \
        CALL(2, 1); \
        break; \
    case 6: \
        CALL(3, 0); \
        break; \
    default: \
        CALL(3, 1); \
    }

/* Fewer than 16 values, moved to the end of a block of their own. */
BLOCK_INLINE const float *padded(const float *x, long m, float *room) {
    for (long i = 0; i < LANES_IN_BLOCK; i++) room[i] = 0;
    for (long i = 0; i < m; i++) room[LANES_IN_BLOCK - m + i] = x[i];
    return room;
}
