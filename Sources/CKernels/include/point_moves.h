#pragma once
#include "lane_random.h"
/* Markov moves of points of a signal linear in its weights (SignalLayout in the ModelSpace library), sixteen at a time,
   whatever the family:

       S_i = Σ_k v_k E_ik,   v_k = s0 f_k (fractions) or u_k (coefficients)

   A block is sixteen points, a row of 16 floats for each number of a point, with the attenuations E it keeps: component
   k at measurement i at e[(i·W + k)·16].  A move is made in three steps: a proposal is written to rows of its own (`x`,
   count × 16), the caller has the attenuations that it changes computed, and pk_points_decide accepts or refuses it
   lane by lane.  The density that moves leave invariant is

       prior · L^β · q(log s0)^(1−β)

   with q the scale's window (pk_points_window), and without a scale 1.  Coefficients under Gaussian noise may be
   integrated out (`collapsed`): L is then the marginal likelihood N(y; 0, σ²I + Σ sd² E Eᵀ), and the rows of
   coefficients mean nothing until pk_points_coefficients draws them. */

/* Rows of a point: log σ, log s0, W weights, scalars, axes (3 each), rotations (4 each). */
enum { PK_POINT_SIGMA, PK_POINT_SCALE, PK_POINT_WEIGHT, PK_POINT_COMPONENTS = 64, PK_POINT_COLLAPSED = 24 };

typedef struct {
    long measurements, components,
        count; /* M ≥ 1, W ≤ PK_POINT_COMPONENTS (collapsed: PK_POINT_COLLAPSED), numbers of a point */
    const float *y;
    double log_signals, squares; /* Σ log y, Σ y² */
    int rician, positive;        /* positive: all y > 0, without which Rician noise has no likelihood */
    int has_scale, simplex, collapsed, knows_noise;
    const float *bound;          /* W: least fraction, or a coefficient's standard deviation */
    long rest;                   /* the component whose fraction is what the others leave of 1 */
    const int32_t *after;        /* W: the component that has no less weight, −1 for any */
    float noise_low, noise_high; /* of log(s0/σ), without a scale of log σ */
    long first_scalar, scalars;
    const float *low, *high; /* bounds of the scalars */
    long first_axis, axes;
    const float *frames; /* 9 an axis: the centre of its chart and two unit vectors across it */
    const float *walk;   /* count: a usual step of each row, where no partners tell */
    const float *all;    /* the rows of all blocks, one after the other */
    float power;         /* β */
    int windowed;        /* whether q is asked for: β < 1 or its values are wanted */
} pk_points;

/* Partners are lanes of `all` (16 · block + lane), at least two or none.  Either a block's partners all lie in other
   blocks, or (`halves`) its even and its odd lanes evolve in turn, partners of each half in `partners[half]`; without
   halves [0] counts. */
typedef struct {
    float *rows, *attenuations;
    double *log_likelihood, *log_window; /* 16 each */
    const int32_t *partners[2];
    int32_t partner_count[2];
    int halves, draws; /* lanes with points of their own, the first ones */
} pk_point_block;

/* Numbers of a shape that move together: rows of scalars, first rows of axes and of rotations, the scales of their
   angles (radians, axes first). */
typedef struct {
    long scalars, axes, rotations;
    const int32_t *scalar, *axis, *rotation;
    const float *turn;
    float anew;      /* the share of proposals that draw them from the prior */
    int by_partners; /* angles' scales from the angle between two partners instead */
} pk_point_part;

/* What of a proposal's attenuations is new: all (`fresh` holds W components), none, or component ≥ 0 alone (`fresh`
   holds it at its place). */
enum { PK_POINT_ALL = -1, PK_POINT_NONE = -2 };

/* x: the block's points as they are; bonus: 16 zeros. */
void pk_points_start(const pk_points *job, const pk_point_block *block, float *x, float *bonus);

/* Which lanes evolve: all, the even, the odd. */
enum { PK_LANES_ALL, PK_LANES_EVEN, PK_LANES_ODD };

/* x + γ (x_j − x_k) + ε over the n rows listed, with partners j, k and γ from {1, ½, 0.15} · 2.38/√(2D); one time in
   eight x_j + z (x − x_j) instead, density of z ∝ z^−½ on [½, 2], whose acceptance has z^(D − 1), written to bonus
   (16).  Rows with weights end with the fraction that the others leave.  Without partners a random walk.  The lanes
   that do not evolve move scale and noise.  With `axes`, all axes evolve along by their coordinates in Lambert's charts
   about fixed centres, in which their prior is flat. */
void pk_points_evolve(const pk_points *job, const pk_point_block *block, pk_lane_random *random, int lanes,
                      const int32_t *rows, long n, int axes, float *x, float *bonus);
/* A random walk of log s0 and log σ; of half of the lanes that may (`lanes`, or none: −1) evolution over `rows`
   instead. */
void pk_points_rescale(const pk_points *job, const pk_point_block *block, pk_lane_random *random, int lanes,
                       const int32_t *rows, long n, float *x, float *bonus);
/* Turns the axes and rotations of a part, moves its scalars along partners' differences, or draws all of it anew. */
void pk_points_reshape(const pk_points *job, const pk_point_block *block, pk_lane_random *random, int lanes,
                       const pk_point_part *part, float *x);
/* The block's points in the n rows listed and two coordinates of each axis in its chart: n + 2 · axes rows of 16. */
void pk_points_coordinates(const pk_points *job, const pk_point_block *block, const int32_t *rows, long n, float *out);
/* The numbers of two parts alike change places. */
void pk_points_exchange(const pk_point_part *a, const pk_point_part *b, float *x);
/* Members of the components k and l change places where l has more weight. */
void pk_points_order(const pk_point_part *a, const pk_point_part *b, long k, long l, float *x);
/* Component k takes a new share of what it and component l have of the weights, and its part is drawn from the prior
   or, `near` being the part of an l alike, near l's.  log of the proposals' densities, back over there, goes to bonus.
   */
void pk_points_hop(const pk_points *job, pk_lane_random *random, long k, long l, const pk_point_part *part,
                   const pk_point_part *near, float *x, float *bonus);

/* Accepts or refuses x lane by lane.  what: as above, an exchange of components a and b (≥ 0) besides.  Adds to
   proposed and accepted. */
void pk_points_decide(const pk_points *job, const pk_point_block *block, pk_lane_random *random, const float *x,
                      const float *bonus, const float *fresh, long what, long a, long b, long *proposed,
                      long *accepted);

/* log L and, `windowed`, log q of the block's points with the attenuations it holds.  |error| ≤ 2e-6 Σ(1 + (y/σ)²); −∞
   for Rician noise unless all y > 0. */
void pk_points_evaluate(const pk_points *job, const pk_point_block *block);

/* Centre and width (16 each) of the window in which log s0 is looked for given all else: a t of 4 degrees of freedom
   about the scale that fits best.  Rows of log s0 and, unless it is known, log σ may have any common scale. */
void pk_points_window(const pk_points *job, const pk_point_block *block, float *centre, float *width);

/* Draws the coefficients from their conditional normal, given shape and σ. */
void pk_points_coefficients(const pk_points *job, const pk_point_block *block, pk_lane_random *random);
