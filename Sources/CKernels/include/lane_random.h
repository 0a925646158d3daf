#pragma once
#include <stdint.h>
/* Random numbers: xoshiro128++ in 16 lanes, seeded with anything but zeros. */
typedef struct {
    uint32_t state[4][16];
} pk_lane_random;
