#pragma once
#include <stdint.h>

/* n halves to single precision, exactly; infinities and NaN become 0. */
void pk_half_to_float(const uint16_t *source, float *target, long n);
/* n single-precision values to half, nearest even. Returns 1 if all are finite and in range; others are stored as 0. */
int pk_float_to_half(const float *source, uint16_t *target, long n);
