/* Components of proposals of shapes as they lie in memory, and code of its own for each small shape. */
#pragma once
#include "../include/shape_proposal.h"
#include "density_lanes.h"
#include "rotation_lanes.h"

/* Loops whose bounds are constants in some of the copies below are unrolled there. */
#pragma clang diagnostic ignored "-Wpass-failed"

/* Where a component's parts begin. */
typedef struct { const float *scalars, *axes, *tangents, *rotations, *factor; } parts;
INLINE parts parts_of(const float *c, long A, long R, long K) {
    return (parts){c, c + K, c + K + 3 * A, c + K + 9 * A, c + K + 9 * A + 4 * R};
}

/* CALL(axes, rotations, scalars) with small numbers as constants, so that each gets code of its own; ANY with the
   others. */
#define BY_SCALARS(A, CALL) \
    case 8 * (A) + 1: \
        CALL(A, 0, 1); \
        break; \
    case 8 * (A) + 2: \
        CALL(A, 0, 2); \
        break; \
    case 8 * (A) + 3: \
        CALL(A, 0, 3); \
        break; \
    case 8 * (A) + 4: \
        CALL(A, 0, 4); \
        break; \
    case 8 * (A) + 5: \
        CALL(A, 0, 5); \
        break; \
    case 8 * (A) + 6: \
        CALL(A, 0, 6); \
        break;
#define BY_COUNTS(s, CALL, ANY) \
    switch ((s)->axes < 4 && (s)->rotations == 0 && (s)->scalars < 8 ? 8 * (s)->axes + (s)->scalars : -1) { \
        BY_SCALARS(0, CALL) \
        BY_SCALARS(1, CALL) \
        BY_SCALARS(2, CALL) \
        BY_SCALARS(3, CALL) \
    case 0: \
        CALL(0, 0, 0); \
        break; \
    default: \
        ANY((s)->axes, (s)->rotations, (s)->scalars); \
    }
