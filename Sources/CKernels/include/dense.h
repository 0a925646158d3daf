#pragma once
#include <stdint.h>

/* Dense layers whose weights do not change: laid out once for the kernel that will run them.
   y = r + (1 + gate) f(n(x) W + b), row-major; x rows × depth (stride ldx), W depth × columns, y rows × columns (stride
   ldy); f the identity or SiLU. Each row of y depends on that row of x alone, bit for bit, however many rows come with
   it. */
typedef enum {
    PK_DENSE_4, PK_DENSE_8, PK_DENSE_16, /* float32 by vectors of 4, 8 and 16: bit for bit pk_product, then + b */
    PK_DENSE_BF16                        /* W and x rounded to bfloat16 (nearest even), products summed in float32 */
} pk_dense_kind;

/* What is done to the rows on their way in and out; all of it may be absent. Spares the passes over memory that
   pk_norm_forward and pk_gate_forward make, and equals them to rounding. */
typedef struct {
    const float *scale, *shift; /* n(x) = (x − mean)/√(var + 1e-5) · (1 + scale) + shift by rows, else x itself */
    int silu;
    const float *residual;      /* r, rows × columns; else y = f(…) */
    long residual_stride;
    const float *gate;          /* else 0 */
    const int32_t *group;       /* row of scale, shift and gate (stride `stride`) for each row of x; else row 0 */
    long stride;
} pk_dense_around;

/* The fastest float32 kind of this processor; whether it has PK_DENSE_BF16; and whether that is faster. */
pk_dense_kind pk_dense_best(void);
int pk_dense_has_bf16(void);
int pk_dense_bf16_pays(void);

/* A laid-out layer takes pk_dense_size floats, 64-byte aligned. bias: columns values, or NULL. */
long pk_dense_size(pk_dense_kind kind, long depth, long columns);
void pk_dense_pack(pk_dense_kind kind, long depth, long columns, const float *weights, const float *bias,
                   float *packed);
/* around: NULL for y = x W + b.  residual may be y. */
void pk_dense(pk_dense_kind kind, long rows, long columns, long depth, const float *x, long ldx, const float *packed,
              const pk_dense_around *around, float *y, long ldy);
