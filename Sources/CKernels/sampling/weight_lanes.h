/* What all weights of a signal that is linear in them share when sixteen samples are drawn together: each lane is a
   sample's. */
#pragma once
#include "../include/linear_weights.h"
#include "../math/rician_block.h"

#pragma clang diagnostic ignored "-Wpass-failed"

/* PART: measurements whose products are summed before the sums are, lest rounding adds up. */
enum { LANES = LANES_IN_BLOCK, WIDTHS = 3, PART = 32, PRODUCTS_MOST = PK_WEIGHTS_MOST * (PK_WEIGHTS_MOST + 1) / 2 };
/* Place of (j, k), k ≤ j, in a packed lower triangle. */
#define AT(j, k) ((j) * ((j) + 1) / 2 + (k))

/* Σ over m measurements y of log₂ of (e^−x I₀(x))², x = yS/σ². */
INLINE void bessel_logs(long m, const float *y, const float *s, const float *inverse, float *out) {
    log_products bessel = {1, 0, 0};
    const block_f32 root = LOAD_BLOCK(inverse);
    for (long i = 0; i < m; i++) {
        block_f32 x = (root * y[i]) * (LOAD_BLOCK(s + i * LANES) * root);
        block_squared_bessel(&x);
        multiply(&bessel, &x);
    }
    gather_logs(&bessel);
    STORE_BLOCK(out, bessel.logs);
}

/* Conditional mean of u_j given those of j + 1 … w − 1, from the Cholesky factor (packed) and the mean of all. */
INLINE void conditional(long w, long j, const float *factor, const float *mean, float (*u)[LANES], float *out) {
    EACH(i) out[i] = 0;
    for (long k = j + 1; k < w; k++) EACH(i) out[i] -= factor[AT(k, j) * LANES + i] * (u[k][i] - mean[k * LANES + i]);
    EACH(i) out[i] = mean[j * LANES + i] + out[i] / factor[AT(j, j) * LANES + i];
}

/* Row j of EᵀPE (packed) against up to four rows from `from` on, and of EᵀPŷ; in parts of so many measurements, lest
   rounding adds up. */
INLINE void products_of(long j, long from, long many, int with_data, long W, long m,
                        const float *precision, const float *data, const float *e, float *gram, float *product) {
    block_f32 total[4] = {0, 0, 0, 0}, with_all = 0;
    for (long start = 0; start < m; start += PART) {
        const long end = start + PART < m ? start + PART : m;
        block_f32 sum[4] = {0, 0, 0, 0}, with = 0;
        for (long i = start; i < end; i++) {
            const float *row = e + i * W * LANES;
            const block_f32 a = LOAD_BLOCK(row + j * LANES) * precision[i];
            UNROLLED for (long k = 0; k < many; k++) sum[k] += a * LOAD_BLOCK(row + (from + k) * LANES);
            if (with_data) with += a * data[i];
        }
        UNROLLED for (long k = 0; k < many; k++) total[k] += sum[k];
        with_all += with;
    }
    UNROLLED for (long k = 0; k < many; k++) STORE_BLOCK(gram + AT(j, from + k) * LANES, total[k]);
    if (with_data) STORE_BLOCK(product + j * LANES, with_all);
}
INLINE void products(long W, long m, const float *precision, const float *data, const float *e, float *gram,
                     float *product) {
    if (W <= 4) {
        products_of(0, 0, 1, 1, W, m, precision, data, e, gram, product);
        if (W > 1) products_of(1, 0, 2, 1, W, m, precision, data, e, gram, product);
        if (W > 2) products_of(2, 0, 3, 1, W, m, precision, data, e, gram, product);
        if (W > 3) products_of(3, 0, 4, 1, W, m, precision, data, e, gram, product);
        return;
    }
    for (long j = 0; j < W; j++)
        for (long from = 0; from <= j; from += 4) {
            const int with_data = from == 0;
            switch (j - from) {
            case 0: products_of(j, from, 1, with_data, W, m, precision, data, e, gram, product); break;
            case 1: products_of(j, from, 2, with_data, W, m, precision, data, e, gram, product); break;
            case 2: products_of(j, from, 3, with_data, W, m, precision, data, e, gram, product); break;
            default: products_of(j, from, 4, with_data, W, m, precision, data, e, gram, product);
            }
        }
}

/* Σ over the measurements of (y − S)², S = Σ v_k E_k, which goes to rows of its own at the beginning if it is kept. */
INLINE void residuals(long W, long m, const float *y, float (*v)[LANES], float *e, int keeps, float *rss) {
    block_f32 total = 0;
    for (long i = 0; i < m; i++) {
        const float *row = e + i * W * LANES;
        block_f32 s = LOAD_BLOCK(v[0]) * LOAD_BLOCK(row);
        UNROLLED for (long k = 1; k < W; k++) s += LOAD_BLOCK(v[k]) * LOAD_BLOCK(row + k * LANES);
        if (keeps) STORE_BLOCK(e + i * LANES, s);
        const block_f32 r = y[i] - s;
        total += r * r;
    }
    STORE_BLOCK(rss, total);
}

/* Cholesky factor and mean of a view's normal of the coordinates from `first` on, in double: nearly parallel columns
   leave few digits.  What the data say counts `times` so much; NULL: once. */
INLINE void solve(long first, long W, const float *ridge, const float *pull, const float *gram, const float *product,
                  const float *times, float *factor, float *mean) {
    double l[PRODUCTS_MOST][LANES], x[PK_WEIGHTS_MOST][LANES];
    for (long j = first; j < W; j++) {
        for (long k = first; k <= j; k++) {
            EACH(i) l[AT(j, k)][i] = (double)gram[AT(j, k) * LANES + i];
            if (times) EACH(i) l[AT(j, k)][i] *= (double)times[i];
            if (k == j) EACH(i) l[AT(j, k)][i] += (double)ridge[j];
            for (long h = first; h < k; h++) EACH(i) l[AT(j, k)][i] -= l[AT(j, h)][i] * l[AT(k, h)][i];
            if (k < j) EACH(i) l[AT(j, k)][i] /= l[AT(k, k)][i];
        }
        EACH(i) l[AT(j, j)][i] = ROOT(l[AT(j, j)][i]);
        EACH(i) x[j][i] = (double)product[j * LANES + i];
        if (times) EACH(i) x[j][i] *= (double)times[i];
        EACH(i) x[j][i] += (double)pull[j];
        for (long k = first; k < j; k++) EACH(i) x[j][i] -= l[AT(j, k)][i] * x[k][i];
        EACH(i) x[j][i] /= l[AT(j, j)][i];
    }
    for (long j = W - 1; j >= first; j--) {
        for (long k = j + 1; k < W; k++) EACH(i) x[j][i] -= l[AT(k, j)][i] * x[k][i];
        EACH(i) x[j][i] /= l[AT(j, j)][i];
        EACH(i) mean[j * LANES + i] = (float)x[j][i];
    }
    for (long j = first; j < W; j++)
        for (long k = first; k <= j; k++) EACH(i) factor[AT(j, k) * LANES + i] = (float)l[AT(j, k)][i];
}
