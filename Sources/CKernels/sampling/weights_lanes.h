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
