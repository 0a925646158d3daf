#include "include/proposal.h"
#include <math.h>
#include "vector_math.h"

#define INLINE static inline __attribute__((always_inline))

/* Q, the normal's upper tail, for x ≥ 0 is ½ t e^p e^(−x²/2); relative error of t e^p ≤ 2e-7 (Numerical Recipes' rational-Chebyshev erfc). */
INLINE void scaled_tail(float x, float *t_out, float *p_out) {
    float t = 1.0f / (1.0f + 0.35355339f * x);
    float p = 0.17087277f;
    p = p * t - 0.82215223f;
    p = p * t + 1.48851587f;
    p = p * t - 1.13520398f;
    p = p * t + 0.27886807f;
    p = p * t - 0.18628806f;
    p = p * t + 0.09678418f;
    p = p * t + 0.37409196f;
    p = p * t + 1.00002368f;
    p = p * t - 1.26551223f;
    *t_out = t;
    *p_out = p;
}

/* An interval lo < hi of a normal, mirrored if need be so that its nearer end is on the left of its centre or right of 0.  The masses below lo
   (or, for lo ≥ 0, above it) and above hi, and inside, all times e^−shift: right of 0 the tails would underflow. */
typedef struct { float lo, hi, shift, end, beyond, inside; } interval;

INLINE interval make_interval(float a, float b) {
    interval v;
    const float mirror = a + b < 0.0f ? 1.0f : 0.0f;
    v.lo = mirror > 0.0f ? -b : a;
    v.hi = mirror > 0.0f ? -a : b;
    v.lo = v.lo < -30.0f ? -30.0f : v.lo;
    v.hi = v.hi > 30.0f ? 30.0f : v.hi;
    const float x = fabsf(v.lo), y = fabsf(v.hi);
    float t, p, u, q;
    scaled_tail(x, &t, &p);
    scaled_tail(y, &u, &q);
    p -= 0.5f * x * x;
    q -= 0.5f * y * y;
    v.shift = v.lo >= 0.0f ? p : 0.0f;
    v.end = 0.5f * t * fast_exp(p - v.shift);
    v.beyond = 0.5f * u * fast_exp(q - v.shift);
    v.inside = (v.lo >= 0.0f ? v.end : 1.0f - v.end) - v.beyond;
    return v;
}

/* log(Φ(b) − Φ(a)), a < b, without loss in the tails. */
INLINE float log_interval(float a, float b) {
    const interval v = make_interval(a, b);
    const float value = v.shift + fast_log(v.inside > 1e-30f ? v.inside : 1e-30f);
    /* An interval more than 30 standard deviations out is never drawn from (NaN below): 0 leaves the untruncated density, which is nothing. */
    return (a + b < 0.0f ? -b : a) > 30.0f ? 0.0f : value;
}

/* x with log Q(x) = l, for x ≥ 0 (l ≤ log ½): rational start, a Newton step in the logarithm.  |error| ≤ 1e-5. */
INLINE float upper_quantile(float l) {
    float q = -2.0f * l;
    float s = sqrtf(q > 1.3862944f ? q : 1.3862944f);
    /* Abramowitz & Stegun 26.2.23, within 4.5e-4 */
    float x = s - (2.515517f + s * (0.802853f + s * 0.010328f)) / (1.0f + s * (1.432788f + s * (0.189269f + s * 0.001308f)));
    float a = x > 0.0f ? x : 0.0f, t, p;
    scaled_tail(a, &t, &p);
    /* d log Q / dx = −φ/Q = −1/(√2π e^r), e^r = ½ t e^p */
    float e = 0.5f * t * fast_exp(p);
    return a + (fast_log(0.5f * t) + p - 0.5f * a * a - l) * 2.50662827f * e;
}

/* Φ⁻¹(u) restricted to [a, b]; NaN when the interval lies more than 30 from 0. */
INLINE float truncated_quantile(float u, float a, float b) {
    const interval v = make_interval(a, b);
    const float mirror = a + b < 0.0f ? 1.0f : 0.0f, isTail = v.lo >= 0.0f ? 1.0f : 0.0f;
    /* What lies above the quantile, and below it. */
    float above = (isTail > 0.0f ? v.end : 1.0f - v.end) - u * v.inside, below = v.end + u * v.inside;
    float right = isTail > 0.0f ? 1.0f : above <= 0.5f ? 1.0f : 0.0f, m = right > 0.0f ? above : below;
    float x = upper_quantile(v.shift + fast_log(m > 1e-30f ? m : 1e-30f));
    x = right > 0.0f ? x : -x;
    x = x < v.lo ? v.lo : x;
    x = x > v.hi ? v.hi : x;
    return (a + b < 0.0f ? -b : a) > 30.0f ? NAN : mirror > 0.0f ? -x : x;
}

/* Bounds of truncated coordinate j for every sample, relative to the centre; f_{j+2 …} are already in `u`. */
INLINE void bounds(const float *c, long n, int spread, const pk_support *s, long j, const float *u, long count, float *low, float *high) {
    if (j < n) {
        const float *f = c + PK_ROW_FRACTION;
        for (long i = 0; i < count; i++) { low[i] = s->floor - f[j]; high[i] = 0; }
        if (j + 1 < n)
            for (long i = 0; i < count; i++) low[i] = u[(j + 1) * count + i] + f[j + 1] - f[j];
        for (long k = j + 1; k < n; k++)
            for (long i = 0; i < count; i++) high[i] += u[k * count + i] + f[k];
        const float share = 1.0f / (float)(j + 1);
        for (long i = 0; i < count; i++) high[i] = (1.0f - high[i]) * share - f[j];
        return;
    }
    long r = j - n;
    float a, b;
    if (spread && r == 0) { a = s->ratio_low - c[1]; b = s->ratio_high - c[1]; }
    else if (r == spread) { a = s->d_low - c[0]; b = s->d_high - c[0]; }
    else { a = s->snr_low - c[2]; b = s->snr_high - c[2]; }
    for (long i = 0; i < count; i++) { low[i] = a; high[i] = b; }
}

PER_CPU void pk_component_draw(const float *component, long n, int spread, const pk_support *support, const float *uniforms, long first,
                               long count, long stride, float *rows, float *work) {
    const float *c = component, *L = component + PK_COMPONENT_FACTOR, *e = component + PK_COMPONENT_TANGENTS;
    const long d = 3 + 3 * n + spread, truncated = n + spread + 2;
    float *restrict u = work, *restrict mean = work + d * count, *restrict low = mean + count, *restrict high = low + count;
    for (long j = d - 1; j >= 0; j--) {
        const float root = L[j * d + j], inverse = 1.0f / root;
        float *restrict x = u + j * count;
        const float *restrict v = uniforms + j * count;
        for (long i = 0; i < count; i++) mean[i] = 0;
        for (long k = j + 1; k < d; k++) {
            const float l = -L[k * d + j] * inverse;
            const float *restrict y = u + k * count;
            for (long i = 0; i < count; i++) mean[i] += l * y[i];
        }
        if (j < truncated) {
            bounds(c, n, spread, support, j, u, count, low, high);
            for (long i = 0; i < count; i++) {
                float z = truncated_quantile(v[i], (low[i] - mean[i]) * root, (high[i] - mean[i]) * root), w = mean[i] + z * inverse;
                w = w < low[i] ? low[i] : w;
                x[i] = w > high[i] ? high[i] : w;
            }
        } else {
            for (long i = 0; i < count; i++) x[i] = mean[i] + truncated_quantile(v[i], -8.0f, 8.0f) * inverse;
        }
    }
    float *restrict out = rows + first;
    for (long k = 0; k < n; k++)
        for (long i = 0; i < count; i++) out[(PK_ROW_FRACTION + k) * stride + i] = c[PK_ROW_FRACTION + k] + u[k * count + i];
    for (long i = 0; i < count; i++) {
        out[i] = c[0] + u[(n + spread) * count + i];
        out[stride + i] = spread ? c[1] + u[n * count + i] : 0.0f;
        out[2 * stride + i] = c[2] + u[(n + spread + 1) * count + i];
        out[3 * stride + i] = c[3] + u[(n + spread + 2) * count + i];
    }
    for (long k = 0; k < n; k++) {
        const float *restrict p = u + (n + spread + 3 + 2 * k) * count, *restrict q = p + count;
        const float *t = e + 6 * k, *m = c + PK_ROW_AXIS + 3 * k;
        for (long i = 0; i < count; i++) {
            float scale = 1.0f / sqrtf(1.0f + p[i] * p[i] + q[i] * q[i]);
            out[(PK_ROW_AXIS + 3 * k) * stride + i] = (m[0] + p[i] * t[0] + q[i] * t[3]) * scale;
            out[(PK_ROW_AXIS + 3 * k + 1) * stride + i] = (m[1] + p[i] * t[1] + q[i] * t[4]) * scale;
            out[(PK_ROW_AXIS + 3 * k + 2) * stride + i] = (m[2] + p[i] * t[2] + q[i] * t[5]) * scale;
        }
    }
}

PER_CPU void pk_component_log_density(const float *component, long n, int spread, const pk_support *support, const float *rows, long stride,
                                      long count, float *out, float *work) {
    const float *c = component, *L = component + PK_COMPONENT_FACTOR, *e = component + PK_COMPONENT_TANGENTS;
    const long d = 3 + 3 * n + spread, truncated = n + spread + 2;
    float *restrict u = work, *restrict mean = work + d * count, *restrict low = mean + count, *restrict high = low + count;
    float *restrict product = high + count, *restrict total = product + count;
    for (long k = 0; k < n; k++)
        for (long i = 0; i < count; i++) u[k * count + i] = rows[(PK_ROW_FRACTION + k) * stride + i] - c[PK_ROW_FRACTION + k];
    for (long i = 0; i < count; i++) {
        u[(n + spread) * count + i] = rows[i] - c[0];
        u[(n + spread + 1) * count + i] = rows[2 * stride + i] - c[2];
        u[(n + spread + 2) * count + i] = rows[3 * stride + i] - c[3];
        product[i] = 1;
    }
    if (spread)
        for (long i = 0; i < count; i++) u[n * count + i] = rows[stride + i] - c[1];
    for (long k = 0; k < n; k++) {
        float *restrict p = u + (n + spread + 3 + 2 * k) * count, *restrict q = p + count;
        const float *t = e + 6 * k, *m = c + PK_ROW_AXIS + 3 * k, *a = rows + (PK_ROW_AXIS + 3 * k) * stride;
        for (long i = 0; i < count; i++) {
            float x = a[i], y = a[stride + i], z = a[2 * stride + i], w = x * m[0] + y * m[1] + z * m[2];
            w = fabsf(w) < 1e-5f ? 1e-5f : w;
            p[i] = (x * t[0] + y * t[1] + z * t[2]) / w;
            q[i] = (x * t[3] + y * t[4] + z * t[5]) / w;
            product[i] *= fabsf(w);
        }
    }
    float logs = 0;
    for (long j = 0; j < d; j++) logs += logf(L[j * d + j]);
    logs -= 0.918938533f * (float)d;
    for (long i = 0; i < count; i++) total[i] = logs - 3.0f * fast_log(product[i]);
    for (long j = d - 1; j >= 0; j--) {
        const float root = L[j * d + j];
        float *restrict x = u + j * count;
        for (long i = 0; i < count; i++) mean[i] = 0;
        for (long k = j + 1; k < d; k++) {
            const float l = L[k * d + j];
            const float *restrict y = u + k * count;
            for (long i = 0; i < count; i++) mean[i] += l * y[i];
        }
        for (long i = 0; i < count; i++) {
            float w = mean[i] + root * x[i];
            total[i] -= 0.5f * w * w;
        }
        if (j < truncated) {
            bounds(c, n, spread, support, j, u, count, low, high);
            float nearest = 1e30f;
            for (long i = 0; i < count; i++) {
                low[i] = mean[i] + low[i] * root;
                high[i] = mean[i] + high[i] * root;
                float a = -low[i] < high[i] ? -low[i] : high[i];
                nearest = a < nearest ? a : nearest;
            }
            /* Bounds beyond 7 standard deviations on both sides of all samples take nothing away (2e-12). */
            if (nearest < 7.0f)
                for (long i = 0; i < count; i++) total[i] -= log_interval(low[i], high[i]);
        }
    }
    for (long i = 0; i < count; i++) out[i] = total[i];
}

PER_CPU void pk_add_log(long count, float shift, const float *restrict term, float *restrict total) {
    for (long i = 0; i < count; i++) {
        float b = term[i] + shift, a = total[i];
        b = b == b ? b : -1e30f;
        float high = a > b ? a : b, low = a > b ? b : a;
        total[i] = high + fast_log1p(fast_exp(low - high));
    }
}
