#include "../include/shape_proposal.h"
#include <math.h>
#include "density_lanes.h"

/* Loops whose bounds are constants in some of the copies below are unrolled there. */
#pragma clang diagnostic ignored "-Wpass-failed"

/* Where a component's parts begin. */
typedef struct { const float *scalars, *axes, *tangents, *rotations, *factor; } parts;
INLINE parts parts_of(const float *c, long A, long R, long K) {
    return (parts){c, c + K, c + K + 3 * A, c + K + 9 * A, c + K + 9 * A + 4 * R};
}

long pk_shape_component_size(const pk_shape_space *s) {
    const long d = 2 * s->axes + 3 * s->rotations + s->scalars;
    return s->scalars + 9 * s->axes + 4 * s->rotations + d * d;
}

/* CALL(axes, rotations, scalars) with small numbers as constants, so that each gets code of its own. */
#define BY_COUNTS(s, CALL) \
    switch ((s)->axes < 8 && (s)->rotations < 8 && (s)->scalars < 8 \
                ? 64 * (s)->axes + 8 * (s)->rotations + (s)->scalars \
                : -1) { \
    case 0: \
        CALL(0, 0, 0); \
        break; \
    case 1: \
        CALL(0, 0, 1); \
        break; \
    case 2: \
        CALL(0, 0, 2); \
        break; \
    case 65: \
        CALL(1, 0, 1); \
        break; \
    case 66: \
        CALL(1, 0, 2); \
        break; \
    case 67: \
        CALL(1, 0, 3); \
        break; \
    case 129: \
        CALL(2, 0, 1); \
        break; \
    case 130: \
        CALL(2, 0, 2); \
        break; \
    case 131: \
        CALL(2, 0, 3); \
        break; \
    case 193: \
        CALL(3, 0, 1); \
        break; \
    case 194: \
        CALL(3, 0, 2); \
        break; \
    case 195: \
        CALL(3, 0, 3); \
        break; \
    default: \
        CALL((s)->axes, (s)->rotations, (s)->scalars); \
    }

/* Sixteen samples from uniforms (rows of `across`) into rows of `stride`. */
INLINE void shape_draw(const float *c, long A, long R, long K, const pk_shape_space *space, const float *uniforms,
                       long across, long stride, float *out) {
    const parts p = parts_of(c, A, R, K);
    const long d = 2 * A + 3 * R + K, first = d - K;
    block_f32 u[PK_SHAPE_MOST];
    UNROLLED for (long j = d - 1; j >= 0; j--) {
        const float *v = uniforms + j * across, root = p.factor[j * d + j], inverse = 1.0f / root;
        float mean[LANES_IN_BLOCK], x[LANES_IN_BLOCK];
        block_f32 sum = 0;
        UNROLLED for (long k = j + 1; k < d; k++) sum -= p.factor[k * d + j] * u[k];
        STORE_BLOCK(mean, sum * inverse);
        int32_t is_near = 0;
        if (j >= first) {
            const float low = space->low[j - first] - p.scalars[j - first],
                        high = space->high[j - first] - p.scalars[j - first];
            EACH(i) is_near |= ((mean[i] - low) * root < FAR) | ((high - mean[i]) * root < FAR);
            if (is_near)
                EACH(i) {
                    const float w =
                        mean[i] + truncated_quantile(v[i], (low - mean[i]) * root, (high - mean[i]) * root) * inverse;
                    /* So far outside that no quantile is a number: no sample. At the bound it would be one whose
                       density, which is nothing, its weight is divided by. */
                    const float least = w < low ? low : w;
                    x[i] = least > high ? high : least;
                }
        }
        if (!is_near) EACH(i) x[i] = mean[i] + normal_quantile(v[i]) * inverse;
        u[j] = LOAD_BLOCK(x);
    }
    UNROLLED for (long k = 0; k < K; k++) STORE_BLOCK(out + k * stride, p.scalars[k] + u[first + k]);
    out += K * stride;
    UNROLLED for (long k = 0; k < A; k++, out += 3 * stride) {
        axis_at(p.axes + 3 * k, p.tangents + 6 * k, u + 2 * k, out, stride);
    }
    for (long k = 0; k < R; k++, out += 4 * stride) {
        const float *q = p.rotations + 4 * k;
        const block_f32 *w = u + 2 * A + 3 * k, square = w[0] * w[0] + w[1] * w[1] + w[2] * w[2];
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
}

PER_CPU void pk_draw_shapes(const float *component, const pk_shape_space *space, const float *uniforms, long count,
                            long stride, float *rows) {
#define DRAW(A, R, K) \
    for (long from = 0; from < count; from += LANES_IN_BLOCK) \
    shape_draw(component, A, R, K, space, uniforms + from, count, stride, rows + from)
    BY_COUNTS(space, DRAW)
}

long pk_keep_shapes(const pk_shape_space *s, long count, long stride, float *rows) {
    const float *axes = rows + s->scalars * stride, *rotations = axes + 3 * s->axes * stride;
    const long height = s->scalars + 3 * s->axes + 4 * s->rotations;
    long kept = 0;
    for (long i = 0; i < count; i++) {
        float sum = 0;
        for (long k = 0; k < s->scalars; k++) sum += rows[k * stride + i];
        for (long k = 0; k < s->axes; k++) sum += axes[3 * k * stride + i];
        for (long k = 0; k < s->rotations; k++) sum += rotations[4 * k * stride + i];
        if (!(sum == sum)) continue;
        if (kept < i) for (long k = 0; k < height; k++) rows[k * stride + kept] = rows[k * stride + i];
        kept++;
    }
    return kept;
}

/* What a component's log-density has that no sample changes: its normaliser, and what the truncation of the last
   coordinate leaves. */
INLINE float constant_of(const float *c, long A, long R, long K, const pk_shape_space *space) {
    const parts p = parts_of(c, A, R, K);
    const long d = 2 * A + 3 * R + K;
    float sum = -0.918938533f * (float)d;
    for (long j = 0; j < d; j++) sum += logf(p.factor[j * d + j]);
    if (K == 0) return sum;
    const float root = p.factor[d * d - 1];
    return sum -
           log_interval((space->low[K - 1] - p.scalars[K - 1]) * root, (space->high[K - 1] - p.scalars[K - 1]) * root);
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

/* Log-density of a component at sixteen samples, from its constant on. */
INLINE void log_density(const float *c, long A, long R, long K, const pk_shape_space *space, float constant,
                        const float *rows, long stride, block_f32 *out) {
    const parts p = parts_of(c, A, R, K);
    const long d = 2 * A + 3 * R + K, first = d - K;
    const float *r = rows;
    block_f32 u[PK_SHAPE_MOST], sum = constant;
    UNROLLED for (long k = 0; k < K; k++) u[first + k] = LOAD_BLOCK(r + k * stride) - p.scalars[k];
    r += K * stride;
    UNROLLED for (long k = 0; k < A; k++) {
        const float *t = p.tangents + 6 * k, *m = p.axes + 3 * k, *a = r + 3 * k * stride;
        axis_about(m, t, a, stride, u + 2 * k);
    }
    r += 3 * A * stride;
    for (long k = 0; k < R; k++) {
        block_f32 measure;
        angles_about(p.rotations + 4 * k, r + 4 * k * stride, stride, u + 2 * A + 3 * k, &measure);
        sum += measure;
    }
    UNROLLED for (long j = d - 1; j >= 0; j--) {
        const float root = p.factor[j * d + j];
        block_f32 mean = 0;
        UNROLLED for (long k = j + 1; k < d; k++) mean += p.factor[k * d + j] * u[k];
        const block_f32 w = mean + root * u[j];
        sum -= 0.5f * w * w;
        if (j < first || j == d - 1) continue;
        const float low = space->low[j - first] - p.scalars[j - first],
                    high = space->high[j - first] - p.scalars[j - first];
        take_inside(&mean, low, high, root, &sum);
    }
    *out = sum;
}

INLINE void add_block(const float *components, const float *constants, long many, long A, long R, long K,
                      const pk_shape_space *space, long size, const float *rows, long stride, float *total) {
    block_f32 term[TOGETHER];
    for (long k = 0; k < many; k++)
        log_density(components + k * size, A, R, K, space, constants[k], rows, stride, &term[k]);
    add_terms(term, many, total);
}

enum { ROWS_MOST = PK_SHAPE_MOST * 3 / 2 };

INLINE void add_all(const float *components, const float *counts, long many, long A, long R, long K,
                    const pk_shape_space *space, const float *rows, long stride, long count, float *total) {
    const long size = pk_shape_component_size(space), height = K + 3 * A + 4 * R;
    float own[ROWS_MOST * LANES_IN_BLOCK], sums[LANES_IN_BLOCK], constants[TOGETHER];
    for (long k = 0; k < many; k++) constants[k] = logf(counts[k]) + constant_of(components + k * size, A, R, K, space);
    for (long from = 0; from < count; from += LANES_IN_BLOCK) {
        const long rest = count - from < LANES_IN_BLOCK ? count - from : LANES_IN_BLOCK;
        const int is_whole = rest == LANES_IN_BLOCK;
        if (!is_whole) {
            for (long k = 0; k < height; k++) take(rows + k * stride + from, rest, own + k * LANES_IN_BLOCK);
            take(total + from, rest, sums);
        }
        add_block(components, constants, many, A, R, K, space, size, is_whole ? rows + from : own,
                  is_whole ? stride : LANES_IN_BLOCK, is_whole ? total + from : sums);
        if (!is_whole) memcpy(total + from, sums, (size_t)rest * sizeof(float));
    }
}

PER_CPU void pk_add_proposals(const float *components, const float *counts, long many, const pk_shape_space *space,
                              const float *rows, long stride, long count, float *total) {
    const long size = pk_shape_component_size(space);
    for (long k = 0; k < many; k += TOGETHER) {
        const float *some = components + k * size;
        const long now = many - k < TOGETHER ? many - k : TOGETHER;
#define ADD(A, R, K) add_all(some, counts + k, now, A, R, K, space, rows, stride, count, total)
        BY_COUNTS(space, ADD)
    }
}

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
