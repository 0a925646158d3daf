#pragma once
#include <cblas.h>
#include <stddef.h>
/* Exported by libopenblas but absent from cblas.h: choose the kernel set again after start-up. */
void gotoblas_dynamic_quit(void);
void gotoblas_dynamic_init(void);
/* LAPACK, part of libopenblas: eigenvalues of a symmetric matrix, ascending.  The last two arguments are Fortran's
   hidden lengths of the texts. */
void dsyevd_(const char *job, const char *half, const int *n, double *a, const int *stride, double *values,
             double *work, const int *work_size, int *whole_work, const int *whole_size, int *info, size_t job_length,
             size_t half_length);
