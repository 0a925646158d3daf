/* Attenuations of one θ and their derivatives (forms.h): a lane is a measurement here, sixteen of a shell at a time. */
#include "form_lanes.h"
#include <math.h>

/* Up to sixteen measurements from `first` on, the last repeated. */
typedef struct { long first, count; block_f32 x, y, z; } some_of;
BLOCK_INLINE void gather(const pk_form_design *d, long first, long end, some_of *m) {
    m->first = first;
    m->count = end - first < LANES ? end - first : LANES;
    if (m->count == LANES) {
        m->x = LOAD_BLOCK(d->gx + first); m->y = LOAD_BLOCK(d->gy + first); m->z = LOAD_BLOCK(d->gz + first);
        return;
    }
    float room[3][LANES];
    take(d->gx + first, m->count, room[0]);
    take(d->gy + first, m->count, room[1]);
    take(d->gz + first, m->count, room[2]);
    m->x = LOAD_BLOCK(room[0]); m->y = LOAD_BLOCK(room[1]); m->z = LOAD_BLOCK(room[2]);
}
/* Blocks come in rising order, so that what a whole block writes beyond its shell the next one overwrites. */
BLOCK_INLINE void put(const pk_form_design *d, const some_of *m, const block_f32 *value, float *row) {
    if (d->is_sorted && m->first + LANES <= d->measurements) {
        STORE_BLOCK(row + m->first, *value);
        return;
    }
    float room[LANES];
    STORE_BLOCK(room, *value);
    for (long i = 0; i < m->count; i++) row[d->place[m->first + i]] = room[i];
}

/* From an exponent u ≥ 0: the attenuation, what −∂/∂u is, and ∂/∂ log ρ. */
BLOCK_INLINE void slopes(const block_f32 *u, float spread, block_f32 *a, block_f32 *slope, block_f32 *by_spread) {
    if (spread > 0) {
        const float square = spread * spread;
        block_f32 l = *u * square;
        block_log2_1p(&l);
        *a = l * (-1.0f / square);
        block_exp2(a);
        *slope = *a / (1.0f + *u * square);
        *by_spread = 2.0f * (*a * (l * (0.69314718f / square)) - *slope * *u);
    } else {
        *a = *u * MINUS_LOG2E;
        block_exp2(a);
        *slope = *a;
    }
}

PER_CPU void pk_axial_gradient(const pk_form_design *d, long count, const float *exponents, const float *axis,
                               const float *tangents, float spread, float *attenuation, float *rows) {
    const long m = d->measurements;
    for (long s = 0; s < d->shells; s++) {
        const float *e = exponents + s * 2 * (count + 1);
        for (long i = d->start[s]; i < d->start[s + 1]; i += LANES) {
            some_of g;
            gather(d, i, d->start[s + 1], &g);
            block_f32 c = 0, a, slope, by_spread = 0;
            if (axis) c = g.x * axis[0] + g.y * axis[1] + g.z * axis[2];
            const block_f32 square = c * c, u = e[0] + e[1] * square;
            slopes(&u, spread, &a, &slope, &by_spread);
            put(d, &g, &a, attenuation);
            for (long k = 0; k < count; k++) {
                const block_f32 r = -slope * (e[2 * k + 2] + e[2 * k + 3] * square);
                put(d, &g, &r, rows + k * m);
            }
            float *next = rows + count * m;
            if (axis)
                for (long k = 0; k < 2; k++, next += m) {
                    const float *t = tangents + 3 * k;
                    const block_f32 r = -2.0f * e[1] * slope * c * (g.x * t[0] + g.y * t[1] + g.z * t[2]);
                    put(d, &g, &r, next);
                }
            if (spread > 0) put(d, &g, &by_spread, next);
        }
    }
}

PER_CPU void pk_quadratic_gradient(const pk_form_design *d, long count, const float *tensors, float spread,
                                   float *attenuation, float *rows) {
    const long m = d->measurements;
    for (long i = 0; i < m; i += LANES) {
        some_of g = {i, m - i < LANES ? m - i : LANES, 0, 0, 0};
        block_f32 product[6], a, slope, by_spread = 0, u;
        for (long j = 0; j < 6; j++) {
            float room[LANES];
            take(d->products + j * m + i, g.count, room);
            product[j] = LOAD_BLOCK(room);
        }
        for (long k = -1; k < count; k++) {
            const float *t = tensors + 6 * (k + 1);
            block_f32 r = t[0] * product[0];
            for (long j = 1; j < 6; j++) r += t[j] * product[j];
            if (k < 0) {
                u = r < 0.0f ? (block_f32)0.0f : r;
                slopes(&u, spread, &a, &slope, &by_spread);
                put(d, &g, &a, attenuation);
            } else {
                r *= -slope;
                put(d, &g, &r, rows + k * m);
            }
        }
        if (spread > 0) put(d, &g, &by_spread, rows + count * m);
    }
}

PER_CPU void pk_zonal_gradient(const pk_form_design *d, long count, const float *coefficients, const float *axis,
                               const float *tangents, float *attenuation, float *rows) {
    const long m = d->measurements;
    for (long s = 0; s < d->shells; s++) {
        const float *all = coefficients + s * (count + 1) * PK_ZONAL_TERMS;
        /* |t| ≤ 1: from where on no column's coefficients matter. */
        long last = PK_ZONAL_TERMS - 1;
        for (float rest = 0; last > 1; last--) {
            for (long k = 0; k <= count; k++) rest += fabsf(all[k * PK_ZONAL_TERMS + last]);
            if (rest > 1e-7f) break;
        }
        for (long i = d->start[s]; i < d->start[s + 1]; i += LANES) {
            some_of g;
            gather(d, i, d->start[s + 1], &g);
            const block_f32 c = g.x * axis[0] + g.y * axis[1] + g.z * axis[2], t = 2.0f * c * c - 1.0f;
            for (long k = 0; k <= count; k++) {
                const float *a = all + k * PK_ZONAL_TERMS;
                block_f32 value = a[last], slope = 0;
                if (k == 0) {
                    for (long j = last - 1; j >= 0; j--) {
                        slope = slope * t + value;
                        value = value * t + a[j];
                    }
                } else {
                    for (long j = last - 1; j >= 0; j--) value = value * t + a[j];
                }
                put(d, &g, &value, k == 0 ? attenuation : rows + (k - 1) * m);
                if (k > 0) continue;
                for (long h = 0; h < 2; h++) {
                    const float *e = tangents + 3 * h;
                    const block_f32 r = 4.0f * c * slope * (g.x * e[0] + g.y * e[1] + g.z * e[2]);
                    put(d, &g, &r, rows + (count + h) * m);
                }
            }
        }
    }
}
