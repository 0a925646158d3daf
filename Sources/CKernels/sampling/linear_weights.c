#include "../include/linear_weights.h"
#include <math.h>
#include "linear_weights_laws.h"

/* Draws of sixteen samples' weights and noise, with log-likelihood less log-density. */
INLINE void sixteen(const pk_linear_weights *w, long W, float *e, const float *uniforms, long across, long index,
                    long count, long stride, float *rows, double *gaussian, double *rician) {
    const int views = w->views, widths = w->widths, ways = views * widths,
              is_joint = w->kind == PK_COEFFICIENTS && !w->rician;
    const long first = w->kind == PK_FRACTIONS;
    float gram[2][PRODUCTS_MOST * LANES], product[2][PK_WEIGHTS_MOST * LANES], factor[2][PRODUCTS_MOST * LANES],
        mean[2][PK_WEIGHTS_MOST * LANES];
    float u[PK_WEIGHTS_MOST][LANES], v[PK_WEIGHTS_MOST][LANES], log_q[2 * WIDTHS][LANES], rss[LANES], log_s0[LANES],
        log_sigma[LANES], sum[LANES], draw[LANES];
    float free_part = 1;
    if (w->kind != PK_COEFFICIENTS) for (long k = 0; k < W; k++) free_part -= w->bound[k];
    EACH(i) log_s0[i] = 0;
    EACH(i) log_sigma[i] = w->log_sigma;
    const float root = w->noise_root, constant = logf(root) - 0.918938533f;
    for (int h = 0; h < views; h++) {
        products(W, w->measurements, w->view[h].precision, w->view[h].data, e, gram[h], product[h]);
        change_columns(w, W, gram[h], product[h]);
        solve(first, W, w->ridge, w->pull, gram[h], product[h], NULL, factor[h], mean[h]);
    }
    take(uniforms + W * across, count, draw);
    float shift[PK_WEIGHTS_MOST * LANES];
    for (long k = 0; k < W; k++) EACH(i) shift[k * LANES + i] = w->view[0].shift[k];
    if (is_joint) {
        float density[LANES] = {0};
        if (!w->knows_noise) {
            for (long k = 0; k < W; k++) EACH(i) u[k][i] = mean[0][k * LANES + i];
            residuals(W, w->measurements, w->y, u, e, 0, rss);
            noise_law noise;
            float times[LANES];
            noise_of(w, &w->view[0], rss, log_s0, &noise);
            draw_noise(&noise, root, draw, log_sigma);
            noise_density(&noise, root, constant, log_sigma, density);
            EACH(i) times[i] = fast_exp(2 * (w->view[0].log_sigma - log_sigma[i]));
            solve(0, W, w->ridge, w->pull, gram[0], product[0], times, factor[0], mean[0]);
        }
        draw_weights(w, 0, W, factor[0], mean[0], shift, uniforms, across, count, free_part, u, log_q[0]);
        EACH(i) log_q[0][i] += density[i];
    } else {
        /* Samples take views and widths in turn. */
        float own_factor[PRODUCTS_MOST * LANES], own_mean[PK_WEIGHTS_MOST * LANES], own_width[LANES];
        int own_view[LANES];
        EACH(i) {
            const int way = (int)((index + (i < count ? i : count - 1)) % ways);
            own_view[i] = way % views;
            own_width[i] = w->narrowing[way / views];
        }
        const int is_one = ways == 1;
        if (!is_one) {
            for (long k = 0; k < AT(W, 0) * LANES; k += LANES) {
                EACH(i) own_factor[k + i] = factor[0][k + i];
                if (views > 1) EACH(i) own_factor[k + i] = own_view[i] ? factor[1][k + i] : own_factor[k + i];
                EACH(i) own_factor[k + i] *= own_width[i];
            }
            for (long k = 0; k < W * LANES; k += LANES) {
                EACH(i) own_mean[k + i] = mean[0][k + i];
                if (views > 1) EACH(i) own_mean[k + i] = own_view[i] ? mean[1][k + i] : own_mean[k + i];
                if (views > 1) EACH(i) shift[k + i] = own_view[i] ? w->view[1].shift[k / LANES] : shift[k + i];
            }
        }
        draw_weights(w, first, W, is_one ? factor[0] : own_factor, is_one ? mean[0] : own_mean, shift, uniforms, across,
                     count, free_part, u, log_q[0]);
        /* With one way to draw, the density is that of the draw. */
        for (int h = 0; h < views && !is_one; h++)
            weight_density(w, first, W, factor[h], mean[h], w->view[h].shift, free_part, u, log_q + h * widths);
    }
    amplitudes(w, W, free_part, u, v, sum);
    if (w->kind == PK_SCALED_FRACTIONS) EACH(i) log_s0[i] = fast_log(sum[i] > 1e-30f ? sum[i] / free_part : 1e-30f);
    residuals(W, w->measurements, w->y, v, e, w->rician, rss);
    if (!is_joint) {
        if (!w->knows_noise) {
            noise_law noise[2];
            for (int h = 0; h < views; h++) {
                float x[LANES];
                noise_of(w, &w->view[h], rss, log_s0, &noise[h]);
                draw_noise(&noise[h], root, draw, x);
                EACH(i) {
                    const int way = (int)((index + (i < count ? i : count - 1)) % ways);
                    log_sigma[i] = way % views == h ? x[i] : log_sigma[i];
                }
            }
            for (int h = 0; h < views; h++) {
                float density[LANES];
                noise_density(&noise[h], root, constant, log_sigma, density);
                for (int k = h * widths; k < (h + 1) * widths; k++) EACH(i) log_q[k][i] += density[i];
            }
        }
        for (int k = 1; k < ways; k++) EACH(i) log_q[0][i] = fast_log_add(log_q[0][i], log_q[k][i]);
        const float shared = -logf((float)ways);
        EACH(i) log_q[0][i] += shared;
    }
    if (w->kind == PK_SCALED_FRACTIONS) EACH(i) log_q[0][i] += logf(free_part) + (float)W * log_s0[i];
    if (w->kind == PK_COEFFICIENTS)
        for (long k = 0; k < W; k++) {
            const float sd = w->bound[k], own = 0.918938533f + logf(sd);
            EACH(i) log_q[0][i] += own + 0.5f * (u[k][i] / sd) * (u[k][i] / sd);
        }
    float inverse[LANES], s0[LANES], bessel[LANES];
    EACH(i) inverse[i] = fast_exp(-log_sigma[i]);
    EACH(i) s0[i] = fast_exp(log_s0[i]);
    if (w->rician) bessel_logs(w->measurements, w->y, e, inverse, bessel);
    for (long i = 0; i < count; i++) {
        float *r = rows + i;
        const double squares = (double)rss[i] * inverse[i] * inverse[i], size_of = (double)w->measurements;
        r[0] = log_sigma[i];
        r[stride] = log_s0[i];
        for (long k = 0; k < W; k++) r[(2 + k) * stride] = w->kind == PK_SCALED_FRACTIONS ? v[k][i] / s0[i] : v[k][i];
        double g = -0.5 * squares - size_of * ((double)log_sigma[i] + 0.91893853320467274178) - (double)log_q[0][i];
        gaussian[i] = g == g ? g : -INFINITY;
        if (w->rician) {
            g = w->log_signals - 2 * size_of * (double)log_sigma[i] + 0.5 * (LN2 * (double)bessel[i] - squares) -
                (double)log_q[0][i];
            rician[i] = g == g ? g : -INFINITY;
        }
    }
}

#define ALL(W) sixteen(job, W, e, uniforms, across, index, count, stride, rows, gaussian, rician)

PER_CPU void pk_draw_weights(const pk_linear_weights *job, float *e, const float *uniforms, long across, long index,
                             long count, long stride, float *rows, double *gaussian, double *rician) {
    switch (job->components) {
    case 1: ALL(1); break;
    case 2: ALL(2); break;
    case 3: ALL(3); break;
    case 4: ALL(4); break;
    case 5: ALL(5); break;
    case 6: ALL(6); break;
    default: ALL(job->components);
    }
}
