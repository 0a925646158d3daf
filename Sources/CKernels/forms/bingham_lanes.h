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

/* F of the eigenvalues δ₁ ≤ δ₂ ≤ δ₃. */
BLOCK_INLINE void integral(const block_f32 *root, block_f32 *sum) {
    const block_f32 fall = (root[2] - root[0]) * MINUS_LOG2E, flat = 0.5f * (root[1] - root[0]);
    block_f32 total = 0;
    for (int i = 0; i < NODES; i++) {
        block_f32 e = fall * node_squares[i], z = flat * (1.0f - node_squares[i]);
        block_exp2(&e);
        block_squared_bessel(&z);
        total += e * ROOT(z) * node_weights[i];
    }
    *sum = total;
}

/* ⟨n²⟩ along the eigenvectors of δ₁, δ₂, δ₃ (the pole): the angle about the pole has ⟨cos 2φ⟩ = I₁(z)/I₀(z). */
BLOCK_INLINE void moments(const block_f32 *root, const block_f32 *whole, block_f32 *out) {
    const block_f32 fall = (root[2] - root[0]) * MINUS_LOG2E, flat = 0.5f * (root[1] - root[0]);
    block_f32 pole = 0, apart = 0;
    for (int i = 0; i < NODES; i++) {
        const float across = 1.0f - node_squares[i];
        block_f32 e = fall * node_squares[i], z = flat * across, ratio = z;
        block_exp2(&e);
        block_squared_bessel(&z);
        block_bessel_ratio(&ratio);
        e *= ROOT(z) * node_weights[i];
        pole += e * node_squares[i];
        apart += e * ratio * across;
    }
    const block_f32 scale = 1.0f / *whole;
    out[2] = pole * scale;
    out[0] = 0.5f * (1.0f - out[2] + apart * scale);
    out[1] = 0.5f * (1.0f - out[2] - apart * scale);
}
