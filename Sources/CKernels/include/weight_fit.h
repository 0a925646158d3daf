#pragma once
/* The weights of a signal Σ_k v_k E_k that explain m data best by least squares, of sixteen samples at once: rough, for
   ranking starts.

   With u ≥ 0 the weights above their floors φ and Ẽ_k = E_k + Σ_j φ_j E_j / c, c = 1 − Σφ, half of uᵀGu less pᵀu, G =
   ẼᵀẼ and p = Ẽᵀy, is brought down one coordinate after the other, 24 times; a little ridge on G's diagonal lets
   columns that are alike share what they explain.  Coefficients u = v may have any sign.

   The same on every CPU, bit for bit: no product is fused with a sum. */

/* e: component k at measurement i at e[(i·W + k)·16], W ≤ PK_WEIGHTS_MOST; bound: W floors, with `free` = c for
   fractions and 0 for coefficients, of which the bounds are not read.  weights: W rows of 16, fractions v / s0 or
   coefficients; squares: Σ (y − S)², 16; scale: s0 = Σu / c, at least 1e-3, or 1; 16. */
void pk_fit_weights(long measurements, long components, const float *y, const float *e, const float *bound, float free,
                    float *weights, float *squares, float *scale);
