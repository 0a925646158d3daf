#include "../include/training.h"
#include "../math/vector_math.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#pragma clang fp contract(fast)

#define UNROLL _Pragma("clang loop unroll(full)")

/* CHAIN: pairs of products that are summed in half precision. */
enum { CHAIN = 32 };
/* Rows of a block: whole tiles, a chain of pairs. */
#define MOST (TILE * (2 * CHAIN / TILE))

static long up(long n, long by) { return (n + by - 1) / by * by; }
/* Between rows of scratch matrices of n columns: whole panels, and not a power of two, which would crowd a few sets of
   the cache. */
static long pitch_of(long n) { return up(n, 32) + 16; }

/* What a block keeps of n(x): pairs of rows, and behind them what they were scaled with. */
static long kept_block(long depth) { return CHAIN * pitch_of(depth) + 16; }

/* 2^e that brings `peak` to [8, 16): products of two such numbers, summed by the chain, stay in half precision's range.
   */
static float half_scale(float peak) {
    int32_t bits;
    memcpy(&bits, &peak, 4);
    int32_t e = bits >> 23 & 0xFF;
    if (peak == 0) e = 127 + 3;
    e = e < 27 ? 27 : e;
    bits = (127 + 127 + 3 - e) << 23;
    float s;
    memcpy(&s, &bits, 4);
    return s;
}

#define TARGET
#define LANES 4
#define KIND f4
#include "training_template.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("arch=x86-64-v3")))
#define LANES 8
#define KIND f8
#include "training_template.h"

#define TARGET __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define LANES 16
#define KIND f16
#include "training_template.h"

#define TARGET __attribute__((target("arch=x86-64-v4,avx512bf16"), min_vector_width(512)))
#define LANES 16
#define KIND bf16
#define NARROW 1
#include "training_template.h"

#define TARGET __attribute__((target("arch=x86-64-v4,avx512fp16"), min_vector_width(512)))
#define LANES 16
#define KIND half
#define NARROW 2
#include "training_template.h"
#endif

pk_train_kind pk_train_best(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("x86-64-v4")) return PK_TRAIN_16;
    if (__builtin_cpu_supports("x86-64-v3")) return PK_TRAIN_8;
#endif
    return PK_TRAIN_4;
}

int pk_train_has(pk_train_kind kind) {
#if defined(__x86_64__)
    if (kind == PK_TRAIN_BF16) return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16");
    if (kind == PK_TRAIN_HALF) return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512fp16");
#endif
    return kind <= pk_train_best();
}

int pk_train_pays(pk_train_kind kind) {
    if (!pk_train_has(kind)) return 0;
#if defined(__x86_64__)
    if (kind == PK_TRAIN_BF16) return !__builtin_cpu_is("intel");
#endif
    return 1;
}

static long lanes_of(pk_train_kind kind) { return kind == PK_TRAIN_4 ? 4 : kind == PK_TRAIN_8 ? 8 : 16; }
static int is_narrow(pk_train_kind kind) { return kind == PK_TRAIN_BF16 || kind == PK_TRAIN_HALF; }

long pk_train_kept(pk_train_kind kind, long rows, long depth) {
    return is_narrow(kind) ? (rows + 2 * CHAIN - 1) / (2 * CHAIN) * kept_block(depth) : 0;
}

/* Panels, biases, and what the sums are to be multiplied with. */
static long packed_size(pk_train_kind kind, long depth, long columns) {
    const long steps = is_narrow(kind) ? (depth + 1) / 2 : depth, across = up(columns, 2 * lanes_of(kind));
    return up(across * (steps + 1) + 1, 16);
}

long pk_train_size(pk_train_kind kind, long depth, long columns, int transposed) {
    return transposed ? packed_size(kind, columns, depth) : packed_size(kind, depth, columns);
}

long pk_train_scratch(pk_train_kind kind, long depth, long columns) {
    /* x and the gradient of f's argument in single precision, n(x)'s gradient; and the first two in narrow words */
    const long x = pitch_of(depth), z = pitch_of(columns);
    return 4 * (pk_train_block * (2 * x + z + (is_narrow(kind) ? x + 2 * z : 0)) + 1024);
}

void pk_train_pack(pk_train_kind kind, long depth, long columns, int transposed, const float *weights,
                   const float *bias, float *packed) {
    const long steps = transposed ? columns : depth, across = transposed ? depth : columns;
    const long step = transposed ? 1 : columns, next = transposed ? columns : 1;
    switch (kind) {
#if defined(__x86_64__)
    case PK_TRAIN_HALF:
        pack_half(steps, across, weights, step, next, bias, packed);
        return;
    case PK_TRAIN_BF16:
        pack_bf16(steps, across, weights, step, next, bias, packed);
        return;
    case PK_TRAIN_16:
        pack_f16(steps, across, weights, step, next, bias, packed);
        return;
    case PK_TRAIN_8:
        pack_f8(steps, across, weights, step, next, bias, packed);
        return;
#endif
    default:
        pack_f4(steps, across, weights, step, next, bias, packed);
    }
}

void pk_train_forward(pk_train_kind kind, const pk_train_layer *layer, const float *packed, void *scratch) {
    switch (kind) {
#if defined(__x86_64__)
    case PK_TRAIN_HALF:
        forward_half(layer, packed, scratch);
        return;
    case PK_TRAIN_BF16:
        forward_bf16(layer, packed, scratch);
        return;
    case PK_TRAIN_16:
        forward_f16(layer, packed, scratch);
        return;
    case PK_TRAIN_8:
        forward_f8(layer, packed, scratch);
        return;
#endif
    default:
        forward_f4(layer, packed, scratch);
    }
}

void pk_train_backward(pk_train_kind kind, const pk_train_layer *layer, const float *transposed, void *scratch) {
    switch (kind) {
#if defined(__x86_64__)
    case PK_TRAIN_HALF:
        backward_half(layer, transposed, scratch);
        return;
    case PK_TRAIN_BF16:
        backward_bf16(layer, transposed, scratch);
        return;
    case PK_TRAIN_16:
        backward_f16(layer, transposed, scratch);
        return;
    case PK_TRAIN_8:
        backward_f8(layer, transposed, scratch);
        return;
#endif
    default:
        backward_f4(layer, transposed, scratch);
    }
}
