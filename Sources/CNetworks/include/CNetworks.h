#pragma once

/* The weights compiled into the program for a family: a safetensors image and its length in bytes; NULL when there are
   none for that name. */
const void *pk_built_in_network(const char *family, long *count);
