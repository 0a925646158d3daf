#pragma once
/* What is left of a signal S = Σ_k v_k E_k once its shape, and so the attenuations E_k, are given: the W weights and
   the noise, drawn from (nearly) their conditional posterior.

   Fractions f_k = φ_k + g_k with a scale, v_k = s0 f_k: with c = 1 − Σφ the weights u_k = s0 g_k ≥ 0 give
       S = Σ_k u_k Ẽ_k,   Ẽ_k = E_k + (1/c) Σ_j φ_j E_j,   s0 = Σu / c,   du = c s0^W d log s0 df
   in which no component is special.  Without a scale s0 = 1, Σu = c, and u_0 is what the others leave.  Coefficients
   u_k = v_k are normal about 0.

   A view of the data is a normal approximation of the likelihood about a reference, working data ŷ_i with precisions
   p_i: Gaussian noise has ŷ = y, p = 1/σ²; Rician noise the score's.  Given a shape, u is drawn from the view's normal
   N((ẼᵀPẼ + ρ)⁻¹(ẼᵀPŷ + ρ ū), …) restricted to its range, one coordinate after the other from the last, each off its
   conditional mean by a shift that makes room for those to come (a coordinate's conditional knows nothing of their
   bounds), then log σ from a normal about base + ½ log Σ (y − S)².  Where few measurements leave σ open, views are
   repeated with wider normals of u.  Samples take views and widths in turn and are weighted by the mean density.

   Coefficients under Gaussian noise alone are drawn the other way round, σ first and then u from exactly its
   conditional, so that log p − log q is the integral over u: with a known σ the same for all samples of a shape. */
enum { PK_WEIGHTS_MOST = 12 };
typedef enum { PK_SCALED_FRACTIONS, PK_FRACTIONS, PK_COEFFICIENTS } pk_weight_kind;

typedef struct {
    const float *data, *precision;
    const float *shift; /* W: by how many standard deviations each coordinate is drawn off its conditional mean */
    float log_sigma, base;
} pk_linear_view;

typedef struct {
    long measurements, components;
    const float *y;
    pk_weight_kind kind;
    int rician;           /* whether the Rician likelihood is asked for: all y > 0 */
    const float *bound;   /* W: floors φ, or standard deviations */
    /* W: ρ, ρ ū, which keep weights that the data do not tell apart within the prior; for coefficients the prior's */
    const float *ridge, *pull;
    int views;
    pk_linear_view view[2];
    float low, high;      /* bounds of log(s0/σ), without a scale of log σ */
    int knows_noise;
    float log_sigma;      /* known */
    float noise_root;     /* one over the standard deviation of log σ */
    int widths;
    float narrowing[3];   /* factors on the Cholesky factor of u's precision, from 1 down */
    double log_signals;   /* Σ log y */
} pk_linear_weights;

/* Draws weights and noise of up to sixteen samples, numbers index … index + count − 1 of those that take ways in turn.
   e: their attenuations, component k at measurement i at e[(i·W + k)·16], of sixteen (beyond `count`, of the last
   again); spoilt. uniforms: W + 1 rows of stride `across`, the first number being the first sample's. rows: log σ, log
   s0 and W fractions or coefficients, rows of `stride`.  gaussian, rician: log p(y, u | …) − log density of the draw by
   (log σ, log s0, free fractions) or (log σ, u), p with the normal prior of coefficients and otherwise without the
   prior; −∞ where it is not a number. */
void pk_draw_weights(const pk_linear_weights *job, float *e, const float *uniforms, long across, long index, long count,
                     long stride, float *rows, double *gaussian, double *rician);
