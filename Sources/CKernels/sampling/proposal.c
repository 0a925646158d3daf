#include "../include/proposal.h"
#include <math.h>
#include "density_lanes.h"

/* Bounds relative to the centre of log d (j = 2n) or log(s/d). */
INLINE void range_of(const float *c, long n, const pk_support *s, long j, float *low, float *high) {
    const int is_ratio = j > 2 * n;
    *low = is_ratio ? s->ratio_low - c[1] : s->d_low - c[0];
    *high = is_ratio ? s->ratio_high - c[1] : s->d_high - c[0];
}

/* Sixteen samples from uniforms u (rows of sixteen) into rows of `stride`. `n` and `spread` are constants where it is
   called. */
INLINE void shape_draw(const float *c, long n, int spread, const pk_support *support, const float *inverse,
                       const float *uniforms, long stride, float *out) {
    const float *L = c + PK_SHAPE_FACTOR, *e = c + PK_SHAPE_TANGENTS;
    const long d = 1 + 2 * n + spread;
    block_f32 u[8];
    UNROLLED for (long j = d - 1; j >= 0; j--) {
        const float *v = uniforms + j * LANES_IN_BLOCK;
        float mean[LANES_IN_BLOCK], x[LANES_IN_BLOCK], low = 0, high = 0;
        block_f32 sum = 0;
        UNROLLED for (long k = j + 1; k < d; k++) sum -= L[k * d + j] * u[k];
        STORE_BLOCK(mean, sum * inverse[j]);
        int32_t is_near = 0;
        if (j >= 2 * n) {
            const float root = L[j * d + j];
            range_of(c, n, support, j, &low, &high);
            EACH(i) is_near |= ((mean[i] - low) * root < FAR) | ((high - mean[i]) * root < FAR);
            if (is_near)
                EACH(i) {
                    const float w = mean[i] +
                                    truncated_quantile(v[i], (low - mean[i]) * root, (high - mean[i]) * root) *
                                        inverse[j],
                                least = w < low ? low : w;
                    x[i] = least > high ? high : least;
                }
        }
        if (!is_near) EACH(i) x[i] = mean[i] + normal_quantile(v[i]) * inverse[j];
        u[j] = LOAD_BLOCK(x);
    }
    STORE_BLOCK(out, c[0] + u[2 * n]);
    if (spread) STORE_BLOCK(out + stride, c[1] + u[2 * n + 1]);
    else STORE_BLOCK(out + stride, (block_f32)0.0f);
    UNROLLED for (long k = 0; k < n; k++) {
        axis_at(c + PK_SHAPE_AXES + 3 * k, e + 6 * k, u + 2 * k, out + (PK_ROW_AXIS + 3 * k) * stride, stride);
    }
}

INLINE void shape_draws(const float *c, long n, int spread, const pk_support *support, const float *uniforms,
                        long count, long stride, float *rows) {
    const long d = 1 + 2 * n + spread;
    float inverse[8], own[8 * LANES_IN_BLOCK], out[PK_SAMPLE_ROWS * LANES_IN_BLOCK];
    for (long j = 0; j < d; j++) inverse[j] = 1.0f / c[PK_SHAPE_FACTOR + j * d + j];
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        const long rest = count - from < LANES_IN_BLOCK ? count - from : LANES_IN_BLOCK;
        for (long j = 0; j < d; j++) take(uniforms + j * count + from, rest, own + j * LANES_IN_BLOCK);
        if (rest == LANES_IN_BLOCK) {
            shape_draw(c, n, spread, support, inverse, own, stride, rows + from);
            continue;
        }
        shape_draw(c, n, spread, support, inverse, own, LANES_IN_BLOCK, out);
        for (long k = 0; k < PK_ROW_AXIS + 3 * n; k++)
            if (k < 2 || k >= PK_ROW_AXIS)
                memcpy(rows + k * stride + from, out + k * LANES_IN_BLOCK, (size_t)rest * sizeof(float));
    }
}

PER_CPU void pk_shape_draw(const float *component, long n, int spread, const pk_support *support, const float *uniforms,
                           long first, long count, long stride, float *rows){
#define DRAW(n, spread) shape_draws(component, n, spread, support, uniforms, count, stride, rows + first)
    BY_STRUCTURE(n, spread, DRAW)}

/* log g(x) − log Σ_π g(πx) of sixteen samples, log g = Σ_k κ_k (μ_k·r_k)². `n` is a constant where it is called. */
INLINE void label_share(const float *rows, long n, long stride, const float *axes, const float *sharpness, float *out) {
    static const int orders[6][3] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    block_f32 likeness[3][3], sum = 1, own = 0;
    UNROLLED for (long k = 0; k < n; k++) {
        const float *v = rows + (PK_ROW_AXIS + 3 * k) * stride;
        const block_f32 x = LOAD_BLOCK(v), y = LOAD_BLOCK(v + stride), z = LOAD_BLOCK(v + 2 * stride);
        UNROLLED for (long j = 0; j < n; j++) {
            const float *r = axes + 3 * j;
            const block_f32 w = x * r[0] + y * r[1] + z * r[2];
            likeness[k][j] = sharpness[j] * w * w;
        }
        own += likeness[k][k];
    }
    const long many = n == 2 ? 2 : 6;
    UNROLLED for (long o = 1; o < many; o++) {
        block_f32 other = 0;
        UNROLLED for (long k = 0; k < n; k++) other += likeness[k][orders[o][k]];
        float gap[LANES_IN_BLOCK];
        STORE_BLOCK(gap, other - own);
        EACH(i) gap[i] = fast_exp(gap[i] > 80.0f ? 80.0f : gap[i]);
        sum += LOAD_BLOCK(gap);
    }
    float total[LANES_IN_BLOCK];
    STORE_BLOCK(total, sum);
    EACH(i) out[i] = total[i] == total[i] ? -fast_log(total[i]) : -INFINITY;
}

INLINE void label_shares(const float *rows, long n, long stride, long count, const float *axes, const float *sharpness,
                         float *out) {
    float own[PK_SAMPLE_ROWS * LANES_IN_BLOCK], shares[LANES_IN_BLOCK];
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        const long rest = count - from < LANES_IN_BLOCK ? count - from : LANES_IN_BLOCK;
        for (long k = PK_ROW_AXIS; k < PK_ROW_AXIS + 3 * n; k++)
            take(rows + k * stride + from, rest, own + k * LANES_IN_BLOCK);
        label_share(own, n, LANES_IN_BLOCK, axes, sharpness, shares);
        memcpy(out + from, shares, (size_t)rest * sizeof(float));
    }
}

PER_CPU void pk_label_share(const float *rows, long n, long stride, long count, const float *axes,
                            const float *sharpness, float *out) {
    if (n == 2) label_shares(rows, 2, stride, count, axes, sharpness, out);
    else label_shares(rows, 3, stride, count, axes, sharpness, out);
}

/* What a component's log-density has that no sample changes: its normaliser, and what the truncation of the last
   coordinate leaves. */
INLINE float constant_of(const float *c, long n, int spread, const pk_support *support) {
    const long d = 1 + 2 * n + spread;
    const float root = c[PK_SHAPE_FACTOR + d * d - 1];
    float sum = -0.918938533f * (float)d, low, high;
    for (long j = 0; j < d; j++) sum += logf(c[PK_SHAPE_FACTOR + j * d + j]);
    range_of(c, n, support, d - 1, &low, &high);
    return sum - log_interval(low * root, high * root);
}

/* Log-density of a component at sixteen samples, from its constant on. `n` and `spread` are constants where it is
   called. */
INLINE void log_density(const float *c, long n, int spread, const pk_support *support, float constant,
                        const float *rows, long stride, block_f32 *out) {
    const float *L = c + PK_SHAPE_FACTOR, *e = c + PK_SHAPE_TANGENTS;
    const long d = 1 + 2 * n + spread;
    block_f32 u[8], sum = constant, scale = 1.0f;
    int has_scale = 0;
    u[2 * n] = LOAD_BLOCK(rows) - c[0];
    if (spread) u[2 * n + 1] = LOAD_BLOCK(rows + stride) - c[1];
    UNROLLED for (long k = 0; k < n; k++) {
        const float *t = e + 6 * k, *m = c + PK_SHAPE_AXES + 3 * k, *a = rows + (PK_ROW_AXIS + 3 * k) * stride;
        axis_about(m, t, a, stride, u + 2 * k);
    }
    UNROLLED for (long j = d - 1; j >= 0; j--) {
        const float root = L[j * d + j];
        block_f32 mean = 0;
        UNROLLED for (long k = j + 1; k < d; k++) mean += L[k * d + j] * u[k];
        const block_f32 w = mean + root * u[j];
        sum -= 0.5f * w * w;
        if (j < 2 * n || j == d - 1) continue;
        float low, high;
        range_of(c, n, support, j, &low, &high);
        has_scale |= take_inside(&mean, low, high, root, &scale, &sum);
    }
    if (has_scale) take_scale(&scale, &sum);
    *out = sum;
}

INLINE void add_densities(const float *components, const float *constants, long many, long n, int spread,
                          const pk_support *support, const float *rows, long stride, float *total) {
    block_f32 term[TOGETHER];
    for (long k = 0; k < many; k++)
        log_density(components + k * PK_SHAPE_SIZE, n, spread, support, constants[k], rows, stride, &term[k]);
    add_terms(term, many, total);
}

INLINE void add_all(const float *components, const float *counts, long many, long n, int spread,
                    const pk_support *support, const float *rows, long stride, long count, float *total) {
    float own[PK_SAMPLE_ROWS * LANES_IN_BLOCK], sums[LANES_IN_BLOCK], constants[TOGETHER];
    for (long k = 0; k < many; k++)
        constants[k] = logf(counts[k]) + constant_of(components + k * PK_SHAPE_SIZE, n, spread, support);
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        const long rest = count - from < LANES_IN_BLOCK ? count - from : LANES_IN_BLOCK;
        const int is_whole = rest == LANES_IN_BLOCK;
        if (!is_whole) {
            for (long k = 0; k < PK_ROW_AXIS + 3 * n; k++)
                take(rows + k * stride + from, rest, own + k * LANES_IN_BLOCK);
            take(total + from, rest, sums);
        }
        add_densities(components, constants, many, n, spread, support, is_whole ? rows + from : own,
                      is_whole ? stride : LANES_IN_BLOCK, is_whole ? total + from : sums);
        if (!is_whole) memcpy(total + from, sums, (size_t)rest * sizeof(float));
    }
}

PER_CPU void pk_add_shape_densities(const float *components, const float *counts, long many, long n, int spread,
                                    const pk_support *support, const float *rows, long stride, long count,
                                    float *total) {
    for (long k = 0; k < many; k += TOGETHER) {
        const float *some = components + k * PK_SHAPE_SIZE;
        const long now = many - k < TOGETHER ? many - k : TOGETHER;
#define ADD(n, spread) add_all(some, counts + k, now, n, spread, support, rows, stride, count, total)
        BY_STRUCTURE(n, spread, ADD)
    }
}
