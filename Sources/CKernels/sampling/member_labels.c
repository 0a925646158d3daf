#include "../include/shape_proposal.h"
#include "density_lanes.h"

/* Likeness of the member with these places to a reference, of sixteen samples. */
INLINE void likeness(const pk_member_set *set, const int *places, const float *reference, const float *sharpness,
                     const float *rows, long stride, block_f32 *out) {
    block_f32 sum = 0;
    for (long a = 0; a < set->axes; a++, reference += 3, places++, sharpness++) {
        const float *r = rows + *places * stride;
        const block_f32 c = LOAD_BLOCK(r) * reference[0] + LOAD_BLOCK(r + stride) * reference[1] +
                            LOAD_BLOCK(r + 2 * stride) * reference[2];
        sum += *sharpness * c * c;
    }
    for (long a = 0; a < set->rotations; a++, reference += 4, places++, sharpness++) {
        const float *r = rows + *places * stride, *q = reference;
        const block_f32 w = LOAD_BLOCK(r), i = LOAD_BLOCK(r + stride), j = LOAD_BLOCK(r + 2 * stride),
                        k = LOAD_BLOCK(r + 3 * stride);
        block_f32 x = q[0] * i - q[1] * w - q[2] * k + q[3] * j, y = q[0] * j - q[2] * w - q[3] * i + q[1] * k,
                  z = q[0] * k - q[3] * w - q[1] * j + q[2] * i;
        x *= x;
        y *= y;
        z *= z;
        const block_f32 a1 = 1.0f - 2.0f * (y + z), a2 = 1.0f - 2.0f * (x + z), a3 = 1.0f - 2.0f * (x + y);
        sum += *sharpness * (a1 * a1 + a2 * a2 + a3 * a3);
    }
    for (long a = 0; a < set->scalars; a++, reference++, places++, sharpness++) {
        const block_f32 gap = LOAD_BLOCK(rows + *places * stride) - *reference;
        sum -= *sharpness * gap * gap;
    }
    *out = sum;
}

/* −log Σ_π e^(Σ_k l_kπ(k) − l_kk) of sixteen samples: a term for each order where they are few, otherwise a permanent,
   over subsets of references. */
INLINE void label_block(const pk_member_set *set, const float *rows, long stride, float *out) {
    static const int orders[6][3] = {{0, 1, 2}, {1, 0, 2}, {0, 2, 1}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}};
    const long n = set->members, width = 3 * set->axes + 4 * set->rotations + set->scalars,
               places = set->axes + set->rotations + set->scalars;
    block_f32 l[PK_MEMBERS_MOST][PK_MEMBERS_MOST], all = 1;
    for (long k = 0; k < n; k++) {
        for (long j = 0; j < n; j++)
            likeness(set, set->places + k * places, set->references + j * width, set->sharpness + j * places, rows,
                     stride, &l[k][j]);
        const block_f32 own = l[k][k];
        for (long j = 0; j < n; j++) l[k][j] = (l[k][j] - own) * 1.44269504f;
    }
    if (n <= 3) {
        for (long o = 1; o < (n == 2 ? 2 : 6); o++) {
            block_f32 x = l[0][orders[o][0]] + l[1][orders[o][1]];
            if (n == 3) x += l[2][orders[o][2]];
            x = x > 115.0f ? (block_f32)115.0f : x;
            block_exp2(&x);
            all += x;
        }
    } else {
        block_f32 sums[1 << PK_MEMBERS_MOST];
        const float most = 120.0f / (float)n;
        for (long k = 0; k < n; k++)
            for (long j = 0; j < n; j++) {
                l[k][j] = l[k][j] > most ? (block_f32)most : l[k][j];
                block_exp2(&l[k][j]);
            }
        sums[0] = 1;
        for (long some = 1; some < 1 << n; some++) {
            const long k = __builtin_popcountl((unsigned long)some) - 1;
            block_f32 sum = 0;
            for (long j = 0; j < n; j++)
                if (some >> j & 1) sum += l[k][j] * sums[some ^ 1 << j];
            sums[some] = sum;
        }
        all = sums[(1 << n) - 1];
    }
    block_log2(&all);
    STORE_BLOCK(out, all * -0.693147181f);
}

PER_CPU void pk_share_labels(const pk_member_set *set, const float *rows, long stride, long count, double *logs,
                             double *other) {
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        const long rest = count - from < LANES_IN_BLOCK ? count - from : LANES_IN_BLOCK;
        float share[LANES_IN_BLOCK];
        /* Rows have room for whole blocks; a lane disturbs no other. */
        label_block(set, rows + from, stride, share);
        for (long i = 0; i < rest; i++) {
            logs[from + i] += (double)share[i];
            other[from + i] += (double)share[i];
        }
    }
}
