/* Nothing to call: see memory.c. */
