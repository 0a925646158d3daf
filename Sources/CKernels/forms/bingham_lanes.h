/* The integrals of Bingham's distribution (bingham.c says which) and its second moments. */
#pragma once
#include "../math/bessel_ratio.h"
#include "../math/rician_block.h"
#include "form_lanes.h"

enum { NODES = 16 };
/* t² and weights on [0, 1]. */
static const float node_squares[NODES] = {
    2.808504476e-05f, 7.679820168e-04f, 4.513743443e-03f, 1.495675086e-02f, 3.650464115e-02f, 7.343645333e-02f,
    1.290233646e-01f, 2.047505893e-01f, 2.997630992e-01f, 4.106269153e-01f, 5.314532310e-01f, 6.543808856e-01f,
    7.703611592e-01f, 8.701449458e-01f, 9.453430051e-01f, 9.894290200e-01f,
};
static const float node_weights[NODES] = {
    1.357622971e-02f, 3.112676197e-02f, 4.757925584e-02f, 6.231448563e-02f, 7.479799441e-02f, 8.457825970e-02f,
    9.130170752e-02f, 9.472530523e-02f, 9.472530523e-02f, 9.130170752e-02f, 8.457825970e-02f, 7.479799441e-02f,
    6.231448563e-02f, 4.757925584e-02f, 3.112676197e-02f, 1.357622971e-02f,
};

/* Fewer nodes where the integrand falls by less: relative errors of the integral are 4e-8 with 6 up to δ₃ − δ₁ = 4,
   2e-7 with 8 up to 10, 7e-8 with 12 up to 32. */
static const float node_squares_6[] = {
    1.140091628e-03f, 2.869476995e-02f, 1.449251860e-01f, 3.835443720e-01f, 6.899041564e-01f, 9.336096058e-01f,
};
static const float node_weights_6[] = {
    8.566224619e-02f, 1.803807865e-01f, 2.339569673e-01f, 2.339569673e-01f, 1.803807865e-01f, 8.566224619e-02f,
};
static const float node_squares_8[] = {
    3.942238742e-04f, 1.033613035e-02f, 5.627987351e-02f, 1.666947458e-01f, 3.501293883e-01f, 5.818122834e-01f,
    8.070026078e-01f, 9.606840804e-01f,
};
static const float node_weights_8[] = {
    5.061426815e-02f, 1.111905172e-01f, 1.568533229e-01f, 1.813418917e-01f, 1.813418917e-01f, 1.568533229e-01f,
    1.111905172e-01f, 5.061426815e-02f,
};
static const float node_squares_12[] = {
    8.500255235e-05f, 2.298375131e-03f, 1.323619484e-02f, 4.257661771e-02f, 9.990925341e-02f, 1.913041474e-01f,
    3.165375559e-01f, 4.677407524e-01f, 6.298945720e-01f, 7.831388690e-01f, 9.064156315e-01f, 9.816456368e-01f,
};
static const float node_weights_12[] = {
    2.358766819e-02f, 5.346966300e-02f, 8.003916427e-02f, 1.015837134e-01f, 1.167462683e-01f, 1.245735229e-01f,
    1.245735229e-01f, 1.167462683e-01f, 1.015837134e-01f, 8.003916427e-02f, 5.346966300e-02f, 2.358766819e-02f,
};

/* SUM(is_own, nodes, squares, weights) for each rule that a lane takes by its own range, so that no lane's answer
   depends on another's. What is not a number goes with the last. */
#define BY_RANGE(range) \
    const block_i32 is_least = range <= 4.0f, is_less = range <= 10.0f, is_more = range <= 32.0f; \
    SUM(is_least, 6, node_squares_6, node_weights_6) \
    SUM(~is_least & is_less, 8, node_squares_8, node_weights_8) \
    SUM(~is_less & is_more, 12, node_squares_12, node_weights_12) \
    SUM(~is_more, NODES, node_squares, node_weights)

/* F of the eigenvalues δ₁ ≤ δ₂ ≤ δ₃. */
BLOCK_INLINE void integral(const block_f32 *root, block_f32 *sum) {
    const block_f32 range = root[2] - root[0], fall = range * MINUS_LOG2E, flat = 0.5f * (root[1] - root[0]);
    block_f32 total = 0;
#define SUM(is_own, nodes, squares, weights) \
    if (__builtin_reduce_or(is_own)) { \
        block_f32 part = 0; \
        for (int i = 0; i < nodes; i++) { \
            block_f32 e = fall * squares[i], z = flat * (1.0f - squares[i]); \
            block_exp2(&e); \
            block_squared_bessel(&z); \
            part += e * ROOT(z) * weights[i]; \
        } \
        total = is_own ? part : total; \
    }
    BY_RANGE(range)
#undef SUM
    *sum = total;
}

/* ⟨n²⟩ along the eigenvectors of δ₁, δ₂, δ₃ (the pole): the angle about the pole has ⟨cos 2φ⟩ = I₁(z)/I₀(z). */
BLOCK_INLINE void moments(const block_f32 *root, const block_f32 *whole, block_f32 *out) {
    const block_f32 range = root[2] - root[0], fall = range * MINUS_LOG2E, flat = 0.5f * (root[1] - root[0]);
    block_f32 pole = 0, apart = 0;
#define SUM(is_own, nodes, squares, weights) \
    if (__builtin_reduce_or(is_own)) { \
        block_f32 own_pole = 0, own_apart = 0; \
        for (int i = 0; i < nodes; i++) { \
            const float across = 1.0f - squares[i]; \
            block_f32 e = fall * squares[i], z = flat * across, ratio = z; \
            block_exp2(&e); \
            block_squared_bessel(&z); \
            block_bessel_ratio(&ratio); \
            e *= ROOT(z) * weights[i]; \
            own_pole += e * squares[i]; \
            own_apart += e * ratio * across; \
        } \
        pole = is_own ? own_pole : pole; \
        apart = is_own ? own_apart : apart; \
    }
    BY_RANGE(range)
#undef SUM
    const block_f32 scale = 1.0f / *whole;
    out[2] = pole * scale;
    out[0] = 0.5f * (1.0f - out[2] + apart * scale);
    out[1] = 0.5f * (1.0f - out[2] - apart * scale);
}
