#include "../include/linear_modes.h"
#include <float.h>
#include "../include/small_matrix.h"
#include "../math/row_products.h"
#include "../math/vector_block.h"

PER_CPU void pk_linear_signal(long m, long w, const double *v, const float *restrict e, float *restrict out) {
    for (long i = 0; i < m; i++) out[i] = (float)v[0] * e[i];
    for (long k = 1; k < w; k++) {
        const float f = (float)v[k], *row = e + k * m;
        for (long i = 0; i < m; i++) out[i] += f * row[i];
    }
}

PER_CPU void pk_lane_signals(long m, long w, const float *restrict v, const float *restrict e, float *restrict out) {
    float room[LANES_IN_BLOCK * LANES_IN_BLOCK];
    for (long start = 0; start < m; start += LANES_IN_BLOCK) {
        const long n = m - start < LANES_IN_BLOCK ? m - start : LANES_IN_BLOCK;
        for (long i = 0; i < n; i++) {
            const float *row = e + (start + i) * w * LANES_IN_BLOCK;
            block_f32 sum = LOAD_BLOCK(v) * LOAD_BLOCK(row);
            for (long k = 1; k < w; k++)
                sum += LOAD_BLOCK(v + k * LANES_IN_BLOCK) * LOAD_BLOCK(row + k * LANES_IN_BLOCK);
            STORE_BLOCK(room + i * LANES_IN_BLOCK, sum);
        }
        for (long lane = 0; lane < LANES_IN_BLOCK; lane++)
            for (long i = 0; i < n; i++) out[lane * m + start + i] = room[i * LANES_IN_BLOCK + lane];
    }
}

/* Columns of Ẽ and of the shape instead of the rows': J A Jᵀ and J g. */
BLOCK_INLINE void place(long w, long shape, const double *share, double scale, const float *products, long width,
                        long stride, double *information, double *gradient) {
    const long d = w + shape;
    double with[64], own = 0;
    /* Σ_j share_j (row j) against each row, and against itself. */
    for (long k = 0; k <= d; k++) {
        with[k] = 0;
        for (long j = 0; j < w; j++) with[k] += share[j] * (double)products[k < j ? j * width + k : k * width + j];
    }
    for (long k = 0; k < w; k++) own += share[k] * with[k];
    for (long j = 0; j < d; j++) {
        const int is_weight = j < w;
        const long at = is_weight ? j : j + 1;
        gradient[at] = is_weight ? (double)products[d * width + j] + with[d] : scale * (double)products[d * width + j];
        for (long k = 0; k <= j; k++) {
            const long to = k < w ? k : k + 1;
            double x = (double)products[j * width + k];
            if (is_weight) x += with[j] + with[k] + own;
            else x = k < w ? scale * (x + with[j]) : scale * scale * x;
            information[at * stride + to] = x;
            information[to * stride + at] = x;
        }
    }
    gradient[w] = 0;
    for (long j = 0; j <= d; j++) information[w * stride + j] = information[j * stride + w] = 0;
}

PER_CPU void pk_linear_information(long m, long w, long shape, const double *share, double scale,
                                   const float *restrict weight, const float *restrict score, const float *restrict e,
                                   long stride, double *restrict information, double *restrict gradient) {
    const long d = w + shape;
    if (d < 16) {
        _Alignas(64) float scaled[16 * 128];
        float products[16 * 20];
        row_products(m, d, 128, weight, score, e, scaled, 20, products);
        place(w, shape, share, scale, products, 20, stride, information, gradient);
    } else {
        _Alignas(64) float scaled[64 * 32];
        float products[64 * 68];
        row_products(m, d, 32, weight, score, e, scaled, 68, products);
        place(w, shape, share, scale, products, 68, stride, information, gradient);
    }
}

typedef double eight_f64 __attribute__((ext_vector_type(8)));
typedef struct { eight_f64 v; } __attribute__((packed, aligned(8), may_alias)) eight_anywhere;
#define EIGHT(p) (((eight_anywhere *)(p))->v)

/* As in small_matrix.c, A = Ũᵀ D Ũ with ones on the diagonal of Ũ; row j becomes D_j ũ_j, and `inverse` 1/D. Rows j and
   j + 1 at once (or the last alone), so that one does not wait for the other, from column 8 · from on, before which
   nothing counts. `from` and `eights` are constants where it is called. */
BLOCK_INLINE int eliminate_two(long j, int is_last, long from, long eights, double *a, double *inverse) {
    const long stride = 8 * eights;
    double *row = a + j * stride, *next = is_last ? row : row + stride;
    eight_f64 x[8], y[8];
    UNROLLED for (long c = from; c < eights; c++) {
        x[c] = EIGHT(row + 8 * c);
        y[c] = EIGHT(next + 8 * c);
    }
    for (long k = 0; k < j; k++) {
        const double *above = a + k * stride, f = above[j] * inverse[k], g = above[j + 1] * inverse[k];
        UNROLLED for (long c = from; c < eights; c++) {
            const eight_f64 u = EIGHT(above + 8 * c);
            x[c] -= f * u;
            y[c] -= g * u;
        }
    }
    UNROLLED for (long c = from; c < eights; c++) EIGHT(row + 8 * c) = x[c];
    if (!(row[j] > 0 && row[j] <= DBL_MAX)) return 0;
    inverse[j] = 1 / row[j];
    if (is_last) return 1;
    const double g = row[j + 1] * inverse[j];
    UNROLLED for (long c = from; c < eights; c++) EIGHT(next + 8 * c) = y[c] - g * x[c];
    return 1;
}

BLOCK_INLINE int eliminate(long d, long eights, double *a, double *inverse) {
    for (long j = 0; j < d; j += 2) {
        const int is_last = j + 1 == d;
        int done = 0;
        switch (j / 8) {
        case 0: done = eliminate_two(j, is_last, 0, eights, a, inverse); break;
        case 1: done = eliminate_two(j, is_last, 1, eights, a, inverse); break;
        case 2: done = eliminate_two(j, is_last, 2, eights, a, inverse); break;
        case 3: done = eliminate_two(j, is_last, 3, eights, a, inverse); break;
        case 4: done = eliminate_two(j, is_last, 4, eights, a, inverse); break;
        case 5: done = eliminate_two(j, is_last, 5, eights, a, inverse); break;
        case 6: done = eliminate_two(j, is_last, 6, eights, a, inverse); break;
        default: done = eliminate_two(j, is_last, 7, eights, a, inverse);
        }
        if (!done) return 0;
        if (is_last) break;
        const double pivot = a[(j + 1) * 8 * eights + j + 1];
        if (!(pivot > 0 && pivot <= DBL_MAX)) return 0;
        inverse[j + 1] = 1 / pivot;
    }
    return 1;
}

PER_CPU int pk_system_factorise(long d, long stride, double *a) {
    if (stride == PK_SMALL_STRIDE) return pk_factorise(d, a);
    double inverse[64];
    if (!(stride == 32 ? eliminate(d, 4, a, inverse) : eliminate(d, 8, a, inverse))) return 0;
    for (long j = 0; j < d; j++)
        for (long c = 0; c < stride; c++) a[j * stride + c] *= ROOT(inverse[j]);
    return 1;
}

PER_CPU int pk_system_solve(long d, long stride, double *a, double *x) {
    if (stride == PK_SMALL_STRIDE) return pk_solve(d, a, x);
    double inverse[64], rest[64];
    /* Elimination takes column d along: D times the solution of Ũᵀ D (·) = b. */
    if (!(stride == 32 ? eliminate(d, 4, a, inverse) : eliminate(d, 8, a, inverse))) return 0;
    for (long j = 0; j < d; j++) rest[j] = a[j * stride + d];
    for (long k = d - 1; k >= 0; k--) {
        x[k] = rest[k] * inverse[k];
        for (long j = 0; j < k; j++) rest[j] -= a[j * stride + k] * x[k];
    }
    return 1;
}

PER_CPU void pk_system_directions(long d, long stride, const double *u, const double *prior, double *v,
                                  double *squares) {
/* Rounded as the plain definition is (WideDirection.conjugate). */
#pragma STDC FP_CONTRACT OFF
    for (long c = 0; c < stride; c++) squares[c] = 0;
    for (long j = d - 1; j >= 0; j--) {
        double *row = v + j * stride;
        const double *from = u + j * stride;
        for (long i = 0; i < stride; i += 8) {
            eight_f64 x = 0;
            for (long k = j + 1; k < d; k++) x -= from[k] * EIGHT(v + k * stride + i);
            EIGHT(row + i) = x;
        }
        row[j] = 1;
        for (long i = 0; i < stride; i += 8) {
            const eight_f64 x = EIGHT(row + i) / from[j];
            EIGHT(row + i) = x;
            EIGHT(squares + i) += x * x * prior[j];
        }
    }
}
