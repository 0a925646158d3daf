#include "../include/dense.h"
#include "../math/vector_math.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#pragma clang fp contract(fast)

#define UNROLL _Pragma("clang loop unroll(full)")

#define TARGET
#define LANES 4
#define KIND f4
#include "dense_template.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("arch=x86-64-v3")))
#define LANES 8
#define KIND f8
#include "dense_template.h"

#define TARGET __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define LANES 16
#define KIND f16
#include "dense_template.h"

#define TARGET __attribute__((target("arch=x86-64-v4,avx512bf16"), min_vector_width(512)))
#define LANES 16
#define KIND narrow
#define NARROW
#include "dense_template.h"
#endif

pk_dense_kind pk_dense_best(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("x86-64-v4")) return PK_DENSE_16;
    if (__builtin_cpu_supports("x86-64-v3")) return PK_DENSE_8;
#endif
    return PK_DENSE_4;
}

int pk_dense_has_bf16(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16");
#else
    return 0;
#endif
}

int pk_dense_bf16_pays(void) {
#if defined(__x86_64__)
    return pk_dense_has_bf16() && !__builtin_cpu_is("intel");
#else
    return 0;
#endif
}

static long panel_of(pk_dense_kind kind) { return kind == PK_DENSE_4 ? 8 : kind == PK_DENSE_8 ? 16 : 32; }
static long steps_of(pk_dense_kind kind, long depth) { return kind == PK_DENSE_BF16 ? (depth + 1) / 2 : depth; }

long pk_dense_size(pk_dense_kind kind, long depth, long columns) {
    const long panel = panel_of(kind), across = (columns + panel - 1) / panel * panel;
    return (across * (steps_of(kind, depth) + 1) + 15) / 16 * 16;
}

/* The nearest bfloat16, halves to even; a finite value too large becomes infinite, a NaN stays one. */
static uint32_t narrowed(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if (x != x) return (bits >> 16 | 0x40) & 0xFFFF;
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
}

void pk_dense_pack(pk_dense_kind kind, long depth, long columns, const float *weights, const float *bias,
                   float *packed) {
    const long panel = panel_of(kind), steps = steps_of(kind, depth), across = (columns + panel - 1) / panel * panel;
    memset(packed, 0, (size_t)pk_dense_size(kind, depth, columns) * 4);
    for (long j = 0; j < columns; j++) {
        float *to = packed + j / panel * panel * steps + j % panel;
        if (kind == PK_DENSE_BF16)
            for (long k = 0; k < steps; k++) {
                const float high = 2 * k + 1 < depth ? weights[(2 * k + 1) * columns + j] : 0;
                const uint32_t pair = narrowed(weights[2 * k * columns + j]) | narrowed(high) << 16;
                memcpy(to + k * panel, &pair, 4);
            }
        else
            for (long k = 0; k < depth; k++) to[k * panel] = weights[k * columns + j];
        packed[across * steps + j] = bias ? bias[j] : 0;
    }
}

void pk_dense(pk_dense_kind kind, long rows, long columns, long depth, const float *x, long ldx, const float *packed,
              const pk_dense_around *around, float *y, long ldy) {
    const pk_dense_around nothing = {0};
    if (!around) around = &nothing;
    switch (kind) {
#if defined(__x86_64__)
    case PK_DENSE_BF16: dense_narrow(rows, columns, depth, x, ldx, packed, around, y, ldy); return;
    case PK_DENSE_16: dense_f16(rows, columns, depth, x, ldx, packed, around, y, ldy); return;
    case PK_DENSE_8: dense_f8(rows, columns, depth, x, ldx, packed, around, y, ldy); return;
#endif
    default: dense_f4(rows, columns, depth, x, ldx, packed, around, y, ldy);
    }
}
