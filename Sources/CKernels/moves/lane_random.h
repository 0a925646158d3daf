/* Random numbers in 16 lanes. */
#pragma once
#include "../include/lane_random.h"
#include "../math/truncated_normal.h"
#include "../math/vector_block.h"

INLINE void next_bits(pk_lane_random *r, uint32_t *out) {
    uint32_t (*s)[LANES_IN_BLOCK] = r->state;
    EACH(i) {
        const uint32_t sum = s[0][i] + s[3][i], t = s[1][i] << 9;
        out[i] = ((sum << 7) | (sum >> 25)) + s[0][i];
        s[2][i] ^= s[0][i];
        s[3][i] ^= s[1][i];
        s[1][i] ^= s[2][i];
        s[0][i] ^= s[3][i];
        s[2][i] ^= t;
        s[3][i] = (s[3][i] << 11) | (s[3][i] >> 21);
    }
}

/* Odd multiples of 2^−24, so that u and 1 − u are alike. */
INLINE void uniforms(pk_lane_random *r, float *out) {
    uint32_t bits[LANES_IN_BLOCK];
    next_bits(r, bits);
    EACH(i) out[i] = (float)(int32_t)((bits[i] >> 8) | 1) * 0x1p-24f;
}
INLINE void normals(pk_lane_random *r, float *out) {
    uniforms(r, out);
    EACH(i) out[i] = normal_quantile(out[i]);
}
/* Log-uniform between low and high = low · e^log_ratio. */
INLINE void step_sizes(pk_lane_random *r, float low, float log_ratio, float *out) {
    uniforms(r, out);
    EACH(i) out[i] = low * fast_exp(out[i] * log_ratio);
}
INLINE float one_of_three(float u, float a, float b, float c) {
    return u < 0.333333343f ? a : u < 0.666666687f ? b : c;
}
