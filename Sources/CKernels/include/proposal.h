#pragma once
/* Proposals of the importance sampler, sampled and evaluated for N samples at once: of shapes (diffusivities and
   directions) normals in local coordinates about a centre; of the rest, given a shape, the conditional posterior
   (weights.h).

   Samples are rows of N floats (PK_SAMPLE_ROWS): log d, log(s/d), log snr, log s0, f1 f2 f3, axes of up to three
   sticks. A component is a block of floats (PK_SHAPE_SIZE).  Local coordinates u, D = 1 + 2n (+ 1 with spread), in this
   order:
       t_11, t_12, t_21, …, log d, [log(s/d)]       all relative to the centre; t Lambert's:
       μ = (1 − ½t²) m + (1 − ¼t²)^½ (t_1 e_1 + t_2 e_2), t² ≤ 2, area element dt
   The density is the product of the conditionals x_j | x_{j+1…D} of a normal with precision L Lᵀ; those of log(s/d) and
   log d are truncated to the prior's ranges.  They come last, so that what the truncation of the last leaves is one
   number a component.  Density by log d, log(s/d) and area. */
enum {
    PK_SAMPLE_ROWS = 16,
    PK_ROW_FRACTION = 4,
    PK_ROW_AXIS = 7,
    PK_SHAPE_AXES = 2,      /* after log d, log(s/d) of the centre: its axes */
    PK_SHAPE_TANGENTS = 11, /* 18: two unit vectors a stick */
    PK_SHAPE_FACTOR = 29,   /* D × D, L in its lower triangle, row-major */
    PK_SHAPE_SIZE = 29 + 64
};

/* Bounds of the prior: logs of d, s/d, snr (low, high each), and the fractions' floor. */
typedef struct {
    float d_low, d_high, ratio_low, ratio_high, snr_low, snr_high, floor;
} pk_support;

/* Shapes of the samples `first … first + count − 1` of rows with stride `stride` from uniforms (D rows of `count`, in
   (0, 1)).  log d and an axis of a sample are NaN where a stick leaves its half-sphere. */
void pk_shape_draw(const float *component, long sticks, int spread, const pk_support *support, const float *uniforms,
                   long first, long count, long stride, float *rows);

/* Sticks being exchangeable, a sample μ stands for n! labellings, among which a likeness to some axes r divides it:
       share_i = log g(μ) − log Σ_π g(πμ),   log g = Σ_k κ_k (μ_k·r_k)²,   over all orders π
   of each of the first `count` samples (rows from `rows` on) of n = 2 or 3 sticks.  axes: n × 3; sharpness κ: n.  −∞
   where a sample is NaN.  Absolute error ≤ 2e-4 down to −80, where it ends. */
void pk_label_share(const float *rows, long sticks, long stride, long count, const float *axes, const float *sharpness,
                    float *share);

/* total_i = log(exp(total_i) + Σ_c counts_c q_c) over the densities of `many` components, one after the other in
   memory, at each of the first `count` samples; where a sample is NaN nothing is added. Absolute error of a log-density
   ≤ 2e-3 where it is ≥ −100, of the sum besides ≤ 1e-6 + 1e-7 |total|. */
void pk_add_shape_densities(const float *components, const float *counts, long many, long sticks, int spread,
                            const pk_support *support, const float *rows, long stride, long count, float *total);
