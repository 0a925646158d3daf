/* Normalisation of rows before a dense layer: included by dense_template.h, once per kind. */

/* y = (x − mean)/√(var + ε) · (1 + scale) + shift of `rows` rows of n, up to eight with AVX-512, in words; what lies
   behind a row's end in y, up to a whole vector, may be written too. */
#if LANES == 16
/* Lane r % 4 + r / 4 · 8 becomes the sum over the lanes of x[r], the same additions for each of eight. */
INLINED __m512 FN(sums)(const __m512 *x) {
    __m512 pair[4], four[2];
    UNROLL for (int i = 0; i < 4; i++) pair[i] =
        _mm512_unpacklo_ps(x[2 * i], x[2 * i + 1]) + _mm512_unpackhi_ps(x[2 * i], x[2 * i + 1]);
    UNROLL for (int i = 0; i < 2; i++) {
        const __m512d p = (__m512d)pair[2 * i], q = (__m512d)pair[2 * i + 1];
        four[i] = (__m512)_mm512_unpacklo_pd(p, q) + (__m512)_mm512_unpackhi_pd(p, q);
    }
    const __m512 both = _mm512_shuffle_f32x4(four[0], four[1], 0x44) + _mm512_shuffle_f32x4(four[0], four[1], 0xEE);
    return both + _mm512_shuffle_f32x4(both, both, 0xB1);
}

INLINED void FN(normalise)(long rows, const float *x, long ldx, long n, const pk_dense_around *around,
                           const int32_t *group, float *y, long ldy) {
    __m512 part[8];
    float mean[16] __attribute__((aligned(64))), root[16] __attribute__((aligned(64)));
#define WITHIN(k) ((__mmask16)(n - (k) < 16 ? (1u << (n - (k))) - 1 : 0xFFFF))
    UNROLL for (long r = 0; r < 8; r++) {
        const float *row = x + (r < rows ? r : 0) * ldx;
        part[r] = _mm512_setzero_ps();
        for (long k = 0; k < n; k += 16) part[r] += _mm512_maskz_loadu_ps(WITHIN(k), row + k);
    }
    _mm512_store_ps(mean, FN(sums)(part) / (float)n);
    UNROLL for (long r = 0; r < 8; r++) {
        const float *row = x + (r < rows ? r : 0) * ldx;
        const __m512 m = _mm512_set1_ps(mean[r % 4 + r / 4 * 8]);
        part[r] = _mm512_setzero_ps();
        for (long k = 0; k < n; k += 16) {
            const __m512 d = _mm512_maskz_sub_ps(WITHIN(k), _mm512_maskz_loadu_ps(WITHIN(k), row + k), m);
            part[r] = _mm512_fmadd_ps(d, d, part[r]);
        }
    }
    _mm512_store_ps(root, 1.0f / _mm512_sqrt_ps(FN(sums)(part) / (float)n + 1e-5f));
    for (long r = 0; r < rows; r++) {
        const long at = (group ? group[r] : 0) * around->stride;
        const float *scale = around->scale + at, *shift = around->shift + at;
        const __m512 m = _mm512_set1_ps(mean[r % 4 + r / 4 * 8]), f = _mm512_set1_ps(root[r % 4 + r / 4 * 8]);
#define NORMAL(k) \
    ((_mm512_maskz_loadu_ps(WITHIN(k), x + r * ldx + (k)) - m) * f * \
         (1.0f + _mm512_maskz_loadu_ps(WITHIN(k), scale + (k))) + \
     _mm512_maskz_loadu_ps(WITHIN(k), shift + (k)))
#ifdef NARROW
        for (long k = 0; k < n; k += 32) {
            const __m512 low = NORMAL(k), high = k + 16 < n ? NORMAL(k + 16) : _mm512_setzero_ps();
            _mm512_store_ps(y + r * ldy + k / 2, (__m512)_mm512_cvtne2ps_pbh(high, low));
        }
#else
        for (long k = 0; k < n; k += 16) _mm512_store_ps(y + r * ldy + k, NORMAL(k));
#endif
    }
#undef NORMAL
#undef WITHIN
}
#else
INLINED void FN(normalise)(long rows, const float *x, long ldx, long n, const pk_dense_around *around,
                           const int32_t *group, float *y, long ldy) {
    for (long r = 0; r < rows; r++) {
        const long at = (group ? group[r] : 0) * around->stride;
        const float *row = x + r * ldx, *scale = around->scale + at, *shift = around->shift + at;
        VEC total = (VEC)0.0f, square = (VEC)0.0f;
        float sum = 0, variance = 0;
        long k = 0;
        for (; k + LANES <= n; k += LANES) total += *(const VEC *)(row + k);
        for (; k < n; k++) sum += row[k];
        for (int i = 0; i < LANES; i++) sum += total[i];
        const float mean = sum / (float)n;
        for (k = 0; k + LANES <= n; k += LANES) {
            const VEC d = *(const VEC *)(row + k) - mean;
            square += d * d;
        }
        for (; k < n; k++) variance += (row[k] - mean) * (row[k] - mean);
        for (int i = 0; i < LANES; i++) variance += square[i];
        const float f = 1.0f / ROOT(variance / (float)n + 1e-5f);
        for (k = 0; k + LANES <= n; k += LANES)
            *(VEC *)(y + r * ldy + k) =
                (*(const VEC *)(row + k) - mean) * f * (1.0f + *(const VEC *)(scale + k)) + *(const VEC *)(shift + k);
        for (; k < n; k++) y[r * ldy + k] = (row[k] - mean) * f * (1.0f + scale[k]) + shift[k];
    }
}
#endif
