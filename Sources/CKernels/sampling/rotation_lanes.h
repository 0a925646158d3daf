#pragma once
/* Rotations in charts, sixteen at a time: as unit quaternions about one of their own, q, in the coordinates ω of angle
   and axis.  A tensor turned by half a turn about an axis of its own is the same: of the four alike the nearest
   counts. */

#include "density_lanes.h"

/* The rotation q · exp(ω/2), ω = w[0 … 2]; a row of not-a-number where another of those alike is nearer to q. */
INLINE void rotation_at(const float *q, const block_f32 *w, float *out, long stride) {
    const block_f32 square = w[0] * w[0] + w[1] * w[1] + w[2] * w[2];
    /* cos(ω/2) and sin(ω/2)/ω up to ω² = 4.5, beyond which nothing is nearest; relative error ≤ 2e-7. */
    block_f32 s = 5.246299035e-09f * square - 1.549565872e-06f, a = 9.684690635e-08f - 2.623137287e-10f * square;
    s = s * square + 2.604158112e-04f;
    s = s * square - 2.083333285e-02f;
    s = s * square + 0.5f;
    a = a * square - 2.170130903e-05f;
    a = a * square + 2.604166583e-03f;
    a = a * square - 1.250000000e-01f;
    a = a * square + 1.0f;
    const block_f32 x = s * w[0], y = s * w[1], z = s * w[2];
    const block_i32 is_near = (square < 4.5f) & (a >= __builtin_elementwise_abs(x)) &
                              (a >= __builtin_elementwise_abs(y)) & (a >= __builtin_elementwise_abs(z));
    const block_f32 first_of = q[0] * a - q[1] * x - q[2] * y - q[3] * z;
    STORE_BLOCK(out, is_near ? first_of : (block_f32)NAN);
    STORE_BLOCK(out + stride, q[0] * x + q[1] * a + q[2] * z - q[3] * y);
    STORE_BLOCK(out + 2 * stride, q[0] * y + q[2] * a + q[3] * x - q[1] * z);
    STORE_BLOCK(out + 3 * stride, q[0] * z + q[3] * a + q[1] * y - q[2] * x);
}

/* ω of the nearest of the four rotations alike to a sample's about q; log of its density's change of measure. */
INLINE void angles_about(const float *q, const float *r, long stride, block_f32 *w, block_f32 *measure) {
    const block_f32 a = LOAD_BLOCK(r), x = LOAD_BLOCK(r + stride), y = LOAD_BLOCK(r + 2 * stride),
                    z = LOAD_BLOCK(r + 3 * stride);
    const block_f32 s0 = q[0] * a + q[1] * x + q[2] * y + q[3] * z, s1 = q[0] * x - q[1] * a - q[2] * z + q[3] * y;
    const block_f32 s2 = q[0] * y - q[2] * a - q[3] * x + q[1] * z, s3 = q[0] * z - q[3] * a - q[1] * y + q[2] * x;
    const block_f32 n0 = __builtin_elementwise_abs(s0), n1 = __builtin_elementwise_abs(s1),
                    n2 = __builtin_elementwise_abs(s2), n3 = __builtin_elementwise_abs(s3);
    const block_f32 most =
        __builtin_elementwise_max(__builtin_elementwise_max(n0, n1), __builtin_elementwise_max(n2, n3));
    const block_i32 is0 = n0 >= most, is1 = ~is0 & (n1 == most), is2 = ~is0 & ~is1 & (n2 == most);
    /* Multiplied by i, j or k its numbers change places. */
    block_f32 r0 = is0 ? s0 : is1 ? s1 : is2 ? s2 : s3, r1 = is0 ? s1 : is1 ? -s0 : is2 ? s3 : -s2;
    block_f32 r2 = is0 ? s2 : is1 ? -s3 : is2 ? -s0 : s1, r3 = is0 ? s3 : is1 ? s2 : is2 ? -s1 : -s0;
    const block_f32 sign = r0 < 0.0f ? (block_f32)-1.0f : (block_f32)1.0f;
    r0 *= sign;
    /* ω/sin(ω/2) = 2 asin(v)/v / cos(ω/4), v² = sin²(ω/4) = (1 − cos(ω/2))/2 ≤ ¼. */
    block_f32 v = 0.5f - 0.5f * r0;
    v = v < 0.0f ? (block_f32)0.0f : v;
    block_f32 p = 3.780636191e-02f * v + 1.419882770e-02f;
    p = p * v + 3.188414304e-02f;
    p = p * v + 4.450524201e-02f;
    p = p * v + 7.500591502e-02f;
    p = p * v + 1.666665721e-01f;
    p = p * v + 1.0f;
    block_f32 ratio = p / ROOT(1.0f - v);
    const block_f32 scale = 2.0f * sign * ratio;
    w[0] = scale * r1;
    w[1] = scale * r2;
    w[2] = scale * r3;
    block_log2(&ratio);
    *measure = ratio * 1.386294361f;
}
