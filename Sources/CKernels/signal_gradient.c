#include "include/signal_gradient.h"
#include <math.h>
#include "vector_block.h"

/* Everything at 16 measurements from `i` on, in registers until it is stored: q = b c² gives A = exp(−d q), or with u = 1 + βq, A = u^−α. */
BLOCK_INLINE void gradient_block(long i, long m, const float *b, const float *gx, const float *gy, const float *gz, float d, float spread, float s0,
                                 long n, const float *fractions, const float *axes, const float *tangents, int has_spread, float *attenuation,
                                 float *rows) {
    const decay_law law = make_decay(d, spread);
    const float rate = has_spread ? law.rate : d, shape = has_spread ? -law.shape : 1.0f;
    float *rf = rows + (2 + has_spread) * m + i, *rt = rf + n * m;
    const block_f32 vb = LOAD_BLOCK(b + i) * rate, x = LOAD_BLOCK(gx + i), y = LOAD_BLOCK(gy + i), z = LOAD_BLOCK(gz + i);
    block_f32 total = 0, by_d = 0, by_ratio = 0, ball = 0;
    for (long k = -1; k < n; k++) {
        const float f = fractions[k + 1], *mu = axes + 3 * k;
        block_f32 c = 1, q = vb;
        if (k >= 0) {
            c = x * mu[0] + y * mu[1] + z * mu[2];
            q = vb * c * c;
        }
        /* −∂ log A/∂ log q, and its quotient by q. */
        block_f32 a, slope, h;
        if (has_spread) {
            block_f32 l = q;
            block_log2_1p(&l);
            a = l * law.shape;
            block_exp2(&a);
            slope = shape / (1.0f + q);
            h = slope * q;
            by_ratio += 2.0f * f * a * (l * (shape * 0.69314718f) - h);
        } else {
            a = q * -1.44269504f;
            block_exp2(&a);
            slope = 1.0f;
            h = q;
        }
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
    STORE_BLOCK(rows + i, s0 * by_d);
    if (has_spread) STORE_BLOCK(rows + m + i, s0 * by_ratio);
    STORE_BLOCK(rows + (1 + has_spread) * m + i, s0 * total);
}

PER_CPU void pk_ball_sticks_gradient(long m, const float *restrict b, const float *restrict gx, const float *restrict gy,
                                     const float *restrict gz, float diffusivity, float spread, float s0, long n, const float *fractions,
                                     const float *axes, const float *tangents, float *restrict attenuation, float *restrict rows) {
    const int has_spread = spread > 0.0f;
    if (m < LANES_IN_BLOCK) {
        float room[4][16], a[16], r[12 * 16];
        const long count = 2 + has_spread + 3 * n;
        padded(b, m, room[0]); padded(gx, m, room[1]); padded(gy, m, room[2]); padded(gz, m, room[3]);
        if (has_spread) gradient_block(0, 16, room[0], room[1], room[2], room[3], diffusivity, spread, s0, n, fractions, axes, tangents, 1, a, r);
        else gradient_block(0, 16, room[0], room[1], room[2], room[3], diffusivity, 0, s0, n, fractions, axes, tangents, 0, a, r);
        memcpy(attenuation, a + 16 - m, sizeof(float) * (size_t)m);
        for (long k = 0; k < count; k++) memcpy(rows + k * m, r + 16 * k + 16 - m, sizeof(float) * (size_t)m);
        return;
    }
    /* The last block looks back so as to be whole: it repeats what its neighbour did. */
    for (long start = 0; start < m; start += LANES_IN_BLOCK) {
        const long i = m - start < LANES_IN_BLOCK ? m - LANES_IN_BLOCK : start;
        if (has_spread) gradient_block(i, m, b, gx, gy, gz, diffusivity, spread, s0, n, fractions, axes, tangents, 1, attenuation, rows);
        else gradient_block(i, m, b, gx, gy, gz, diffusivity, 0, s0, n, fractions, axes, tangents, 0, attenuation, rows);
    }
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

/* I₁(x)/I₀(x) for x ≥ 0 (Abramowitz & Stegun 9.8.1–9.8.4), absolute error ≤ 1e-6. */
static inline __attribute__((always_inline)) float bessel_ratio(float x) {
    float t = x * (1.0f / 3.75f);
    t *= t;
    float a = 4.5813e-3f, b = 3.2411e-4f;
    a = a * t + 3.60768e-2f;    b = b * t + 3.01532e-3f;
    a = a * t + 2.659732e-1f;   b = b * t + 2.658733e-2f;
    a = a * t + 1.2067492f;     b = b * t + 1.5084934e-1f;
    a = a * t + 3.0899424f;     b = b * t + 5.1498869e-1f;
    a = a * t + 3.5156229f;     b = b * t + 8.7890594e-1f;
    a = a * t + 1.0f;           b = (b * t + 0.5f) * x;
    float q = x > 3.75f ? x : 3.75f, u = 3.75f / q;
    float c = 3.92377e-3f, d = -4.20059e-3f;
    c = c * u - 1.647633e-2f;   d = d * u + 1.787654e-2f;
    c = c * u + 2.635537e-2f;   d = d * u - 2.895312e-2f;
    c = c * u - 2.057706e-2f;   d = d * u + 2.282967e-2f;
    c = c * u + 9.16281e-3f;    d = d * u - 1.031555e-2f;
    c = c * u - 1.57565e-3f;    d = d * u + 1.63801e-3f;
    c = c * u + 2.25319e-3f;    d = d * u - 3.62018e-3f;
    c = c * u + 1.328592e-2f;   d = d * u - 3.988024e-2f;
    c = c * u + 3.9894228e-1f;  d = d * u + 3.9894228e-1f;
    return x > 3.75f ? d / c : b / a;
}

PER_CPU double pk_rician_scores(long m, const float *restrict a, const float *restrict y, double s0, double sigma,
                                float *restrict weight, float *restrict score) {
#pragma clang fp reassociate(on)
    const float scale = (float)s0, inverse = (float)(1 / sigma);
    float total = 0;
    for (long i = 0; i < m; i++) {
        float s = scale * a[i] * inverse, v = y[i] * inverse, x = s * v, ratio = bessel_ratio(x);
        /* Fisher information of s is about s²/(1 + s²). */
        float information = s * s / (1.0f + s * s) + 1e-3f, root = sqrtf(information);
        float d = v - s;
        total += d * d + 2.0f * x * (1.0f - ratio);
        weight[i] = root * inverse;
        score[i] = (v * ratio - s) / root;
    }
    return total - 2.0 * (double)m;
}

/* Scalar products of rows: each with four at a time, the last block masked where it looks back. */
PER_CPU void pk_normal_equations(long m, long d, const float *restrict weight, const float *restrict score, float *restrict rows,
                                 double *restrict information, double *restrict gradient) {
    const long whole = m < 16 ? 0 : m & ~15L, tail = m - whole;
    for (long j = 0; j < d; j++) {
        float *row = rows + j * m;
        for (long i = 0; i < m; i++) row[i] *= weight[i];
    }
    for (long j = 0; j < d; j++) {
        const float *row = rows + j * m;
        /* Columns 0 … j are rows; column j + 1 is the score. */
        for (long k = 0; k <= j + 1; k += 4) {
            const float *other[4];
            for (long c = 0; c < 4; c++) other[c] = k + c <= j ? rows + (k + c) * m : score;
            block_f32 s[4] = {0, 0, 0, 0};
            for (long i = 0; i < whole; i += 16) {
                const block_f32 v = LOAD_BLOCK(row + i);
                for (int c = 0; c < 4; c++) s[c] += v * LOAD_BLOCK(other[c] + i);
            }
            if (tail && whole) {
                const block_f32 v = LOAD_BLOCK(row + m - 16) * LOAD_BLOCK(tail_lanes + tail);
                for (int c = 0; c < 4; c++) s[c] += v * LOAD_BLOCK(other[c] + m - 16);
            }
            float sums[4];
            block_sums(s, sums);
            if (!whole)
                for (long i = 0; i < m; i++)
                    for (long c = 0; c < 4; c++) sums[c] += row[i] * other[c][i];
            for (long c = 0; c < 4 && k + c <= j + 1; c++) {
                if (k + c == j + 1) {
                    gradient[j] = sums[c];
                } else {
                    information[j * d + k + c] = sums[c];
                    information[(k + c) * d + j] = sums[c];
                }
            }
        }
    }
}
