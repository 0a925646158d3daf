#include "../include/diffusion_signal.h"
#include <math.h>
#include "../math/vector_block.h"

static inline __attribute__((always_inline)) float fast_asinh(float x) {
    float a = fabsf(x);
    return copysignf(fast_log1p(a + a * a / (1.0f + sqrtf(a * a + 1.0f))), x);
}

static inline __attribute__((always_inline)) float clampf(float x, float low, float high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* The measurements that a block at `start` of m computes: the last one looks back so as to be whole, and computes some
   of them twice. */
BLOCK_INLINE void signal_rows(long m, const float *b, const float *gx, const float *gy, const float *gz,
                              const decay_law *law, int has_spread, long n, const float *fractions, const float *axes,
                              float *out) {
    for (long start = 0; start < m; start += LANES_IN_BLOCK) {
        const long i = m - start < LANES_IN_BLOCK ? m - LANES_IN_BLOCK : start;
        block_f32 a;
        block_signal(b + i, gx + i, gy + i, gz + i, law, has_spread, n, fractions, axes, &a);
        STORE_BLOCK(out + i, a);
    }
}

PER_CPU void pk_ball_sticks_signal(long m, const float *restrict b, const float *restrict gx, const float *restrict gy,
                                   const float *restrict gz, float diffusivity, float spread, long n,
                                   const float *fractions, const float *axes, float *restrict out) {
    const decay_law law = make_decay(diffusivity, spread);
    if (m < LANES_IN_BLOCK) {
        float room[4][16], result[16];
        padded(b, m, room[0]); padded(gx, m, room[1]); padded(gy, m, room[2]); padded(gz, m, room[3]);
        if (law.has_spread) signal_rows(16, room[0], room[1], room[2], room[3], &law, 1, n, fractions, axes, result);
        else signal_rows(16, room[0], room[1], room[2], room[3], &law, 0, n, fractions, axes, result);
        for (long i = 0; i < m; i++) out[i] = result[16 - m + i];
        return;
    }
#define CALL(sticks, has_spread) signal_rows(m, b, gx, gy, gz, &law, has_spread, sticks, fractions, axes, out)
    BY_STRUCTURE(n, law.has_spread, CALL)
#undef CALL
}

/* NaN fails both comparisons of the first line and becomes `low`. */
static inline __attribute__((always_inline)) float bring_into(float x, float low, float high) {
    x = x > low ? x : low;
    return x < high ? x : high;
}

PER_CPU void pk_log_weights(long n, const float *restrict y, double *restrict w, double *restrict wl,
                            float *restrict logy) {
    for (long i = 0; i < n; i++) {
        float v = bring_into(y[i], 0.02f, 20.0f), l = fast_log(v);
        logy[i] = l;
        w[i] = (double)v * v;
        wl[i] = (double)v * v * l;
    }
}

PER_CPU void pk_predicted_weights(long n, const double *restrict x, const double *restrict beta,
                                  const float *restrict logy, double *restrict w, double *restrict wl) {
    for (long i = 0; i < n; i++) {
        double s = 0;
        for (long j = 0; j < 7; j++) s += beta[j] * x[j * n + i];
        float t = 2.0f * clampf((float)s, -4.0f, 3.0f);
        double v = fast_exp(t);
        w[i] = v;
        wl[i] = v * logy[i];
    }
}

PER_CPU void pk_weighted_sums(long rows, long n, const double *restrict table, const double *restrict w,
                              double *restrict out) {
#pragma clang fp reassociate(on)
    for (long r = 0; r < rows; r++) {
        const double *t = table + r * n;
        double total = 0;
        for (long i = 0; i < n; i++) total += w[i] * t[i];
        out[r] = total;
    }
}

PER_CPU void pk_tensor_residuals(long m, const float *restrict b, const float *restrict gx, const float *restrict gy,
                                 const float *restrict gz, const float *restrict mask, const float *restrict y,
                                 const float *restrict rotation, const float *restrict eigenvalues, float log_s0,
                                 float *restrict rotated, float *restrict clean, float *restrict logy,
                                 float *restrict prediction, float *restrict residual, double *sums) {
#pragma clang fp reassociate(on)
    float *restrict ux = rotated, *restrict uy = rotated + m, *restrict uz = rotated + 2 * m;
    const float *R = rotation;
    const float l1 = eigenvalues[0], l2 = eigenvalues[1], l3 = eigenvalues[2];
    float xy = 0, xz = 0, size = 0;
    for (long i = 0; i < m; i++) {
        float x = R[0] * gx[i] + R[1] * gy[i] + R[2] * gz[i];
        float v = R[3] * gx[i] + R[4] * gy[i] + R[5] * gz[i];
        float z = R[6] * gx[i] + R[7] * gy[i] + R[8] * gz[i];
        float xx = x * x, vv = v * v, zz = z * z;
        float s = bring_into(y[i], -10.0f, 10.0f);
        s = y[i] == y[i] ? s : 0.0f;
        float p = fast_exp(clampf(log_s0 - 1e-3f * b[i] * (l1 * xx + l2 * vv + l3 * zz), -20.0f, 3.0f));
        float r = s - p;
        ux[i] = x; uy[i] = v; uz[i] = z;
        clean[i] = s;
        logy[i] = fast_log(s > 0.01f ? s : 0.01f);
        prediction[i] = p;
        residual[i] = r;
        xy += r * x * v * (xx - vv);
        xz += r * x * z * (xx - zz);
        size += mask[i] * fabsf(r);
    }
    sums[0] = xy; sums[1] = xz; sums[2] = size;
}

enum { FEATURES = 20, BLOCK = 16 };
typedef float quad_f32 __attribute__((ext_vector_type(4)));

PER_CPU void pk_measurement_features(long m, const float *restrict compressed_b, const float *restrict log_b,
                                     const float *restrict weighted, const float *restrict rotated,
                                     const float *restrict clean, const float *restrict logy,
                                     const float *restrict prediction, const float *restrict residual,
                                     const float *restrict signs, float inverse_scale, float *restrict out) {
    const float diagonal = 3.3541020f, off = 3.8729833f; /* 1/√(4/45), 1/√(1/15) */
    const float sxy = signs[0] * signs[1], sxz = signs[0] * signs[2], syz = signs[1] * signs[2];
    for (long start = 0; start < m; start += BLOCK) {
        float t[FEATURES][BLOCK] = {{0}};
        const long n = m - start < BLOCK ? m - start : BLOCK;
        for (long j = 0; j < n; j++) {
            const long i = start + j;
            float w = weighted[i], c = compressed_b[i], x = rotated[i], y = rotated[m + i], z = rotated[2 * m + i];
            float xx = w * diagonal * (x * x - 0.33333333f), yy = w * diagonal * (y * y - 0.33333333f);
            float zz = w * diagonal * (z * z - 0.33333333f);
            float xy = w * off * sxy * x * y, xz = w * off * sxz * x * z, yz = w * off * syz * y * z;
            t[0][j] = 1.6f * (c - 1.14f);
            t[1][j] = 2.0f * (log_b[i] - 0.95f);
            t[2][j] = 0.7f * c * xx; t[3][j] = 0.7f * c * yy; t[4][j] = 0.7f * c * zz;
            t[5][j] = 0.7f * c * xy; t[6][j] = 0.7f * c * xz; t[7][j] = 0.7f * c * yz;
            t[8][j] = xx; t[9][j] = yy; t[10][j] = zz; t[11][j] = xy; t[12][j] = xz; t[13][j] = yz;
            t[14][j] = clampf(2.5f * (clean[i] - 0.57f), -5.0f, 5.0f);
            t[15][j] = clampf(1.2f * (logy[i] + 1.0f), -5.0f, 5.0f);
            t[16][j] = clampf(fast_asinh(20.0f * residual[i]), -5.0f, 5.0f);
            t[17][j] = clampf(fast_asinh(residual[i] * inverse_scale), -5.0f, 5.0f);
            float lp = fast_log(prediction[i] > 0.01f ? prediction[i] : 0.01f);
            t[18][j] = clampf(2.0f * (logy[i] - lp), -5.0f, 5.0f);
            t[19][j] = 1.0f - w;
        }
        /* Measurements' rows from features' rows by squares of four; a compiler left to itself scatters. */
        float tail[BLOCK * FEATURES], *to = n == BLOCK ? out + start * FEATURES : tail;
        for (long k = 0; k < FEATURES; k += 4)
            for (long j = 0; j < BLOCK; j += 4) {
                quad_f32 r[4];
                for (int i = 0; i < 4; i++) memcpy(&r[i], &t[k + i][j], sizeof r[i]);
                const quad_f32 a = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5),
                               b = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
                const quad_f32 c = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7),
                               d = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
                r[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
                r[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
                r[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
                r[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
                for (int i = 0; i < 4; i++) memcpy(to + (j + i) * FEATURES + k, &r[i], sizeof r[i]);
            }
        if (n < BLOCK) memcpy(out + start * FEATURES, tail, (size_t)(n * FEATURES) * sizeof(float));
    }
}
