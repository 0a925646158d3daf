#pragma once
/* The conditional laws of weights and noise given the shape: their normals, draws from them and densities. */

#include <math.h>
#include "noise_law.h"

/* Gram matrix and product with the data of the columns that u multiplies: of Ẽ = (1 + 1φᵀ/c) E; without a scale of Ẽ_k
   − Ẽ_0 against ŷ − c Ẽ_0. */
INLINE void change_columns(const pk_linear_weights *w, long W, float *gram, float *product) {
    if (w->kind == PK_COEFFICIENTS) return;
    float share[PK_WEIGHTS_MOST], free_part = 1;
    int is_any = 0;
    for (long k = 0; k < W; k++) free_part -= w->bound[k];
    for (long k = 0; k < W; k++) {
        share[k] = w->bound[k] / free_part;
        is_any |= share[k] != 0.0f;
    }
    if (is_any) {
        float with[PK_WEIGHTS_MOST][LANES], all[LANES] = {0}, data[LANES] = {0};
        for (long k = 0; k < W; k++) {
            EACH(i) with[k][i] = 0;
            for (long j = 0; j < W; j++)
                EACH(i) with[k][i] += share[j] * gram[(j < k ? AT(k, j) : AT(j, k)) * LANES + i];
            EACH(i) all[i] += share[k] * with[k][i];
            EACH(i) data[i] += share[k] * product[k * LANES + i];
        }
        for (long k = 0; k < W; k++) {
            for (long j = 0; j <= k; j++) EACH(i) gram[AT(k, j) * LANES + i] += with[k][i] + with[j][i] + all[i];
            EACH(i) product[k * LANES + i] += data[i];
        }
    }
    if (w->kind == PK_SCALED_FRACTIONS) return;
    for (long k = W - 1; k > 0; k--) {
        EACH(i) product[k * LANES + i] -= product[i] + free_part * (gram[AT(k, 0) * LANES + i] - gram[i]);
        for (long j = k; j > 0; j--)
            EACH(i) gram[AT(k, j) * LANES + i] += gram[i] - gram[AT(k, 0) * LANES + i] - gram[AT(j, 0) * LANES + i];
    }
}

/* Of log σ, `given` the residual sum and, with a scale, log s0. */
INLINE void noise_of(const pk_linear_weights *w, const pk_linear_view *view, const float *rss, const float *log_s0,
                     noise_law *law) {
    const int has_scale = w->kind == PK_SCALED_FRACTIONS;
    float squares[LANES], least[LANES], most[LANES];
    EACH(i) {
        least[i] = has_scale ? log_s0[i] - w->high : w->low;
        most[i] = has_scale ? log_s0[i] - w->low : w->high;
        squares[i] = rss[i] > 1e-30f ? rss[i] : 1e-30f;
    }
    noise_given(w->measurements, w->noise_root, view->base, squares, least, most, law);
}

/* Quantile of v of a normal restricted to [a, b], and its log-density there without the constant −½ log 2π.  Where the
   interval begins more than 8 standard deviations away an exponential stands for the normal, which has no limit. */
INLINE float between(float v, float a, float b, float *log_density) {
    const float mirror = a + b < 0.0f ? 1.0f : 0.0f, lo = mirror > 0.0f ? -b : a, hi = mirror > 0.0f ? -a : b,
                rate = lo > 8.0f ? lo : 8.0f;
    const float width = (hi - lo) * rate, mass = 1.0f - fast_exp(-width), far = lo - fast_log(1.0f - v * mass) / rate;
    const float near = truncated_quantile(v, lo > 8.0f ? 0.0f : lo, lo > 8.0f ? 1.0f : hi);
    float x = lo > 8.0f ? far : near;
    x = x < lo ? lo : x;
    x = x > hi ? hi : x;
    *log_density = lo > 8.0f ? 0.918938533f + fast_log(rate) - rate * (x - lo) - fast_log(mass > 1e-30f ? mass : 1e-30f)
                             : -0.5f * x * x - log_interval(lo > 8.0f ? 0.0f : lo, lo > 8.0f ? 1.0f : hi);
    return mirror > 0.0f ? -x : x;
}
INLINE float between_density(float z, float a, float b) {
    const float mirror = a + b < 0.0f ? 1.0f : 0.0f, lo = mirror > 0.0f ? -b : a, hi = mirror > 0.0f ? -a : b,
                x = mirror > 0.0f ? -z : z;
    const float rate = lo > 8.0f ? lo : 8.0f, mass = 1.0f - fast_exp(-(hi - lo) * rate);
    return lo > 8.0f ? 0.918938533f + fast_log(rate) - rate * (x - lo) - fast_log(mass > 1e-30f ? mass : 1e-30f)
                     : -0.5f * x * x - log_interval(lo > 8.0f ? 0.0f : lo, lo > 8.0f ? 1.0f : hi);
}

/* u from a normal, from the last coordinate to the first; log of its density. */
INLINE void draw_weights(const pk_linear_weights *w, long first, long W, const float *factor, const float *mean,
                         const float *shift, const float *uniforms, long across, long count, float free_part,
                         float (*u)[LANES], float *log_q) {
    float centre[LANES], rest[LANES];
    EACH(i) rest[i] = free_part;
    EACH(i) log_q[i] = 0;
    for (long j = W - 1; j >= first; j--) {
        conditional(W, j, factor, mean, u, centre);
        float v[LANES], root[LANES], own[LANES];
        int is_cut = 0;
        take(uniforms + j * across, count, v);
        EACH(i) {
            root[i] = factor[AT(j, j) * LANES + i];
            centre[i] += shift[j * LANES + i] / root[i];
            is_cut |= centre[i] * root[i] < FAR;
        }
        if (w->kind == PK_FRACTIONS)
            EACH(i)
            u[j][i] =
                centre[i] + between(v[i], -centre[i] * root[i], (rest[i] - centre[i]) * root[i], &own[i]) / root[i];
        else if (w->kind == PK_SCALED_FRACTIONS && is_cut)
            EACH(i) u[j][i] = centre[i] + lower_quantile(v[i], -centre[i] * root[i], &own[i]) / root[i];
        else
            EACH(i) {
                const float z = normal_quantile(v[i]);
                own[i] = -0.5f * z * z;
                u[j][i] = centre[i] + z / root[i];
            }
        if (w->kind != PK_COEFFICIENTS) EACH(i) u[j][i] = u[j][i] < 0.0f ? 0.0f : u[j][i];
        if (w->kind == PK_FRACTIONS)
            EACH(i) {
                u[j][i] = u[j][i] > rest[i] ? rest[i] : u[j][i];
                rest[i] -= u[j][i];
            }
        EACH(i) log_q[i] += own[i] + fast_log(root[i]) - 0.918938533f;
    }
    if (first > 0) EACH(i) u[0][i] = rest[i];
}

/* Adds to log q of each width the density of u by a view's normal. */
INLINE void weight_density(const pk_linear_weights *w, long first, long W, const float *factor, const float *mean,
                           const float *shift, float free_part, float (*u)[LANES], float (*log_q)[LANES]) {
    float centre[LANES], rest[LANES];
    EACH(i) rest[i] = free_part;
    for (int h = 0; h < w->widths; h++) EACH(i) log_q[h][i] = 0;
    for (long j = W - 1; j >= first; j--) {
        conditional(W, j, factor, mean, u, centre);
        for (int h = 0; h < w->widths; h++) {
            float root[LANES], z[LANES], centre_of[LANES], *q = log_q[h];
            int is_cut = 0;
            EACH(i) {
                root[i] = factor[AT(j, j) * LANES + i] * w->narrowing[h];
                centre_of[i] = centre[i] + shift[j] / root[i];
                z[i] = (u[j][i] - centre_of[i]) * root[i];
                is_cut |= centre_of[i] * root[i] < FAR;
            }
            EACH(i) q[i] += fast_log(root[i]) - 0.918938533f;
            if (w->kind == PK_FRACTIONS)
                EACH(i) q[i] += between_density(z[i], -centre_of[i] * root[i], (rest[i] - centre_of[i]) * root[i]);
            else if (w->kind == PK_SCALED_FRACTIONS && is_cut)
                EACH(i) q[i] += lower_log_density(z[i], -centre_of[i] * root[i]);
            else EACH(i) q[i] -= 0.5f * z[i] * z[i];
        }
        EACH(i) rest[i] -= u[j][i];
    }
}

/* v_k = s0 f_k from u, or the coefficients themselves. */
INLINE void amplitudes(const pk_linear_weights *w, long W, float free_part, float (*u)[LANES], float (*v)[LANES],
                       float *sum) {
    EACH(i) sum[i] = 0;
    for (long k = 0; k < W; k++) EACH(i) sum[i] += u[k][i];
    for (long k = 0; k < W; k++) {
        const float share = w->kind == PK_COEFFICIENTS ? 0.0f : w->bound[k] / free_part;
        EACH(i) v[k][i] = u[k][i] + share * sum[i];
    }
}
