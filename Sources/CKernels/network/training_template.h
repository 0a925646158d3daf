/* Dense layers forwards and backwards.  Included once per kind with TARGET, LANES, KIND and, for narrow operands,
   NARROW (1: bfloat16, 2: half) defined. A word is what one step of a sum takes of an operand: a float, or two
   neighbouring narrow numbers.  Weights lie in panels of two vectors of columns, step after step; a block's rows are
   made ready in scratch matrices whose rows and columns are padded with zeros, so that only whole tiles are multiplied.
   */

#define GLUE2(a, b) a##_##b
#define GLUE(a, b) GLUE2(a, b)
#define FN(name) GLUE(name, KIND)
#define VEC FN(vec)
#define INTS FN(ints)
#define INLINED TARGET static inline __attribute__((always_inline))
#define PANEL (2 * LANES)
/* Rows of a tile: with two vectors of columns enough sums to hide the multiply-add's latency, and no more than the
   registers hold. */
#if LANES == 16
#define TILE 8
#else
#define TILE 6
#endif
#ifdef NARROW
#define STEPS(n) (((n) + 1) / 2)
#else
#define STEPS(n) (n)
#endif
typedef float VEC __attribute__((ext_vector_type(LANES), aligned(4)));
typedef int32_t INTS __attribute__((ext_vector_type(LANES), aligned(4)));

#include "power_of_two.h"
#include "training_tiles.h"
#include "training_forward.h"
#include "training_backward.h"

#undef GLUE2
#undef GLUE
#undef FN
#undef VEC
#undef INTS
#undef INLINED
#undef PANEL
#undef TILE
#undef STEPS
#undef TARGET
#undef LANES
#undef KIND
#undef NARROW
