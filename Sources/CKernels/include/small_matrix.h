#pragma once
/* Small symmetric positive definite matrices A in double precision: d rows with a stride of PK_SMALL_STRIDE, of which
   the upper triangle counts; the rest of each row must be numbers, and comes out as anything. */
enum { PK_SMALL_STRIDE = 16 };

/* A, d ≤ 16, becomes U, A = Uᵀ U; returns 0, with A spoilt, when A is not positive definite. */
int pk_factorise(long d, double *a);

/* x = A⁻¹ b with b in column d of A, d < 16, which is spoilt; returns 0, and leaves x alone, when A is not positive
   definite. */
int pk_solve(long d, double *a, double *x);
