#include "../include/signal_gradient.h"
#include "../math/vector_block.h"

/* Four axes at a time share the ball's signal and the sums of lanes. */
BLOCK_INLINE void gain_rows(long m, const float *b, const float *gx, const float *gy, const float *gz,
                            const decay_law *law, int has_spread, const float *residual, long tail,
                            const float *const *axes, float *products, float *squares) {
    block_f32 product[4] = {0, 0, 0, 0}, square[4] = {0, 0, 0, 0};
    for (long start = 0; start < m; start += LANES_IN_BLOCK) {
        const int is_tail = m - start < LANES_IN_BLOCK;
        const long i = is_tail ? m - LANES_IN_BLOCK : start;
        const block_f32 q = LOAD_BLOCK(b + i) * law->rate, x = LOAD_BLOCK(gx + i), y = LOAD_BLOCK(gy + i),
                        z = LOAD_BLOCK(gz + i);
        /* Lanes that count: of the last block those that its neighbour does not hold. */
        const block_f32 counts = LOAD_BLOCK(tail_lanes + (start + LANES_IN_BLOCK < m ? 16 : tail)),
                        r = LOAD_BLOCK(residual + i);
        block_f32 ball = q;
        block_decay(&ball, law, has_spread);
        UNROLLED for (int c = 0; c < 4; c++) {
            const float *axis = axes[c];
            const block_f32 cosine = x * axis[0] + y * axis[1] + z * axis[2];
            block_f32 a = q * cosine * cosine;
            block_decay(&a, law, has_spread);
            a = (a - ball) * counts;
            product[c] += r * a;
            square[c] += a * a;
        }
    }
    block_sums(product, products);
    block_sums(square, squares);
}

PER_CPU void pk_stick_gains(long m, const float *restrict b, const float *restrict gx, const float *restrict gy,
                            const float *restrict gz, float diffusivity, float spread, const float *restrict residual,
                            long count, const float *restrict axes, float *restrict gains) {
    const decay_law law = make_decay(diffusivity, spread);
    float room[5][16];
    long tail = m % LANES_IN_BLOCK ? m % LANES_IN_BLOCK : LANES_IN_BLOCK;
    if (m < LANES_IN_BLOCK) {
        b = padded(b, m, room[0]);
        gx = padded(gx, m, room[1]);
        gy = padded(gy, m, room[2]);
        gz = padded(gz, m, room[3]);
        residual = padded(residual, m, room[4]);
        m = LANES_IN_BLOCK;
    }
    for (long k = 0; k < count; k += 4) {
        const float *chosen[4];
        for (long c = 0; c < 4; c++) chosen[c] = axes + 3 * (k + c < count ? k + c : count - 1);
        float products[4], squares[4];
        if (law.has_spread) gain_rows(m, b, gx, gy, gz, &law, 1, residual, tail, chosen, products, squares);
        else gain_rows(m, b, gx, gy, gz, &law, 0, residual, tail, chosen, products, squares);
        for (long c = 0; c < 4 && k + c < count; c++)
            gains[k + c] = squares[c] > 0 ? products[c] / ROOT(squares[c]) : 0;
    }
}
