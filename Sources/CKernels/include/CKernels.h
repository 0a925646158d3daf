#pragma once
/* Inner loops chosen per CPU when the program is loaded. Every kernel has a plain reference in the tests of the library that calls it. */
#include "half.h"
#include "order.h"
#include "kernels.h"
#include "diffusion_signal.h"
#include "ball_sticks_chain.h"
#include "signal_gradient.h"
#include "small_matrix.h"
#include "proposal.h"
#include "weights.h"
#include "moves.h"
#include "product.h"
#include "dense.h"
