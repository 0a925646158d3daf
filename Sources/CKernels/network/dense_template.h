/* A dense layer over laid-out weights.  Included once per kind with TARGET, LANES, KIND and, for bfloat16, NARROW
   defined. A word is what one step of a sum takes from a row of x: a float, or two neighbouring bfloat16. Weights lie
   in panels of two vectors of columns, step after step, all of a panel's biases behind all panels. */

#define GLUE2(a, b) a##_##b
#define GLUE(a, b) GLUE2(a, b)
#define FN(name) GLUE(name, KIND)
#define VEC FN(vec)
#define INTS FN(ints)
#define INLINED TARGET static inline __attribute__((always_inline))
#define PANEL (2 * LANES)
/* Rows of x at a time: with two vectors of columns enough sums to hide the multiply-add's latency, and no more than the
   registers hold. STRIDE: of rows made ready, where they fit: a constant, so that all rows need one address. */
#ifdef NARROW
#define ROWS 8
#define STRIDE 144
#else
#define ROWS 6
#endif
typedef float VEC __attribute__((ext_vector_type(LANES), aligned(4)));
typedef int32_t INTS __attribute__((ext_vector_type(LANES), aligned(4)));

#include "power_of_two.h"

/* y σ(y).  Relative error of the exponential ≤ 2e-7; of bfloat16 kinds ≤ 8e-5, a twentieth of what the next layer's
   rounding does. */
INLINED void FN(silu)(VEC *y) {
#ifdef NARROW
    const int is_short = 1;
#else
    const int is_short = 0;
#endif
    *y /= FN(one_and_power)(*y, is_short);
}

/* `rows` (a constant where called) rows of words by a panel; one chain of multiply-adds an element, whatever the row's
   place. */
INLINED void FN(micro)(int rows, long steps, const float *x, long ldx, const float *panel, const float *bias,
                       const pk_dense_around *around, long row, long column, float *y, long ldy) {
    VEC s[ROWS][2];
    UNROLL for (int r = 0; r < rows; r++) s[r][0] = s[r][1] = (VEC)0.0f;
    _Pragma("clang loop unroll_count(4)") for (long k = 0; k < steps; k++) {
        const VEC b0 = *(const VEC *)(panel + PANEL * k), b1 = *(const VEC *)(panel + PANEL * k + LANES);
        UNROLL for (int r = 0; r < rows; r++) {
#ifdef NARROW
            int32_t pair;
            memcpy(&pair, x + r * ldx + k, 4);
            const __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
            s[r][0] = (VEC)_mm512_dpbf16_ps((__m512)s[r][0], a, (__m512bh)b0);
            s[r][1] = (VEC)_mm512_dpbf16_ps((__m512)s[r][1], a, (__m512bh)b1);
#else
            const float a = x[r * ldx + k];
            s[r][0] += a * b0;
            s[r][1] += a * b1;
#endif
        }
    }
    const VEC c0 = *(const VEC *)bias, c1 = *(const VEC *)(bias + LANES);
    UNROLL for (int r = 0; r < rows; r++) {
        s[r][0] += c0;
        s[r][1] += c1;
    }
    if (around->silu)
        UNROLL for (int r = 0; r < rows; r++) {
            FN(silu)(&s[r][0]);
            FN(silu)(&s[r][1]);
        }
    if (around->residual)
        UNROLL for (int r = 0; r < rows; r++) {
            const float *to = around->residual + (row + r) * around->residual_stride + column;
            if (around->gate) {
                const float *gate =
                    around->gate + (around->group ? around->group[row + r] : 0) * around->stride + column;
                s[r][0] = *(const VEC *)to + (1.0f + *(const VEC *)gate) * s[r][0];
                s[r][1] = *(const VEC *)(to + LANES) + (1.0f + *(const VEC *)(gate + LANES)) * s[r][1];
            } else {
                s[r][0] += *(const VEC *)to;
                s[r][1] += *(const VEC *)(to + LANES);
            }
        }
    UNROLL for (int r = 0; r < rows; r++) {
        *(VEC *)(y + r * ldy) = s[r][0];
        *(VEC *)(y + r * ldy + LANES) = s[r][1];
    }
}

#include "dense_norms.h"

/* Up to ROWS rows of x, of which the first is row `first` of all, normalised if so asked and in words. */
INLINED void FN(make)(long rows, const float *x, long ldx, long depth, const pk_dense_around *around, long first,
                      float *words, long stride) {
    if (around->scale) {
        const int32_t *group = around->group ? around->group + first : NULL;
        if (depth == 64) FN(normalise)(rows, x, ldx, 64, around, group, words, stride);
        else FN(normalise)(rows, x, ldx, depth, around, group, words, stride);
        return;
    }
#ifdef NARROW
    const long whole = depth / 32 * 32, left = depth - whole;
    const __mmask16 low = left < 16 ? (1u << left) - 1 : 0xFFFF, high = left < 16 ? 0 : (1u << (left - 16)) - 1;
    for (long r = 0; r < rows; r++) {
        const float *from = x + r * ldx;
        for (long k = 0; k < whole; k += 32)
            _mm512_store_ps(words + r * stride + k / 2,
                            (__m512)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + k + 16), _mm512_loadu_ps(from + k)));
        if (left)
            _mm512_store_ps(words + r * stride + whole / 2,
                            (__m512)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, from + whole + 16),
                                                        _mm512_maskz_loadu_ps(low, from + whole)));
    }
#endif
}

TARGET static void FN(dense)(long rows, long columns, long depth, const float *x, long ldx, const float *packed,
                             const pk_dense_around *around, float *y, long ldy) {
    float edge[ROWS * PANEL] __attribute__((aligned(64)));
    const long padded = (depth + 31) / 32 * 32;
#ifdef NARROW
    const long steps = (depth + 1) / 2, stride = padded / 2 <= STRIDE ? STRIDE : padded / 2;
    const int made = 1;
#else
    const int made = around->scale != NULL;
    const long steps = depth, stride = made ? padded : ldx;
#endif
    float *words = made ? aligned_alloc(64, (size_t)(ROWS * stride * 4)) : NULL;
    const float *biases = packed + (columns + PANEL - 1) / PANEL * PANEL * steps;
    for (long i = 0; i < rows; i += ROWS) {
        const long m = rows - i < ROWS ? rows - i : ROWS;
        if (made) FN(make)(m, x + i * ldx, ldx, depth, around, i, words, stride);
        const float *in = made ? words : x + i * ldx;
        for (long j = 0; j < columns; j += PANEL) {
            const long n = columns - j < PANEL ? columns - j : PANEL, ldo = n == PANEL ? ldy : PANEL;
            const float *panel = packed + j * steps, *bias = biases + j;
            const pk_dense_around plain = {.silu = around->silu}, *kept = n == PANEL ? around : &plain;
            float *out = n == PANEL ? y + i * ldy + j : edge;
#define RUN(m, stride) FN(micro)(m, steps, in, stride, panel, bias, kept, i, j, out, ldo)
#ifdef NARROW
#define CASE(m) case m: if (stride == STRIDE) RUN(m, STRIDE); else RUN(m, stride); break;
#else
#define CASE(m) case m: RUN(m, stride); break;
#endif
            switch (m) {
#ifdef NARROW
                CASE(8) CASE(7)
#endif
                CASE(6) CASE(5) CASE(4) CASE(3) CASE(2) CASE(1)
            }
#undef RUN
#undef CASE
            if (n < PANEL)
                for (long r = 0; r < m; r++)
                    for (long c = 0; c < n; c++) {
                        const float h = edge[r * PANEL + c];
                        const float *to =
                            around->residual ? around->residual + (i + r) * around->residual_stride + j + c : NULL;
                        const float gate =
                            around->gate
                                ? around->gate[(around->group ? around->group[i + r] : 0) * around->stride + j + c]
                                : 0;
                        y[(i + r) * ldy + j + c] = to ? *to + (1 + gate) * h : h;
                    }
        }
    }
    free(words);
}

#undef GLUE2
#undef GLUE
#undef FN
#undef VEC
#undef INTS
#undef INLINED
#undef PANEL
#undef ROWS
#undef STRIDE
#undef TARGET
#undef LANES
#undef KIND
#undef NARROW
