/* What the conditional weights (weights.h) take from the measurements: a loop over them, of which each lane is a
   sample's. */
#pragma once
#include "../include/weights.h"
#include "weight_lanes.h"

enum { MOST = 4, PRODUCTS = 10 };

/* The values of some samples, the last of them repeated. */
INLINE void pick(const float *row, const long *which, long count, float *out) {
    EACH(i) out[i] = row[which[i < count ? i : count - 1]];
}

/* Lanes are samples. Ẽ: for each measurement its n + 1 blocks, one after the other. */
INLINE void signals(const pk_weights *w, long n, int has_spread, const block_f32 *rate, const block_f32 *shape,
                    const block_f32 *axes, float *e) {
    const float share = w->support.floor / (1.0f - (float)n * w->support.floor);
    for (long i = 0; i < w->measurements; i++, e += (n + 1) * LANES) {
        const block_f32 q = *rate * w->b[i];
        block_f32 ball = q, stick[3], sum = 0;
        decay_lanes(&ball, shape, has_spread);
        UNROLLED for (long k = 0; k < n; k++) {
            const block_f32 c = axes[3 * k] * w->gx[i] + axes[3 * k + 1] * w->gy[i] + axes[3 * k + 2] * w->gz[i];
            stick[k] = q * c * c;
            decay_lanes(&stick[k], shape, has_spread);
            sum += stick[k];
        }
        sum *= share;
        ball += sum;
        STORE_BLOCK(e, ball);
        UNROLLED for (long k = 0; k < n; k++) {
            stick[k] += sum;
            STORE_BLOCK(e + (k + 1) * LANES, stick[k]);
        }
    }
}

/* ẼᵀPẼ (packed) and ẼᵀPŷ: row j against rows up to j and the data; in parts of so many measurements, lest rounding adds
   up. */
INLINE void products_of(long j, long n, const pk_weights *w, const pk_weights_view *v, const float *e, float *gram,
                        float *product) {
    block_f32 total[MOST] = {0, 0, 0, 0}, data = 0;
    for (long from = 0; from < w->measurements; from += PART) {
        const long end = from + PART < w->measurements ? from + PART : w->measurements;
        block_f32 sum[MOST] = {0, 0, 0, 0}, with = 0;
        for (long i = from; i < end; i++) {
            const float *row = e + i * (n + 1) * LANES;
            const block_f32 a = LOAD_BLOCK(row + j * LANES) * v->precision[i];
            UNROLLED for (long k = 0; k <= j; k++) sum[k] += a * LOAD_BLOCK(row + k * LANES);
            with += a * v->data[i];
        }
        UNROLLED for (long k = 0; k <= j; k++) total[k] += sum[k];
        data += with;
    }
    UNROLLED for (long k = 0; k <= j; k++) STORE_BLOCK(gram + AT(j, k) * LANES, total[k]);
    STORE_BLOCK(product + j * LANES, data);
}
INLINE void products(long n, const pk_weights *w, const pk_weights_view *v, const float *e, float *gram,
                     float *product) {
    products_of(0, n, w, v, e, gram, product);
    if (n > 0) products_of(1, n, w, v, e, gram, product);
    if (n > 1) products_of(2, n, w, v, e, gram, product);
    if (n > 2) products_of(3, n, w, v, e, gram, product);
}

/* Σ over the measurements of (y − S)², S = Σ u_k Ẽ_k, which goes to rows of its own at the beginning. */
INLINE void residuals(const pk_weights *w, long n, float (*u)[LANES], float *e, float *rss) {
    block_f32 total = 0;
    for (long i = 0; i < w->measurements; i++) {
        const float *row = e + i * (n + 1) * LANES;
        block_f32 s = LOAD_BLOCK(u[0]) * LOAD_BLOCK(row);
        UNROLLED for (long k = 1; k <= n; k++) s += LOAD_BLOCK(u[k]) * LOAD_BLOCK(row + k * LANES);
        STORE_BLOCK(e + i * LANES, s);
        const block_f32 r = w->y[i] - s;
        total += r * r;
    }
    STORE_BLOCK(rss, total);
}
