/* Attention of queries that have a handful of keys: included by attention_template.h, once per instruction set. */

/* Lane i of x[0] becomes the sum over the lanes of x[i]. */
INLINED void FN(sums)(VEC *x) {
#if LANES == 16
    __m512 t[8];
    UNROLL for (int i = 0; i < 8; i++) t[i] = _mm512_unpacklo_ps((__m512)x[2 * i], (__m512)x[2 * i + 1]) +
                                              _mm512_unpackhi_ps((__m512)x[2 * i], (__m512)x[2 * i + 1]);
    UNROLL for (int i = 0; i < 4; i++) {
        const __m512d p = (__m512d)t[2 * i], q = (__m512d)t[2 * i + 1];
        t[i] = (__m512)_mm512_unpacklo_pd(p, q) + (__m512)_mm512_unpackhi_pd(p, q);
    }
    UNROLL for (int i = 0; i < 2; i++) t[i] =
        _mm512_shuffle_f32x4(t[2 * i], t[2 * i + 1], 0x44) + _mm512_shuffle_f32x4(t[2 * i], t[2 * i + 1], 0xEE);
    x[0] = (VEC)(_mm512_shuffle_f32x4(t[0], t[1], 0x88) + _mm512_shuffle_f32x4(t[0], t[1], 0xDD));
#else
    UNROLL for (int round = 0; round < LOG_LANES; round++) {
        UNROLL for (int i = 0; i < LANES >> (round + 1); i++) x[i] =
            __builtin_shufflevector(x[2 * i], x[2 * i + 1], EVENS) +
            __builtin_shufflevector(x[2 * i], x[2 * i + 1], ODDS);
    }
#endif
}

/* LANES / FEW queries that have at most FEW keys each, all heads: a lane a query and key, logits summed by a tree of
   pairs. */
TARGET static void FN(few)(const few_query *row, long count, const float *q, const float *k, const float *v,
                           long qstride, long kstride, long heads, float *out, long ostride) {
    enum { ROWS = LANES / FEW };
#if LANES == 16
    uint32_t within = 0;
    UNROLL for (int r = 0; r < ROWS; r++) within |= ((1u << row[r].keys) - 1) << (FEW * r);
    const INTS valid = (INTS)_mm512_movm_epi32((__mmask16)within);
#else
    INTS valid;
    for (int i = 0; i < LANES; i++) valid[i] = i % FEW < row[i / FEW].keys ? -1 : 0;
#endif
    float p[LANES];
    for (long h = 0; h < heads; h++) {
        VEC t[LANES];
        UNROLL for (int r = 0; r < ROWS; r++) {
            const float *qr = q + row[r].query * qstride + h * HEAD;
            UNROLL for (int j = 0; j < FEW; j++) {
                const float *kj = k + row[r].key[j] * kstride + h * HEAD;
                VEC s = LOAD(qr) * LOAD(kj);
                UNROLL for (int tile = LANES; tile < HEAD; tile += LANES) s += LOAD(qr + tile) * LOAD(kj + tile);
                t[r * FEW + j] = s;
            }
        }
        FN(sums)(t);
        const VEC s = valid ? t[0] * LOGIT_SCALE : (VEC)-1e30f;
        VEC other = __builtin_shufflevector(s, s, NEIGHBOUR), peak = s > other ? s : other;
        other = __builtin_shufflevector(peak, peak, OTHER_PAIR);
        peak = peak > other ? peak : other;
        VEC e = s - peak;
        FN(power)(&e);
        e = (VEC)((INTS)e & valid);
        VEC total = e + __builtin_shufflevector(e, e, NEIGHBOUR);
        total += __builtin_shufflevector(total, total, OTHER_PAIR);
        *(VEC *)p = e / total;
        UNROLL for (int r = 0; r < ROWS; r++) {
            if (r == count) break;
            UNROLL for (int tile = 0; tile < HEAD; tile += LANES) {
                VEC o = p[r * FEW] * LOAD(v + row[r].key[0] * kstride + h * HEAD + tile);
                UNROLL for (int j = 1; j < FEW; j++) o +=
                    p[r * FEW + j] * LOAD(v + row[r].key[j] * kstride + h * HEAD + tile);
                *(VEC *)(out + row[r].query * ostride + h * HEAD + tile) = o;
            }
        }
    }
}
