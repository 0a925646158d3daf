/* Part of training_template.h: vectors, tiles of products, narrow words, laid-out weights. */

INLINED VEC FN(load)(const float *p, long n) {
    if (n >= LANES) return *(const VEC *)p;
#if LANES == 16
    return (VEC)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
    VEC v = (VEC)0.0f;
    memcpy(&v, p, (size_t)n * 4);
    return v;
#endif
}
INLINED void FN(store)(float *p, VEC v, long n) {
    if (n >= LANES) *(VEC *)p = v;
#if LANES == 16
    else _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    else memcpy(p, &v, (size_t)n * 4);
#endif
}
INLINED float FN(sum)(VEC v) {
#if LANES == 16
    return _mm512_reduce_add_ps((__m512)v);
#else
    float s = 0;
    UNROLL for (int i = 0; i < LANES; i++) s += v[i];
    return s;
#endif
}
/* The larger of `peak` ≥ 0 and |v|. */
INLINED VEC FN(larger)(VEC peak, VEC v) {
#if LANES == 16
    return (VEC)_mm512_range_ps((__m512)peak, (__m512)v, 0xB);
#else
    const VEC size = (VEC)((INTS)v & 0x7FFFFFFF);
    return size > peak ? size : peak;
#endif
}
INLINED float FN(largest)(VEC v) {
#if LANES == 16
    return _mm512_reduce_max_ps((__m512)v);
#else
    float peak = 0;
    UNROLL for (int i = 0; i < LANES; i++) peak = v[i] > peak ? v[i] : peak;
    return peak;
#endif
}
/* The largest |x| of n. */
INLINED VEC FN(peak)(const float *x, long n) {
    VEC most[4] = {(VEC)0.0f, (VEC)0.0f, (VEC)0.0f, (VEC)0.0f};
    long i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        __builtin_prefetch(x + i + 1024);
        UNROLL for (int v = 0; v < 4; v++) most[v] = FN(larger)(most[v], *(const VEC *)(x + i + v * LANES));
    }
    for (; i < n; i += LANES) most[0] = FN(larger)(most[0], FN(load)(x + i, n - i));
    return FN(larger)(FN(larger)(most[0], most[1]), FN(larger)(most[2], most[3]));
}

/* y σ(y), and its derivative.  Relative error of the exponential ≤ 2e-7. */
INLINED VEC FN(silu)(VEC y, VEC *slope) {
    const VEC s = 1.0f / FN(one_and_power)(y, 0);
    *slope = s * (1.0f + y * (1.0f - s));
    return y * s;
}

/* f' of number `at` of a layer's and of those that follow it, `n` of them or LANES. */
INLINED void FN(keep_slope)(float *kept, long at, VEC slope, long n) {
#ifdef NARROW
    const __mmask16 some = (__mmask16)(n >= LANES ? 0xFFFF : (1 << n) - 1);
    _mm256_mask_storeu_epi16((uint16_t *)kept + at, some, _mm512_cvtps_ph((__m512)slope, 0));
#else
    FN(store)(kept + at, slope, n);
#endif
}
INLINED VEC FN(kept_slope)(const float *kept, long at, long n) {
#ifdef NARROW
    const __mmask16 some = (__mmask16)(n >= LANES ? 0xFFFF : (1 << n) - 1);
    return (VEC)_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(some, (const uint16_t *)kept + at));
#else
    return FN(load)(kept + at, n);
#endif
}

/* Asks for `rows` rows of a panel's width, which a tile's sums will meet: their memory may be far away. */
INLINED void FN(fetch)(const float *p, long rows, long pitch) {
    for (long r = 0; r < rows; r++)
        for (int c = 0; c < PANEL; c += 16) __builtin_prefetch(p + r * pitch + c, 1);
}

/* TILE rows by a panel into `tile` (TILE × PANEL): Σ_k x[r·across + k·along] b[k·bstep], words. */
INLINED void FN(micro)(long steps, const float *x, long across, long along, const float *b, long bstep, float *tile) {
#if defined(NARROW) && NARROW == 2
    for (long first = 0; first < steps; first += CHAIN) {
        const long n = steps - first < CHAIN ? steps - first : CHAIN;
        __m512h s[TILE][2];
        UNROLL for (int r = 0; r < TILE; r++) s[r][0] = s[r][1] = _mm512_setzero_ph();
        const float *xk = x + first * along, *bk = b + first * bstep;
        _Pragma("clang loop unroll_count(4)") for (long k = 0; k < n; k++) {
            const __m512h b0 = _mm512_loadu_ph(bk + k * bstep), b1 = _mm512_loadu_ph(bk + k * bstep + LANES);
            UNROLL for (int r = 0; r < TILE; r++) {
                const __m512h a = (__m512h)_mm512_set1_ps(xk[r * across + k * along]);
                s[r][0] = _mm512_fmadd_ph(a, b0, s[r][0]);
                s[r][1] = _mm512_fmadd_ph(a, b1, s[r][1]);
            }
        }
        /* A lane holds the sums of a pair's first and of its second products. */
        UNROLL for (int r = 0; r < TILE; r++) {
            UNROLL for (int v = 0; v < 2; v++) {
                const __m512i pair = (__m512i)s[r][v];
                const VEC low = (VEC)_mm512_cvtxph_ps((__m256h)_mm512_cvtepi32_epi16(
                    (__m512i)_mm512_add_ph(s[r][v], (__m512h)_mm512_srli_epi32(pair, 16))));
                VEC *to = (VEC *)(tile + r * PANEL + v * LANES);
                *to = first ? *to + low : low;
            }
        }
    }
#else
    VEC s[TILE][2];
    UNROLL for (int r = 0; r < TILE; r++) s[r][0] = s[r][1] = (VEC)0.0f;
    _Pragma("clang loop unroll_count(4)") for (long k = 0; k < steps; k++) {
        const VEC b0 = *(const VEC *)(b + k * bstep), b1 = *(const VEC *)(b + k * bstep + LANES);
        UNROLL for (int r = 0; r < TILE; r++) {
#ifdef NARROW
            const __m512bh a = (__m512bh)_mm512_set1_ps(x[r * across + k * along]);
            s[r][0] = (VEC)_mm512_dpbf16_ps((__m512)s[r][0], a, (__m512bh)b0);
            s[r][1] = (VEC)_mm512_dpbf16_ps((__m512)s[r][1], a, (__m512bh)b1);
#else
            const float a = x[r * across + k * along];
            s[r][0] += a * b0;
            s[r][1] += a * b1;
#endif
        }
    }
    UNROLL for (int r = 0; r < TILE; r++) {
        *(VEC *)(tile + r * PANEL) = s[r][0];
        *(VEC *)(tile + r * PANEL + LANES) = s[r][1];
    }
#endif
}

#ifdef NARROW
INLINED __m256i FN(round)(VEC v) {
#if NARROW == 2
    return (__m256i)_mm512_cvtxps_ph((__m512)v);
#else
    return (__m256i)_mm512_cvtneps_pbh((__m512)v);
#endif
}

/* Rows of n floats, and zeros up to a multiple of 32 columns and of `by` rows, times `scale`, in narrow words: of
   neighbours in a row where `along` is given, and of neighbours in a column (row r has rows 2r and 2r + 1 of x) where
   `down` is.  Between rows of x: `stride`; of words: `pitch`. */
INLINED void FN(narrow)(long rows, long n, long by, const float *x, long stride, float scale, float *along, float *down,
                        long pitch) {
    const long tall = up(rows, by), whole = n / 32 * 32;
    for (long r = 0; r < tall; r += 2) {
        const float *upper = x + r * stride, *lower = upper + stride;
        const int both = r + 1 < rows, any = r < rows;
        for (long k = 0; k < n; k += 32) {
            /* The words' memory may be far away. */
            if (down) {
                __builtin_prefetch(down + (r / 2 + 4) * pitch + k, 1);
                __builtin_prefetch(down + (r / 2 + 4) * pitch + k + 16, 1);
            }
            UNROLL for (long c = k; c < k + 32; c += 16) {
                VEC a = (VEC)0.0f, b = (VEC)0.0f;
                if (any) a = k < whole ? *(const VEC *)(upper + c) : c < n ? FN(load)(upper + c, n - c) : a;
                if (both) b = k < whole ? *(const VEC *)(lower + c) : c < n ? FN(load)(lower + c, n - c) : b;
                const __m256i first = FN(round)(a * scale), second = FN(round)(b * scale);
                if (along) {
                    _mm256_store_si256((__m256i *)(along + r * pitch + c / 2), first);
                    _mm256_store_si256((__m256i *)(along + (r + 1) * pitch + c / 2), second);
                }
                if (down)
                    _mm512_store_si512(down + r / 2 * pitch + c,
                                       _mm512_or_si512(_mm512_cvtepu16_epi32(first),
                                                       _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16)));
            }
        }
    }
}
#endif

/* Element (k, j) is weights[k·step + j·next]. */
TARGET static void FN(pack)(long depth, long columns, const float *weights, long step, long next, const float *bias,
                            float *packed) {
    const long steps = STEPS(depth), across = up(columns, PANEL);
    float *behind = packed + across * steps;
    float scale = 1;
#if defined(NARROW) && NARROW == 2
    VEC peak = (VEC)0.0f;
    const long count = depth * columns;
    for (long i = 0; i < count; i += LANES) peak = FN(larger)(peak, FN(load)(weights + i, count - i));
    scale = half_scale(FN(largest)(peak));
#endif
    for (long j = 0; j < columns; j += PANEL) {
        const long n = columns - j < PANEL ? columns - j : PANEL;
        float *to = packed + j * steps;
        for (long k = 0; k < steps; k++) {
#ifdef NARROW
            float low[PANEL] __attribute__((aligned(64))) = {0}, high[PANEL] __attribute__((aligned(64))) = {0};
            for (long c = 0; c < n; c++) low[c] = weights[2 * k * step + (j + c) * next];
            if (2 * k + 1 < depth)
                for (long c = 0; c < n; c++) high[c] = weights[(2 * k + 1) * step + (j + c) * next];
            for (long c = 0; c < PANEL; c += LANES) {
                const __m512i first = _mm512_cvtepu16_epi32(FN(round)(*(const VEC *)(low + c) * scale));
                const __m512i second = _mm512_cvtepu16_epi32(FN(round)(*(const VEC *)(high + c) * scale));
                _mm512_storeu_si512(to + k * PANEL + c, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
            }
#else
            if (next == 1) memcpy(to + k * PANEL, weights + k * step + j, (size_t)n * 4);
            else
                for (long c = 0; c < n; c++) to[k * PANEL + c] = weights[k * step + (j + c) * next];
            if (n < PANEL) memset(to + k * PANEL + n, 0, (size_t)(PANEL - n) * 4);
#endif
        }
    }
    memset(behind, 0, (size_t)across * 4);
    if (bias) memcpy(behind, bias, (size_t)columns * 4);
    behind[across] = 1 / scale;
}
