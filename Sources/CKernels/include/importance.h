#pragma once
/* Numbers of an importance sampler: points to draw from, weights, their sums, samples chosen by weight.

   Of N samples w_i = exp(v_i − peak), v_i = logs_i − mixture_i, peak the largest v; 0 where a log is −∞ or NaN or
   mixture_i ≤ −1e29 (outside all components). Relative error of a weight ≤ 1e-5.  Functions return the peak: −∞ where
   there is none, and then nothing else means anything. */

/* x_i = frac(shift + i·step) of numbers given in units of 2^−32, kept within [1e-6, 1 − 1e-6]. */
void pk_kronecker(unsigned shift, unsigned step, long count, float *out);

double pk_importance_weights(const double *logs, const float *mixture, long count, double *weights);

/* Σ w and Σ w². */
double pk_importance_sums(const double *logs, const float *mixture, long count, double *sum, double *squares);

/* `many` samples by systematic resampling, ascending: of sample i the weight by the larger of two logs.  Positions are
   (k + offset)/many of Σ w, offset in (0, 1).  work: N floats. */
double pk_importance_choice(const double *logs, const double *other, const float *mixture, long count, long many,
                            double offset, float *work, long *chosen);
