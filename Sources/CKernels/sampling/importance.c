#include "../include/importance.h"
#include <math.h>
#include "../math/truncated_normal.h"
#include "../math/vector_block.h"

PER_CPU void pk_kronecker(unsigned shift, unsigned step, long count, float *restrict out) {
    for (long i = 0; i < count; i++) {
        const float x = (float)(int)((shift + (unsigned)i * step) >> 8) * 0x1p-24f;
        out[i] = x < 1e-6f ? 1e-6f : x > 1.0f - 1e-6f ? 1.0f - 1e-6f : x;
    }
}

/* v of up to sixteen samples; −∞ beyond them. */
INLINE void exponents(const double *logs, const double *other, const float *mixture, long rest, double *v) {
    if (rest >= LANES_IN_BLOCK) {
        EACH(i) {
            const double log = other && other[i] > logs[i] ? other[i] : logs[i], x = log - (double)mixture[i];
            v[i] = (x > -INFINITY) & (mixture[i] > -1e29f) ? x : -INFINITY;
        }
    } else {
        EACH(i) v[i] = -INFINITY;
        for (long i = 0; i < rest; i++) {
            const double log = other && other[i] > logs[i] ? other[i] : logs[i], x = log - (double)mixture[i];
            v[i] = x > -INFINITY && mixture[i] > -1e29f ? x : -INFINITY;
        }
    }
}

INLINE double peak_of(const double *logs, const double *other, const float *mixture, long count) {
    double peaks[LANES_IN_BLOCK], v[LANES_IN_BLOCK], peak = -INFINITY;
    EACH(i) peaks[i] = -INFINITY;
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        exponents(logs + from, other ? other + from : 0, mixture + from, count - from, v);
        EACH(i) peaks[i] = v[i] > peaks[i] ? v[i] : peaks[i];
    }
    EACH(i) peak = peaks[i] > peak ? peaks[i] : peak;
    return peak;
}

INLINE void relative(const double *logs, const double *other, const float *mixture, long rest, double peak, float *w) {
    double v[LANES_IN_BLOCK];
    exponents(logs, other, mixture, rest, v);
    EACH(i) {
        const float e = fast_exp((float)(v[i] - peak));
        w[i] = v[i] > -INFINITY ? e : 0.0f;
    }
}

PER_CPU double pk_importance_weights(const double *logs, const float *mixture, long count, double *weights) {
    const double peak = peak_of(logs, 0, mixture, count);
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        const long rest = count - from < LANES_IN_BLOCK ? count - from : LANES_IN_BLOCK;
        float w[LANES_IN_BLOCK];
        relative(logs + from, 0, mixture + from, rest, peak, w);
        for (long i = 0; i < rest; i++) weights[from + i] = (double)w[i];
    }
    return peak;
}

PER_CPU double pk_importance_sums(const double *logs, const float *mixture, long count, double *sum, double *squares) {
    const double peak = peak_of(logs, 0, mixture, count);
    double ones[LANES_IN_BLOCK] = {0}, twos[LANES_IN_BLOCK] = {0};
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        float w[LANES_IN_BLOCK];
        relative(logs + from, 0, mixture + from, count - from, peak, w);
        EACH(i) {
            const double x = (double)w[i];
            ones[i] += x;
            twos[i] += x * x;
        }
    }
    *sum = *squares = 0;
#pragma clang loop vectorize(disable)
    EACH(i) {
        *sum += ones[i];
        *squares += twos[i];
    }
    return peak;
}

PER_CPU double pk_importance_choice(const double *logs, const double *other, const float *mixture, long count,
                                    long many, double offset, float *work, long *chosen) {
    const double peak = peak_of(logs, other, mixture, count);
    double total = 0, before = 0;
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        float w[LANES_IN_BLOCK];
        relative(logs + from, other + from, mixture + from, count - from, peak, w);
        const block_f32 block = LOAD_BLOCK(w);
        total += (double)block_sum(&block);
        memcpy(work + from, w, sizeof(float) * (size_t)(count - from < LANES_IN_BLOCK ? count - from : LANES_IN_BLOCK));
    }
    long k = 0;
    for (long from = 0; from < count && k < many; from += LANES_IN_BLOCK) {
        /* A block none of whose sums is meant needs no look. */
        const long end = from + LANES_IN_BLOCK < count ? from + LANES_IN_BLOCK : count;
        if (end - from == LANES_IN_BLOCK) {
            const block_f32 block = LOAD_BLOCK(work + from);
            const double sum = before + (double)block_sum(&block);
            if (((double)k + offset) / (double)many * total >= sum) {
                before = sum;
                continue;
            }
        }
        for (long i = from; i < end; i++) {
            before += (double)work[i];
            while (k < many && ((double)k + offset) / (double)many * total < before) chosen[k++] = i;
        }
    }
    /* Rounding may leave the last position beyond the last sum. */
    while (k < many) chosen[k++] = count - 1;
    return peak;
}
