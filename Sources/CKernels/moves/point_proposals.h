/* What proposals of points (point_moves.h) are made of. */
#pragma once
#include <math.h>
#include "lane_random.h"

enum { LANES = LANES_IN_BLOCK };
typedef float lanes_f32[LANES];
typedef int32_t lanes_i32[LANES];

/* Two partners of each of the lanes that are `eligible` and have some; the others stay without. */
INLINE void choose_partners(const pk_point_block *block, pk_lane_random *r, int32_t *eligible, int32_t *j, int32_t *k) {
    uint32_t a[LANES], b[LANES];
    next_bits(r, a);
    next_bits(r, b);
    for (int i = 0; i < LANES; i++) {
        const int half = block->halves ? i & 1 : 0;
        const uint32_t count = (uint32_t)block->partner_count[half];
        eligible[i] = eligible[i] && count >= 2;
        j[i] = k[i] = -1;
        if (!eligible[i]) continue;
        const uint32_t first = (uint32_t)(((uint64_t)a[i] * count) >> 32),
                       second = (uint32_t)(((uint64_t)b[i] * (count - 1)) >> 32);
        j[i] = block->partners[half][first];
        k[i] = block->partners[half][second < first ? second : second + 1];
    }
}
INLINE float partner(const pk_points *p, int32_t lane, long row) {
    return p->all[((long)(lane >> 4) * p->count + row) * LANES + (lane & 15)];
}
INLINE int evolves(int lanes, int i) {
    return lanes == PK_LANES_ALL || (lanes == PK_LANES_EVEN && !(i & 1)) || (lanes == PK_LANES_ODD && (i & 1));
}

/* The fraction that the others leave. */
INLINE void complete(const pk_points *p, lanes_f32 *x) {
    if (!p->simplex) return;
    float *rest = x[PK_POINT_WEIGHT + p->rest];
    EACH(i) rest[i] = 1.0f;
    for (long k = 0; k < p->components; k++)
        if (k != p->rest) EACH(i) rest[i] -= x[PK_POINT_WEIGHT + k][i];
}

/* At unit length, 3 or 4 rows. */
INLINE void normalise(lanes_f32 *v, long n) {
    lanes_f32 square;
    EACH(i) square[i] = 1e-20f;
    for (long c = 0; c < n; c++) EACH(i) square[i] += v[c][i] * v[c][i];
    EACH(i) square[i] = 1.0f / ROOT(square[i]);
    for (long c = 0; c < n; c++) EACH(i) v[c][i] *= square[i];
}

/* Numbers of the prior for the lanes of the mask. */
INLINE void draw_part(const pk_points *p, pk_lane_random *r, const pk_point_part *part, const int32_t *mask,
                      lanes_f32 *x) {
    lanes_f32 z[4];
    for (long s = 0; s < part->scalars; s++) {
        const long row = part->scalar[s], at = row - p->first_scalar;
        uniforms(r, z[0]);
        EACH(i) x[row][i] = mask[i] ? p->low[at] + (p->high[at] - p->low[at]) * z[0][i] : x[row][i];
    }
    for (long o = 0; o < part->axes + part->rotations; o++) {
        const long width = o < part->axes ? 3 : 4,
                   row = o < part->axes ? part->axis[o] : part->rotation[o - part->axes];
        for (long c = 0; c < width; c++) normals(r, z[c]);
        normalise(z, width);
        for (long c = 0; c < width; c++) EACH(i) x[row + c][i] = mask[i] ? z[c][i] : x[row + c][i];
    }
}
