/* What all weights of a signal that is linear in them share when sixteen samples are drawn together: each lane is a
   sample's. */
#pragma once
#include "../math/rician_block.h"

/* PART: measurements whose products are summed before the sums are, lest rounding adds up. */
enum { LANES = LANES_IN_BLOCK, WIDTHS = 3, PART = 32 };
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
