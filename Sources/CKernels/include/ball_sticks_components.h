#pragma once
/* Attenuations of ball and n ≤ 3 sticks one by one, as LinearFamily in the ModelSpace library has them: E_0 of the
   ball, E_1 … E_n of the sticks. Conventions as in diffusion_signal.h.  Absolute error ≤ 2e-6. */

/* Of sixteen samples: component k at measurement i goes to e[(i (n + 1) + k)·16 …].  shape: rows of `stride` of log d,
   with spread log(s/d), n axes. */
void pk_ball_sticks_lanes(long m, const float *b, const float *gx, const float *gy, const float *gz, long n, int spread,
                          const float *shape, long stride, float *e);

/* The same of component k alone; the others' places are left as they are. */
void pk_ball_sticks_lane(long m, const float *b, const float *gx, const float *gy, const float *gz, long n, long k,
                         int spread, const float *shape, long stride, float *e);

/* Of one point: n + 1 rows of M.  spread: s, 0 for a single diffusivity.  Where rows is not NULL, also Σ_k f_k ∂E_k by
   log d, with spread log(s/d), and two tangents of each axis (x y z each, as the axes): rows of M in that order. */
void pk_ball_sticks_components(long m, const float *b, const float *gx, const float *gy, const float *gz,
                               float diffusivity, float spread, long n, const float *fractions, const float *axes,
                               const float *tangents, float *attenuations, float *rows);
