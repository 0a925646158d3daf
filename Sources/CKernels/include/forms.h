#pragma once
#include <stdint.h>
/* The signal forms of compartments (see Sources/Diffusion/Compartments): attenuations E of sixteen samples at once,
   each lane a sample's.

       isotropic   E = A(b),  b standing here and below for a shell: measurements with the same b, δ and Δ
       axial       E = exp(−(p + q c²)),  c = g·μ,  p and q once a shell
       quadratic   E = exp(−b gᵀDg)
       zonal       E = Σ_j a_j (2c² − 1)^j,  a_j once a shell
       Bingham     E = Σ_t w_t exp(−p_t) ⟨exp(−x_t (g·n)²)⟩ over directions n with Bingham's distribution

   The first three also with a gamma-distributed exponent of relative spread ρ: exp(−u) becomes (1 + ρ² u)^(−1/ρ²).

   "16": sixteen floats, one a sample. A lane's results depend on that lane alone, bit for bit. Nothing need be aligned.
   */

/* Measurements sorted by shell. `place` is where each stands in the caller's order; shell s has those from start[s] to
   start[s + 1] − 1. */
typedef struct {
    long measurements, shells;
    int is_sorted; /* whether every place is its own: measurements come shell by shell */
    const int32_t *start, *place;
    const float *gx, *gy, *gz; /* unit vectors, or zero where b = 0 */
    const float *products;     /* 6 rows of b·(gx², gy², gz², 2gxgy, 2gxgz, 2gygz), s/mm² */
} pk_form_design;

/* E of measurement i goes to out[i·stride … i·stride + 15]. spread: ρ, 16; or NULL. */

/* exponents: shells × 16, A = exp(−exponent). */
void pk_isotropic(const pk_form_design *design, const float *exponents, const float *spread, float *out, long stride);
/* across, along: p and q, shells × 16; axis: μ, 3 rows of 16. Absolute error ≤ 1e-6 for p + q c² ≤ 20 with q ≥ 0. */
void pk_axial(const pk_form_design *design, const float *across, const float *along, const float *axis,
              const float *spread, float *out, long stride);
/* tensor: D as 6 rows of 16, xx yy zz xy xz yz, mm²/s. Absolute error ≤ 2e-6 for b·d ≤ 20. */
void pk_quadratic(const pk_form_design *design, const float *tensor, const float *spread, float *out, long stride);

/* E of two parts, of which the first, in `out`, is there with a share (16): share · out + (1 − share) · other, `other`
   being sixteen floats a measurement. The same on every CPU, bit for bit. */
void pk_blend(long measurements, const float *share, const float *other, float *out, long stride);

/* Terms a_0 … a_16: zonal functions to degree 32. */
enum { PK_ZONAL_TERMS = 17 };
/* coefficients: shells × PK_ZONAL_TERMS × 16; used: how many of them each shell needs, the others being 0. axis as
   above. */
void pk_zonal(const pk_form_design *design, const float *coefficients, const int32_t *used, const float *axis,
              float *out, long stride);

/* Axially symmetric signals exp(−(p + x (g·n)²)) of weight w, averaged over directions n with Watson's density ∝
   exp(κ(n·μ)²). */
typedef enum {
    PK_DISPERSED,      /* the average of the signals */
    PK_AVERAGED_TENSOR /* the signal of the averaged exponent: p + x⟨(g·n)²⟩ */
} pk_term_kind;

/* Watson's moments of 16 concentrations κ in [−60, 64]: ⟨P_l(n·μ)⟩, l = 0, 2 … 32: PK_ZONAL_TERMS × 16. Relative error
   ≤ 1e-12. */
void pk_watson_moments(const float *concentration, double *moments);
/* The coefficients of up to three terms together, for one shell. weight, across p, along x: terms × 16, 0 ≤ p, −p ≤ x ≤
   60. Returns how many are used: what is left out is below 2e-7 in every lane. Absolute error of E ≤ 1e-6 (2e-6 where x
   > 20). */
int pk_zonal_coefficients(const double *moments, int terms, const pk_term_kind *kinds, const float *weight,
                          const float *across, const float *along, float *coefficients);

/* Terms averaged over directions with Bingham's density ∝ exp(κ[(n·e_1)² + ratio (n·e_2)²]). concentration κ: 16, in
   [0, 64]; ratio: 16, in [0, 1]; frame: e_1, e_2, e_3, 9 rows of 16; weight, across p, along x: shells × terms × 16, 0
   ≤ x ≤ 60. Absolute error of E ≤ 1e-5. */
void pk_bingham(const pk_form_design *design, const float *concentration, const float *ratio, const float *frame,
                int terms, const pk_term_kind *kinds, const float *weight, const float *across, const float *along,
                float *out, long stride);

/* −ln E of spins between restricting walls under two gradient pulses of duration δ, Δ apart, perpendicular to the walls
   in the cylinder's case (Gaussian phase approximation, six terms). radius: 16, µm; diffusivity in mm²/s, b in s/mm², δ
   and Δ in ms. Relative error of E ≤ 2e-5. */
typedef enum { PK_SPHERE, PK_CYLINDER } pk_restriction;
void pk_restricted_exponents(pk_restriction kind, const float *radius, double diffusivity, double b, double small_delta,
                             double big_delta, float *out);

/* κ = 1/tan(π/2 · dispersion) of 16 orientation dispersion indices in (0, 1); relative error ≤ 4e-7. */
void pk_concentrations(const float *dispersion, float *out);

/* One θ: attenuations (measurements) and derivatives by local coordinates, a row of `measurements` floats each. `count`
   coordinates act on what the form is made of, given here as value first and then its derivatives; two more turn the
   axis towards the unit vectors `tangents` (2 × 3). Error of a derivative ≤ 2e-5 max(1, |derivative|), for the default
   priors' coordinates; Bingham's 1e-4. */
enum { PK_MOST_COORDINATES = 8 };
/* exponents: shells × (1 + count) × (p, q). Rows: count, 2 tangents where there is an axis (else NULL: isotropic), log
   ρ where spread ρ > 0. */
void pk_axial_gradient(const pk_form_design *design, long count, const float *exponents, const float *axis,
                       const float *tangents, float spread, float *attenuation, float *rows);
/* tensors: (1 + count) × 6. Rows: count, log ρ where spread ρ > 0. */
void pk_quadratic_gradient(const pk_form_design *design, long count, const float *tensors, float spread,
                           float *attenuation, float *rows);
/* coefficients: shells × (1 + count) × PK_ZONAL_TERMS. Rows: count, 2 tangents. */
void pk_zonal_gradient(const pk_form_design *design, long count, const float *coefficients, const float *axis,
                       const float *tangents, float *attenuation, float *rows);
/* ⟨P_l(n·μ)⟩ of Watson's distribution, l = 0, 2 … 34, in double: what every shell of one θ has in common. */
enum { PK_WATSON_MOMENTS = PK_ZONAL_TERMS + 1 };
void pk_watson_moment_row(double concentration, double *moments);
/* The coefficients of one shell, (1 + count) × PK_ZONAL_TERMS, from κ's moments and κ: 1 + count; weight, across,
   along: terms × (1 + count). count ≤ 8. */
void pk_zonal_coefficient_gradient(long count, const double *moments, const double *concentration, int terms,
                                   const pk_term_kind *kinds, const double *weight, const double *across,
                                   const double *along, float *coefficients);
/* concentration κ and ratio: 1 + count; frame: e_1, e_2, e_3; weight, across, along: shells × terms × (1 + count).
   Rows: count, then three angles ω by which the frame turns about its own axes. */
void pk_bingham_gradient(const pk_form_design *design, long count, const double *concentration, const double *ratio,
                         const float *frame, int terms, const pk_term_kind *kinds, const double *weight,
                         const double *across, const double *along, float *attenuation, float *rows);
