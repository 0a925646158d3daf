/* The integrals of Bingham's distribution (bingham.c says which) and its second moments. */
#pragma once
#include "../math/bessel_ratio.h"
#include "../math/rician_block.h"
#include "form_lanes.h"

/* Gauss–Legendre nodes on [0, 1] (their squares) and weights. Beyond t = 4/√(δ₃ − δ₁) the integrand has fallen by
   e^−16, and what is left out is 2e-8 of the whole: with the nodes drawn together to there, nine leave 2e-7 of it and
   of its second moments whatever the eigenvalues, lane by lane. */
enum { NODES = 9 };
static const float node_squares[NODES] = {
    2.534425871e-04f, 6.721449441e-03f, 3.737041226e-02f, 1.141583589e-01f, 2.500000000e-01f,
    4.384117823e-01f, 6.507418450e-01f, 8.427525568e-01f, 9.684136821e-01f,
};
static const float node_weights[NODES] = {
    4.063719418e-02f, 9.032408035e-02f, 1.303053482e-01f, 1.561735385e-01f, 1.651196775e-01f,
    1.561735385e-01f, 1.303053482e-01f, 9.032408035e-02f, 4.063719418e-02f,
};
static const float most_fall = 16;

/* Where the nodes of the eigenvalues end: the square of that t, at most 1. */
BLOCK_INLINE block_f32 end_squared(const block_f32 *range) {
    const block_f32 end = most_fall / *range;
    return *range > most_fall ? end : (block_f32)1.0f;
}

/* F of the eigenvalues δ₁ ≤ δ₂ ≤ δ₃. */
BLOCK_INLINE void integral(const block_f32 *root, block_f32 *sum) {
    const block_f32 range = root[2] - root[0], end = end_squared(&range), fall = range * end * MINUS_LOG2E,
                    flat = 0.5f * (root[1] - root[0]), part = flat * end;
    block_f32 total = 0;
    for (int i = 0; i < NODES; i++) {
        block_f32 e = fall * node_squares[i], z = flat - part * node_squares[i];
        block_exp2(&e);
        block_squared_bessel(&z);
        total += e * ROOT(z) * node_weights[i];
    }
    *sum = total * ROOT(end);
}

/* ⟨n²⟩ along the eigenvectors of δ₁, δ₂, δ₃ (the pole): the angle about the pole has ⟨cos 2φ⟩ = I₁(z)/I₀(z). */
BLOCK_INLINE void moments(const block_f32 *root, const block_f32 *whole, block_f32 *out) {
    const block_f32 range = root[2] - root[0], end = end_squared(&range), fall = range * end * MINUS_LOG2E,
                    flat = 0.5f * (root[1] - root[0]);
    block_f32 pole = 0, apart = 0;
    for (int i = 0; i < NODES; i++) {
        const block_f32 square = end * node_squares[i], across = 1.0f - square;
        block_f32 e = fall * node_squares[i], z = flat * across, ratio = z;
        block_exp2(&e);
        block_squared_bessel(&z);
        block_bessel_ratio(&ratio);
        e *= ROOT(z) * node_weights[i];
        pole += e * square;
        apart += e * ratio * across;
    }
    const block_f32 scale = ROOT(end) / *whole;
    out[2] = pole * scale;
    out[0] = 0.5f * (1.0f - out[2] + apart * scale);
    out[1] = 0.5f * (1.0f - out[2] - apart * scale);
}
