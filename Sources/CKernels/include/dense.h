#pragma once

/* Dense layers whose weights do not change: laid out once for the kernel that will run them.
   y = f(x W + b), row-major; x rows × depth (stride ldx), W depth × columns, y rows × columns (stride ldy); f the identity or SiLU.
   Each row of y depends on that row of x alone, bit for bit, however many rows come with it. */
typedef enum {
    PK_DENSE_4, PK_DENSE_8, PK_DENSE_16, /* float32 by vectors of 4, 8 and 16: bit for bit pk_product, then + b */
    PK_DENSE_BF16                        /* W and x rounded to bfloat16 (nearest even), products summed in float32 */
} pk_dense_kind;

/* The fastest float32 kind of this processor; whether it has PK_DENSE_BF16. */
pk_dense_kind pk_dense_best(void);
int pk_dense_has_bf16(void);

/* A laid-out layer takes pk_dense_size floats, 64-byte aligned. bias: columns values, or NULL. */
long pk_dense_size(pk_dense_kind kind, long depth, long columns);
void pk_dense_pack(pk_dense_kind kind, long depth, long columns, const float *weights, const float *bias, float *packed);
void pk_dense(pk_dense_kind kind, long rows, long columns, long depth, const float *x, long ldx, const float *packed, int silu, float *y, long ldy);
