#pragma once
/* Inner loops of the ball-and-sticks Markov chain. A voxel's model is S0 Σ w_k a_k: each compartment keeps its row a_k
   of attenuations, and the sum of squared residuals follows from the rows' products with one another and with the data,
   so only a moved row is computed again. m is a multiple of 16: measurements are padded with weight 0.  b in s/mm²,
   diffusivities in mm²/s. */

/* row_i = weight_i · A(b_i), A(b) = exp(−b d), or (1 + b s²/d)^(−d²/s²) when the spread s > 0; with an axis (x y z,
   unit) b becomes b (g·axis)², without (NULL) the row is the ball's.  Absolute error ≤ 1e-6. */
void pk_chain_row(long m, const float *b, const float *gx, const float *gy, const float *gz, const float *weight,
                  float diffusivity, float spread, const float *axis, double *row);

/* out: products of `row` with y, a0, a1, a2, a3 and itself (6 values).  Relative error ≤ 1e-13 of Σ|terms|. */
void pk_chain_products(long m, const double *row, const double *y, const double *a0, const double *a1, const double *a2,
                       const double *a3, double *out);
