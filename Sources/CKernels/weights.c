#include "include/weights.h"
#include <math.h>
#include "rician_block.h"
#include "truncated_normal.h"

enum { LANES = LANES_IN_BLOCK, MOST = 4, PRODUCTS = 10, WIDTHS = 3 };
/* Place of (j, k), k ≤ j, in a packed lower triangle. */
#define AT(j, k) ((j) * ((j) + 1) / 2 + (k))

/* Ẽ of one sample: n + 1 rows of `padded`. */
INLINE void signals(const pk_weights *w, long n, const decay_law *law, int has_spread, const float *axes, float *e) {
    const long m = w->padded;
    const float share = w->support.floor / (1.0f - (float)n * w->support.floor);
    for (long i = 0; i < m; i += 16) {
        const block_f32 q = LOAD_BLOCK(w->b + i) * law->rate, x = LOAD_BLOCK(w->gx + i), y = LOAD_BLOCK(w->gy + i), z = LOAD_BLOCK(w->gz + i);
        block_f32 ball = q, stick[3], sum = 0;
        block_decay(&ball, law, has_spread);
        UNROLLED for (long k = 0; k < n; k++) {
            const block_f32 c = x * axes[3 * k] + y * axes[3 * k + 1] + z * axes[3 * k + 2];
            stick[k] = q * c * c;
            block_decay(&stick[k], law, has_spread);
            sum += stick[k];
        }
        sum *= share;
        STORE_BLOCK(e + i, ball + sum);
        UNROLLED for (long k = 0; k < n; k++) STORE_BLOCK(e + (k + 1) * m + i, stick[k] + sum);
    }
}

/* ẼᵀPẼ (packed) and ẼᵀPŷ: row j against rows up to j and the data. */
INLINE void products_of(long j, long m, const float *e, const pk_weights_view *v, float *gram, float *product, int lane) {
    block_f32 total[MOST] = {0, 0, 0, 0}, data = 0;
    for (long i = 0; i < m; i += 16) {
        const block_f32 a = LOAD_BLOCK(e + j * m + i) * LOAD_BLOCK(v->precision + i);
        UNROLLED for (long k = 0; k <= j; k++) total[k] += a * LOAD_BLOCK(e + k * m + i);
        data += a * LOAD_BLOCK(v->data + i);
    }
    UNROLLED for (long k = 0; k <= j; k++) gram[AT(j, k) * LANES + lane] = block_sum(&total[k]);
    product[j * LANES + lane] = block_sum(&data);
}
INLINE void products(long n, long m, const float *e, const pk_weights_view *v, float *gram, float *product, int lane) {
    products_of(0, m, e, v, gram, product, lane);
    if (n > 0) products_of(1, m, e, v, gram, product, lane);
    if (n > 1) products_of(2, m, e, v, gram, product, lane);
    if (n > 2) products_of(3, m, e, v, gram, product, lane);
}

/* Cholesky factor and mean of a view's normal, in double: nearly parallel sticks leave few digits. */
INLINE void solve(long n, float ridge, float pull, const float *gram, const float *product, float *factor, float *mean) {
    double l[PRODUCTS][LANES], x[MOST][LANES];
    for (long j = 0; j <= n; j++) {
        for (long k = 0; k <= j; k++) {
            EACH(i) l[AT(j, k)][i] = (double)gram[AT(j, k) * LANES + i] + (j == k ? ridge : 0.0f);
            for (long h = 0; h < k; h++) EACH(i) l[AT(j, k)][i] -= l[AT(j, h)][i] * l[AT(k, h)][i];
            if (k < j) EACH(i) l[AT(j, k)][i] /= l[AT(k, k)][i];
        }
        EACH(i) l[AT(j, j)][i] = ROOT(l[AT(j, j)][i]);
        EACH(i) x[j][i] = (double)product[j * LANES + i] + pull;
        for (long k = 0; k < j; k++) EACH(i) x[j][i] -= l[AT(j, k)][i] * x[k][i];
        EACH(i) x[j][i] /= l[AT(j, j)][i];
    }
    for (long j = n; j >= 0; j--) {
        for (long k = j + 1; k <= n; k++) EACH(i) x[j][i] -= l[AT(k, j)][i] * x[k][i];
        EACH(i) x[j][i] /= l[AT(j, j)][i];
        EACH(i) mean[j * LANES + i] = (float)x[j][i];
    }
    for (long p = 0; p < AT(n, n) + 1; p++) EACH(i) factor[p * LANES + i] = (float)l[p][i];
}

/* Conditional mean of u_j given u_{j+1} … u_n. */
INLINE void conditional(long n, long j, const float *factor, const float *mean, float (*u)[LANES], float *out) {
    EACH(i) out[i] = 0;
    for (long k = j + 1; k <= n; k++) EACH(i) out[i] -= factor[AT(k, j) * LANES + i] * (u[k][i] - mean[k * LANES + i]);
    EACH(i) out[i] = mean[j * LANES + i] + out[i] / factor[AT(j, j) * LANES + i];
}

/* Σ over the measurements of (y − S)², S = Σ u_k Ẽ_k, which takes the place of Ẽ_0. */
INLINE float residuals(const pk_weights *w, long n, const float *u, float *e) {
    const long m = w->padded;
    block_f32 total = 0;
    for (long i = 0; i < m; i += 16) {
        block_f32 s = u[0] * LOAD_BLOCK(e + i);
        UNROLLED for (long k = 1; k <= n; k++) s += u[k] * LOAD_BLOCK(e + k * m + i);
        STORE_BLOCK(e + i, s);
        const block_f32 r = (LOAD_BLOCK(w->y + i) - s) * LOAD_BLOCK(w->counts + i);
        total += r * r;
    }
    return block_sum(&total);
}

/* Σ log of (e^−x I₀(x))², x = yS/σ². */
INLINE double bessel_logs(const pk_weights *w, const float *s, float inverse) {
    log_products bessel = {1, 0, 0};
    for (long i = 0; i < w->padded; i += 16) {
        block_f32 x = (LOAD_BLOCK(w->y + i) * inverse) * (LOAD_BLOCK(s + i) * inverse);
        block_squared_bessel(&x);
        multiply(&bessel, &x);
    }
    gather_logs(&bessel);
    return LN2 * block_sum(&bessel.logs);
}

/* A view's normal of log σ: its centre, the bounds in standard deviations, and whether any of them cuts. */
typedef struct { float centre[LANES], low[LANES], high[LANES]; int is_cut; } noise_law;

INLINE void noise_given(const pk_weights *w, const pk_weights_view *view, const float *rss, const float *log_s0, noise_law *law) {
    const float root = w->noise_root, base = view->log_sigma - 0.5f * view->log_rss, above = 5.0f / root;
    /* Towards small σ the likelihood falls by M a unit of log σ, however good the fit. */
    const float fall = (float)w->measurements / (root * root), below = fall < above ? fall : above;
    int is_cut = 0;
    EACH(i) {
        const float least = log_s0[i] - w->support.snr_high, most = log_s0[i] - w->support.snr_low;
        float x = base + 0.5f * fast_log(rss[i]);
        x = x < least - below ? least - below : x;
        x = x > most + above ? most + above : x;
        law->centre[i] = x;
        law->low[i] = (least - x) * root;
        law->high[i] = (most - x) * root;
        is_cut |= (law->low[i] > -FAR) | (law->high[i] < FAR);
    }
    law->is_cut = is_cut;
}

/* Up to sixteen samples, whose first has number `turn` among those drawn together. Uniforms have rows of `total`, samples of `stride`. */
INLINE void sixteen(const pk_weights *w, long n, int has_spread, const float *uniforms, long turn, long count, long total, long stride, float *rows,
                    double *gaussian, double *rician, float *work) {
    const long m = w->padded, size = (n + 1) * m;
    const int views = w->views, widths = w->widths, ways = views * widths;
    float gram[2][PRODUCTS * LANES], product[2][MOST * LANES], factor[2][PRODUCTS * LANES], mean[2][MOST * LANES];
    float u[MOST][LANES], centre[LANES], log_q[2 * WIDTHS][LANES], rss[LANES], log_s0[LANES], log_sigma[LANES] = {0};
    float d[LANES], spread[LANES];
    take(rows, count, d);
    take(rows + stride, count, spread);
    EACH(i) spread[i] = fast_exp(d[i] + spread[i]);
    EACH(i) d[i] = fast_exp(d[i]);
    EACH(i) {
        const float *r = rows + (i < count ? i : count - 1);
        float axes[9];
        for (long k = 0; k < 3 * n; k++) axes[k] = r[(PK_ROW_AXIS + k) * stride];
        const decay_law law = make_decay(d[i], has_spread ? spread[i] : 0.0f);
        signals(w, n, &law, has_spread, axes, work + i * size);
        for (int v = 0; v < views; v++) products(n, m, work + i * size, &w->view[v], gram[v], product[v], i);
    }
    for (int v = 0; v < views; v++) solve(n, w->ridge, w->pull, gram[v], product[v], factor[v], mean[v]);
    /* Samples take views and widths in turn. */
    float own_factor[PRODUCTS * LANES], own_mean[MOST * LANES], own_width[LANES];
    int own_view[LANES];
    EACH(i) {
        const int way = (int)((turn + i) % ways);
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
    for (long j = n; j >= 0; j--) {
        conditional(n, j, own_factor, own_mean, u, centre);
        float v[LANES], root[LANES];
        int is_cut = 0;
        take(uniforms + j * total, count, v);
        EACH(i) {
            root[i] = own_factor[AT(j, j) * LANES + i];
            is_cut |= centre[i] * root[i] < FAR;
        }
        if (is_cut) EACH(i) u[j][i] = centre[i] + lower_quantile(v[i], -centre[i] * root[i]) / root[i];
        else EACH(i) u[j][i] = centre[i] + normal_quantile(v[i]) / root[i];
        EACH(i) u[j][i] = u[j][i] < 0.0f ? 0.0f : u[j][i];
    }
    for (int v = 0; v < views; v++) {
        for (int h = 0; h < widths; h++) EACH(i) log_q[v * widths + h][i] = 0;
        for (long j = n; j >= 0; j--) {
            conditional(n, j, factor[v], mean[v], u, centre);
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
    EACH(i) {
        float own[MOST];
        for (long k = 0; k <= n; k++) own[k] = u[k][i];
        rss[i] = residuals(w, n, own, work + i * size);
    }
    float v[LANES];
    take(uniforms + (n + 1) * total, count, v);
    noise_law noise[2];
    for (int h = 0; h < views; h++) {
        noise_given(w, &w->view[h], rss, log_s0, &noise[h]);
        float x[LANES];
        if (noise[h].is_cut) EACH(i) x[i] = truncated_quantile(v[i], noise[h].low[i], noise[h].high[i]);
        else EACH(i) x[i] = normal_quantile(v[i]);
        EACH(i) {
            x[i] = x[i] < noise[h].low[i] ? noise[h].low[i] : x[i];
            x[i] = x[i] > noise[h].high[i] ? noise[h].high[i] : x[i];
            log_sigma[i] = own_view[i] == h ? noise[h].centre[i] + x[i] / root : log_sigma[i];
        }
    }
    for (int h = 0; h < views; h++) {
        float density[LANES];
        EACH(i) {
            const float z = (log_sigma[i] - noise[h].centre[i]) * root;
            density[i] = -0.918938533f - 0.5f * z * z;
        }
        if (noise[h].is_cut) EACH(i) density[i] -= log_interval(noise[h].low[i], noise[h].high[i]);
        for (int k = h * widths; k < (h + 1) * widths; k++) EACH(i) log_q[k][i] += density[i];
    }
    const float log_root = logf(root), log_free = n > 0 ? -logf(scale) : 0.0f;
    const float shared = -logf((float)ways);
    for (int k = 1; k < ways; k++)
        EACH(i) log_q[0][i] = fast_log_add(log_q[0][i], log_q[k][i]);
    EACH(i) log_q[0][i] += shared + log_root + log_free + (float)(n + 1) * log_s0[i];
    float inverse[LANES], s0[LANES];
    EACH(i) inverse[i] = fast_exp(-log_sigma[i]);
    EACH(i) s0[i] = fast_exp(log_s0[i]);
    for (long i = 0; i < count; i++) {
        float *r = rows + i;
        const double squares = (double)rss[i] * inverse[i] * inverse[i], size_of = (double)w->measurements;
        r[2 * stride] = log_s0[i] - log_sigma[i];
        r[3 * stride] = log_s0[i];
        for (long k = 0; k < n; k++) r[(PK_ROW_FRACTION + k) * stride] = w->support.floor + u[k + 1][i] / s0[i];
        double g = -0.5 * squares - size_of * ((double)log_sigma[i] + 0.91893853320467274178) - (double)log_q[0][i];
        gaussian[i] = g == g ? g : -INFINITY;
        if (w->rician) {
            g = w->log_signals - 2 * size_of * (double)log_sigma[i] + 0.5 * (bessel_logs(w, work + i * size, inverse[i]) - squares) - (double)log_q[0][i];
            rician[i] = g == g ? g : -INFINITY;
        }
    }
}

/* All samples, the number of sticks and the spread being constants. */
#define SIXTEENS(n, spread)                                                                                                                           \
    for (long i = 0; i < count; i += LANES)                                                                                                           \
        sixteen(w, n, spread, uniforms + i, i, count - i < LANES ? count - i : LANES, count, stride, rows + first + i, gaussian + first + i,          \
                rician + first + i, work)

PER_CPU void pk_weights_draw(const pk_weights *w, const float *uniforms, long first, long count, long stride, float *rows, double *gaussian,
                             double *rician, float *work) {
    BY_STRUCTURE(w->sticks, w->spread, SIXTEENS)
}
