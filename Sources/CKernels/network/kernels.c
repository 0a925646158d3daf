#include "../include/kernels.h"
#include "../math/vector_math.h"
#include <math.h>
#include <stdlib.h>

#define INLINE static inline __attribute__((always_inline))
/* Saved probabilities keep one layout for both element types: rows in fours, columns in sixteens. */
#define PITCH16(n) (((n) + 15) & ~15L)

typedef float vec_f32 __attribute__((vector_size(64), aligned(4)));
typedef double vec_f64 __attribute__((vector_size(64), aligned(8)));

#define REAL float
#define VEC vec_f32
#define LANES 16
#define EXP fast_exp
#define SQRT(x) ROOT(x)
#define FN(name) name##_f32
#include "kernels_template.h"
#undef REAL
#undef VEC
#undef LANES
#undef EXP
#undef SQRT
#undef FN

#define REAL double
#define VEC vec_f64
#define LANES 8
#define EXP exp
#define SQRT(x) ROOT(x)
#define FN(name) name##_f64
#include "kernels_template.h"

long pk_attention_saved(const pk_segment *segments, long count, long heads) {
    long total = 0;
    for (long t = 0; t < count; t++) total += heads * ((segments[t].nq + 3) & ~3L) * PITCH16(segments[t].nk);
    return total;
}

PER_CPU void pk_adamw_f32(float *restrict w, const float *restrict g, float *restrict m, float *restrict v, long n,
                          float gradscale, float rate, float beta1, float beta2, float epsilon, float c1, float c2,
                          float decay) {
    for (long i = 0; i < n; i++) {
        float d = g[i] * gradscale;
        m[i] = beta1 * m[i] + (1 - beta1) * d;
        v[i] = beta2 * v[i] + (1 - beta2) * d * d;
        w[i] -= rate * ((m[i] / c1) / (sqrtf(v[i] / c2) + epsilon) + decay * w[i]);
    }
}

PER_CPU void pk_average_f32(float *restrict average, const float *restrict w, long n, float beta) {
    for (long i = 0; i < n; i++) average[i] += (1 - beta) * (w[i] - average[i]);
}

PER_CPU void pk_exp_f32(const float *restrict x, float *restrict y, long n) {
    for (long i = 0; i < n; i++) y[i] = fast_exp(x[i]);
}

const char *pk_instruction_set(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return "AVX-512";
    if (__builtin_cpu_supports("x86-64-v3")) return "AVX2, FMA";
    return "SSE2";
#else
    return "as compiled";
#endif
}
