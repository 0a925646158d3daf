/* Powers of two and transposition of a vector's lanes: included by attention_template.h, once per instruction set. */

#include "power_of_two.h"

/* x ≤ 0 becomes 2^x, relative error ≤ 2e-7 down to −120, below which what is left is at most 2^−120. */
INLINED void FN(power)(VEC *x) {
#if LANES != 16
    *x = *x < -120.0f ? (VEC)-120.0f : *x;
#endif
    *x = FN(power_of_two)(*x, 0);
}

/* Rows become columns: perfect shuffles, log₂ LANES rounds of them; with 16 lanes the same in shuffles within and of
   quarters, which cost less. */
INLINED void FN(transpose)(VEC *x) {
#if LANES == 16
    __m512 a[16], b[16];
    UNROLL for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_ps((__m512)x[i], (__m512)x[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps((__m512)x[i], (__m512)x[i + 1]);
    }
    /* b[4 g + c]: columns c, c + 4, c + 8, c + 12 of rows 4 g …, a quarter each */
    UNROLL for (int g = 0; g < 4; g++) {
        UNROLL for (int c = 0; c < 2; c++) {
            const __m512d p = (__m512d)a[4 * g + c], q = (__m512d)a[4 * g + 2 + c];
            b[4 * g + 2 * c] = (__m512)_mm512_unpacklo_pd(p, q);
            b[4 * g + 2 * c + 1] = (__m512)_mm512_unpackhi_pd(p, q);
        }
    }
    UNROLL for (int c = 0; c < 4; c++) {
        const __m512 p = _mm512_shuffle_f32x4(b[c], b[4 + c], 0x88),
                     q = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0x88);
        const __m512 s = _mm512_shuffle_f32x4(b[c], b[4 + c], 0xDD),
                     t = _mm512_shuffle_f32x4(b[8 + c], b[12 + c], 0xDD);
        x[c] = (VEC)_mm512_shuffle_f32x4(p, q, 0x88);
        x[8 + c] = (VEC)_mm512_shuffle_f32x4(p, q, 0xDD);
        x[4 + c] = (VEC)_mm512_shuffle_f32x4(s, t, 0x88);
        x[12 + c] = (VEC)_mm512_shuffle_f32x4(s, t, 0xDD);
    }
#else
    UNROLL for (int round = 0; round < LOG_LANES; round++) {
        VEC t[LANES];
        UNROLL for (int i = 0; i < LANES / 2; i++) {
            t[2 * i] = __builtin_shufflevector(x[i], x[i + LANES / 2], ZIP_LOW);
            t[2 * i + 1] = __builtin_shufflevector(x[i], x[i + LANES / 2], ZIP_HIGH);
        }
        UNROLL for (int i = 0; i < LANES; i++) x[i] = t[i];
    }
#endif
}

INLINED VEC FN(greater)(VEC a, VEC b) { return a > b ? a : b; }

/* The greatest lane, in all of them. */
INLINED VEC FN(greatest_lane)(VEC x) {
    x = FN(greater)(x, __builtin_shufflevector(x, x, NEIGHBOUR));
    x = FN(greater)(x, __builtin_shufflevector(x, x, OTHER_PAIR));
#if LANES > 4
    x = FN(greater)(x, __builtin_shufflevector(x, x, OTHER_QUAD));
#endif
#if LANES > 8
    x = FN(greater)(x, __builtin_shufflevector(x, x, OTHER_HALF));
#endif
    return x;
}

/* The sum of all lanes, in all of them. */
INLINED VEC FN(lanes_total)(VEC x) {
    x += __builtin_shufflevector(x, x, NEIGHBOUR);
    x += __builtin_shufflevector(x, x, OTHER_PAIR);
#if LANES > 4
    x += __builtin_shufflevector(x, x, OTHER_QUAD);
#endif
#if LANES > 8
    x += __builtin_shufflevector(x, x, OTHER_HALF);
#endif
    return x;
}
