#include "../include/curves.h"
#include <math.h>
#include "curve_math.h"

PER_CPU void pk_curve(int form, long n, const double *restrict x, double a, double b, double c, double *restrict y) {
#define CURVE(FORM, VALUE) \
    case FORM: \
        for (long i = 0; i < n; i++) { \
            const double t = x[i]; \
            y[i] = VALUE; \
        } \
        break;
    const double per_b = 1 / b, scale = form == PK_CURVE_FREE_LOGARITHM ? 1 / log1p(10 * a) : 1;
    switch (form) {
        CURVE(PK_CURVE_DECAY, exponential(-a * t))
        CURVE(PK_CURVE_GROWTH, exponential(a * (t - 10.0)))
        CURVE(PK_CURVE_GAMMA, a * t * exponential(1.0 - a * t))
        CURVE(PK_CURVE_RATIONAL, 1.0 / (1.0 + a * t))
        CURVE(PK_CURVE_SATURATION, t / (a + t))
        CURVE(PK_CURVE_FREE_POWER, exponential(a * logarithm(0.1 * t)))
        CURVE(PK_CURVE_FREE_LOGARITHM, logarithm_beside_one(a * t) * scale)
        CURVE(PK_CURVE_SINE, fast_sine(a * t))
        CURVE(PK_CURVE_COSINE, fast_cosine(a * t))
        CURVE(PK_CURVE_SQUARE_WAVE, hyperbolic_tangent(5.0 * fast_sine(a * t)))
        CURVE(PK_CURVE_TRIANGLE_WAVE, 0.63661977236758134 * arcsine(0.99 * fast_sine(a * t)))
        CURVE(PK_CURVE_SAWTOOTH, 0.63661977236758134 * arctangent(fast_sine(a * t) / (1.05 + fast_cosine(a * t))))
        CURVE(PK_CURVE_DAMPED_SINE, exponential(-b * t) * fast_sine(a * t))
        CURVE(PK_CURVE_DAMPED_COSINE, exponential(-b * t) * fast_cosine(a * t))
        CURVE(PK_CURVE_CHIRP_SINE, fast_sine(a * t * t * 0.1))
        CURVE(PK_CURVE_CHIRP_COSINE, fast_cosine(a * t * t * 0.1))
        CURVE(PK_CURVE_GROWING_SINE, 0.2 * t * fast_sine(a * t))
        CURVE(PK_CURVE_GROWING_COSINE, 0.2 * t * fast_cosine(a * t))
        CURVE(PK_CURVE_LOGARITHMIC_SINE, fast_sine(a * logarithm_beside_one(t)))
        CURVE(PK_CURVE_SIGMOID, 1.0 / (1.0 + exponential((a - t) * per_b)))
        CURVE(PK_CURVE_BUMP, exponential(-0.5 * ((t - a) * per_b) * ((t - a) * per_b)))
        CURVE(PK_CURVE_PEAK, 1.0 / (1.0 + ((t - a) * per_b) * ((t - a) * per_b)))
        CURVE(PK_CURVE_BOX, 0.5 * (hyperbolic_tangent((t - a) * 10.0) - hyperbolic_tangent((t - a - b) * 10.0)))
        CURVE(PK_CURVE_HAT, (1.0 - ((t - a) * per_b) * ((t - a) * per_b))
                                * exponential(-0.5 * ((t - a) * per_b) * ((t - a) * per_b)))
        CURVE(PK_CURVE_SLOPE, ((t - a) * per_b) * exponential(0.5 - 0.5 * ((t - a) * per_b) * ((t - a) * per_b)))
        CURVE(PK_CURVE_PACKET, exponential(-0.5 * ((t - a) * per_b) * ((t - a) * per_b)) * fast_cosine(c * (t - a)))
    }
#undef CURVE
}
