#pragma once
/* Proposals of the importance sampler: normals in local coordinates about a centre, sampled and evaluated for N samples at once.

   A component is a block of floats (PK_COMPONENT_SIZE), samples are rows of N floats (PK_SAMPLE_ROWS): log d, log(s/d), log snr, log s0,
   f1 f2 f3, axes of up to three sticks.  Local coordinates u, D = 3 + 3n (+ 1 with spread), in this order:
       f_1 … f_n, [log(s/d)], log d, log snr, log s0, t_11, t_12, t_21, …       all relative to the centre; t gnomonic
   The density is the product of the conditionals x_j | x_{j+1…D} of a normal with precision L Lᵀ; those of f, log(s/d), log d and log snr are truncated
   to the prior's support: floor ≤ f_n ≤ … ≤ f_1, Σ f ≤ 1, and the given ranges.  Density by log d, log(s/d), log snr, log s0, f and area. */
enum {
    PK_SAMPLE_ROWS = 16,
    PK_ROW_FRACTION = 4,
    PK_ROW_AXIS = 7,
    PK_COMPONENT_CENTRE = 0,    /* 16: as a sample's rows */
    PK_COMPONENT_TANGENTS = 16, /* 18: two unit vectors a stick */
    PK_COMPONENT_FACTOR = 34,   /* D × D, L in its lower triangle, row-major */
    PK_COMPONENT_SIZE = 34 + 169
};

/* Bounds of the prior: logs of d, s/d, snr (low, high each), and the fractions' floor. */
typedef struct {
    float d_low, d_high, ratio_low, ratio_high, snr_low, snr_high, floor;
} pk_support;

/* Samples `first … first + count − 1` of rows with stride `stride` from uniforms (D rows of `count`, in (0, 1)).  work: (D + 4)·count floats. */
void pk_component_draw(const float *component, long sticks, int spread, const pk_support *support, const float *uniforms, long first, long count,
                       long stride, float *rows, float *work);

/* out_i = log-density at each of the first `count` samples.  work: (D + 6)·count floats.  Absolute error ≤ 2e-3 where out ≥ −100. */
void pk_component_log_density(const float *component, long sticks, int spread, const pk_support *support, const float *rows, long stride,
                              long count, float *out, float *work);
