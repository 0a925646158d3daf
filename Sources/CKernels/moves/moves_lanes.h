/* Likelihoods of 16 lanes at once for the moves (moves.h). */
#pragma once
#include "../include/moves.h"
#include "../math/truncated_normal.h"
#include "../math/rician_block.h"

enum { LANES = LANES_IN_BLOCK, ROWS = PK_SAMPLE_ROWS, PART = 32 };
enum { ROW_D, ROW_RATIO, ROW_SNR, ROW_S0, ROW_FRACTION = PK_ROW_FRACTION, ROW_AXIS = PK_ROW_AXIS };
/* What a move changes: all attenuations, those of one stick, none. */
enum { ALL_ROWS, ONE_ROW, NO_ROW };

typedef float lanes_f32[LANES];
typedef double lanes_f64[LANES];
typedef int32_t lanes_i32[LANES];

/* A block of a group, and what its lanes are. */
typedef struct {
    long at, stride; /* first lane, lanes of the group */
    int own;         /* lanes with draws of their own, less one: lane l repeats l & own */
    lanes_i32 spread, rician, counts;
    int any_spread, any_rician;
    const pk_moves_block *block;
    const pk_moves_table *table;
} block_kind;

INLINE void describe(const pk_moves *w, const pk_moves_group *g, long block, block_kind *k) {
    k->at = block * LANES;
    k->stride = g->blocks * LANES;
    k->block = g->block + block;
    k->table = w->table + k->block->split;
    k->own = (LANES >> k->block->split) - 1;
    k->any_spread = k->any_rician = 0;
    for (int i = 0; i < LANES; i++) {
        const int kind = g->kinds[k->at + i];
        k->spread[i] = kind & PK_MOVE_SPREAD ? 1 : 0;
        k->rician[i] = kind & PK_MOVE_RICIAN ? 1 : 0;
        k->counts[i] = kind & PK_MOVE_PADDING ? 0 : 1;
        k->any_spread |= k->spread[i];
        k->any_rician |= k->rician[i];
    }
}

/* The law of a lane: diffusivity d alone, or gamma-distributed with s/d given (make_decay). */
INLINE void decay_laws(const float *log_d, const float *log_ratio, const int32_t *spread, float *rate, float *shape) {
    EACH(i) {
        const float d = fast_exp(log_d[i]), square = fast_exp(2.0f * log_ratio[i]);
        rate[i] = spread[i] ? d * square : d * -1.44269504f;
        shape[i] = spread[i] ? -1.0f / square : 0.0f;
    }
}

/* b·rate becomes the attenuation; `spread` tells the lanes whose law has one, where any has. */
INLINE void decay_each(block_f32 *x, const block_f32 *shape, const block_i32 *spread, int any_spread) {
    if (any_spread) {
        block_f32 l = *x;
        block_log2_1p(&l);
        *x = *spread ? l * *shape : *x;
    }
    block_exp2(x);
}

/* What the signals of 16 lanes are made of: weights s0 f of the attenuations kept, and of the one that moves; axes of
   those that move. */
typedef struct {
    block_f32 u[4], weight, axes[9], rate, shape, inverse;
    block_i32 spread;
} lanes_model;

/* The ball's attenuations, one a shell. */
INLINE void balls(const pk_moves_table *t, int is_split, int any_spread, const lanes_model *m, float *out) {
    for (long j = 0; j < t->shells; j++) {
        block_f32 a = is_split ? LOAD_BLOCK(t->shell_b + j * LANES) : (block_f32)t->shell_b[j];
        a *= m->rate;
        decay_each(&a, &m->shape, &m->spread, any_spread);
        STORE_BLOCK(out + j * LANES, a);
    }
}

/* A part of Σ (y − S)² and of the product of (e^−x I₀(x))², x = yS/σ², over the rows from … end.  Attenuations of
   sticks that a move changes go to `fresh`: n blocks a row, or one; the others are those of `sticks`. */
INLINE void part_of(const pk_moves_table *t, long n, int is_split, int any_spread, int any_rician, int what,
                    const lanes_model *m, long from, long end, const float *ball, const float *sticks, float *fresh,
                    const block_f32 *valid, block_f32 *squares, long_product *bessel) {
#define ROW(x) (is_split ? LOAD_BLOCK((x) + i * LANES) : (block_f32)(x)[i])
    block_f32 total = 0;
    long_product product = {1, 1, 0};
    _Pragma("clang loop unroll(disable)") for (long i = from; i < end; i++) {
        block_f32 s = m->u[0] * LOAD_BLOCK(ball + t->shell[i] * LANES);
        if (what == ALL_ROWS && n > 0) {
            float *out = fresh + i * n * LANES;
            const block_f32 q = m->rate * ROW(t->b), gx = ROW(t->gx), gy = ROW(t->gy), gz = ROW(t->gz);
            UNROLLED for (long k = 0; k < n; k++) {
                const block_f32 c = m->axes[3 * k] * gx + m->axes[3 * k + 1] * gy + m->axes[3 * k + 2] * gz;
                block_f32 a = q * c * c;
                decay_each(&a, &m->shape, &m->spread, any_spread);
                STORE_BLOCK(out + k * LANES, a);
                s += m->u[k + 1] * a;
            }
        } else {
            const float *row = sticks + i * n * LANES;
            UNROLLED for (long k = 0; k < n; k++) s += m->u[k + 1] * LOAD_BLOCK(row + k * LANES);
        }
        if (what == ONE_ROW) {
            const block_f32 c = m->axes[0] * ROW(t->gx) + m->axes[1] * ROW(t->gy) + m->axes[2] * ROW(t->gz);
            block_f32 a = m->rate * ROW(t->b) * c * c;
            decay_each(&a, &m->shape, &m->spread, any_spread);
            STORE_BLOCK(fresh + i * LANES, a);
            s += m->weight * a;
        }
        const block_f32 y = ROW(t->y);
        block_f32 r = y - s, v = 1;
        if (any_rician) {
            v = (m->inverse * y) * (s * m->inverse);
            block_squared_bessel(&v);
        }
        if (is_split && i == t->rows - 1) {
            r *= *valid;
            v = *valid > 0.0f ? v : 1.0f;
        }
        total += r * r;
        if (any_rician) {
            product.last *= v;
            if ((i & 3) == 3) fold(&product);
        }
    }
    fold(&product);
    *squares = total;
    *bessel = product;
#undef ROW
}

/* All arguments but the constants are those of `sums`. */
#define PART_AS(n, split, spread, rician, what) \
    part_of(t, n, split, spread, rician, what, &m, from, end, ball, sticks, fresh, &valid, &total, &bessel)
#define PART_FOR(n, split, spread, what) \
    do { \
        if (any_rician) PART_AS(n, split, spread, 1, what); \
        else PART_AS(n, split, spread, 0, what); \
    } while (0)
#define PART_OF(n, spread) \
    do { \
        if (what == NO_ROW || (n) == 0) { \
            if (is_split) PART_FOR(n, 1, 0, NO_ROW); \
            else PART_FOR(n, 0, 0, NO_ROW); \
        } else if (what == ALL_ROWS) { \
            if (is_split) PART_FOR(n, 1, spread, ALL_ROWS); \
            else PART_FOR(n, 0, spread, ALL_ROWS); \
        } else { \
            if (is_split) PART_FOR(n, 1, spread, ONE_ROW); \
            else PART_FOR(n, 0, spread, ONE_ROW); \
        } \
    } while (0)

/* Of a ball alone, without Rician noise, a shell's signals are one: Σ (y − S)² from their mean. */
INLINE void shell_squares(const pk_moves_table *t, const lanes_model *m, const float *ball, double *squares) {
    block_f32 total = 0;
    for (long j = 0; j < t->shells; j++) {
        const block_f32 r = t->shell_mean[j] - m->u[0] * LOAD_BLOCK(ball + j * LANES);
        total += r * r * t->shell_count[j];
    }
    lanes_f32 part;
    STORE_BLOCK(part, total);
    EACH(i) squares[i] = t->within + (double)part[i];
}

/* Σ (y − S)² and Σ log₂ (e^−x I₀(x))² of the parameters x, in parts lest rounding adds up. `moved`: the stick of
   ONE_ROW.  e: the attenuations kept; fresh: those that a move changes. */
INLINE void sums(const pk_moves_table *t, long n, const block_kind *kind, int what, long moved, const lanes_f32 *x,
                 const float *e, float *fresh, const float *inverse, double *squares, double *logs) {
    const int is_split = kind->own < LANES - 1, any_spread = kind->any_spread, any_rician = kind->any_rician;
    const float *ball = e, *sticks = e + t->shells * LANES;
    lanes_f32 rate, shape, s0, rest;
    lanes_model m = {0};
    block_f32 valid = 0;
    EACH(i) valid[i] = i / (kind->own + 1) < t->last ? 1.0f : 0.0f;
    EACH(i) m.spread[i] = -kind->spread[i];
    decay_laws(x[ROW_D], x[ROW_RATIO], kind->spread, rate, shape);
    EACH(i) rest[i] = 1.0f;
    EACH(i) s0[i] = fast_exp(x[ROW_S0][i]);
    for (long k = 0; k < n; k++) {
        EACH(i) rest[i] -= x[ROW_FRACTION + k][i];
        m.u[k + 1] = LOAD_BLOCK(s0) * LOAD_BLOCK(x[ROW_FRACTION + k]);
    }
    m.u[0] = LOAD_BLOCK(s0) * LOAD_BLOCK(rest);
    m.rate = LOAD_BLOCK(rate);
    m.shape = LOAD_BLOCK(shape);
    m.inverse = LOAD_BLOCK(inverse);
    if (what == ONE_ROW) {
        m.weight = m.u[moved + 1];
        m.u[moved + 1] = 0;
        for (long c = 0; c < 3; c++) m.axes[c] = LOAD_BLOCK(x[ROW_AXIS + 3 * moved + c]);
    } else if (what == ALL_ROWS) {
        for (long k = 0; k < 3 * n; k++) m.axes[k] = LOAD_BLOCK(x[ROW_AXIS + k]);
        if (is_split) balls(t, 1, any_spread, &m, fresh);
        else balls(t, 0, any_spread, &m, fresh);
        ball = fresh;
        fresh += t->shells * LANES;
    }
    EACH(i) squares[i] = logs[i] = 0;
    if (n == 0 && !any_rician && !is_split) {
        shell_squares(t, &m, ball, squares);
        return;
    }
    for (long from = 0; from < t->rows; from += PART) {
        const long end = from + PART < t->rows ? from + PART : t->rows;
        block_f32 total;
        long_product bessel;
        BY_STRUCTURE(n, any_spread, PART_OF)
        lanes_f32 part;
        STORE_BLOCK(part, total);
        EACH(i) squares[i] += (double)part[i];
        if (!any_rician) continue;
        block_log2(&bessel.mantissa);
        STORE_BLOCK(part, bessel.mantissa);
        lanes_i32 exponent;
        memcpy(exponent, &bessel.exponent, sizeof exponent);
        EACH(i) logs[i] += (double)part[i] + (double)exponent[i];
    }
}

/* Adds up the parts of the measurements. */
INLINE void gather(const block_kind *kind, double *x) {
    for (int half = LANES / 2; half > kind->own; half /= 2)
        for (int i = 0; i < half; i++) x[i] += x[i + half];
    for (int width = kind->own + 1; width < LANES; width *= 2)
        for (int i = 0; i < width; i++) x[i + width] = x[i];
}

/* Log-likelihoods of the lanes with parameters x. */
INLINE void likelihoods(const pk_moves *w, long n, const block_kind *kind, int what, long moved, const lanes_f32 *x,
                        const float *e, float *fresh, double *out) {
    lanes_f32 inverse;
    lanes_f64 squares, logs;
    if (w->is_known) EACH(i) inverse[i] = fast_exp(-w->known_log_sigma);
    else EACH(i) inverse[i] = fast_exp(x[ROW_SNR][i] - x[ROW_S0][i]);
    sums(kind->table, n, kind, what, moved, x, e, fresh, inverse, squares, logs);
    gather(kind, squares);
    gather(kind, logs);
    const double size = (double)w->measurements;
    EACH(i) {
        const double log_sigma =
                         w->is_known ? (double)w->known_log_sigma : (double)x[ROW_S0][i] - (double)x[ROW_SNR][i],
                     half = 0.5 * squares[i] * (double)inverse[i] * (double)inverse[i];
        const double gaussian = -half - size * (log_sigma + 0.91893853320467274178);
        const double rician = w->log_signals - 2 * size * log_sigma + 0.5 * LN2 * logs[i] - half;
        out[i] = kind->rician[i] ? (w->positive ? rician : -INFINITY) : gaussian;
    }
}
