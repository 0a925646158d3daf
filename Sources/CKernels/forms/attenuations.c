/* Attenuations of sixteen samples by signal form (forms.h): one pass over the measurements, shell by shell. */
#include "form_lanes.h"

BLOCK_INLINE void isotropic(const pk_form_design *d, const float *exponents, const float *spread, int has_spread,
                            float *out, long stride) {
    block_f32 factor, shape;
    attenuation_law(has_spread ? spread : 0, &factor, &shape);
    for (long s = 0; s < d->shells; s++) {
        block_f32 a = LOAD_BLOCK(exponents + s * LANES) * factor;
        block_attenuation(&a, &shape, has_spread);
        for (long i = d->start[s]; i < d->start[s + 1]; i++) STORE_BLOCK(out + d->place[i] * stride, a);
    }
}

BLOCK_INLINE void axial(const pk_form_design *d, const float *across, const float *along, const float *axis,
                        const float *spread, int has_spread, float *out, long stride) {
    block_f32 factor, shape;
    attenuation_law(has_spread ? spread : 0, &factor, &shape);
    const block_f32 x = LOAD_BLOCK(axis), y = LOAD_BLOCK(axis + LANES), z = LOAD_BLOCK(axis + 2 * LANES);
    for (long s = 0; s < d->shells; s++) {
        const block_f32 p = LOAD_BLOCK(across + s * LANES) * factor, q = LOAD_BLOCK(along + s * LANES) * factor;
        for (long i = d->start[s]; i < d->start[s + 1]; i++) {
            const block_f32 c = x * d->gx[i] + y * d->gy[i] + z * d->gz[i];
            block_f32 a = q * (c * c) + p;
            block_attenuation(&a, &shape, has_spread);
            STORE_BLOCK(out + d->place[i] * stride, a);
        }
    }
}

BLOCK_INLINE void quadratic(const pk_form_design *d, const float *tensor, const float *spread, int has_spread,
                            float *out, long stride) {
    block_f32 factor, shape, t[6];
    attenuation_law(has_spread ? spread : 0, &factor, &shape);
    for (int k = 0; k < 6; k++) t[k] = LOAD_BLOCK(tensor + k * LANES) * factor;
    const long m = d->measurements;
    for (long i = 0; i < m; i++) {
        const float *g = d->products + i;
        block_f32 a = t[0] * g[0] + t[1] * g[m] + t[2] * g[2 * m] + t[3] * g[3 * m] + t[4] * g[4 * m] + t[5] * g[5 * m];
        /* Rounding may leave less than nothing of an exponent near 0, of which a logarithm would not exist. */
        if (has_spread) a = a < 0.0f ? (block_f32)0.0f : a;
        block_attenuation(&a, &shape, has_spread);
        STORE_BLOCK(out + d->place[i] * stride, a);
    }
}

PER_CPU void pk_isotropic(const pk_form_design *d, const float *exponents, const float *spread, float *out,
                          long stride) {
    if (spread) isotropic(d, exponents, spread, 1, out, stride);
    else isotropic(d, exponents, 0, 0, out, stride);
}

PER_CPU void pk_axial(const pk_form_design *d, const float *across, const float *along, const float *axis,
                      const float *spread, float *out, long stride) {
    if (spread) axial(d, across, along, axis, spread, 1, out, stride);
    else axial(d, across, along, axis, 0, 0, out, stride);
}

PER_CPU void pk_quadratic(const pk_form_design *d, const float *tensor, const float *spread, float *out, long stride) {
    if (spread) quadratic(d, tensor, spread, 1, out, stride);
    else quadratic(d, tensor, 0, 0, out, stride);
}

/* Σ_j a_j s^j by Horner's rule: s = 2c² − 1 covers [−1, 1], where powers lose nothing of the accuracy; powers of c²
   would lose four digits. The number of terms is a constant where it is called, so that the coefficients stay in
   registers. */
BLOCK_INLINE void zonal(const pk_form_design *d, long s, const float *coefficients, long terms, const float *axis,
                        float *restrict out, long stride) {
    const block_f32 x = LOAD_BLOCK(axis), y = LOAD_BLOCK(axis + LANES), z = LOAD_BLOCK(axis + 2 * LANES);
    block_f32 a[PK_ZONAL_TERMS];
    UNROLLED for (long j = 0; j < terms; j++) a[j] = LOAD_BLOCK(coefficients + j * LANES);
    for (long i = d->start[s]; i < d->start[s + 1]; i++) {
        const block_f32 c = x * d->gx[i] + y * d->gy[i] + z * d->gz[i], t = 2.0f * c * c - 1.0f;
        block_f32 e = a[terms - 1];
        UNROLLED for (long j = terms - 2; j >= 0; j--) e = e * t + a[j];
        STORE_BLOCK(out + d->place[i] * stride, e);
    }
}

PER_CPU void pk_zonal(const pk_form_design *d, const float *coefficients, const int32_t *used, const float *axis,
                      float *restrict out, long stride) {
    for (long s = 0; s < d->shells; s++) {
        const float *a = coefficients + s * PK_ZONAL_TERMS * LANES;
        const int32_t n = used[s];
        /* A term more costs little, and is 0. */
        if (n <= 1) zonal(d, s, a, 1, axis, out, stride);
        else if (n <= 5) zonal(d, s, a, 5, axis, out, stride);
        else if (n <= 7) zonal(d, s, a, 7, axis, out, stride);
        else if (n <= 9) zonal(d, s, a, 9, axis, out, stride);
        else if (n <= 11) zonal(d, s, a, 11, axis, out, stride);
        else if (n <= 13) zonal(d, s, a, 13, axis, out, stride);
        else zonal(d, s, a, PK_ZONAL_TERMS, axis, out, stride);
    }
}

PER_CPU void pk_blend(long measurements, const float *share, const float *other, float *out, long stride) {
#pragma STDC FP_CONTRACT OFF
    const block_f32 first = LOAD_BLOCK(share), second = 1.0f - first;
    for (long i = 0; i < measurements; i++)
        STORE_BLOCK(out + i * stride, first * LOAD_BLOCK(out + i * stride) + second * LOAD_BLOCK(other + i * LANES));
}
