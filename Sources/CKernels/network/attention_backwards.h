/* Gradients of attention: included by attention_template.h, once per instruction set. */

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
    FN(weighted)(ds, k, kstride, nk, (VEC)1.0f, ot);
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
