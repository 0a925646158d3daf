#pragma once
#include <stdint.h>

/* Dense layers forwards and backwards, as training needs them: y = r + (1 + gate) f(n(x) W + b), f the identity or
   SiLU, all of it in one pass over the rows, which go through a block at a time, and all of its gradients in another.
   Row-major and dense: x rows × depth, W depth × columns. The products' operands may be narrow; their sums over many,
   and all that stands around them, are single precision. Results depend on the kind alone. */
typedef enum {
    PK_TRAIN_4,
    PK_TRAIN_8,
    PK_TRAIN_16,   /* float32 by vectors of 4, 8 and 16 */
    PK_TRAIN_BF16, /* operands rounded to bfloat16, summed in float32 */
    PK_TRAIN_HALF  /* operands rounded to half precision, scaled by powers of two; sums of 64 products in half, of
                      those in float32 */
} pk_train_kind;

/* The fastest float32 kind of this processor, whether it has another, and whether that is faster than single precision
   on it: the first processors with bfloat16 products make half as many of them a second as of float32. */
pk_train_kind pk_train_best(void);
int pk_train_has(pk_train_kind kind);
int pk_train_pays(pk_train_kind kind);

typedef struct {
    long rows, depth, columns;
    const float *x;
    const float *scale, *shift; /* n(x) = (x − mean)/√(var + 1e-5) · (1 + scale) + shift by rows, else x itself */
    const int32_t *norm_group;  /* row of scale and shift, `norm_stride` apart, for each row of x; else row 0 */
    long norm_stride;
    int silu;
    const float *residual; /* r, else 0 */
    const float *gate;     /* with a residual only; else 0 */
    const int32_t *gate_group;
    long gate_stride;
    float *y;
    /* Kept from forwards for backwards: mean and 1/√(var + 1e-5) of each row where there is a norm; f′, in half
       precision where operands are narrow, where there is SiLU; f where there is a gate. */
    float *stats, *slope, *ungated;
    /* n(x) as backwards reads it: pk_train_kept floats, 64-byte aligned; forwards NULL where no backward pass follows.
       Narrow kinds need neither x nor y again, but for x where there is a norm. */
    float *kept;
    /* Backwards: dy is read (it is r's gradient too); dw, db, dscale, dshift and dgate are added to; so is dx, which
       may be NULL, unless dx_written. */
    const float *dy;
    float *dx, *dw, *db, *dscale, *dshift, *dgate;
    int dx_written;
} pk_train_layer;

/* Laid-out weights, forwards depth × columns or, `transposed`, for backwards, take pk_train_size floats, 64-byte
   aligned. bias: columns values or NULL. */
long pk_train_size(pk_train_kind kind, long depth, long columns, int transposed);
void pk_train_pack(pk_train_kind kind, long depth, long columns, int transposed, const float *weights,
                   const float *bias, float *packed);

/* Floats of `kept` for so many rows. Rows may come in several calls, forwards and backwards the same, of a multiple of
   pk_train_block rows but for the last: each then keeps what is its own behind what those before it kept. */
long pk_train_kept(pk_train_kind kind, long rows, long depth);

/* Rows that the kernels take at a time, at most: as many at a call cost nothing more. */
enum { pk_train_block = 128 };

/* Bytes of scratch memory, 64-byte aligned, that either pass needs. */
long pk_train_scratch(pk_train_kind kind, long depth, long columns);
void pk_train_forward(pk_train_kind kind, const pk_train_layer *layer, const float *packed, void *scratch);
void pk_train_backward(pk_train_kind kind, const pk_train_layer *layer, const float *transposed, void *scratch);
