#pragma once
/* Inner loops of the diffusion MRI families: predicted signals, the tensor fit of the canonical frame, and measurement
   features. All arrays are contiguous; M measurements; b in s/mm², diffusivities in mm²/s unless said otherwise. */

/* Signal of a ball and n ≤ 3 sticks relative to S0 (see BallSticks in the Diffusion library).
   fractions: f0 (ball), f1 … fn.  axes: n unit vectors, x y z each.  spread: standard deviation s of the
   gamma-distributed diffusivity, 0 for a single diffusivity.  out: M values.  Absolute error ≤ 1e-6. */
void pk_ball_sticks_signal(long m, const float *b, const float *gx, const float *gy, const float *gz, float diffusivity,
                           float spread, long n, const float *fractions, const float *axes, float *out);

/* log p(y | attenuations a): measurements independent around s0·a with standard deviation sigma, Gaussian or Rician
   (all y > 0 there). Relative error of the sum's terms ≤ 1e-6. */
double pk_gaussian_log_likelihood(long m, const float *a, const float *y, double s0, double sigma);
double pk_rician_log_likelihood(long m, const float *a, const float *y, double s0, double sigma);

/* Weights w = ỹ² and w·log ỹ of a log-linear fit, ỹ = y brought into [0.02, 20]; also log ỹ itself. */
void pk_log_weights(long n, const float *y, double *w, double *wl, float *logy);

/* The same weights from the fit's own prediction exp(Σ_j beta_j X_j), X being 7 rows of n values. */
void pk_predicted_weights(long n, const double *x, const double *beta, const float *logy, double *w, double *wl);

/* out_r = Σ_i w_i table_ri for `rows` rows of n values. */
void pk_weighted_sums(long rows, long n, const double *table, const double *w, double *out);

/* Rotates directions into a frame and compares y with a tensor diagonal there.
   rotation: 3×3 row-major; eigenvalues: in µm²/ms.  Writes rotated directions (3×M, one row an axis), clean y (finite,
   in [−10, 10]), its floored logarithm, the tensor's prediction and the residual. sums: Σ_i r_i u_x u_y (u_x² − u_y²),
   the same for x z, Σ_i mask_i |r_i|. */
void pk_tensor_residuals(long m, const float *b, const float *gx, const float *gy, const float *gz, const float *mask,
                         const float *y, const float *rotation, const float *eigenvalues, float log_s0, float *rotated,
                         float *clean, float *logy, float *prediction, float *residual, double *sums);

/* Writes M × 20 measurement features, row-major (their list: BallSticks.observe).
   signs: of the frame's axes; inverse_scale: 1 / residual scale. */
void pk_measurement_features(long m, const float *compressed_b, const float *log_b, const float *weighted,
                             const float *rotated, const float *clean, const float *logy, const float *prediction,
                             const float *residual, const float *signs, float inverse_scale, float *out);
