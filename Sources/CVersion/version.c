#include "include/version.h"

#ifndef PRISM_COMMIT
#define PRISM_COMMIT ""
#endif

const char *prism_commit(void) { return PRISM_COMMIT; }
