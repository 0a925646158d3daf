#pragma once
/* First derivatives of the ball-and-sticks signal and of its likelihoods: what Gauss–Newton steps and local covariances
   are made of. Conventions as in diffusion_signal.h. */

/* Attenuations (M) and derivatives of the signal S = s0·A, one row of M values each, in this order:
   f1 … fn (against the ball's), log(s/d) (only when spread > 0), log d, log s0, and two tangent directions of each
   stick's axis. tangents: for each stick two unit vectors perpendicular to its axis, x y z each. */
void pk_ball_sticks_gradient(long m, const float *b, const float *gx, const float *gy, const float *gz,
                             float diffusivity, float spread, float s0, long n, const float *fractions,
                             const float *axes, const float *tangents, float *attenuation, float *rows);

/* weight_i = √(Fisher information of S_i), score_i = (∂ log p / ∂S_i) / weight_i; returns ∂ log p / ∂ log σ.
   Gaussian: information 1/σ².  Rician: about (ρ²/(1 + ρ²))/σ², ρ = S/σ; the score is exact. */
double pk_gaussian_scores(long m, const float *a, const float *y, double s0, double sigma, float *weight, float *score);
double pk_rician_scores(long m, const float *a, const float *y, double s0, double sigma, float *weight, float *score);

/* Of d rows scaled by weight, information = R Rᵀ and gradient = R·score. Row j stands for coordinate j, from `gap` on
   for j + 1: what the information (rows of `stride` numbers) and the gradient hold of coordinate `gap` is left alone.
   */
void pk_normal_equations(long m, long d, long gap, const float *weight, const float *score, const float *rows,
                         long stride, double *information, double *gradient);

/* How much a stick along each of `count` axes (x y z each) would help where the signal leaves a residual r (M):
       gain = r·(A_stick − A_ball) / |A_stick − A_ball|,  0 where they are the same */
void pk_stick_gains(long m, const float *b, const float *gx, const float *gy, const float *gz, float diffusivity,
                    float spread, const float *residual, long count, const float *axes, float *gains);
