#include "include/signal_gradient.h"
#include <math.h>
#include "vector_math.h"

/* A = (1 + βq)^−α or exp(−d q), q = b c²; writes f·A into the signal and its derivatives into rows. */
PER_CPU void pk_ball_sticks_gradient(long m, const float *restrict b, const float *restrict gx, const float *restrict gy,
                                     const float *restrict gz, float diffusivity, float spread, float s0, long n, const float *fractions,
                                     const float *axes, const float *tangents, float *restrict attenuation, float *restrict rows) {
    const int hasSpread = spread > 0.0f;
    const float shape = hasSpread ? (diffusivity / spread) * (diffusivity / spread) : 1.0f;
    const float scale = hasSpread ? spread * (spread / diffusivity) : 0.0f;
    float *restrict rd = rows, *restrict rr = rows + m, *restrict rs = rows + (1 + hasSpread) * m;
    float *restrict rf = rs + m, *restrict rt = rf + n * m;
    const float f0 = fractions[0];
    /* rs holds the ball's attenuation until the sticks are done. */
    if (hasSpread) {
        for (long i = 0; i < m; i++) {
            float q = b[i] * scale, l = fast_log1p(q), a = fast_exp(-shape * l), h = shape * q / (1.0f + q);
            rs[i] = a;
            attenuation[i] = f0 * a;
            rd[i] = -f0 * a * h;
            rr[i] = 2.0f * f0 * a * (shape * l - h);
        }
    } else {
        for (long i = 0; i < m; i++) {
            float q = diffusivity * b[i], a = fast_exp(-q);
            rs[i] = a;
            attenuation[i] = f0 * a;
            rd[i] = -f0 * a * q;
        }
    }
    for (long k = 0; k < n; k++) {
        const float f = fractions[k + 1], x = axes[3 * k], y = axes[3 * k + 1], z = axes[3 * k + 2];
        const float *t = tangents + 6 * k;
        const float t0 = t[0], t1 = t[1], t2 = t[2], t3 = t[3], t4 = t[4], t5 = t[5];
        float *restrict fk = rf + k * m, *restrict ta = rt + 2 * k * m, *restrict tb = ta + m;
        if (hasSpread) {
            for (long i = 0; i < m; i++) {
                float c = gx[i] * x + gy[i] * y + gz[i] * z, u = gx[i] * t0 + gy[i] * t1 + gz[i] * t2, v = gx[i] * t3 + gy[i] * t4 + gz[i] * t5;
                float q = b[i] * c * c * scale, l = fast_log1p(q), a = fast_exp(-shape * l), fa = f * a;
                float slope = shape / (1.0f + q), g = -2.0f * s0 * fa * slope * b[i] * scale * c;
                attenuation[i] += fa;
                rd[i] -= fa * slope * q;
                rr[i] += 2.0f * fa * (shape * l - slope * q);
                fk[i] = s0 * (a - rs[i]);
                ta[i] = g * u;
                tb[i] = g * v;
            }
        } else {
            for (long i = 0; i < m; i++) {
                float c = gx[i] * x + gy[i] * y + gz[i] * z, u = gx[i] * t0 + gy[i] * t1 + gz[i] * t2, v = gx[i] * t3 + gy[i] * t4 + gz[i] * t5;
                float db = diffusivity * b[i], q = db * c * c, a = fast_exp(-q), fa = f * a, g = -2.0f * s0 * fa * db * c;
                attenuation[i] += fa;
                rd[i] -= fa * q;
                fk[i] = s0 * (a - rs[i]);
                ta[i] = g * u;
                tb[i] = g * v;
            }
        }
    }
    for (long i = 0; i < m; i++) rs[i] = s0 * attenuation[i];
    for (long i = 0; i < (1 + hasSpread) * m; i++) rows[i] *= s0;
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

PER_CPU void pk_normal_equations(long m, long d, const float *restrict weight, const float *restrict score, float *restrict rows,
                                 double *restrict information, double *restrict gradient) {
#pragma clang fp reassociate(on)
    for (long j = 0; j < d; j++) {
        float *restrict row = rows + j * m;
        float total = 0;
        for (long i = 0; i < m; i++) {
            row[i] *= weight[i];
            total += row[i] * score[i];
        }
        gradient[j] = total;
        for (long k = 0; k <= j; k++) {
            const float *restrict other = rows + k * m;
            float sum = 0;
            for (long i = 0; i < m; i++) sum += row[i] * other[i];
            information[j * d + k] = sum;
            information[k * d + j] = sum;
        }
    }
}
