#include "../include/moves.h"
#include <math.h>
#include "lane_random.h"
#include "moves_lanes.h"

/* Moves of the lanes `who` by a random walk of log s0 and log snr. */
INLINE void propose_scale(pk_lane_random *r, const int32_t *who, lanes_f32 *x) {
    lanes_f32 z, step;
    normals(r, z);
    step_sizes(r, 0.003f, 4.19970508f, step);
    EACH(i) x[ROW_S0][i] += who[i] ? z[i] * step[i] : 0.0f;
    normals(r, z);
    step_sizes(r, 0.03f, 2.30258509f, step);
    EACH(i) x[ROW_SNR][i] += who[i] ? z[i] * step[i] : 0.0f;
}

/* Moves of the lanes `who` along a difference of two partners; without partners by a random walk.  One time in eight a
   stretch instead, toward or away from one partner by a factor z with density ∝ z^−½ on [½, 2], accepted with z^(D − 1)
   (Goodman & Weare 2010): it brings in a draw far from an ensemble that has contracted.  Its share of the acceptance, a
   logarithm, goes to `bonus`. */
INLINE void propose_evolution(const pk_moves *w, const pk_moves_group *g, const block_kind *kind, pk_lane_random *r,
                              const int32_t *who, lanes_f32 *x, float *bonus) {
    /* Beside the fractions and the spread: log d, log s0 and, unless it follows, log snr. */
    const int others = w->is_known ? 2 : 3;
    const long n = g->sticks, at = kind->at, stride = kind->stride;
    uint32_t a[LANES], b[LANES];
    lanes_i32 j, k, walks, stretches;
    lanes_f32 u, gamma, step, z, noise;
    next_bits(r, a);
    next_bits(r, b);
    uniforms(r, u);
    int any_walk = 0;
    EACH(i) walks[i] = stretches[i] = 0;
    for (int i = 0; i <= kind->own; i++) {
        const int half = kind->block->halves ? i & 1 : 0, spread = kind->spread[i];
        const uint32_t count = (uint32_t)kind->block->count[half][spread];
        const int32_t *from = kind->block->partners[half][spread];
        walks[i] = count < 2;
        stretches[i] = !walks[i] && (a[i] & 7) == 0;
        any_walk |= walks[i];
        j[i] = k[i] = (int32_t)(at + i);
        if (walks[i]) continue;
        const uint32_t p = (uint32_t)(((uint64_t)a[i] * count) >> 32),
                       q = (uint32_t)(((uint64_t)b[i] * (count - 1)) >> 32);
        j[i] = from[p];
        k[i] = stretches[i] ? k[i] : from[q < p ? q : q + 1];
    }
    EACH(i) gamma[i] = one_of_three(u[i], 2.38f, 1.19f, 0.357f) * ROOT(0.5f / (float)(others + n + kind->spread[i]));
    uniforms(r, z);
    EACH(i) {
        const float factor = 0.5f * (z[i] + 1.0f) * (z[i] + 1.0f);
        gamma[i] = stretches[i] ? 1.0f - factor : gamma[i];
        noise[i] = stretches[i] ? 0.0f : 3e-5f;
        bonus[i] = stretches[i] && who[i] ? (float)(others - 1 + n + kind->spread[i]) * fast_log(factor) : 0.0f;
    }
    if (any_walk) step_sizes(r, 0.003f, 4.60517019f, step);
    for (long c = 0; c < ROW_FRACTION + n; c++) {
        const float *row = g->rows + c * stride;
        lanes_f32 apart = {0};
        uniforms(r, z);
        for (int i = 0; i <= kind->own; i++) apart[i] = row[j[i]] - row[k[i]];
        EACH(i) {
            const float move = gamma[i] * apart[i] + noise[i] * (z[i] - 0.5f);
            x[c][i] += who[i] && (c != ROW_RATIO || kind->spread[i]) ? move : 0.0f;
        }
        if (!any_walk) continue;
        const float part = c < 3 ? 1.0f : 0.3f;
        EACH(i) z[i] = part * step[i] * normal_quantile(z[i]);
        EACH(i) x[c][i] += walks[i] && who[i] && (c != ROW_RATIO || kind->spread[i]) ? z[i] : 0.0f;
    }
}

/* Turns stick k: v becomes v + scale · a normal vector, at unit length; the last one time in four is that normal
   vector's direction alone, anywhere. Both are symmetric, the density of the new direction being a function of the
   angle between old and new. */
INLINE void propose_turn(const pk_moves_group *g, long k, pk_lane_random *r, lanes_f32 *x) {
    lanes_f32 u, stays, scale, z, length;
    uniforms(r, u);
    EACH(i) scale[i] = g->turn[k] * one_of_three(u[i], 1.4f, 0.5f, 0.15f);
    EACH(i) stays[i] = 1.0f;
    if (k == g->sticks - 1) {
        uniforms(r, u);
        EACH(i) stays[i] = u[i] < 0.25f ? 0.0f : 1.0f;
        EACH(i) scale[i] = u[i] < 0.25f ? 1.0f : scale[i];
    }
    EACH(i) length[i] = 0.0f;
    for (int c = 0; c < 3; c++) {
        float *v = x[ROW_AXIS + 3 * k + c];
        normals(r, z);
        EACH(i) v[i] = stays[i] * v[i] + scale[i] * z[i];
        EACH(i) length[i] += v[i] * v[i];
    }
    EACH(i) length[i] = 1.0f / ROOT(length[i] > 1e-20f ? length[i] : 1e-20f);
    for (int c = 0; c < 3; c++) EACH(i) x[ROW_AXIS + 3 * k + c][i] *= length[i];
}

/* Whether lanes lie in the prior's support. */
INLINE void support(const pk_moves *w, long n, const block_kind *kind, const lanes_f32 *x, int32_t *inside) {
    const pk_support *p = &w->support;
    EACH(i) {
        const float d = x[ROW_D][i], ratio = x[ROW_RATIO][i], snr = x[ROW_SNR][i], s0 = x[ROW_S0][i];
        inside[i] = (d >= p->d_low) & (d <= p->d_high) & (w->is_known | ((snr >= p->snr_low) & (snr <= p->snr_high))) &
                    (s0 < 5.0f) & (s0 > -5.0f) &
                    (!kind->spread[i] | ((ratio >= p->ratio_low) & (ratio <= p->ratio_high)));
    }
    lanes_f64 total;
    lanes_f32 before;
    EACH(i) total[i] = 0.0;
    EACH(i) before[i] = 1.0f;
    for (long k = 0; k < n; k++)
        EACH(i) {
            const float f = x[ROW_FRACTION + k][i];
            inside[i] &= (f >= p->floor) & (f <= before[i]);
            before[i] = f;
            total[i] += f;
        }
    EACH(i) inside[i] &= total[i] <= 1.0;
}

/* Lanes of the mask: from one block after the other to every `stride`-th. */
INLINE void copy_rows(const block_i32 *mask, const float *from, float *to, long count, long stride) {
    for (long i = 0; i < count; i++, from += LANES, to += stride * LANES)
        STORE_BLOCK(to, *mask ? LOAD_BLOCK(from) : LOAD_BLOCK(to));
}

/* Accepts or refuses x, of which `what` changed the attenuations, lane by lane. */
INLINE void decide(const pk_moves *w, const pk_moves_group *g, int what, long moved, const block_kind *kind,
                   pk_lane_random *r, const lanes_f32 *x, const float *bonus, float *e, float *work, long *proposed,
                   long *accepted) {
    const long n = g->sticks;
    lanes_f32 u;
    lanes_f64 candidate;
    lanes_i32 takes;
    uniforms(r, u);
    EACH(i) u[i] = u[i & kind->own];
    likelihoods(w, n, kind, what, moved, x, e, work, candidate);
    support(w, n, kind, x, takes);
    lanes_f64 current;
    memcpy(current, g->log_likelihood + kind->at, sizeof current);
    /* Both −∞ gives NaN, which refuses. */
    EACH(i) takes[i] &= candidate[i] - current[i] + (double)bonus[i & kind->own] > (double)fast_log(u[i]);
    EACH(i) current[i] = takes[i] ? candidate[i] : current[i];
    int any = 0, all = 0, own = 0;
    EACH(i) any |= takes[i];
    EACH(i) all += kind->counts[i];
    EACH(i) own += kind->counts[i] & takes[i];
    *proposed += all;
    *accepted += own;
    if (!any) return;
    memcpy(g->log_likelihood + kind->at, current, sizeof current);
    block_i32 mask = 0;
    EACH(i) mask[i] = -takes[i];
    for (long c = 0; c < ROW_AXIS + 3 * n; c++) {
        float *row = g->rows + c * kind->stride + kind->at;
        STORE_BLOCK(row, mask ? LOAD_BLOCK(x[c]) : LOAD_BLOCK(row));
    }
    const pk_moves_table *t = kind->table;
    if (what == ALL_ROWS) copy_rows(&mask, work, e, t->shells + t->rows * n, 1);
    else if (what == ONE_ROW) copy_rows(&mask, work, e + (t->shells + moved) * LANES, t->rows, n);
}

INLINE void start(const pk_moves_group *g, const block_kind *kind, lanes_f32 *x) {
    for (long c = 0; c < ROW_AXIS + 3 * g->sticks; c++)
        memcpy(x[c], g->rows + c * kind->stride + kind->at, sizeof(lanes_f32));
}

/* The moves of a sweep, one after the other: evolution (of either half, the other moving scale and noise), scale and
   noise, each stick. */
INLINE void sweep_block(const pk_moves *w, const pk_moves_group *g, const block_kind *kind, pk_lane_random *r, float *e,
                        float *work, long *proposed, long *accepted) {
    lanes_f32 x[ROWS];
    lanes_f32 bonus;
    lanes_i32 evolves, scales;
    const int halves = kind->block->halves;
    for (long move = 0; move < 2 + g->sticks; move++) {
        start(g, kind, x);
        EACH(i) bonus[i] = 0.0f;
        EACH(i) evolves[i] = halves ? (i & 1) == move : move == 0;
        EACH(i) scales[i] = !evolves[i];
        if (move == 0 || (move == 1 && halves)) propose_evolution(w, g, kind, r, evolves, x, bonus);
        if (move < 2 && (move == 1 || halves)) propose_scale(r, scales, x);
        if (move < 2 && w->is_known) EACH(i) x[ROW_SNR][i] = x[ROW_S0][i] - w->known_log_sigma;
        if (move >= 2) propose_turn(g, move - 2, r, x);
        /* The parts of a draw's measurements have one proposal. */
        if (kind->own < LANES - 1) {
            const long from = move < 2 ? 0 : ROW_AXIS + 3 * (move - 2),
                       end = move < 2 ? ROW_FRACTION + g->sticks : from + 3;
            for (long c = from; c < end; c++)
                for (int width = kind->own + 1; width < LANES; width *= 2)
                    for (int i = 0; i < width; i++) x[c][i + width] = x[c][i];
        }
        const int what = move >= 2 ? ONE_ROW : move == 0 || halves ? ALL_ROWS : NO_ROW;
        decide(w, g, what, move - 2, kind, r, x, bonus, e, work, proposed, accepted);
    }
}

PER_CPU void pk_moves_sweep(const pk_moves *job, const pk_moves_group *group, long sweeps, pk_lane_random *random,
                            float *work, long *proposed, long *accepted) {
    for (long sweep = 0; sweep < sweeps; sweep++) {
        for (long block = 0; block < group->blocks; block++) {
            block_kind kind;
            describe(job, group, block, &kind);
            sweep_block(job, group, &kind, random, kind.block->attenuations, work, proposed, accepted);
        }
    }
}

PER_CPU void pk_moves_begin(const pk_moves *job, const pk_moves_group *group) {
    for (long block = 0; block < group->blocks; block++) {
        block_kind kind;
        lanes_f32 x[ROWS];
        describe(job, group, block, &kind);
        start(group, &kind, x);
        float *e = kind.block->attenuations;
        likelihoods(job, group->sticks, &kind, ALL_ROWS, 0, x, e, e, group->log_likelihood + kind.at);
    }
}
