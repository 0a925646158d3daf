/* What the weights of a linear signal (linear_weights.h) take from the measurements: loops over them, of which each
   lane is a sample's. */
#pragma once
#include "../include/linear_weights.h"
#include "../math/truncated_normal.h"
#include "weight_lanes.h"

#pragma clang diagnostic ignored "-Wpass-failed"

enum { PRODUCTS_MOST = PK_WEIGHTS_MOST * (PK_WEIGHTS_MOST + 1) / 2 };

/* Row j of EᵀPE (packed) against up to four rows from `from` on, and of EᵀPŷ; in parts of so many measurements, lest
   rounding adds up. */
INLINE void products_of(long j, long from, long many, int with_data, long W, const pk_linear_weights *w,
                        const pk_linear_view *v, const float *e, float *gram, float *product) {
    block_f32 total[4] = {0, 0, 0, 0}, data = 0;
    for (long start = 0; start < w->measurements; start += PART) {
        const long end = start + PART < w->measurements ? start + PART : w->measurements;
        block_f32 sum[4] = {0, 0, 0, 0}, with = 0;
        for (long i = start; i < end; i++) {
            const float *row = e + i * W * LANES;
            const block_f32 a = LOAD_BLOCK(row + j * LANES) * v->precision[i];
            UNROLLED for (long k = 0; k < many; k++) sum[k] += a * LOAD_BLOCK(row + (from + k) * LANES);
            if (with_data) with += a * v->data[i];
        }
        UNROLLED for (long k = 0; k < many; k++) total[k] += sum[k];
        data += with;
    }
    UNROLLED for (long k = 0; k < many; k++) STORE_BLOCK(gram + AT(j, from + k) * LANES, total[k]);
    if (with_data) STORE_BLOCK(product + j * LANES, data);
}
INLINE void products(long W, const pk_linear_weights *w, const pk_linear_view *v, const float *e, float *gram,
                     float *product) {
    if (W <= 4) {
        products_of(0, 0, 1, 1, W, w, v, e, gram, product);
        if (W > 1) products_of(1, 0, 2, 1, W, w, v, e, gram, product);
        if (W > 2) products_of(2, 0, 3, 1, W, w, v, e, gram, product);
        if (W > 3) products_of(3, 0, 4, 1, W, w, v, e, gram, product);
        return;
    }
    for (long j = 0; j < W; j++)
        for (long from = 0; from <= j; from += 4) {
            const int with_data = from == 0;
            switch (j - from) {
            case 0: products_of(j, from, 1, with_data, W, w, v, e, gram, product); break;
            case 1: products_of(j, from, 2, with_data, W, w, v, e, gram, product); break;
            case 2: products_of(j, from, 3, with_data, W, w, v, e, gram, product); break;
            default: products_of(j, from, 4, with_data, W, w, v, e, gram, product);
            }
        }
}

/* Σ over the measurements of (y − S)², S = Σ v_k E_k, which goes to rows of its own at the beginning if it is kept. */
INLINE void residuals(long W, const pk_linear_weights *w, float (*v)[LANES], float *e, int keeps, float *rss) {
    block_f32 total = 0;
    for (long i = 0; i < w->measurements; i++) {
        const float *row = e + i * W * LANES;
        block_f32 s = LOAD_BLOCK(v[0]) * LOAD_BLOCK(row);
        UNROLLED for (long k = 1; k < W; k++) s += LOAD_BLOCK(v[k]) * LOAD_BLOCK(row + k * LANES);
        if (keeps) STORE_BLOCK(e + i * LANES, s);
        const block_f32 r = w->y[i] - s;
        total += r * r;
    }
    STORE_BLOCK(rss, total);
}
