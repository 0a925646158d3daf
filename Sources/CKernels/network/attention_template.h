/* Attention for heads of 16 columns.  Included once per instruction set with TARGET, LANES, its binary logarithm and
   the shuffles' index lists defined.  Every query's result is made of the same operations in the same order wherever it
   stands. */

#define GLUE2(a, b) a##_w##b
#define GLUE(a, b) GLUE2(a, b)
#define FN(name) GLUE(name, LANES)
#define VEC FN(vec)
#define INTS FN(ints)
#define INLINED TARGET static inline __attribute__((always_inline))
typedef float VEC __attribute__((ext_vector_type(LANES), aligned(4)));
typedef int32_t INTS __attribute__((ext_vector_type(LANES), aligned(4)));
#define LOAD(p) (*(const VEC *)(p))
/* Columns of the output that are summed at a time: what the registers hold. */
#define TILE (LANES == 16 ? 16 : 8)

/* x ≤ 0 becomes 2^x, relative error ≤ 2e-7 down to −120, below which what is left is at most 2^−120 (block_exp2's
   polynomial). */
INLINED void FN(power)(VEC *x) {
#if LANES == 16
    const VEC k = (VEC)_mm512_roundscale_ps((__m512)*x, 0), r = *x - k;
#else
    const VEC t = *x < -120.0f ? (VEC)-120.0f : *x, k = t + 12582912.0f, r = t - (k - 12582912.0f);
#endif
    VEC p = 1.326466561e-3f * r + 9.671511129e-3f;
    p = p * r + 5.550733954e-2f;
    p = p * r + 2.402224243e-1f;
    p = p * r + 6.931470037e-1f;
    p = p * r + 1.0f;
#if LANES == 16
    *x = (VEC)_mm512_scalef_ps((__m512)p, (__m512)k);
#else
    *x = (VEC)((INTS)p + ((INTS)k << 23));
#endif
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

/* Logits of `n` keys, a constant where called, at LANES queries: s_j = Σ_d q_d k_jd. */
INLINED void FN(logits)(const VEC *q, const float *k, long kstride, int n, float *s) {
    VEC sum[KEYS];
    UNROLL for (int j = 0; j < n; j++) sum[j] = (VEC)0.0f;
    UNROLL for (int d = 0; d < HEAD; d++) {
        UNROLL for (int j = 0; j < n; j++) sum[j] += q[d] * k[j * kstride + d];
    }
    UNROLL for (int j = 0; j < n; j++) *(VEC *)(s + j * LANES) = sum[j];
}

/* Asks for KEYS rows of two matrices, which will be read later: their memory may be far away, or not there at all. */
INLINED void FN(fetch)(const float *a, long astride, const float *b, long bstride) {
    UNROLL for (int j = 0; j < KEYS; j++) {
        __builtin_prefetch(a + j * astride);
        __builtin_prefetch(b + j * bstride);
    }
}

/* Up to LANES queries of one head, a lane each, against nk keys, whose values are broadcast from where they stand: no
   packing, and no sums across lanes. allowed: nk × LANES words of ones or zeros, or NULL.  p: room for nk × LANES
   floats; with `keeps` LANES more: there the exponentials stay, and what they are to be multiplied with. */
TARGET static void FN(queries)(const float *q, long qstride, long count, const float *k, const float *v, long kstride,
                               long nk, const int32_t *allowed, float *out, long ostride, float *p, int keeps) {
    VEC qt[HEAD], x[LANES];
    UNROLL for (int tile = 0; tile < HEAD; tile += LANES) {
        UNROLL for (int i = 0; i < LANES; i++) x[i] = LOAD(q + (i < count ? i : count - 1) * qstride + tile);
        FN(transpose)(x);
        UNROLL for (int i = 0; i < LANES; i++) qt[tile + i] = x[i] * LOGIT_SCALE;
    }
    /* The last keys are done twice rather than one by one: to the same result. */
    if (nk >= KEYS)
        for (long j = 0; j < nk; j += KEYS) {
            const long at = j + KEYS <= nk ? j : nk - KEYS;
            FN(fetch)(k + (at + 2 * KEYS) * kstride, kstride, v + at * kstride, kstride);
            FN(logits)(qt, k + at * kstride, kstride, KEYS, p + at * LANES);
        }
    else
        for (long j = 0; j < nk; j++) FN(logits)(qt, k + j * kstride, kstride, 1, p + j * LANES);

    VEC peak = (VEC)-1e30f, total = (VEC)0.0f;
    for (long j = 0; j < nk; j++) {
        VEC s = LOAD(p + j * LANES);
        if (allowed) *(VEC *)(p + j * LANES) = s = *(const INTS *)(allowed + j * LANES) ? s : (VEC)-1e30f;
        peak = s > peak ? s : peak;
    }
    for (long j = 0; j < nk; j++) {
        VEC s = LOAD(p + j * LANES) - peak;
        FN(power)(&s);
        if (allowed) s = (VEC)((INTS)s & *(const INTS *)(allowed + j * LANES));
        total += s;
        *(VEC *)(p + j * LANES) = s;
    }
    const VEC inverse = 1.0f / total;
    if (keeps) *(VEC *)(p + nk * LANES) = inverse;
    VEC ot[HEAD];
    UNROLL for (int tile = 0; tile < HEAD; tile += TILE) {
        VEC o[TILE];
        UNROLL for (int d = 0; d < TILE; d++) o[d] = (VEC)0.0f;
        for (long j = 0; j < nk; j++) {
            const VEC weight = LOAD(p + j * LANES);
            const float *vj = v + j * kstride + tile;
            UNROLL for (int d = 0; d < TILE; d++) o[d] += weight * vj[d];
        }
        UNROLL for (int d = 0; d < TILE; d++) ot[tile + d] = o[d] * inverse;
    }
    UNROLL for (int tile = 0; tile < HEAD; tile += LANES) {
        FN(transpose)(ot + tile);
        if (count == LANES)
            UNROLL for (int i = 0; i < LANES; i++) *(VEC *)(out + i * ostride + tile) = ot[tile + i];
        else
            for (int i = 0; i < count; i++) *(VEC *)(out + i * ostride + tile) = ot[tile + i];
    }
}

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

/* The mask of all segments, a word a lane: most × LANES words for each LANES queries. */
INLINED void FN(permit)(const uint8_t *mask, long rows, long most, int32_t *allowed) {
    for (long n = 0; n < (rows + LANES - 1) / LANES * most * LANES; n++) {
        const long i = n / (most * LANES) * LANES + n % LANES, j = n / LANES % most;
        allowed[n] = mask[(i < rows ? i : rows - 1) * most + j] ? -1 : 0;
    }
}

/* kept: NULL, or room for what the backward pass needs. */
TARGET static void FN(attention)(const float *q, const float *k, const float *v, long qstride, long kstride,
                                 const pk_segment *segments, long count, long heads, const uint8_t *mask, float *out,
                                 long ostride, float *kept) {
    long most = 0;
    for (long t = 0; t < count; t++) most = segments[t].nk > most ? segments[t].nk : most;
    const long masked = mask && count > 0 ? (segments[0].nq + LANES - 1) / LANES * most * LANES : 0;
    float *p = aligned_alloc(64, (size_t)((most * LANES + masked) * 4 + 63) / 64 * 64);
    int32_t *allowed = mask ? (int32_t *)(p + most * LANES) : NULL;
    if (masked) FN(permit)(mask, segments[0].nq, most, allowed);
    few_query row[LANES / FEW];
    long waiting = 0;
    for (long t = 0; t < count; t++) {
        const pk_segment g = segments[t];
        if (g.nk <= FEW && !mask && !kept) {
            for (long i = 0; i < g.nq; i++) {
                few_query *r = row + waiting++;
                r->query = g.q0 + i;
                r->keys = g.nk;
                for (int j = 0; j < FEW; j++) r->key[j] = g.k0 + (j < g.nk ? j : 0);
                if (waiting < LANES / FEW) continue;
                FN(few)(row, waiting, q, k, v, qstride, kstride, heads, out, ostride);
                waiting = 0;
            }
            continue;
        }
        for (long h = 0; h < heads; h++)
            for (long i = 0; i < g.nq; i += LANES) {
                FN(queries)(q + (g.q0 + i) * qstride + h * HEAD, qstride, g.nq - i < LANES ? g.nq - i : LANES,
                            k + g.k0 * kstride + h * HEAD, v + g.k0 * kstride + h * HEAD, kstride, g.nk,
                            mask ? allowed + i * most : NULL, out + (g.q0 + i) * ostride + h * HEAD, ostride,
                            kept ? kept : p, kept != NULL);
                if (kept) kept += (g.nk + 1) * LANES;
            }
    }
    if (waiting) {
        for (long r = waiting; r < LANES / FEW; r++) row[r] = row[waiting - 1];
        FN(few)(row, waiting, q, k, v, qstride, kstride, heads, out, ostride);
    }
    free(p);
}

/* `n` keys, a constant where called: their gradient (or values') = Σ_i weight_i · row_i over `count` queries, a lane of
   the weights each. */
INLINED void FN(spread)(int n, long count, const float *weight, const float *rows, long stride, float *to,
                        long tostride, int written) {
    UNROLL for (int tile = 0; tile < HEAD; tile += LANES) {
        VEC sum[4];
        UNROLL for (int j = 0; j < n; j++) sum[j] = (VEC)0.0f;
        if (count == LANES)
            UNROLL for (int i = 0; i < LANES; i++) {
                const VEC row = LOAD(rows + i * stride + tile);
                UNROLL for (int j = 0; j < n; j++) sum[j] += weight[j * LANES + i] * row;
            }
        else
            for (long i = 0; i < count; i++) {
                const VEC row = LOAD(rows + i * stride + tile);
                UNROLL for (int j = 0; j < n; j++) sum[j] += weight[j * LANES + i] * row;
            }
        UNROLL for (int j = 0; j < n; j++) {
            VEC *at = (VEC *)(to + j * tostride + tile);
            *at = written ? sum[j] : *at + sum[j];
        }
    }
}

/* Backwards what `queries` did.  kept: the exponentials and their factor; p, ds: room for nk × LANES floats each. */
TARGET static void FN(questioned)(const float *q, long qstride, long count, const float *k, const float *v,
                                  long kstride, long nk, const float *kept, const float *dout, long ostride, float *dq,
                                  int qwritten, float *dk, float *dv, int kwritten, float *p, float *ds) {
    VEC dt[HEAD], x[LANES];
    UNROLL for (int tile = 0; tile < HEAD; tile += LANES) {
        UNROLL for (int i = 0; i < LANES; i++) x[i] = i < count ? LOAD(dout + i * ostride + tile) : (VEC)0.0f;
        FN(transpose)(x);
        UNROLL for (int i = 0; i < LANES; i++) dt[tile + i] = x[i];
    }
    if (nk >= KEYS)
        for (long j = 0; j < nk; j += KEYS) {
            const long at = j + KEYS <= nk ? j : nk - KEYS;
            FN(fetch)(v + (at + 2 * KEYS) * kstride, kstride, k + at * kstride, kstride);
            FN(fetch)(kept + at * LANES, LANES, dk + at * kstride, kstride);
            FN(logits)(dt, v + at * kstride, kstride, KEYS, ds + at * LANES);
        }
    else
        for (long j = 0; j < nk; j++) FN(logits)(dt, v + j * kstride, kstride, 1, ds + j * LANES);
    const VEC inverse = LOAD(kept + nk * LANES);
    VEC mean = (VEC)0.0f;
    for (long j = 0; j < nk; j++) {
        const VEC pj = LOAD(kept + j * LANES) * inverse;
        *(VEC *)(p + j * LANES) = pj;
        mean += pj * LOAD(ds + j * LANES);
    }
    for (long j = 0; j < nk; j++)
        *(VEC *)(ds + j * LANES) = LOAD(p + j * LANES) * (LOAD(ds + j * LANES) - mean) * 0.25f; /* 1/√HEAD */
    VEC ot[HEAD];
    UNROLL for (int tile = 0; tile < HEAD; tile += TILE) {
        VEC o[TILE];
        UNROLL for (int d = 0; d < TILE; d++) o[d] = (VEC)0.0f;
        for (long j = 0; j < nk; j++) {
            const VEC weight = LOAD(ds + j * LANES);
            const float *kj = k + j * kstride + tile;
            UNROLL for (int d = 0; d < TILE; d++) o[d] += weight * kj[d];
        }
        UNROLL for (int d = 0; d < TILE; d++) ot[tile + d] = o[d];
    }
    UNROLL for (int tile = 0; tile < HEAD; tile += LANES) {
        FN(transpose)(ot + tile);
        for (int i = 0; i < count; i++) {
            VEC *at = (VEC *)(dq + i * qstride + tile);
            *at = qwritten ? ot[tile + i] : *at + ot[tile + i];
        }
    }
    long j = 0;
    for (; j + 4 <= nk; j += 4) {
        FN(spread)(4, count, ds + j * LANES, q, qstride, dk + j * kstride, kstride, kwritten);
        FN(spread)(4, count, p + j * LANES, dout, ostride, dv + j * kstride, kstride, kwritten);
    }
    for (; j < nk; j++) {
        FN(spread)(1, count, ds + j * LANES, q, qstride, dk + j * kstride, kstride, kwritten);
        FN(spread)(1, count, p + j * LANES, dout, ostride, dv + j * kstride, kstride, kwritten);
    }
}

TARGET static void FN(backwards)(const float *q, const float *k, const float *v, long qstride, long kstride,
                                 const pk_segment *segments, long count, long heads, const float *kept,
                                 const float *dout, long ostride, float *dq, int qwritten, float *dk, float *dv,
                                 int kwritten) {
    long most = 0;
    for (long t = 0; t < count; t++) most = segments[t].nk > most ? segments[t].nk : most;
    float *p = aligned_alloc(64, (size_t)(2 * most + KEYS) * LANES * 4 / 64 * 64 + 64), *ds = p + most * LANES;
    for (long t = 0; t < count; t++) {
        const pk_segment g = segments[t];
        for (long h = 0; h < heads; h++)
            for (long i = 0; i < g.nq; i += LANES) {
                const long from = (g.q0 + i) * qstride + h * HEAD, at = g.k0 * kstride + h * HEAD;
                FN(questioned)(q + from, qstride, g.nq - i < LANES ? g.nq - i : LANES, k + at, v + at, kstride, g.nk,
                               kept, dout + (g.q0 + i) * ostride + h * HEAD, ostride, dq + from, qwritten, dk + at,
                               dv + at, kwritten && i == 0, p, ds);
                kept += (g.nk + 1) * LANES;
            }
    }
    free(p);
}

#undef GLUE2
#undef GLUE
#undef FN
#undef VEC
#undef INTS
#undef INLINED
#undef LOAD
#undef TILE
#undef TARGET
#undef LANES
#undef LOG_LANES
#undef ZIP_LOW
#undef ZIP_HIGH
#undef EVENS
#undef ODDS
#undef NEIGHBOUR
#undef OTHER_PAIR
