#include "../include/signal_gradient.h"
#include <math.h>
#include "../math/bessel_ratio.h"
#include "../math/row_products.h"
#include "decay_slopes.h"

/* Everything at 16 measurements from `i` on, in registers until it is stored: q = b c² gives A = exp(−d q), or with u =
   1 + βq, A = u^−α. */
BLOCK_INLINE void gradient_block(long i, long m, const float *b, const float *gx, const float *gy, const float *gz,
                                 float d, float spread, float s0, long n, const float *fractions, const float *axes,
                                 const float *tangents, int has_spread, float *attenuation, float *rows) {
    const decay_law law = make_decay(d, spread);
    const float rate = has_spread ? law.rate : d;
    float *rf = rows + i, *rd = rf + (n + has_spread) * m, *rt = rd + 2 * m;
    const block_f32 vb = LOAD_BLOCK(b + i) * rate, x = LOAD_BLOCK(gx + i), y = LOAD_BLOCK(gy + i),
                    z = LOAD_BLOCK(gz + i);
    block_f32 total = 0, by_d = 0, by_ratio = 0, ball = 0;
    for (long k = -1; k < n; k++) {
        const float f = fractions[k + 1], *mu = axes + 3 * k;
        block_f32 c = 1, q = vb;
        if (k >= 0) {
            c = x * mu[0] + y * mu[1] + z * mu[2];
            q = vb * c * c;
        }
        block_f32 a, slope, h;
        decay_slopes(&q, &law, has_spread, f, &a, &slope, &h, &by_ratio);
        const block_f32 fa = f * a;
        total += fa;
        by_d -= fa * h;
        if (k < 0) {
            ball = a;
            continue;
        }
        const float *t = tangents + 6 * k;
        const block_f32 g = -2.0f * s0 * fa * slope * vb * c;
        STORE_BLOCK(rf + k * m, s0 * (a - ball));
        STORE_BLOCK(rt + 2 * k * m, g * (x * t[0] + y * t[1] + z * t[2]));
        STORE_BLOCK(rt + (2 * k + 1) * m, g * (x * t[3] + y * t[4] + z * t[5]));
    }
    STORE_BLOCK(attenuation + i, total);
    if (has_spread) STORE_BLOCK(rf + n * m, s0 * by_ratio);
    STORE_BLOCK(rd, s0 * by_d);
    STORE_BLOCK(rd + m, s0 * total);
}

/* The last block looks back so as to be whole: it repeats what its neighbour did. */
BLOCK_INLINE void gradient_blocks(long m, const float *b, const float *gx, const float *gy, const float *gz, float d,
                                  float spread, float s0, long n, const float *fractions, const float *axes,
                                  const float *tangents, int has_spread, float *attenuation, float *rows) {
    for (long start = 0; start < m; start += LANES_IN_BLOCK) {
        const long i = m - start < LANES_IN_BLOCK ? m - LANES_IN_BLOCK : start;
        gradient_block(i, m, b, gx, gy, gz, d, has_spread ? spread : 0, s0, n, fractions, axes, tangents, has_spread,
                       attenuation, rows);
    }
}

PER_CPU void pk_ball_sticks_gradient(long m, const float *restrict b, const float *restrict gx,
                                     const float *restrict gy, const float *restrict gz, float diffusivity,
                                     float spread, float s0, long n, const float *fractions, const float *axes,
                                     const float *tangents, float *restrict attenuation, float *restrict rows) {
    const int has_spread = spread > 0.0f;
    if (m < LANES_IN_BLOCK) {
        float room[4][16], a[16], r[12 * 16];
        const long count = 2 + has_spread + 3 * n;
        padded(b, m, room[0]); padded(gx, m, room[1]); padded(gy, m, room[2]); padded(gz, m, room[3]);
        if (has_spread)
            gradient_block(0, 16, room[0], room[1], room[2], room[3], diffusivity, spread, s0, n, fractions, axes,
                           tangents, 1, a, r);
        else
            gradient_block(0, 16, room[0], room[1], room[2], room[3], diffusivity, 0, s0, n, fractions, axes, tangents,
                           0, a, r);
        memcpy(attenuation, a + 16 - m, sizeof(float) * (size_t)m);
        for (long k = 0; k < count; k++) memcpy(rows + k * m, r + 16 * k + 16 - m, sizeof(float) * (size_t)m);
        return;
    }
#define CALL(sticks, has_spread) \
    gradient_blocks(m, b, gx, gy, gz, diffusivity, spread, s0, sticks, fractions, axes, tangents, has_spread, \
                    attenuation, rows)
    BY_STRUCTURE(n, has_spread, CALL)
#undef CALL
}

PER_CPU double pk_gaussian_scores(long m, const float *restrict a, const float *restrict y, double s0, double sigma,
                                  float *restrict weight, float *restrict score) {
#pragma clang fp reassociate(on)
    const float scale = (float)s0, inverse = (float)(1 / sigma);
    float total = 0;
    for (long i = 0; i < m; i++) {
        float r = (y[i] - scale * a[i]) * inverse;
        total += r * r;
        weight[i] = inverse;
        score[i] = r;
    }
    return total - (double)m;
}

/* Weights and scores at 16 measurements; what they add to ∂ log p / ∂ log σ. */
BLOCK_INLINE void rician_block(const float *a, const float *y, float scale, float inverse, float *weight, float *score,
                               block_f32 *sum) {
    const block_f32 s = LOAD_BLOCK(a) * scale, v = LOAD_BLOCK(y) * inverse, x = s * v, square = s * s;
    block_f32 ratio = x;
    block_bessel_ratio(&ratio);
    /* Fisher information of s is about s²/(1 + s²). */
    const block_f32 root = ROOT(square / (1.0f + square) + 1e-3f), d = v - s;
    *sum = d * d + 2.0f * x * (1.0f - ratio);
    STORE_BLOCK(weight, root * inverse);
    STORE_BLOCK(score, (v * ratio - s) / root);
}

PER_CPU double pk_rician_scores(long m, const float *restrict a, const float *restrict y, double s0, double sigma,
                                float *restrict weight, float *restrict score) {
    const float inverse = (float)(1 / sigma), scale = (float)s0 * inverse;
    block_f32 total = 0, sum;
    if (m < LANES_IN_BLOCK) {
        float room[4][16];
        rician_block(padded(a, m, room[0]), padded(y, m, room[1]), scale, inverse, room[2], room[3], &sum);
        memcpy(weight, room[2] + 16 - m, sizeof(float) * (size_t)m);
        memcpy(score, room[3] + 16 - m, sizeof(float) * (size_t)m);
        sum *= LOAD_BLOCK(tail_lanes + m);
        return block_sum(&sum) - 2.0 * (double)m;
    }
    for (long start = 0; start < m; start += LANES_IN_BLOCK) {
        const long rest = m - start, i = rest < LANES_IN_BLOCK ? m - LANES_IN_BLOCK : start;
        rician_block(a + i, y + i, scale, inverse, weight + i, score + i, &sum);
        if (rest < LANES_IN_BLOCK) sum *= LOAD_BLOCK(tail_lanes + rest);
        total += sum;
    }
    return block_sum(&total) - 2.0 * (double)m;
}

PER_CPU void pk_normal_equations(long m, long d, long gap, const float *restrict weight, const float *restrict score,
                                 const float *restrict rows, long stride, double *restrict information,
                                 double *restrict gradient) {
    _Alignas(64) float scaled[16 * 128];
    float products[16 * 16];
    row_products(m, d, 128, weight, score, rows, scaled, 16, products);
    for (long j = 0; j < d; j++) {
        const long at = j + (j >= gap);
        gradient[at] = products[16 * d + j];
#pragma clang loop vectorize(disable)
        for (long k = 0; k <= j; k++) {
            const long to = k + (k >= gap);
            information[at * stride + to] = products[16 * j + k];
            information[to * stride + at] = products[16 * j + k];
        }
    }
}
