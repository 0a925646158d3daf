#pragma once

/* C = A·B, row-major: A rows × depth (stride lda), B depth × columns, C rows × columns.  For B that fits the
   second-level cache. Each row of C depends on that row of A alone, bit for bit, however many rows come with it:
   products over k are summed in order, fused.  On CPUs with fused multiply-add the result is the same on all of them.
   */
void pk_product(long rows, long columns, long depth, const float *a, long lda, const float *b, long ldb, float *c,
                long ldc);
