#include "../include/ball_sticks_chain.h"
#include "../math/vector_math.h"

/* The stores are wider than the arithmetic: left to itself the compiler would compute in half-filled registers. */
#define FULL_VECTORS _Pragma("clang loop vectorize_width(16) interleave_count(1)")

PER_CPU void pk_chain_row(long m, const float *restrict b, const float *restrict gx, const float *restrict gy,
                          const float *restrict gz, const float *restrict weight, float diffusivity, float spread,
                          const float *axis, double *restrict row) {
    const float d = diffusivity;
    const float shape = spread > 0.0f ? (d / spread) * (d / spread) : 0.0f,
                scale = spread > 0.0f ? spread * (spread / d) : 0.0f;
    m &= ~15L;
    if (axis) {
        const float x = axis[0], y = axis[1], z = axis[2];
        if (spread > 0.0f) {
            FULL_VECTORS
            for (long i = 0; i < m; i++) {
                float c = gx[i] * x + gy[i] * y + gz[i] * z;
                row[i] = weight[i] * fast_exp(-shape * fast_log1p(b[i] * c * c * scale));
            }
        } else {
            FULL_VECTORS
            for (long i = 0; i < m; i++) {
                float c = gx[i] * x + gy[i] * y + gz[i] * z;
                row[i] = weight[i] * fast_exp(-d * b[i] * c * c);
            }
        }
    } else if (spread > 0.0f) {
        FULL_VECTORS
        for (long i = 0; i < m; i++) row[i] = weight[i] * fast_exp(-shape * fast_log1p(b[i] * scale));
    } else {
        FULL_VECTORS
        for (long i = 0; i < m; i++) row[i] = weight[i] * fast_exp(-d * b[i]);
    }
}

PER_CPU void pk_chain_products(long m, const double *restrict row, const double *restrict y, const double *restrict a0,
                               const double *restrict a1, const double *restrict a2, const double *restrict a3,
                               double *restrict out) {
#pragma clang fp reassociate(on)
    double t = 0, p0 = 0, p1 = 0, p2 = 0, p3 = 0, self = 0;
    m &= ~15L;
    for (long i = 0; i < m; i++) {
        double r = row[i];
        t += r * y[i];
        p0 += r * a0[i];
        p1 += r * a1[i];
        p2 += r * a2[i];
        p3 += r * a3[i];
        self += r * r;
    }
    out[0] = t; out[1] = p0; out[2] = p1; out[3] = p2; out[4] = p3; out[5] = self;
}
