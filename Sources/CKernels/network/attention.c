#include "../include/kernels.h"
#include <stdlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#pragma clang fp contract(fast)

/* HEAD: columns of a head.  KEYS: keys whose logits are summed side by side.  FEW: up to so many keys, queries of
   several problems share a vector.  TOGETHER: heads done side by side of queries with lists of keys of their own. */
enum { HEAD = 16, KEYS = 8, FEW = 4, TOGETHER = 4 };
#define LOGIT_SCALE 0.36067376f /* log₂ e / √HEAD: logits to base 2 */
#define UNROLL _Pragma("clang loop unroll(full)")

typedef struct { long query, keys, key[FEW]; } few_query;

#define TARGET
#define LANES 4
#define LOG_LANES 2
#define ZIP_LOW 0, 4, 1, 5
#define ZIP_HIGH 2, 6, 3, 7
#define EVENS 0, 2, 4, 6
#define ODDS 1, 3, 5, 7
#define NEIGHBOUR 1, 0, 3, 2
#define OTHER_PAIR 2, 3, 0, 1
#include "attention_template.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("arch=x86-64-v3")))
#define LANES 8
#define LOG_LANES 3
#define ZIP_LOW 0, 8, 1, 9, 2, 10, 3, 11
#define ZIP_HIGH 4, 12, 5, 13, 6, 14, 7, 15
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15
#define NEIGHBOUR 1, 0, 3, 2, 5, 4, 7, 6
#define OTHER_PAIR 2, 3, 0, 1, 6, 7, 4, 5
#define OTHER_QUAD 4, 5, 6, 7, 0, 1, 2, 3
#include "attention_template.h"

#define TARGET __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define LANES 16
#define LOG_LANES 4
#define ZIP_LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define ZIP_HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define EVENS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODDS 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define NEIGHBOUR 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14
#define OTHER_PAIR 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13
#define OTHER_QUAD 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11
#define OTHER_HALF 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7
#include "attention_template.h"
#endif

long pk_lanes(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("x86-64-v4")) return 16;
    if (__builtin_cpu_supports("x86-64-v3")) return 8;
#endif
    return 4;
}

#if defined(__x86_64__)
#define BY_LANES(name, ...) \
    if (lanes == 16) { name##_w16(__VA_ARGS__); return; } \
    if (lanes == 8) { name##_w8(__VA_ARGS__); return; } \
    name##_w4(__VA_ARGS__);
#else
#define BY_LANES(name, ...) name##_w4(__VA_ARGS__);
#endif

void pk_attention16(long lanes, const float *q, const float *k, const float *v, long qstride, long kstride,
                    const pk_segment *segments, long count, long heads, const uint8_t *mask, float *out, long ostride,
                    float *kept) {
    if (!lanes) lanes = pk_lanes();
    BY_LANES(attention, q, k, v, qstride, kstride, segments, count, heads, mask, out, ostride, kept)
}

void pk_attention16_along(long lanes, const float *q, const float *k, const float *v, long qstride, long kstride,
                          const pk_segment *segments, long count, const int32_t *list, long heads, float *out,
                          long ostride) {
    if (!lanes) lanes = pk_lanes();
    BY_LANES(along, q, k, v, qstride, kstride, segments, count, list, heads, out, ostride)
}

long pk_attention16_kept(long lanes, const pk_segment *segments, long count, long heads) {
    if (!lanes) lanes = pk_lanes();
    long total = 0;
    for (long t = 0; t < count; t++)
        total += heads * ((segments[t].nq + lanes - 1) / lanes) * (segments[t].nk + 1) * lanes;
    return total;
}

void pk_attention16_backward(long lanes, const float *q, const float *k, const float *v, long qstride, long kstride,
                             const pk_segment *segments, long count, long heads, const float *kept, const float *dout,
                             long ostride, float *dq, int qwritten, float *dk, float *dv, int kwritten) {
    if (!lanes) lanes = pk_lanes();
    BY_LANES(backwards, q, k, v, qstride, kstride, segments, count, heads, kept, dout, ostride, dq, qwritten, dk, dv,
             kwritten)
}
