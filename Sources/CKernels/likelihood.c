#include "include/diffusion_signal.h"
#include <math.h>
#include "rician_block.h"

/* A loop over blocks of 16: all whole blocks, then the last `tail` measurements again as the end of a block whose other lanes do not count. With fewer
   than 16 measurements that block is made for them. */
#define TAIL_START(m) ((m) < LANES_IN_BLOCK ? 0 : (m) - LANES_IN_BLOCK)

PER_CPU double pk_gaussian_log_likelihood(long m, const float *restrict a, const float *restrict y, double s0, double sigma) {
    const float scale = (float)(s0 / sigma), inverse = (float)(1 / sigma);
    const long whole = m & ~15L, tail = m & 15L;
    block_f32 total = 0, other = 0;
    long i = 0;
    for (; i + 16 < whole; i += 32) {
        block_f32 r = LOAD_BLOCK(y + i) * inverse - LOAD_BLOCK(a + i) * scale;
        block_f32 s = LOAD_BLOCK(y + i + 16) * inverse - LOAD_BLOCK(a + i + 16) * scale;
        total += r * r;
        other += s * s;
    }
    for (; i < whole; i += 16) {
        block_f32 r = LOAD_BLOCK(y + i) * inverse - LOAD_BLOCK(a + i) * scale;
        total += r * r;
    }
    if (tail) {
        float ra[16], ry[16];
        const float *pa = m < 16 ? padded(a, m, ra) : a + m - 16, *py = m < 16 ? padded(y, m, ry) : y + m - 16;
        block_f32 r = LOAD_BLOCK(py) * inverse - LOAD_BLOCK(pa) * scale;
        block_f32 squares = r * r;
        other += LOAD_BLOCK(tail_lanes + tail) != 0.0f ? squares : 0.0f;
    }
    total += other;
    return -0.5 * block_sum(&total) - (double)m * (log(sigma) + 0.91893853320467274178);
}

PER_CPU double pk_rician_log_likelihood(long m, const float *restrict a, const float *restrict y, double s0, double sigma) {
    const float scale = (float)(s0 / sigma), inverse = (float)(1 / sigma), precision = inverse * inverse;
    block_f32 squares = 0, logs = 0;
    log_products bessel = {1, 0, 0};
    for (long start = 0; start < m; start += 16) {
        const int is_tail = m - start < 16;
        const long at = is_tail ? TAIL_START(m) : start;
        float ra[16], ry[16];
        const float *pa = m < 16 ? padded(a, m, ra) : a + at, *py = m < 16 ? padded(y, m, ry) : y + at;
        const block_f32 v = LOAD_BLOCK(py), s = LOAD_BLOCK(pa) * scale, w = v * inverse;
        block_f32 r = w - s, x = w * s, l = v * precision;
        block_squared_bessel(&x);
        r *= r;
        if (is_tail) {
            const block_i32 counts = LOAD_BLOCK(tail_lanes + (m - start)) != 0.0f;
            r = counts ? r : 0.0f;
            x = counts ? x : 1.0f;
            l = counts ? l : 1.0f;
        }
        squares += r;
        block_log2(&l);
        logs += l;
        multiply(&bessel, &x);
    }
    gather_logs(&bessel);
    return LN2 * block_sum(&logs) + 0.5 * (LN2 * block_sum(&bessel.logs) - block_sum(&squares));
}

/* Gaussian, and Rician if asked, log-likelihoods of one sample in one pass: up to constants that the caller adds. */
BLOCK_INLINE void fused(long m, const float *b, const float *gx, const float *gy, const float *gz, const float *y, const decay_law *law, int has_spread,
                        long n, const float *f, const float *axes, float snr, float inverse, int rician, double *squares, double *logs) {
    block_f32 total = 0;
    log_products bessel = {1, 0, 0};
    for (long start = 0; start < m; start += 16) {
        const long left = m - start, at = left < 16 ? TAIL_START(m) : start;
        block_f32 a;
        block_signal(b + at, gx + at, gy + at, gz + at, law, has_spread, n, f, axes, &a);
        const block_f32 s = a * snr, w = LOAD_BLOCK(y + at) * inverse;
        block_f32 r = w - s;
        r *= r;
        if (left < 16) r = LOAD_BLOCK(tail_lanes + left) != 0.0f ? r : 0.0f;
        total += r;
        if (rician) {
            block_f32 x = w * s;
            block_squared_bessel(&x);
            if (left < 16) x = LOAD_BLOCK(tail_lanes + left) != 0.0f ? x : 1.0f;
            multiply(&bessel, &x);
        }
    }
    *squares = block_sum(&total);
    if (rician) {
        gather_logs(&bessel);
        *logs = LN2 * block_sum(&bessel.logs);
    }
}

PER_CPU void pk_batch_log_likelihood(long m, const float *b, const float *gx, const float *gy, const float *gz, const float *y, long n, int spread,
                                     const float *rows, long stride, long count, double *gaussian, double *rician, float *work) {
    float room[5][16];
    double logs_of_y = 0;
    if (rician)
        for (long i = 0; i < m; i++) logs_of_y += fast_log(y[i]);
    const long size = m;
    if (m < 16) {
        b = padded(b, m, room[0]); gx = padded(gx, m, room[1]); gy = padded(gy, m, room[2]); gz = padded(gz, m, room[3]);
        y = padded(y, m, room[4]);
    }
    (void)work;
    for (long i = 0; i < count; i++) {
        const float *r = rows + i;
        const float d = expf(r[0]), snr = expf(r[2 * stride]), inverse = expf(r[2 * stride] - r[3 * stride]);
        const double log_sigma = (double)r[3 * stride] - (double)r[2 * stride];
        float f[4] = {1, 0, 0, 0}, axes[9];
        for (long k = 0; k < n; k++) {
            f[k + 1] = r[(4 + k) * stride];
            f[0] -= f[k + 1];
            for (long c = 0; c < 3; c++) axes[3 * k + c] = r[(7 + 3 * k + c) * stride];
        }
        const decay_law law = make_decay(d, spread ? d * expf(r[stride]) : 0.0f);
        double squares = 0, logs = 0;
        /* With fewer than 16 measurements the loop sees one block whose end they are. */
        if (spread) fused(m, b, gx, gy, gz, y, &law, 1, n, f, axes, snr, inverse, rician != 0, &squares, &logs);
        else fused(m, b, gx, gy, gz, y, &law, 0, n, f, axes, snr, inverse, rician != 0, &squares, &logs);
        gaussian[i] = -0.5 * squares - (double)size * (log_sigma + 0.91893853320467274178);
        if (rician) rician[i] = logs_of_y - 2 * (double)size * log_sigma + 0.5 * (logs - squares);
    }
}
