#include <float.h>
#include "../include/curves.h"
#include "curve_math.h"

typedef double lanes_f64 __attribute__((ext_vector_type(8)));
typedef struct { lanes_f64 v; } __attribute__((packed, aligned(8), may_alias)) lanes_anywhere;
#define LANES(p) (((lanes_anywhere *)(p))->v)
#define LANES_OF(p) (((const lanes_anywhere *)(p))->v)

PER_CPU void pk_whiten(long n, const double *restrict correlation, const double *restrict scale,
                       const double *restrict v, double *restrict out) {
    if (!correlation) {
        for (long i = 0; i < n; i++) out[i] = v[i] * scale[i];
        return;
    }
    if (n > 0) out[0] = v[0] * scale[0];
    for (long i = 1; i < n; i++) out[i] = (v[i] - correlation[i] * v[i - 1]) * scale[i];
}

/* The sum of the lanes in a fixed order. */
CURVE_INLINE double lane_sum(const lanes_f64 *x) {
    const double s0 = x->s0 + x->s4, s1 = x->s1 + x->s5, s2 = x->s2 + x->s6, s3 = x->s3 + x->s7;
    return (s0 + s2) + (s1 + s3);
}

PER_CPU void pk_column_products(long width, long k, const double *columns, const double *v, double *products) {
    long j = 0;
    /* Four columns share every number of v. */
    for (; j + 4 <= k; j += 4) {
        const double *a = columns + j * width, *b = a + width, *c = b + width, *d = c + width;
        lanes_f64 s[4] = {0, 0, 0, 0};
        for (long i = 0; i < width; i += 8) {
            const lanes_f64 x = LANES_OF(v + i);
            s[0] += x * LANES_OF(a + i);
            s[1] += x * LANES_OF(b + i);
            s[2] += x * LANES_OF(c + i);
            s[3] += x * LANES_OF(d + i);
        }
        for (int m = 0; m < 4; m++) products[j + m] = lane_sum(&s[m]);
    }
    for (; j < k; j++) {
        const double *a = columns + j * width;
        lanes_f64 s = 0;
        for (long i = 0; i < width; i += 8) s += LANES_OF(v + i) * LANES_OF(a + i);
        products[j] = lane_sum(&s);
    }
}

/* Row j of U begins as row j of A and loses multiples of the rows above, whole groups of eight at a time. */
PER_CPU int pk_upper_factor(long k, long stride, const double *a, double ridge, long width, double *u,
                            double *log_determinant) {
    double total = 0, product = 1;
    for (long j = 0; j < k; j++) {
        double *row = u + j * width;
        const long first = j & ~7L;
        for (long i = first; i < k; i++) row[i] = a[j * stride + i];
        row[j] += ridge;
        for (long i = first; i < k; i += 8) {
            lanes_f64 s = LANES(row + i);
            for (long l = 0; l < j; l++) s -= u[l * width + j] * LANES(u + l * width + i);
            LANES(row + i) = s;
        }
        const double pivot = row[j];
        if (!(pivot > 0 && pivot <= DBL_MAX)) return 0;
        const double scale = 1 / ROOT(pivot);
        for (long i = first; i < k; i += 8) LANES(row + i) *= scale;
        /* One logarithm for as many pivots as a double holds the product of. */
        product *= pivot;
        if (!(product > 1e-150 && product < 1e150)) {
            total += logarithm(product);
            product = 1;
        }
    }
    *log_determinant = total + logarithm(product);
    return 1;
}

PER_CPU void pk_upper_forward(long k, long width, const double *u, double *b) {
    for (long j = 0; j < k; j++) {
        const double *row = u + j * width, x = b[j] / row[j];
        b[j] = x;
        for (long i = j + 1; i < k; i++) b[i] -= x * row[i];
    }
}

PER_CPU void pk_upper_forward_lanes(long k, long width, const double *u, double *b) {
    for (long j = 0; j < k; j++) {
        const double *row = u + j * width;
        const lanes_f64 x = LANES(b + 8 * j) * (1 / row[j]);
        LANES(b + 8 * j) = x;
        for (long i = j + 1; i < k; i++) LANES(b + 8 * i) -= row[i] * x;
    }
}
