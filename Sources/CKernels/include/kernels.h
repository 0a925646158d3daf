#pragma once
#include <stdint.h>

/* All matrices are row-major and dense; a trailing `_f32`/`_f64` names the element type. `group` maps a row to a row of
   the modulation matrices (NULL: every row uses row 0). Backward functions add to their gradient outputs. */

/* One attention problem: queries rows q0 … q0+nq of Q, keys rows k0 … k0+nk of K and V. */
typedef struct { int32_t q0, nq, k0, nk; } pk_segment;

#define PK_DECLARE(REAL, SUFFIX) \
    void pk_silu_forward_##SUFFIX(const REAL *x, REAL *y, long n); \
    void pk_silu_backward_##SUFFIX(const REAL *x, const REAL *dy, REAL *dx, long n); \
    void pk_bias_##SUFFIX(REAL *y, const REAL *bias, long rows, long cols); \
    void pk_bias_backward_##SUFFIX(const REAL *dy, REAL *dbias, long rows, long cols); \
    /* y = (x − mean)/√(var + ε) · (1 + scale) + shift; stats receives mean and 1/√(var + ε) of each row */ \
    void pk_norm_forward_##SUFFIX(const REAL *x, const REAL *scale, const REAL *shift, const int32_t *group, \
                                  long stride, REAL *y, REAL *stats, long rows, long cols); \
    void pk_norm_backward_##SUFFIX(const REAL *x, const REAL *scale, const int32_t *group, long stride, \
                                   const REAL *stats, const REAL *dy, REAL *dx, REAL *dscale, REAL *dshift, long rows, \
                                   long cols); \
    /* y = x + (1 + gate) · h */ \
    void pk_gate_forward_##SUFFIX(const REAL *x, const REAL *h, const REAL *gate, const int32_t *group, long stride, \
                                  REAL *y, long rows, long cols); \
    void pk_gate_backward_##SUFFIX(const REAL *h, const REAL *gate, const int32_t *group, long stride, const REAL *dy, \
                                   REAL *dx, REAL *dh, REAL *dgate, long rows, long cols); \
    /* Per head: O = softmax(Q Kᵀ / √dh) V. `mask`, if given, is nq × nk bytes shared by all segments, 0 where not */ \
    /* allowed. */ \
    /* `prob` keeps the probabilities, pk_attention_saved() elements; may be NULL when no backward follows. */ \
    void pk_attention_forward_##SUFFIX(const REAL *q, const REAL *k, const REAL *v, long qstride, long kstride, \
                                       const pk_segment *segments, long count, long heads, long headwidth, \
                                       const uint8_t *mask, REAL *out, long ostride, REAL *prob); \
    void pk_attention_backward_##SUFFIX(const REAL *q, const REAL *k, const REAL *v, long qstride, long kstride, \
                                        const pk_segment *segments, long count, long heads, long headwidth, \
                                        const REAL *prob, const REAL *dout, long ostride, REAL *dq, REAL *dk, \
                                        REAL *dv); \
    void pk_axpy_##SUFFIX(REAL a, const REAL *x, REAL *y, long n); /* y += a x */ \
    double pk_sum_of_squares_##SUFFIX(const REAL *x, long n);

PK_DECLARE(float, f32)
PK_DECLARE(double, f64)
#undef PK_DECLARE

/* Elements that pk_attention_forward writes to `prob`. */
long pk_attention_saved(const pk_segment *segments, long count, long heads);

/* pk_attention_forward_f32 for heads of 16 columns: the same to rounding, several times as fast.
   lanes: 16, 8 or 4 of a vector, no more than the processor has; 0: all it has.
   kept: NULL, or pk_attention16_kept() floats, 64-byte aligned, for the backward pass. */
void pk_attention16(long lanes, const float *q, const float *k, const float *v, long qstride, long kstride,
                    const pk_segment *segments, long count, long heads, const uint8_t *mask, float *out, long ostride,
                    float *kept);
/* The same of single queries (nq = 1) whose keys are the rows list[k0] … list[k0 + nk − 1], without a mask. */
void pk_attention16_along(long lanes, const float *q, const float *k, const float *v, long qstride, long kstride,
                          const pk_segment *segments, long count, const int32_t *list, long heads, float *out,
                          long ostride);
long pk_attention16_kept(long lanes, const pk_segment *segments, long count, long heads);
/* Its gradients.  dq is written where `qwritten`, dk and dv where `kwritten`, and added to otherwise; what is written
   belongs to one segment only. */
void pk_attention16_backward(long lanes, const float *q, const float *k, const float *v, long qstride, long kstride,
                             const pk_segment *segments, long count, long heads, const float *kept, const float *dout,
                             long ostride, float *dq, int qwritten, float *dk, float *dv, int kwritten);
/* Lanes of the processor's vectors of floats that kernels use: 16 (AVX-512), 8 (AVX2 with FMA) or 4. */
long pk_lanes(void);

/* AdamW with decoupled weight decay: g is scaled first; c1, c2 = 1 − βᵗ. */
void pk_adamw_f32(float *w, const float *g, float *m, float *v, long n, float gradscale, float rate, float beta1,
                  float beta2, float epsilon, float c1, float c2, float decay);
/* average += (1 − β)(w − average) */
void pk_average_f32(float *average, const float *w, long n, float beta);

/* y = exp(x), relative error ≤ 2e-7 on [−87, 88]: the speed that other kernels' exponentials are held against. */
void pk_exp_f32(const float *x, float *y, long n);

/* Which of the kernels' versions this processor runs. */
const char *pk_instruction_set(void);
