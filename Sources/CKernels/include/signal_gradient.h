#pragma once
/* First derivatives of the ball-and-sticks signal and of its likelihoods: what Gauss–Newton steps and local covariances are made of.
   Conventions as in diffusion_signal.h. */

/* Attenuations (M) and derivatives of the signal S = s0·A, one row of M values each, in this order:
   log d, log(s/d) (only when spread > 0), log s0, f1 … fn (against the ball's), and two tangent directions of each stick's axis.
   tangents: for each stick two unit vectors perpendicular to its axis, x y z each. */
void pk_ball_sticks_gradient(long m, const float *b, const float *gx, const float *gy, const float *gz, float diffusivity, float spread,
                             float s0, long n, const float *fractions, const float *axes, const float *tangents, float *attenuation,
                             float *rows);

/* weight_i = √(Fisher information of S_i), score_i = (∂ log p / ∂S_i) / weight_i; returns ∂ log p / ∂ log σ.
   Gaussian: information 1/σ².  Rician: about (ρ²/(1 + ρ²))/σ², ρ = S/σ; the score is exact. */
double pk_gaussian_scores(long m, const float *a, const float *y, double s0, double sigma, float *weight, float *score);
double pk_rician_scores(long m, const float *a, const float *y, double s0, double sigma, float *weight, float *score);

/* Scales each of d rows by weight, then information = R Rᵀ (d × d) and gradient = R·score. */
void pk_normal_equations(long m, long d, const float *weight, const float *score, float *rows, double *information, double *gradient);
