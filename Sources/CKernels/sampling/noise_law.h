/* The normal of log σ that is drawn from when the residual sum of squares is known, within the noise's bounds. */
#pragma once
#include <math.h>
#include "../math/truncated_normal.h"
#include "weight_lanes.h"

/* Its centre, the bounds in standard deviations, and whether any of them cuts. */
typedef struct { float centre[LANES], low[LANES], high[LANES]; int is_cut; } noise_law;

/* log σ of M measurements whose squared residuals sum to `squares`, between `least` and `most`: centre base + ½ log
   squares, standard deviation 1/root. */
INLINE void noise_given(long measurements, float root, float base, const float *squares, const float *least,
                        const float *most, noise_law *law) {
    const float above = 5.0f / root;
    /* Towards small σ the likelihood falls by M a unit of log σ, however good the fit. */
    const float fall = (float)measurements / (root * root), below = fall < above ? fall : above;
    int is_cut = 0;
    EACH(i) {
        float x = base + 0.5f * fast_log(squares[i]);
        x = x < least[i] - below ? least[i] - below : x;
        x = x > most[i] + above ? most[i] + above : x;
        law->centre[i] = x;
        law->low[i] = (least[i] - x) * root;
        law->high[i] = (most[i] - x) * root;
        is_cut |= (law->low[i] > -FAR) | (law->high[i] < FAR);
    }
    law->is_cut = is_cut;
}

/* log σ from uniforms v. */
INLINE void draw_noise(const noise_law *law, float root, const float *v, float *x) {
    if (law->is_cut) EACH(i) x[i] = truncated_quantile(v[i], law->low[i], law->high[i]);
    else EACH(i) x[i] = normal_quantile(v[i]);
    EACH(i) {
        x[i] = x[i] < law->low[i] ? law->low[i] : x[i];
        x[i] = x[i] > law->high[i] ? law->high[i] : x[i];
        x[i] = law->centre[i] + x[i] / root;
    }
}

/* Log-density of log σ, `constant` being what does not depend on it: log root − ½ log 2π, or part of it. */
INLINE void noise_density(const noise_law *law, float root, float constant, const float *log_sigma, float *out) {
    EACH(i) {
        const float z = (log_sigma[i] - law->centre[i]) * root;
        out[i] = constant - 0.5f * z * z;
    }
    if (law->is_cut) EACH(i) out[i] -= log_interval(law->low[i], law->high[i]);
}
