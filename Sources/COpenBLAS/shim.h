#pragma once
#include <cblas.h>
/* Exported by libopenblas but absent from cblas.h: choose the kernel set again after start-up. */
void gotoblas_dynamic_quit(void);
void gotoblas_dynamic_init(void);
