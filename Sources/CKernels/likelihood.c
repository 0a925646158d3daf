#include "include/diffusion_signal.h"
#include <math.h>
#include "vector_math.h"

PER_CPU double pk_gaussian_log_likelihood(long m, const float *restrict a, const float *restrict y, double s0, double sigma) {
#pragma clang fp reassociate(on)
    const float scale = (float)s0, inverse = (float)(1 / sigma);
    float total = 0;
    for (long i = 0; i < m; i++) {
        float r = (y[i] - scale * a[i]) * inverse;
        total += r * r;
    }
    return -0.5 * total - (double)m * (log(sigma) + 0.91893853320467274178);
}

/* e^(−x) I₀(x) for x ≥ 0: Abramowitz & Stegun 9.8.1 and 9.8.2, both branches computed, one kept. Relative error ≤ 3e-7. */
static inline __attribute__((always_inline)) float scaled_bessel_i0(float x) {
    float t = x * (1.0f / 3.75f);
    t *= t;
    float near = 4.5813e-3f;
    near = near * t + 3.60768e-2f;
    near = near * t + 2.659732e-1f;
    near = near * t + 1.2067492f;
    near = near * t + 3.0899424f;
    near = near * t + 3.5156229f;
    near = (near * t + 1.0f) * fast_exp(-x);
    float q = x > 3.75f ? x : 3.75f, u = 3.75f / q;
    float far = 3.92377e-3f;
    far = far * u - 1.647633e-2f;
    far = far * u + 2.635537e-2f;
    far = far * u - 2.057706e-2f;
    far = far * u + 9.16281e-3f;
    far = far * u - 1.57565e-3f;
    far = far * u + 2.25319e-3f;
    far = far * u + 1.328592e-2f;
    far = (far * u + 3.9894228e-1f) / sqrtf(q);
    return x > 3.75f ? far : near;
}

PER_CPU double pk_rician_log_likelihood(long m, const float *restrict a, const float *restrict y, double s0, double sigma) {
#pragma clang fp reassociate(on)
    const float scale = (float)s0, inverse = (float)(1 / sigma), precision = inverse * inverse;
    float total = 0;
    for (long i = 0; i < m; i++) {
        float s = scale * a[i], r = (y[i] - s) * inverse;
        total += fast_log(y[i] * precision * scaled_bessel_i0(y[i] * s * precision)) - 0.5f * r * r;
    }
    return total;
}

void pk_batch_log_likelihood(long m, const float *b, const float *gx, const float *gy, const float *gz, const float *y, long n, int spread,
                             const float *rows, long stride, long count, double *gaussian, double *rician, float *work) {
    for (long i = 0; i < count; i++) {
        const float *r = rows + i;
        const float d = expf(r[0]);
        float f[4] = {1, 0, 0, 0}, axes[9];
        for (long k = 0; k < n; k++) {
            f[k + 1] = r[(4 + k) * stride];
            f[0] -= f[k + 1];
            for (long c = 0; c < 3; c++) axes[3 * k + c] = r[(7 + 3 * k + c) * stride];
        }
        const double s0 = exp((double)r[3 * stride]), sigma = s0 / exp((double)r[2 * stride]);
        pk_ball_sticks_signal(m, b, gx, gy, gz, d, spread ? d * expf(r[stride]) : 0.0f, n, f, axes, work);
        gaussian[i] = pk_gaussian_log_likelihood(m, work, y, s0, sigma);
        if (rician) rician[i] = pk_rician_log_likelihood(m, work, y, s0, sigma);
    }
}
