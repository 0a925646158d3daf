/* Log-densities of proposals at sixteen samples, each lane a sample's: what proposals of every kind of shape share. */
#pragma once
#include "../math/axis_lanes.h"
#include "../math/truncated_normal.h"

/* Bounds so many standard deviations away take 1e-4 from a normal, which a log-density may err by. */
#define NEAR 3.7f

/* Q, the normal's upper tail, is 1/(2 P(x)¹⁶) for x ≥ 0, within 1.5e-7 (Abramowitz & Stegun 26.2.19). x becomes 2 P¹⁶,
   for x ≤ 7 at most 1e12. */
BLOCK_INLINE void inverse_tail(block_f32 *x) {
    const block_f32 y = *x > 7.0f ? (block_f32)7.0f : *x;
    block_f32 p = 0.0000053830f * y + 0.0000488906f;
    p = p * y + 0.0000380036f;
    p = p * y + 0.0032776263f;
    p = p * y + 0.0211410061f;
    p = p * y + 0.0498673470f;
    p = p * y + 1.0f;
    p *= p;
    p *= p;
    p *= p;
    *x = 2.0f * p * p;
}

/* What is inside [a, b] is had from tails where it is more than this in all lanes: their errors are 1e-4 of it. */
#define LEAST_INSIDE 3e-3f

/* Takes from a log-density what a normal restricted to [low, high] has inside, where a bound is near. mean: minus the
   normal's, in standard deviations. What is inside becomes a factor of `scale` (1: there is), or where it is little
   comes off `sum` at once (0). */
INLINE int take_inside(const block_f32 *mean, float low, float high, float root, block_f32 *scale, block_f32 *sum) {
    const block_f32 a = *mean + low * root, b = *mean + high * root;
    const block_i32 near = (-a < NEAR) | (b < NEAR);
    if (!__builtin_reduce_or(near)) return 0;
    block_f32 p = __builtin_elementwise_abs(a), q = __builtin_elementwise_abs(b);
    inverse_tail(&p);
    inverse_tail(&q);
    /* Both tails with one quotient. */
    const block_f32 share = 1.0f / (p * q), below = share * q, above = share * p;
    const block_f32 inside = (a < 0.0f ? 1.0f - below : below) - (b < 0.0f ? 1.0f - above : above);
    if (!__builtin_reduce_or(inside < LEAST_INSIDE)) {
        *scale *= inside;
        return 1;
    }
    float x[LANES_IN_BLOCK], y[LANES_IN_BLOCK], logs[LANES_IN_BLOCK];
    STORE_BLOCK(x, a);
    STORE_BLOCK(y, b);
    EACH(i) logs[i] = log_interval(x[i], y[i]);
    *sum -= LOAD_BLOCK(logs);
    return 0;
}

/* Takes the logarithm of what was gathered so. */
INLINE void take_scale(block_f32 *scale, block_f32 *sum) {
    block_log2(scale);
    *sum -= *scale * 0.693147181f;
}

/* Components that are summed together: the largest term first, so that each costs one exponential. */
enum { TOGETHER = 24 };

/* total = log(exp total + Σ exp term_k). NaN, which no comparison chooses, marks a sample that is not there: its total
   stays. */
INLINE void add_terms(const block_f32 *term, long many, float *total) {
    const block_f32 before = LOAD_BLOCK(total);
    block_f32 peak = before;
    for (long k = 0; k < many; k++) peak = term[k] > peak ? term[k] : peak;
    block_f32 sum = (before - peak) * 1.44269504f;
    block_exp2(&sum);
    for (long k = 0; k < many; k++) {
        block_f32 t = (term[k] - peak) * 1.44269504f;
        block_exp2(&t);
        sum += t;
    }
    const block_i32 is_there = sum == sum;
    block_log2(&sum);
    STORE_BLOCK(total, is_there ? peak + sum * 0.693147181f : before);
}
