#pragma once
#include <isa-l/crc64.h>
#include <isa-l/igzip_lib.h>

/* The library's sizes are sums in the preprocessor, which Swift does not read. */
enum { isal_level3_buffer_size = ISAL_DEF_LVL3_DEFAULT };
