#include "../include/linear_weights.h"
#include <math.h>
#include "linear_weights_lanes.h"

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

/* Cholesky factor and mean of a view's normal of the coordinates from `first` on, in double: nearly parallel columns
   leave few digits.  What the data say counts `times` so much; NULL: once. */
INLINE void solve(const pk_linear_weights *w, long first, long W, const float *gram, const float *product,
                  const float *times, float *factor, float *mean) {
    double l[PRODUCTS_MOST][LANES], x[PK_WEIGHTS_MOST][LANES];
    for (long j = first; j < W; j++) {
        for (long k = first; k <= j; k++) {
            EACH(i) l[AT(j, k)][i] = (double)gram[AT(j, k) * LANES + i];
            if (times) EACH(i) l[AT(j, k)][i] *= (double)times[i];
            if (k == j) EACH(i) l[AT(j, k)][i] += (double)w->ridge[j];
            for (long h = first; h < k; h++) EACH(i) l[AT(j, k)][i] -= l[AT(j, h)][i] * l[AT(k, h)][i];
            if (k < j) EACH(i) l[AT(j, k)][i] /= l[AT(k, k)][i];
        }
        EACH(i) l[AT(j, j)][i] = ROOT(l[AT(j, j)][i]);
        EACH(i) x[j][i] = (double)product[j * LANES + i];
        if (times) EACH(i) x[j][i] *= (double)times[i];
        EACH(i) x[j][i] += (double)w->pull[j];
        for (long k = first; k < j; k++) EACH(i) x[j][i] -= l[AT(j, k)][i] * x[k][i];
        EACH(i) x[j][i] /= l[AT(j, j)][i];
    }
    for (long j = W - 1; j >= first; j--) {
        for (long k = j + 1; k < W; k++) EACH(i) x[j][i] -= l[AT(k, j)][i] * x[k][i];
        EACH(i) x[j][i] /= l[AT(j, j)][i];
        EACH(i) mean[j * LANES + i] = (float)x[j][i];
    }
    for (long j = first; j < W; j++)
        for (long k = first; k <= j; k++) EACH(i) factor[AT(j, k) * LANES + i] = (float)l[AT(j, k)][i];
}

/* A view's normal of log σ: its centre, the bounds in standard deviations, and whether any of them cuts. */
typedef struct { float centre[LANES], low[LANES], high[LANES]; int is_cut; } noise_law;

INLINE void noise_given(const pk_linear_weights *w, const pk_linear_view *view, const float *rss, const float *log_s0,
                        noise_law *law) {
    const float root = w->noise_root, above = 5.0f / root;
    /* Towards small σ the likelihood falls by M a unit of log σ, however good the fit. */
    const float fall = (float)w->measurements / (root * root), below = fall < above ? fall : above;
    const int has_scale = w->kind == PK_SCALED_FRACTIONS;
    int is_cut = 0;
    EACH(i) {
        const float least = has_scale ? log_s0[i] - w->high : w->low, most = has_scale ? log_s0[i] - w->low : w->high;
        const float squares = rss[i] > 1e-30f ? rss[i] : 1e-30f;
        float x = view->base + 0.5f * fast_log(squares);
        x = x < least - below ? least - below : x;
        x = x > most + above ? most + above : x;
        law->centre[i] = x;
        law->low[i] = (least - x) * root;
        law->high[i] = (most - x) * root;
        is_cut |= (law->low[i] > -FAR) | (law->high[i] < FAR);
    }
    law->is_cut = is_cut;
}

INLINE void draw_noise(const noise_law *law, float root, const float *v, float *x) {
    if (law->is_cut) EACH(i) x[i] = truncated_quantile(v[i], law->low[i], law->high[i]);
    else EACH(i) x[i] = normal_quantile(v[i]);
    EACH(i) {
        x[i] = x[i] < law->low[i] ? law->low[i] : x[i];
        x[i] = x[i] > law->high[i] ? law->high[i] : x[i];
        x[i] = law->centre[i] + x[i] / root;
    }
}

INLINE void noise_density(const noise_law *law, float root, const float *log_sigma, float *out) {
    const float constant = logf(root) - 0.918938533f;
    EACH(i) {
        const float z = (log_sigma[i] - law->centre[i]) * root;
        out[i] = constant - 0.5f * z * z;
    }
    if (law->is_cut) EACH(i) out[i] -= log_interval(law->low[i], law->high[i]);
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
    const float root = w->noise_root;
    for (int h = 0; h < views; h++) {
        products(W, w, &w->view[h], e, gram[h], product[h]);
        change_columns(w, W, gram[h], product[h]);
        solve(w, first, W, gram[h], product[h], 0, factor[h], mean[h]);
    }
    take(uniforms + W * across, count, draw);
    float shift[PK_WEIGHTS_MOST * LANES];
    for (long k = 0; k < W; k++) EACH(i) shift[k * LANES + i] = w->view[0].shift[k];
    if (is_joint) {
        float density[LANES] = {0};
        if (!w->knows_noise) {
            for (long k = 0; k < W; k++) EACH(i) u[k][i] = mean[0][k * LANES + i];
            residuals(W, w, u, e, 0, rss);
            noise_law noise;
            float times[LANES];
            noise_given(w, &w->view[0], rss, log_s0, &noise);
            draw_noise(&noise, root, draw, log_sigma);
            noise_density(&noise, root, log_sigma, density);
            EACH(i) times[i] = fast_exp(2 * (w->view[0].log_sigma - log_sigma[i]));
            solve(w, 0, W, gram[0], product[0], times, factor[0], mean[0]);
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
    residuals(W, w, v, e, w->rician, rss);
    if (!is_joint) {
        if (!w->knows_noise) {
            noise_law noise[2];
            for (int h = 0; h < views; h++) {
                float x[LANES];
                noise_given(w, &w->view[h], rss, log_s0, &noise[h]);
                draw_noise(&noise[h], root, draw, x);
                EACH(i) {
                    const int way = (int)((index + (i < count ? i : count - 1)) % ways);
                    log_sigma[i] = way % views == h ? x[i] : log_sigma[i];
                }
            }
            for (int h = 0; h < views; h++) {
                float density[LANES];
                noise_density(&noise[h], root, log_sigma, density);
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
            const float sd = w->bound[k], constant = 0.918938533f + logf(sd);
            EACH(i) log_q[0][i] += constant + 0.5f * (u[k][i] / sd) * (u[k][i] / sd);
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
    default: ALL(job->components);
    }
}
