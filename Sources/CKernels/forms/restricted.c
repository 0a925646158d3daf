/* Restricted diffusion in the Gaussian phase approximation (Murday & Cotts for spheres, Van Gelderen for cylinders),
   forms.h. In double: for slow diffusion and short pulses the terms of the bracket below cancel. */
#include "form_lanes.h"

enum { ROOTS = 6 };
/* Of the derivative of the spherical Bessel function j₁, and of J₁. */
static const double sphere_roots[ROOTS] = {2.081575977818101, 5.940369990572712, 9.205840142936665, 12.404445021901974,
                                           15.579236410387185, 18.742645584774756};
static const double cylinder_roots[ROOTS] = {1.841183781340659,  5.331442773525033,  8.536316366346286,
                                             11.706004902592063, 14.863588633909033, 18.015527862681804};

PER_CPU void pk_restricted_exponents(pk_restriction kind, const float *radius, double diffusivity, double b,
                                     double small_delta, double big_delta, float *out) {
    /* µm²/ms; (γGδ)² = b/(Δ − δ/3), 1/µm². */
    const double d = 1e3 * diffusivity, lost = kind == PK_SPHERE ? 2.0 : 1.0,
                 *roots = kind == PK_SPHERE ? sphere_roots : cylinder_roots;
    const double square = b > 0 ? 1e-3 * b / (big_delta - small_delta / 3) : 0;
    const block_f64 r = WIDE(radius), inverse = 1.0 / r;
    block_f64 sum = 0;
    for (int m = 0; m < ROOTS; m++) {
        /* α²; s = Dα²: the rate at which this mode relaxes. */
        const block_f64 a = inverse * inverse * (roots[m] * roots[m]), s = a * d;
        block_f64 pulse = -s * small_delta, gap = -s * (big_delta - small_delta);
        block_exp_f64(&pulse);
        block_exp_f64(&gap);
        /* 2e^(−sδ) + 2e^(−sΔ) − e^(−s(Δ−δ)) − e^(−s(Δ+δ)) = 2e^(−sδ) − e^(−s(Δ−δ)) (1 − e^(−sδ))² */
        const block_f64 one = 1.0 - pulse, bracket = 2.0 * (s * small_delta - one) - gap * one * one;
        sum += bracket / (s * s * a * (roots[m] * roots[m] - lost));
    }
    sum *= 2.0 * square / (small_delta * small_delta);
    STORE_BLOCK(out, NARROW(sum));
}
