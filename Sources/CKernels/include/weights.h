#pragma once
#include "proposal.h"
/* What is left of ball and sticks once diffusivities and directions are given: the compartments' weights, in which the
   signal is linear, and the noise. Both are drawn from (nearly) their conditional posterior.

   With φ the fractions' floor, c = 1 − nφ, f_k = φ + g_k and f_0 = g_0, Σ g = c, the weights u_k = s0 g_k ≥ 0 give
       S = Σ_k u_k Ẽ_k,   Ẽ_k = E_k + (φ/c) Σ_{j≥1} E_j,   s0 = Σ u / c,   du = c s0^(n+1) d log s0 df
   A view of the data is a normal approximation of the likelihood about a reference, working data ŷ_i with precisions
   p_i: Gaussian noise has ŷ = y, p = 1/σ²; Rician noise the score's.  Given a shape, u is drawn from the view's normal
   N((ẼᵀPẼ + ρ)⁻¹(ẼᵀPŷ + ρ ū), …) restricted to u ≥ 0, one coordinate after the other from the last, then log σ from a
   normal about log σ_v + ½ log(rss/rss_v), rss = Σ (y − S)².  Where few measurements leave σ open, views are repeated
   with wider normals of u.  Samples take views and widths in turn and are weighted by the mean density.  A known σ is
   not drawn and has no density. */
typedef struct {
    const float *data, *precision;
    float log_sigma, log_rss;
} pk_weights_view;

typedef struct {
    long measurements; /* M, as many as each row has */
    const float *b, *gx, *gy, *gz, *y;
    long sticks;
    int spread, rician; /* whether the Rician likelihood is asked for: all y > 0 */
    pk_support support;
    int views;
    pk_weights_view view[2];
    float ridge, pull; /* ρ, ρ ū: keeps weights that the data do not tell apart within the prior */
    float noise_root;  /* one over the standard deviation of log σ */
    int is_known;      /* whether σ is, */
    float known_log_sigma; /* and its logarithm */
    int widths;
    float narrowing[3]; /* factors on the Cholesky factor of u's precision, from 1 down */
    double log_signals; /* Σ log y */
} pk_weights;

/* For samples `first …` with shapes in their rows: draws their weights and noise from uniforms (n + 2 rows of `count`)
   into the rows of log snr, log s0 and fractions, which are not sorted.  gaussian_i, rician_i = log p(y | θ_i) − log
   density of the draw by (log snr, log s0, f); −∞ where a row of the shape is NaN. work: 16 (n + 1) M floats. */
void pk_weights_draw(const pk_weights *job, const float *uniforms, long first, long count, long stride, float *rows,
                     double *gaussian, double *rician, float *work);
