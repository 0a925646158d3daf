/* Log-densities of proposals at sixteen samples, each lane a sample's: what proposals of every kind of shape share. */
#pragma once
#include "../math/axis_lanes.h"
#include "../math/truncated_normal.h"

/* Bounds so many standard deviations away take 1e-4 from a normal, which a log-density may err by. */
#define NEAR 3.7f

/* Takes from a log-density what a normal restricted to [low, high] has inside, where a bound is near. mean: minus the
   normal's, in standard deviations. */
INLINE void take_inside(const block_f32 *mean, float low, float high, float root, block_f32 *sum) {
    float a[LANES_IN_BLOCK], b[LANES_IN_BLOCK], inside[LANES_IN_BLOCK];
    STORE_BLOCK(a, *mean + low * root);
    STORE_BLOCK(b, *mean + high * root);
    int32_t is_near = 0;
    EACH(i) is_near |= (-a[i] < NEAR) | (b[i] < NEAR);
    if (!is_near) return;
    EACH(i) inside[i] = log_interval(a[i], b[i]);
    *sum -= LOAD_BLOCK(inside);
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
