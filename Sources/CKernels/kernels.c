#include "include/kernels.h"
#include "vector_math.h"
PER_CPU float pk_exp_probe(const float *x, float *y, long n) { for (long i = 0; i < n; i++) y[i] = fast_exp(x[i]); return y[0]; }
