#include "../include/ball_sticks_components.h"
#include "decay_slopes.h"

/* The law of sixteen samples: rows of log d and, with spread, log(s/d). */
BLOCK_INLINE void laws(const float *rows, long stride, int has_spread, block_f32 *rates, block_f32 *shapes) {
    float rate[LANES_IN_BLOCK], shape[LANES_IN_BLOCK] = {0};
    EACH(i) rate[i] = fast_exp(rows[i]);
    if (has_spread) {
        /* As make_decay has it, with s/d given. */
        EACH(i) {
            const float ratio = fast_exp(rows[stride + i]);
            rate[i] *= ratio * ratio;
            shape[i] = -1.0f / (ratio * ratio);
        }
    } else {
        EACH(i) rate[i] *= -1.44269504f;
    }
    *rates = LOAD_BLOCK(rate);
    *shapes = LOAD_BLOCK(shape);
}

BLOCK_INLINE void lanes(long m, const float *b, const float *gx, const float *gy, const float *gz, long n,
                        int has_spread, const float *rows, long stride, float *e) {
    block_f32 rates, shapes;
    laws(rows, stride, has_spread, &rates, &shapes);
    block_f32 axes[9] = {0}, ball = 0;
    UNROLLED for (long k = 0; k < 3 * n; k++) axes[k] = LOAD_BLOCK(rows + (1 + has_spread + k) * stride);
    for (long i = 0; i < m; i++, e += (n + 1) * LANES_IN_BLOCK) {
        const block_f32 q = rates * b[i];
        /* Of a shell's measurements that follow one another the ball's is one. */
        if (i == 0 || b[i] != b[i - 1]) {
            ball = q;
            decay_lanes(&ball, &shapes, has_spread);
        }
        STORE_BLOCK(e, ball);
        UNROLLED for (long k = 0; k < n; k++) {
            const block_f32 c = axes[3 * k] * gx[i] + axes[3 * k + 1] * gy[i] + axes[3 * k + 2] * gz[i];
            block_f32 stick = q * c * c;
            decay_lanes(&stick, &shapes, has_spread);
            STORE_BLOCK(e + (k + 1) * LANES_IN_BLOCK, stick);
        }
    }
}

PER_CPU void pk_ball_sticks_lanes(long m, const float *b, const float *gx, const float *gy, const float *gz, long n,
                                  int spread, const float *shape, long stride, float *e){
#define LANES_OF(n, has_spread) lanes(m, b, gx, gy, gz, n, has_spread, shape, stride, e)
    BY_STRUCTURE(n, spread, LANES_OF)}

BLOCK_INLINE void lane(long m, const float *b, const float *gx, const float *gy, const float *gz, long n, long k,
                       int has_spread, const float *rows, long stride, float *e) {
    block_f32 rates, shapes, x = 0, y = 0, z = 0;
    laws(rows, stride, has_spread, &rates, &shapes);
    const float *axis = rows + (1 + has_spread + 3 * (k - 1)) * stride;
    if (k > 0) {
        x = LOAD_BLOCK(axis);
        y = LOAD_BLOCK(axis + stride);
        z = LOAD_BLOCK(axis + 2 * stride);
    }
    e += k * LANES_IN_BLOCK;
    for (long i = 0; i < m; i++, e += (n + 1) * LANES_IN_BLOCK) {
        const block_f32 q = rates * b[i], c = x * gx[i] + y * gy[i] + z * gz[i];
        block_f32 t = k > 0 ? q * c * c : q;
        decay_lanes(&t, &shapes, has_spread);
        STORE_BLOCK(e, t);
    }
}

PER_CPU void pk_ball_sticks_lane(long m, const float *b, const float *gx, const float *gy, const float *gz, long n,
                                 long k, int spread, const float *shape, long stride, float *e) {
    if (spread) lane(m, b, gx, gy, gz, n, k, 1, shape, stride, e);
    else lane(m, b, gx, gy, gz, n, k, 0, shape, stride, e);
}

/* 16 measurements from `i` on: q = b c² gives E = exp(−d q), or with u = 1 + βq, E = u^−α. */
BLOCK_INLINE void components_block(long i, long m, const float *b, const float *gx, const float *gy, const float *gz,
                                   float d, float spread, long n, const float *fractions, const float *axes,
                                   const float *tangents, int has_spread, int derives, float *attenuations,
                                   float *rows) {
    const decay_law law = make_decay(d, spread);
    const float rate = has_spread ? law.rate : d;
    const block_f32 vb = LOAD_BLOCK(b + i) * rate, x = LOAD_BLOCK(gx + i), y = LOAD_BLOCK(gy + i),
                    z = LOAD_BLOCK(gz + i);
    block_f32 by_d = 0, by_ratio = 0;
    float *rt = rows + (1 + has_spread) * m + i;
    for (long k = -1; k < n; k++) {
        const float f = fractions[k + 1], *mu = axes + 3 * k;
        block_f32 c = 1, q = vb;
        if (k >= 0) {
            c = x * mu[0] + y * mu[1] + z * mu[2];
            q = vb * c * c;
        }
        block_f32 a, slope, h;
        decay_slopes(&q, &law, has_spread, f, &a, &slope, &h, &by_ratio);
        STORE_BLOCK(attenuations + (k + 1) * m + i, a);
        if (!derives) continue;
        by_d -= f * a * h;
        if (k < 0) continue;
        const float *t = tangents + 6 * k;
        const block_f32 g = -2.0f * f * a * slope * vb * c;
        STORE_BLOCK(rt + 2 * k * m, g * (x * t[0] + y * t[1] + z * t[2]));
        STORE_BLOCK(rt + (2 * k + 1) * m, g * (x * t[3] + y * t[4] + z * t[5]));
    }
    if (!derives) return;
    STORE_BLOCK(rows + i, by_d);
    if (has_spread) STORE_BLOCK(rows + m + i, by_ratio);
}

/* The last block looks back so as to be whole: it repeats what its neighbour did. */
BLOCK_INLINE void components_blocks(long m, const float *b, const float *gx, const float *gy, const float *gz, float d,
                                    float spread, long n, const float *fractions, const float *axes,
                                    const float *tangents, int has_spread, int derives, float *attenuations,
                                    float *rows) {
    for (long start = 0; start < m; start += LANES_IN_BLOCK) {
        const long i = m - start < LANES_IN_BLOCK ? m - LANES_IN_BLOCK : start;
        components_block(i, m, b, gx, gy, gz, d, spread, n, fractions, axes, tangents, has_spread, derives,
                         attenuations, rows);
    }
}

PER_CPU void pk_ball_sticks_components(long m, const float *b, const float *gx, const float *gy, const float *gz,
                                       float diffusivity, float spread, long n, const float *fractions,
                                       const float *axes, const float *tangents, float *attenuations, float *rows) {
    const int has_spread = spread > 0.0f;
    if (m < LANES_IN_BLOCK) {
        float room[4][16], a[4 * 16], r[8 * 16];
        padded(b, m, room[0]); padded(gx, m, room[1]); padded(gy, m, room[2]); padded(gz, m, room[3]);
        if (has_spread)
            components_block(0, 16, room[0], room[1], room[2], room[3], diffusivity, spread, n, fractions, axes,
                             tangents, 1, 1, a, r);
        else
            components_block(0, 16, room[0], room[1], room[2], room[3], diffusivity, 0, n, fractions, axes, tangents, 0,
                             1, a, r);
        for (long k = 0; k <= n; k++) memcpy(attenuations + k * m, a + 16 * k + 16 - m, sizeof(float) * (size_t)m);
        for (long k = 0; rows && k < 1 + has_spread + 2 * n; k++)
            memcpy(rows + k * m, r + 16 * k + 16 - m, sizeof(float) * (size_t)m);
        return;
    }
#define COMPONENTS(n, has_spread) \
    if (rows) \
        components_blocks(m, b, gx, gy, gz, diffusivity, spread, n, fractions, axes, tangents, has_spread, 1, \
                          attenuations, rows); \
    else \
        components_blocks(m, b, gx, gy, gz, diffusivity, spread, n, fractions, axes, tangents, has_spread, 0, \
                          attenuations, rows)
    BY_STRUCTURE(n, has_spread, COMPONENTS)
}
