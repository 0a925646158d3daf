/* Attention of queries each of which has a list of keys of its own, anywhere among the rows: included by
   attention_template.h, once per instruction set. */

/* Query q0 of each segment against the keys in rows list[k0] … list[k0 + nk − 1]; a lane a key, logits summed by a tree
   of pairs. */
TARGET static void FN(along)(const float *q, const float *k, const float *v, long qstride, long kstride,
                             const pk_segment *segments, long count, const int32_t *list, long heads, float *out,
                             long ostride) {
    long most = 1;
    for (long t = 0; t < count; t++) most = segments[t].nk > most ? segments[t].nk : most;
    float *p = aligned_alloc(64, (size_t)((most + LANES - 1) / LANES * LANES * 4 + 63) / 64 * 64);
    INTS order;
    for (int i = 0; i < LANES; i++) order[i] = i;
    for (long t = 0; t < count; t++) {
        const int32_t *keys = list + segments[t].k0;
        const long n = segments[t].nk;
        for (long h = 0; h < heads; h++) {
            const float *qh = q + segments[t].q0 * qstride + h * HEAD, *kh = k + h * HEAD, *vh = v + h * HEAD;
            VEC peak = (VEC)-1e30f, total = (VEC)0.0f;
            for (long j = 0; j < n; j += LANES) {
                VEC x[LANES];
                UNROLL for (int i = 0; i < LANES; i++) {
                    const float *row = kh + keys[j + i < n ? j + i : j] * kstride;
                    VEC s = LOAD(qh) * LOAD(row);
                    UNROLL for (int tile = LANES; tile < HEAD; tile += LANES) s += LOAD(qh + tile) * LOAD(row + tile);
                    x[i] = s;
                }
                FN(sums)(x);
                const VEC s = order < (int32_t)(n - j) ? x[0] * LOGIT_SCALE : (VEC)-1e30f;
                peak = s > peak ? s : peak;
                *(VEC *)(p + j) = s;
            }
            float highest = peak[0];
            for (int i = 1; i < LANES; i++) highest = peak[i] > highest ? peak[i] : highest;
            for (long j = 0; j < n; j += LANES) {
                VEC s = LOAD(p + j) - highest;
                FN(power)(&s);
                s = (VEC)((INTS)s & (order < (int32_t)(n - j)));
                total += s;
                *(VEC *)(p + j) = s;
            }
            float sum = total[0];
            for (int i = 1; i < LANES; i++) sum += total[i];
            const float inverse = 1.0f / sum;
            UNROLL for (int tile = 0; tile < HEAD; tile += LANES) {
                VEC o = (VEC)0.0f;
                for (long j = 0; j < n; j++) o += p[j] * LOAD(vh + keys[j] * kstride + tile);
                *(VEC *)(out + segments[t].q0 * ostride + h * HEAD + tile) = o * inverse;
            }
        }
    }
    free(p);
}
