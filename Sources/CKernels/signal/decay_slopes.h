/* A compartment's attenuation and how it falls, at 16 measurements. */
#pragma once
#include "../math/vector_block.h"

/* With q = b d c² (with spread βq of u = 1 + βq): A = exp(−q) or u^−α; h = −∂ log A/∂ log q and slope its quotient by
   q. by_ratio gains f ∂A/∂ log(s/d). */
BLOCK_INLINE void decay_slopes(const block_f32 *q, const decay_law *law, int has_spread, float f, block_f32 *a,
                               block_f32 *slope, block_f32 *h, block_f32 *by_ratio) {
    if (has_spread) {
        const float shape = -law->shape;
        block_f32 l = *q;
        block_log2_1p(&l);
        *a = l * law->shape;
        block_exp2(a);
        *slope = shape / (1.0f + *q);
        *h = *slope * *q;
        *by_ratio += 2.0f * f * *a * (l * (shape * 0.69314718f) - *h);
    } else {
        *a = *q * -1.44269504f;
        block_exp2(a);
        *slope = 1.0f;
        *h = *q;
    }
}
