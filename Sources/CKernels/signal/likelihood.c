#include "../include/diffusion_signal.h"
#include <math.h>
#include "../math/rician_block.h"

/* A loop over blocks of 16: all whole blocks, then the last `tail` measurements again as the end of a block whose other
   lanes do not count. With fewer than 16 measurements that block is made for them. */
#define TAIL_START(m) ((m) < LANES_IN_BLOCK ? 0 : (m) - LANES_IN_BLOCK)

PER_CPU double pk_gaussian_log_likelihood(long m, const float *restrict a, const float *restrict y, double s0,
                                          double sigma) {
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

PER_CPU double pk_rician_log_likelihood(long m, const float *restrict a, const float *restrict y, double s0,
                                        double sigma) {
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
