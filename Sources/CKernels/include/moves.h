#pragma once
#include "proposal.h"
#include "lane_random.h"
/* Markov moves of posterior draws of ball and sticks that leave prior × exact likelihood invariant (EnsembleMoves says
   which moves).  Draws of n sticks stand in blocks of 16 lanes; a block's likelihoods are computed together, from
   attenuations that it keeps:
       signal S_i = s0 (f_0 E_i0 + Σ f_k E_ik)
   so that turning a stick computes one exponential a measurement, a move of scale and noise none.  A ball's attenuation
   is computed once a b-value.

   A block holds 16/p draws, p = 1, 2, 4, 8 or 16: lane l is draw l mod 16/p at the measurements of part l div 16/p, so
   that few draws fill their lanes.

   Draws that move together take no partners from one another.  Either a block's partners all lie in other blocks
   (`halves` 0), or its draws are of two halves, the even and the odd, of which one evolves while the other moves scale
   and noise, and then the other way round (`halves` 1). */

/* Measurements, one a row (p = 1) or p a row as 16 lanes.  b in s/mm². */
typedef struct {
    long rows;
    int last;                     /* parts of the last row that there are; the others repeat one */
    const float *b, *gx, *gy, *gz, *y;
    long shells;                  /* different rows of b, and the one of each row */
    const float *shell_b;
    const int32_t *shell;
    const float *shell_count, *shell_mean; /* of y, for p = 1; Σ (y − mean)² */
    double within;
} pk_moves_table;

/* What a voxel's groups share: tables for p = 1, 2, 4, 8, 16 as far as there are such blocks, M, the prior's bounds, Σ
   log y, whether all y > 0; whether σ is known, and its logarithm.  Then log snr follows log s0, whatever the prior's
   bounds of it. */
typedef struct {
    pk_moves_table table[5];
    long measurements;
    pk_support support;
    double log_signals;
    int positive, is_known;
    float known_log_sigma;
} pk_moves;

enum { PK_MOVE_SPREAD = 1, PK_MOVE_RICIAN = 2, PK_MOVE_PADDING = 4 };

/* Which table a block goes by (log₂ p), whether its halves evolve in turn, and its partners: lists of lanes, for draws
   without spread and with, of either half. */
typedef struct {
    int split, halves;
    const int32_t *partners[2][2];
    int32_t count[2][2];          /* 0: a random walk stands for evolution; otherwise at least 2 */
    float *attenuations;          /* shells × 16, then rows × n × 16 */
} pk_moves_block;

/* The draws of n sticks, L = 16 · blocks lanes. */
typedef struct {
    long sticks, blocks;
    const pk_moves_block *block;
    float *rows;                  /* PK_SAMPLE_ROWS × L */
    const uint8_t *kinds;         /* L: the structure's bits, whether the lane only repeats another */
    float turn[3];                /* scales of the sticks' angles, radians */
    double *log_likelihood;       /* L */
} pk_moves_group;

/* Attenuations and log-likelihoods of the rows as they are.  |error| of a log-likelihood ≤ 2e-6 Σ(1 + (y/σ)²); −∞ for
   Rician noise unless all y > 0. */
void pk_moves_begin(const pk_moves *job, const pk_moves_group *group);

/* Sweeps over the group: in each a draw evolves once, moves scale and noise once, and turns each of its sticks once.
   work: as much as a block's attenuations.  Adds to proposed and accepted, padding left out. */
void pk_moves_sweep(const pk_moves *job, const pk_moves_group *group, long sweeps, pk_lane_random *random, float *work,
                    long *proposed, long *accepted);
