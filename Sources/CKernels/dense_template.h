/* A dense layer over laid-out weights.  Included once per kind with TARGET, LANES, KIND and, for bfloat16, NARROW defined.
   A word is what one step of a sum takes from a row of x: a float, or two neighbouring bfloat16. Weights lie in panels of two vectors of columns, step
   after step, all of a panel's biases behind all panels. */

#define GLUE2(a, b) a##_##b
#define GLUE(a, b) GLUE2(a, b)
#define FN(name) GLUE(name, KIND)
#define VEC FN(vec)
#define INTS FN(ints)
#define INLINED TARGET static inline __attribute__((always_inline))
#define PANEL (2 * LANES)
typedef float VEC __attribute__((ext_vector_type(LANES), aligned(4)));
typedef int32_t INTS __attribute__((ext_vector_type(LANES), aligned(4)));

/* y σ(y); the exponential: relative error ≤ 2e-7, arguments held within ±120 (base 2). */
INLINED void FN(silu)(VEC *y) {
    VEC t = *y * -1.44269504f;
    t = t < -120.0f ? (VEC)-120.0f : t;
    t = t > 120.0f ? (VEC)120.0f : t;
    const VEC k = t + 12582912.0f, r = t - (k - 12582912.0f);
    VEC p = 1.326466561e-3f * r + 9.671511129e-3f;
    p = p * r + 5.550733954e-2f;
    p = p * r + 2.402224243e-1f;
    p = p * r + 6.931470037e-1f;
    p = p * r + 1.0f;
    *y /= 1.0f + (VEC)((INTS)p + ((INTS)k << 23));
}

/* `rows` (a constant where called) rows of words by a panel; one chain of multiply-adds an element, whatever the row's place. */
INLINED void FN(micro)(int rows, long steps, const float *x, long ldx, const float *panel, const float *bias, int silu, float *y, long ldy) {
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
        if (silu) {
            FN(silu)(&s[r][0]);
            FN(silu)(&s[r][1]);
        }
        *(VEC *)(y + r * ldy) = s[r][0];
        *(VEC *)(y + r * ldy + LANES) = s[r][1];
    }
}

TARGET static void FN(dense)(long rows, long columns, long depth, const float *x, long ldx, const float *packed, int silu, float *y, long ldy) {
    float edge[ROWS * PANEL] __attribute__((aligned(64)));
#ifdef NARROW
    const long steps = (depth + 1) / 2, stride = (depth + 31) / 32 * 16;
    float *words = aligned_alloc(64, (size_t)(ROWS * stride * 4));
#else
    const long steps = depth, stride = ldx;
#endif
    const float *biases = packed + (columns + PANEL - 1) / PANEL * PANEL * steps;
    for (long i = 0; i < rows; i += ROWS) {
        const long m = rows - i < ROWS ? rows - i : ROWS;
#ifdef NARROW
        for (long r = 0; r < m; r++)
            for (long k = 0; k < stride; k += 16) {
                const float *at = x + (i + r) * ldx + 2 * k;
                const long left = depth - 2 * k;
                const __m512 low = _mm512_maskz_loadu_ps(left < 16 ? (1u << left) - 1 : 0xFFFF, at);
                const __m512 high = _mm512_maskz_loadu_ps(left < 16 ? 0 : left < 32 ? (1u << (left - 16)) - 1 : 0xFFFF, at + 16);
                _mm512_store_ps(words + r * stride + k, (__m512)_mm512_cvtne2ps_pbh(high, low));
            }
        const float *in = words;
#else
        const float *in = x + i * ldx;
#endif
        for (long j = 0; j < columns; j += PANEL) {
            const long n = columns - j < PANEL ? columns - j : PANEL, ldo = n == PANEL ? ldy : PANEL;
            const float *panel = packed + j * steps, *bias = biases + j;
            float *out = n == PANEL ? y + i * ldy + j : edge;
            switch (m) {
            case 6: FN(micro)(6, steps, in, stride, panel, bias, silu, out, ldo); break;
            case 5: FN(micro)(5, steps, in, stride, panel, bias, silu, out, ldo); break;
            case 4: FN(micro)(4, steps, in, stride, panel, bias, silu, out, ldo); break;
            case 3: FN(micro)(3, steps, in, stride, panel, bias, silu, out, ldo); break;
            case 2: FN(micro)(2, steps, in, stride, panel, bias, silu, out, ldo); break;
            default: FN(micro)(1, steps, in, stride, panel, bias, silu, out, ldo);
            }
            if (n < PANEL)
                for (long r = 0; r < m; r++) memcpy(y + (i + r) * ldy + j, edge + r * PANEL, (size_t)n * 4);
        }
    }
#ifdef NARROW
    free(words);
#endif
}

#undef GLUE2
#undef GLUE
#undef FN
#undef VEC
#undef INTS
#undef INLINED
#undef PANEL
#undef TARGET
#undef LANES
#undef KIND
#undef NARROW
