#include "../include/small_matrix.h"
#include <float.h>
#include "vector_math.h"

typedef double row_f64 __attribute__((ext_vector_type(PK_SMALL_STRIDE)));
typedef struct { row_f64 v; } __attribute__((packed, aligned(8), may_alias)) row_anywhere;
#define ROW(a, j) (((row_anywhere *)((a) + PK_SMALL_STRIDE * (j)))->v)
#define AT(a, j, k) ((a)[PK_SMALL_STRIDE * (j) + (k)])

/* A = Ũᵀ D Ũ with ones on the diagonal of Ũ; row j becomes D_j ũ_j, and `inverse` 1/D. Whole rows at a time, as each is
   two or four registers; without square roots, which would follow on one another. */
static inline __attribute__((always_inline)) int eliminate(long d, double *restrict a, double *restrict inverse) {
    for (long j = 0; j < d; j++) {
        row_f64 row = ROW(a, j);
        for (long k = 0; k < j; k++) row -= (AT(a, k, j) * inverse[k]) * ROW(a, k);
        ROW(a, j) = row;
        const double pivot = AT(a, j, j);
        if (!(pivot > 0 && pivot <= DBL_MAX)) return 0;
        inverse[j] = 1 / pivot;
    }
    return 1;
}

PER_CPU int pk_factorise(long d, double *a) {
    double inverse[PK_SMALL_STRIDE];
    if (!eliminate(d, a, inverse)) return 0;
    for (long j = 0; j < d; j++) ROW(a, j) *= ROOT(inverse[j]);
    return 1;
}

PER_CPU int pk_solve(long d, double *a, double *x) {
    double inverse[PK_SMALL_STRIDE], rest[PK_SMALL_STRIDE];
    /* Elimination takes column d along: D times the solution of Ũᵀ D (·) = b. */
    if (!eliminate(d, a, inverse)) return 0;
    for (long j = 0; j < d; j++) rest[j] = AT(a, j, d);
    for (long k = d - 1; k >= 0; k--) {
        x[k] = rest[k] * inverse[k];
#pragma clang loop vectorize(disable)
        for (long j = 0; j < k; j++) rest[j] -= AT(a, j, k) * x[k];
    }
    return 1;
}
