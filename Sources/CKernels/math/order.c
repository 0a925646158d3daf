/* Ranks by counting: a value's place is the number of values that come before it. */
#include "../include/order.h"
#include "vector_block.h"

PER_CPU void pk_order(const float *values, long n, int32_t *order, int32_t *work) {
    const block_i32 lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const long padded = (n + 15) & ~15L;
    for (long i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, &values[i], 4);
        work[i] = bits < 0 ? bits ^ 0x7fffffff : bits; /* as whole numbers in the order of the values */
    }
    for (long i = n; i < padded; i++) work[i] = INT32_MAX - 1;
    for (long first = 0; first < n; first += LANES_IN_BLOCK) {
        block_i32 mine, rank = {0};
        memcpy(&mine, work + first, sizeof mine);
        const block_i32 orEqual = mine + 1;
        const long end = first + LANES_IN_BLOCK < n ? first + LANES_IN_BLOCK : n;
        for (long j = 0; j < first; j++) rank -= work[j] < orEqual;
        for (long j = first; j < end; j++) rank -= work[j] < mine - (lanes > (int32_t)(j - first)); /* true is −1 */
        for (long j = end; j < n; j++) rank -= work[j] < mine;
        for (long i = first; i < end; i++) order[rank[i - first]] = (int32_t)i;
    }
}
