/* Attention of queries each of which has a list of keys of its own, anywhere among the rows: included by
   attention_template.h, once per instruction set. */

/* One query, `heads` heads of it, a constant where called, against n keys in rows `keys`; a lane a key, sums across
   lanes by trees of pairs. Heads side by side: a key's place is looked up once, and sums over keys do not wait for one
   another. p: room for heads × `most` floats, `most` a multiple of LANES. */
INLINED void FN(follow)(const float *q, const float *k, const float *v, long kstride, const int32_t *keys, long n,
                        int heads, float *out, float *p, long most, INTS order) {
    VEC peak[TOGETHER], o[TOGETHER * HEAD / LANES], total[TOGETHER];
    UNROLL for (int h = 0; h < heads; h++) peak[h] = (VEC)-1e30f;
    for (long j = 0; j < n; j += LANES) {
        const float *row[LANES];
        UNROLL for (int i = 0; i < LANES; i++) row[i] = k + keys[j + i < n ? j + i : j] * kstride;
        UNROLL for (int h = 0; h < heads; h++) {
            VEC x[LANES];
            UNROLL for (int i = 0; i < LANES; i++) {
                x[i] = LOAD(q + h * HEAD) * LOAD(row[i] + h * HEAD);
                UNROLL for (int tile = h * HEAD + LANES; tile < (h + 1) * HEAD; tile += LANES) x[i] +=
                    LOAD(q + tile) * LOAD(row[i] + tile);
            }
            FN(sums)(x);
            const VEC s = order < (int32_t)(n - j) ? x[0] * LOGIT_SCALE : (VEC)-1e30f;
            peak[h] = s > peak[h] ? s : peak[h];
            *(VEC *)(p + h * most + j) = s;
        }
    }
    UNROLL for (int h = 0; h < heads; h++) {
        const VEC highest = FN(greatest_lane)(peak[h]);
        total[h] = (VEC)0.0f;
        for (long j = 0; j < n; j += LANES) {
            VEC s = LOAD(p + h * most + j) - highest;
            FN(power)(&s);
            s = (VEC)((INTS)s & (order < (int32_t)(n - j)));
            total[h] += s;
            *(VEC *)(p + h * most + j) = s;
        }
    }
    UNROLL for (int i = 0; i < heads * HEAD / LANES; i++) o[i] = (VEC)0.0f;
    for (long j = 0; j < n; j++) {
        const float *row = v + keys[j] * kstride;
        UNROLL for (int i = 0; i < heads * HEAD / LANES; i++) o[i] +=
            p[i * LANES / HEAD * most + j] * LOAD(row + i * LANES);
    }
    UNROLL for (int h = 0; h < heads; h++) {
        const VEC inverse = 1.0f / FN(lanes_total)(total[h]);
        UNROLL for (int i = h * HEAD / LANES; i < (h + 1) * HEAD / LANES; i++) *(VEC *)(out + i * LANES) =
            o[i] * inverse;
    }
}

/* Query q0 of each segment against the keys in rows list[k0] … list[k0 + nk − 1]. */
TARGET static void FN(along)(const float *q, const float *k, const float *v, long qstride, long kstride,
                             const pk_segment *segments, long count, const int32_t *list, long heads, float *out,
                             long ostride) {
    long most = 1;
    for (long t = 0; t < count; t++) most = segments[t].nk > most ? segments[t].nk : most;
    most = (most + LANES - 1) / LANES * LANES;
    float *p = aligned_alloc(64, (size_t)(TOGETHER * most * 4 + 63) / 64 * 64);
    INTS order;
    for (int i = 0; i < LANES; i++) order[i] = i;
    for (long t = 0; t < count; t++) {
        const pk_segment g = segments[t];
        const int32_t *keys = list + g.k0;
        const float *own = q + g.q0 * qstride;
        float *answer = out + g.q0 * ostride;
        long h = 0;
        for (; h + TOGETHER <= heads; h += TOGETHER)
            FN(follow)(own + h * HEAD, k + h * HEAD, v + h * HEAD, kstride, keys, g.nk, TOGETHER, answer + h * HEAD, p,
                       most, order);
        for (; h < heads; h++)
            FN(follow)(own + h * HEAD, k + h * HEAD, v + h * HEAD, kstride, keys, g.nk, 1, answer + h * HEAD, p, most,
                       order);
    }
    free(p);
}
