#pragma once
/* What climbs to modes take, for signals S = Σ_k v_k E_k of any family (see linear_weights.h): M measurements, W
   components, D' shape coordinates. */

/* S = Σ_k v_k E_k; e: W rows of M. */
void pk_linear_signal(long m, long w, const double *v, const float *e, float *out);

/* The same of sixteen points at once: v: W vectors of 16, e[(i·W + k)·16 …]; out: 16 rows of M. */
void pk_lane_signals(long m, long w, const float *v, const float *e, float *out);

/* Gradient and information, in local coordinates u_1 … u_W, log σ, shape, of a likelihood whose scores in the signals
   are given (pk_gaussian_scores):
       J = (Ẽ_k, 0, scale × row_j),  Ẽ_k = E_k + Σ_j share_j E_j,   information = J diag(weight²) Jᵀ,   gradient = J
       (weight·score)
   e: W + D' rows of M, attenuations and then Σ_k f_k ∂E_k/∂u_j; rows of the information lie `stride` numbers apart.
   What stands at log σ is 0. */
void pk_linear_information(long m, long w, long shape, const double *share, double scale, const float *weight,
                           const float *score, const float *e, long stride, double *information, double *gradient);

/* Symmetric positive definite systems as in small_matrix.h, of d < stride rows with a stride of 16, 32 or 64. */
enum { PK_SYSTEM_MOST = 63 };
/* A becomes U, A = Uᵀ U; returns 0, with A spoilt, when A is not positive definite. */
int pk_system_factorise(long d, long stride, double *a);
/* x = A⁻¹ b with b in column d of A, which is spoilt; returns 0, and leaves x alone, when A is not positive definite.
   */
int pk_system_solve(long d, long stride, double *a, double *x);
/* V = U⁻¹ of an upper triangular U, rows of `stride`: its columns v_i are conjugate directions of A = UᵀU, v_iᵀ A v_j =
   δ_ij. squares: `stride` numbers, of which number i is Σ_j v_ji² prior_j. */
void pk_system_directions(long d, long stride, const double *u, const double *prior, double *v, double *squares);
