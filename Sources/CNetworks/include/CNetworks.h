#pragma once

/* The weights compiled into the program: a safetensors image and its length in bytes. */
const void *pk_default_network(long *count);
