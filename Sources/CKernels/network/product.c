#include "../include/product.h"
#include <stdlib.h>
#include <string.h>

/* One micro-kernel: ROWS ≤ 6 rows of A by a panel of two vectors of B's columns.  Every element of C is one chain of
   fused multiply-adds over k in order, whatever the row's place in the block: a row's result depends on nothing but
   that row. */
#define MICRO(NAME, VECTOR, WIDTH, ROWS, TARGET) \
    TARGET static void NAME(long depth, const float *restrict a, long lda, const float *restrict panel, \
                            float *restrict c, long ldc) { \
        VECTOR s[ROWS][2]; \
        for (int r = 0; r < ROWS; r++) { \
            s[r][0] = (VECTOR){0}; \
            s[r][1] = (VECTOR){0}; \
        } \
        _Pragma("clang loop unroll_count(4)") for (long k = 0; k < depth; k++) { \
            VECTOR b0 = *(const VECTOR *)(panel + 2 * WIDTH * k), \
                   b1 = *(const VECTOR *)(panel + 2 * WIDTH * k + WIDTH); \
            _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) { \
                const float x = a[r * lda + k]; \
                s[r][0] += x * b0; \
                s[r][1] += x * b1; \
            } \
        } \
        for (int r = 0; r < ROWS; r++) { \
            memcpy(c + r * ldc, &s[r][0], sizeof(VECTOR)); \
            memcpy(c + r * ldc + WIDTH, &s[r][1], sizeof(VECTOR)); \
        } \
    }

#define DRIVER(NAME, WIDTH, KERNEL, TARGET) \
    TARGET static void NAME(long rows, long columns, long depth, const float *a, long lda, const float *b, long ldb, \
                            float *c, long ldc) { \
        enum { PANEL = 2 * WIDTH }; \
        float *panel = aligned_alloc(64, (size_t)((depth * PANEL * 4 + 63) / 64 * 64)); \
        float edge[6 * PANEL] __attribute__((aligned(64))); \
        for (long j = 0; j < columns; j += PANEL) { \
            const long n = columns - j < PANEL ? columns - j : PANEL; \
            if (n == PANEL) \
                for (long k = 0; k < depth; k++) memcpy(panel + k * PANEL, b + k * ldb + j, PANEL * 4); \
            else \
                for (long k = 0; k < depth; k++) { \
                    memcpy(panel + k * PANEL, b + k * ldb + j, (size_t)n * 4); \
                    memset(panel + k * PANEL + n, 0, (size_t)(PANEL - n) * 4); \
                } \
            for (long i = 0; i < rows; i += 6) { \
                const long m = rows - i < 6 ? rows - i : 6; \
                float *out = n == PANEL ? c + i * ldc + j : edge; \
                const long stride = n == PANEL ? ldc : PANEL; \
                const float *in = a + i * lda; \
                switch (m) { \
                case 6: \
                    KERNEL##6(depth, in, lda, panel, out, stride); \
                    break; \
                case 5: \
                    KERNEL##5(depth, in, lda, panel, out, stride); \
                    break; \
                case 4: \
                    KERNEL##4(depth, in, lda, panel, out, stride); \
                    break; \
                case 3: \
                    KERNEL##3(depth, in, lda, panel, out, stride); \
                    break; \
                case 2: \
                    KERNEL##2(depth, in, lda, panel, out, stride); \
                    break; \
                default: \
                    KERNEL##1(depth, in, lda, panel, out, stride); \
                } \
                if (n < PANEL) \
                    for (long r = 0; r < m; r++) memcpy(c + (i + r) * ldc + j, edge + r * PANEL, (size_t)n * 4); \
            } \
        } \
        free(panel); \
    }

#define FAMILY(NAME, VECTOR, WIDTH, TARGET) \
    MICRO(NAME##_micro6, VECTOR, WIDTH, 6, TARGET) \
    MICRO(NAME##_micro5, VECTOR, WIDTH, 5, TARGET) \
    MICRO(NAME##_micro4, VECTOR, WIDTH, 4, TARGET) \
    MICRO(NAME##_micro3, VECTOR, WIDTH, 3, TARGET) \
    MICRO(NAME##_micro2, VECTOR, WIDTH, 2, TARGET) \
    MICRO(NAME##_micro1, VECTOR, WIDTH, 1, TARGET) \
    DRIVER(NAME, WIDTH, NAME##_micro, TARGET)

#pragma clang fp contract(fast)
typedef float vector8 __attribute__((vector_size(32), aligned(4)));
typedef float vector16 __attribute__((vector_size(64), aligned(4)));
typedef float vector4 __attribute__((vector_size(16), aligned(4)));

FAMILY(product_plain, vector4, 4, )
#if defined(__x86_64__)
FAMILY(product_v3, vector8, 8, __attribute__((target("arch=x86-64-v3"))))
/* Without the second attribute 512-bit vectors are made of two halves: the processor type prefers 256 bits. */
FAMILY(product_v4, vector16, 16, __attribute__((target("arch=x86-64-v4"), min_vector_width(512))))
#endif

void pk_product(long rows, long columns, long depth, const float *a, long lda, const float *b, long ldb, float *c,
                long ldc) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("x86-64-v4")) { product_v4(rows, columns, depth, a, lda, b, ldb, c, ldc); return; }
    if (__builtin_cpu_supports("x86-64-v3")) { product_v3(rows, columns, depth, a, lda, b, ldb, c, ldc); return; }
#endif
    product_plain(rows, columns, depth, a, lda, b, ldb, c, ldc);
}
