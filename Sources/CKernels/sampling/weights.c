#include "../include/weights.h"
#include <math.h>
#include "noise_law.h"
#include "weights_lanes.h"

/* Up to sixteen samples, numbers `which` of those drawn together. Uniforms have rows of `total`, samples of `stride`.
   */
INLINE void sixteen(const pk_weights *w, long n, int has_spread, const float *uniforms, const long *which, long count,
                    long total, long stride, float *rows, double *gaussian, double *rician, float *work) {
    const int views = w->views, widths = w->widths, ways = views * widths;
    float gram[2][PRODUCTS * LANES], product[2][MOST * LANES], factor[2][PRODUCTS * LANES], mean[2][MOST * LANES];
    float u[MOST][LANES], centre[LANES], log_q[2 * WIDTHS][LANES], rss[LANES], log_s0[LANES], log_sigma[LANES] = {0};
    float rate[LANES], shape[LANES] = {0}, axes[9][LANES];
    pick(rows, which, count, rate);
    EACH(i) rate[i] = fast_exp(rate[i]);
    if (has_spread) {
        /* As make_decay has it, with s/d given. */
        pick(rows + stride, which, count, shape);
        EACH(i) {
            const float ratio = fast_exp(shape[i]);
            rate[i] *= ratio * ratio;
            shape[i] = -1.0f / (ratio * ratio);
        }
    } else {
        EACH(i) rate[i] *= -1.44269504f;
    }
    for (long k = 0; k < 3 * n; k++) pick(rows + (PK_ROW_AXIS + k) * stride, which, count, axes[k]);
    block_f32 all[9] = {0};
    for (long k = 0; k < 3 * n; k++) all[k] = LOAD_BLOCK(axes[k]);
    const block_f32 rates = LOAD_BLOCK(rate), shapes = LOAD_BLOCK(shape);
    signals(w, n, has_spread, &rates, &shapes, all, work);
    for (int v = 0; v < views; v++)
        products(n + 1, w->measurements, w->view[v].precision, w->view[v].data, work, gram[v], product[v]);
    float ridge[MOST], pull[MOST];
    for (long j = 0; j <= n; j++) ridge[j] = w->ridge, pull[j] = w->pull;
    for (int v = 0; v < views; v++) solve(0, n + 1, ridge, pull, gram[v], product[v], NULL, factor[v], mean[v]);
    /* Samples take views and widths in turn. */
    float own_factor[PRODUCTS * LANES], own_mean[MOST * LANES], own_width[LANES];
    int own_view[LANES];
    EACH(i) {
        const int way = (int)(which[i < count ? i : count - 1] % ways);
        own_view[i] = way % views;
        own_width[i] = w->narrowing[way / views];
    }
    for (long k = 0; k < (AT(n, n) + 1) * LANES; k += LANES) {
        EACH(i) own_factor[k + i] = factor[0][k + i];
        if (views > 1) EACH(i) own_factor[k + i] = own_view[i] ? factor[1][k + i] : own_factor[k + i];
        if (widths > 1) EACH(i) own_factor[k + i] *= own_width[i];
    }
    for (long k = 0; k < (n + 1) * LANES; k += LANES) {
        EACH(i) own_mean[k + i] = mean[0][k + i];
        if (views > 1) EACH(i) own_mean[k + i] = own_view[i] ? mean[1][k + i] : own_mean[k + i];
    }
    EACH(i) log_q[0][i] = 0;
    for (long j = n; j >= 0; j--) {
        conditional(n + 1, j, own_factor, own_mean, u, centre);
        float v[LANES], root[LANES], own[LANES];
        int is_cut = 0;
        pick(uniforms + j * total, which, count, v);
        EACH(i) {
            root[i] = own_factor[AT(j, j) * LANES + i];
            is_cut |= centre[i] * root[i] < FAR;
        }
        if (is_cut) EACH(i) u[j][i] = centre[i] + lower_quantile(v[i], -centre[i] * root[i], &own[i]) / root[i];
        else
            EACH(i) {
                const float z = normal_quantile(v[i]);
                own[i] = -0.5f * z * z;
                u[j][i] = centre[i] + z / root[i];
            }
        EACH(i) {
            u[j][i] = u[j][i] < 0.0f ? 0.0f : u[j][i];
            log_q[0][i] += own[i] + fast_log(root[i]) - 0.918938533f;
        }
    }
    /* With one way to draw, the density is that of the draw. */
    for (int v = 0; v < views && ways > 1; v++) {
        for (int h = 0; h < widths; h++) EACH(i) log_q[v * widths + h][i] = 0;
        for (long j = n; j >= 0; j--) {
            conditional(n + 1, j, factor[v], mean[v], u, centre);
            for (int h = 0; h < widths; h++) {
                float root[LANES], z[LANES], *q = log_q[v * widths + h];
                int is_cut = 0;
                EACH(i) {
                    root[i] = factor[v][AT(j, j) * LANES + i] * w->narrowing[h];
                    z[i] = (u[j][i] - centre[i]) * root[i];
                    is_cut |= centre[i] * root[i] < FAR;
                }
                EACH(i) q[i] += fast_log(root[i]) - 0.918938533f;
                if (is_cut) EACH(i) q[i] += lower_log_density(z[i], -centre[i] * root[i]);
                else EACH(i) q[i] -= 0.5f * z[i] * z[i];
            }
        }
    }
    const float scale = 1.0f / (1.0f - (float)n * w->support.floor), root = w->noise_root;
    EACH(i) log_s0[i] = 0;
    for (long k = 0; k <= n; k++) EACH(i) log_s0[i] += u[k][i];
    EACH(i) log_s0[i] = fast_log(log_s0[i] * scale);
    residuals(n + 1, w->measurements, w->y, u, work, 1, rss);
    float v[LANES];
    pick(uniforms + (n + 1) * total, which, count, v);
    noise_law noise[2];
    if (w->is_known) EACH(i) log_sigma[i] = w->known_log_sigma;
    float least[LANES], most[LANES];
    EACH(i) {
        least[i] = log_s0[i] - w->support.snr_high;
        most[i] = log_s0[i] - w->support.snr_low;
    }
    for (int h = 0; h < views && !w->is_known; h++) {
        const float base = w->view[h].log_sigma - 0.5f * w->view[h].log_rss;
        float x[LANES];
        noise_given(w->measurements, root, base, rss, least, most, &noise[h]);
        draw_noise(&noise[h], root, v, x);
        EACH(i) log_sigma[i] = own_view[i] == h ? x[i] : log_sigma[i];
    }
    for (int h = 0; h < views && !w->is_known; h++) {
        float density[LANES];
        noise_density(&noise[h], root, -0.918938533f, log_sigma, density);
        for (int k = h * widths; k < (h + 1) * widths; k++) EACH(i) log_q[k][i] += density[i];
    }
    const float log_root = w->is_known ? 0.0f : logf(root), log_free = n > 0 ? -logf(scale) : 0.0f;
    const float shared = -logf((float)ways);
    for (int k = 1; k < ways; k++)
        EACH(i) log_q[0][i] = fast_log_add(log_q[0][i], log_q[k][i]);
    EACH(i) log_q[0][i] += shared + log_root + log_free + (float)(n + 1) * log_s0[i];
    float inverse[LANES], s0[LANES], bessel[LANES];
    EACH(i) inverse[i] = fast_exp(-log_sigma[i]);
    EACH(i) s0[i] = fast_exp(log_s0[i]);
    if (w->rician) bessel_logs(w->measurements, w->y, work, inverse, bessel);
    for (long i = 0; i < count; i++) {
        float *r = rows + which[i];
        const double squares = (double)rss[i] * inverse[i] * inverse[i], size_of = (double)w->measurements;
        r[2 * stride] = log_s0[i] - log_sigma[i];
        r[3 * stride] = log_s0[i];
        for (long k = 0; k < n; k++) r[(PK_ROW_FRACTION + k) * stride] = w->support.floor + u[k + 1][i] / s0[i];
        double g = -0.5 * squares - size_of * ((double)log_sigma[i] + 0.91893853320467274178) - (double)log_q[0][i];
        gaussian[which[i]] = g == g ? g : -INFINITY;
        if (w->rician) {
            g = w->log_signals - 2 * size_of * (double)log_sigma[i] + 0.5 * (LN2 * (double)bessel[i] - squares) -
                (double)log_q[0][i];
            rician[which[i]] = g == g ? g : -INFINITY;
        }
    }
}

/* All samples that are there, sixteen at a time, the number of sticks and the spread being constants. */
INLINE void all_of(const pk_weights *w, long n, int has_spread, const float *uniforms, long count, long stride,
                   float *rows, double *gaussian, double *rician, float *work) {
    long which[LANES], found = 0;
    for (long i = 0; i < count; i++) {
        float there = rows[i] + rows[stride + i];
        for (long k = 0; k < n; k++) there += rows[(PK_ROW_AXIS + 3 * k) * stride + i];
        if (there == there) {
            which[found++] = i;
        } else {
            gaussian[i] = -INFINITY;
            if (w->rician) rician[i] = -INFINITY;
        }
        if (found < LANES && (i < count - 1 || found == 0)) continue;
        sixteen(w, n, has_spread, uniforms, which, found, count, stride, rows, gaussian, rician, work);
        found = 0;
    }
}

#define ALL(n, spread) \
    all_of(w, n, spread, uniforms, count, stride, rows + first, gaussian + first, rician + first, work)

PER_CPU void pk_weights_draw(const pk_weights *w, const float *uniforms, long first, long count, long stride,
                             float *rows, double *gaussian, double *rician, float *work) {
    BY_STRUCTURE(w->sticks, w->spread, ALL)
}
