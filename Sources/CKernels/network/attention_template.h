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

#include "attention_lanes.h"

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

/* Σ_j weight_j row_j of n rows, for LANES queries with a weight each, times `factor`: column d of all in ot[d]. */
INLINED void FN(weighted)(const float *weights, const float *rows, long stride, long n, VEC factor, VEC *ot) {
    UNROLL for (int tile = 0; tile < HEAD; tile += TILE) {
        VEC o[TILE];
        UNROLL for (int d = 0; d < TILE; d++) o[d] = (VEC)0.0f;
        for (long j = 0; j < n; j++) {
            const VEC weight = LOAD(weights + j * LANES);
            const float *row = rows + j * stride + tile;
            UNROLL for (int d = 0; d < TILE; d++) o[d] += weight * row[d];
        }
        UNROLL for (int d = 0; d < TILE; d++) ot[tile + d] = o[d] * factor;
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
    FN(weighted)(p, v, kstride, nk, inverse, ot);
    UNROLL for (int tile = 0; tile < HEAD; tile += LANES) {
        FN(transpose)(ot + tile);
        if (count == LANES)
            UNROLL for (int i = 0; i < LANES; i++) *(VEC *)(out + i * ostride + tile) = ot[tile + i];
        else
            for (int i = 0; i < count; i++) *(VEC *)(out + i * ostride + tile) = ot[tile + i];
    }
}

#include "attention_few.h"
#include "attention_along.h"

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

#include "attention_backwards.h"

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
#undef OTHER_QUAD
#undef OTHER_HALF
