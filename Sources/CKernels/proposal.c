#include "include/proposal.h"
#include <math.h>
#include "truncated_normal.h"

/* Bounds of log(s/d) or log d relative to the centre. */
INLINE void range_of(const float *c, int spread, const pk_support *s, long j, float *low, float *high) {
    const int is_ratio = spread && j == 0;
    *low = is_ratio ? s->ratio_low - c[1] : s->d_low - c[0];
    *high = is_ratio ? s->ratio_high - c[1] : s->d_high - c[0];
}

/* Σ_k (v_k·r_π(k))² for orders π: samples nearer to another order than to the first are not this labelling's. */
INLINE float likeness(const float *p, long n, long stride, long i, const float *reference, int a, int b, int c) {
    const int order[3] = {a, b, c};
    float total = 0;
    for (long k = 0; k < n; k++) {
        const float *v = p + 3 * k * stride + i, *r = reference + 3 * order[k];
        const float w = v[0] * r[0] + v[stride] * r[1] + v[2 * stride] * r[2];
        total += w * w;
    }
    return total;
}

PER_CPU void pk_shape_draw(const float *c, long n, int spread, const pk_support *support, const float *reference, const float *uniforms, long first,
                           long count, long stride, float *rows, float *work) {
    const float *L = c + PK_SHAPE_FACTOR, *e = c + PK_SHAPE_TANGENTS;
    const long d = 1 + 2 * n + spread;
    float *restrict u = work, *restrict mean = work + d * count, *restrict out = rows + first;
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
        if (j <= spread) {
            float low, high;
            range_of(c, spread, support, j, &low, &high);
            for (long i = 0; i < count; i++) {
                float z = truncated_quantile(v[i], (low - mean[i]) * root, (high - mean[i]) * root), w = mean[i] + z * inverse;
                w = w < low ? low : w;
                x[i] = w > high ? high : w;
            }
        } else {
            for (long i = 0; i < count; i++) x[i] = mean[i] + truncated_quantile(v[i], -8.0f, 8.0f) * inverse;
        }
    }
    for (long i = 0; i < count; i++) {
        out[i] = c[0] + u[spread * count + i];
        out[stride + i] = spread ? c[1] + u[i] : 0.0f;
    }
    for (long k = 0; k < n; k++) {
        const float *restrict p = u + (1 + spread + 2 * k) * count, *restrict q = p + count;
        const float *t = e + 6 * k, *m = c + PK_SHAPE_AXES + 3 * k;
        float *restrict a = out + (PK_ROW_AXIS + 3 * k) * stride;
        for (long i = 0; i < count; i++) {
            const float square = p[i] * p[i] + q[i] * q[i], across = ROOT(1.0f - 0.25f * square), x = across * p[i], y = across * q[i];
            const float along = square > 2.0f ? NAN : 1.0f - 0.5f * square;
            a[i] = along * m[0] + x * t[0] + y * t[3];
            a[stride + i] = along * m[1] + x * t[1] + y * t[4];
            a[2 * stride + i] = along * m[2] + x * t[2] + y * t[5];
        }
    }
    if (n < 2) return;
    const float *axes = out + PK_ROW_AXIS * stride;
    for (long i = 0; i < count; i++) {
        const float own = likeness(axes, n, stride, i, reference, 0, 1, 2);
        float other = likeness(axes, n, stride, i, reference, 1, 0, 2);
        if (n > 2) {
            const float a = likeness(axes, n, stride, i, reference, 0, 2, 1), b = likeness(axes, n, stride, i, reference, 1, 2, 0);
            const float f = likeness(axes, n, stride, i, reference, 2, 0, 1), g = likeness(axes, n, stride, i, reference, 2, 1, 0);
            const float ab = a > b ? a : b, fg = f > g ? f : g, most = ab > fg ? ab : fg;
            other = other > most ? other : most;
        }
        out[i] = own >= other ? out[i] : NAN;
    }
}

PER_CPU void pk_shape_log_density(const float *c, long n, int spread, const pk_support *support, const float *rows, long stride, long count, float *out,
                                  float *work) {
    const float *L = c + PK_SHAPE_FACTOR, *e = c + PK_SHAPE_TANGENTS;
    const long d = 1 + 2 * n + spread;
    float *restrict u = work, *restrict mean = work + d * count, *restrict total = mean + count;
    for (long i = 0; i < count; i++) u[spread * count + i] = rows[i] - c[0];
    if (spread)
        for (long i = 0; i < count; i++) u[i] = rows[stride + i] - c[1];
    for (long k = 0; k < n; k++) {
        float *restrict p = u + (1 + spread + 2 * k) * count, *restrict q = p + count;
        const float *t = e + 6 * k, *m = c + PK_SHAPE_AXES + 3 * k, *a = rows + (PK_ROW_AXIS + 3 * k) * stride;
        for (long i = 0; i < count; i++) {
            const float x = a[i], y = a[stride + i], z = a[2 * stride + i], w = x * m[0] + y * m[1] + z * m[2];
            const float root = 1.0f / ROOT(0.5f + 0.5f * fabsf(w)), scale = w < 0.0f ? -root : root;
            p[i] = (x * t[0] + y * t[1] + z * t[2]) * scale;
            q[i] = (x * t[3] + y * t[4] + z * t[5]) * scale;
        }
    }
    float logs = 0;
    for (long j = 0; j < d; j++) logs += logf(L[j * d + j]);
    logs -= 0.918938533f * (float)d;
    for (long i = 0; i < count; i++) total[i] = logs;
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
            const float w = mean[i] + root * x[i];
            total[i] -= 0.5f * w * w;
        }
        if (j <= spread) {
            float low, high;
            range_of(c, spread, support, j, &low, &high);
            int32_t is_near = 0;
            for (long i = 0; i < count; i++) {
                const float a = -(mean[i] + low * root), b = mean[i] + high * root, least = a < b ? a : b;
                is_near |= least < FAR;
            }
            if (is_near)
                for (long i = 0; i < count; i++) total[i] -= log_interval(mean[i] + low * root, mean[i] + high * root);
        }
    }
    for (long i = 0; i < count; i++) out[i] = total[i];
}

PER_CPU void pk_add_log(long count, float shift, const float *restrict term, float *restrict total) {
    for (long i = 0; i < count; i++) {
        const float b = term[i] + shift;
        total[i] = fast_log_add(total[i], b == b ? b : -1e30f);
    }
}
