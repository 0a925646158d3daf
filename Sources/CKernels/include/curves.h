#pragma once
/* Curves at many places, and linear algebra of their columns, in double precision. */

/* What `pk_curve` makes of x with numbers a, b, c. */
enum {
    PK_CURVE_DECAY,           /* exp(−a x) */
    PK_CURVE_GROWTH,          /* exp(a (x − 10)) */
    PK_CURVE_GAMMA,           /* a x exp(1 − a x) */
    PK_CURVE_RATIONAL,        /* 1/(1 + a x) */
    PK_CURVE_SATURATION,      /* x/(a + x) */
    PK_CURVE_FREE_POWER,      /* (x/10)^a, x ≥ 0 */
    PK_CURVE_FREE_LOGARITHM,  /* log(1 + a x)/log(1 + 10 a), x ≥ 0 */
    PK_CURVE_SINE,            /* sin(a x) */
    PK_CURVE_COSINE,          /* cos(a x) */
    PK_CURVE_SQUARE_WAVE,     /* tanh(5 sin(a x)) */
    PK_CURVE_TRIANGLE_WAVE,   /* 2/π asin(0.99 sin(a x)) */
    PK_CURVE_SAWTOOTH,        /* 2/π atan(sin(a x)/(1.05 + cos(a x))) */
    PK_CURVE_DAMPED_SINE,     /* exp(−b x) sin(a x) */
    PK_CURVE_DAMPED_COSINE,   /* exp(−b x) cos(a x) */
    PK_CURVE_CHIRP_SINE,      /* sin(a x²/10) */
    PK_CURVE_CHIRP_COSINE,    /* cos(a x²/10) */
    PK_CURVE_GROWING_SINE,    /* x/5 sin(a x) */
    PK_CURVE_GROWING_COSINE,  /* x/5 cos(a x) */
    PK_CURVE_LOGARITHMIC_SINE, /* sin(a log(1 + x)), x ≥ 0 */
    PK_CURVE_SIGMOID,         /* 1/(1 + exp((a − x)/b)) */
    PK_CURVE_BUMP,            /* exp(−(x − a)²/(2 b²)) */
    PK_CURVE_PEAK,            /* 1/(1 + (x − a)²/b²) */
    PK_CURVE_BOX,             /* ½ (tanh((x − a)/0.1) − tanh((x − a − b)/0.1)) */
    PK_CURVE_HAT,             /* (1 − u) exp(−u/2), u = (x − a)²/b² */
    PK_CURVE_SLOPE,           /* u exp(½ − ½ u²), u = (x − a)/b */
    PK_CURVE_PACKET,          /* exp(−(x − a)²/(2 b²)) cos(c (x − a)) */
};

/* y_i of a curve at n places; absolute error ≤ 5e-14 for the numbers that the terms of Regression have on [0, 12], as a
   test asserts: most of it is the rounding of a x. */
void pk_curve(int form, long n, const double *x, double a, double b, double c, double *y);

/* out_i = scale_i (v_i − correlation_i v_{i−1}), v_{−1} = 0; without correlations where they are null. */
void pk_whiten(long n, const double *correlation, const double *scale, const double *v, double *out);

/* Scalar products of v with k columns, `width` numbers apart; width a multiple of 8, with zeros (in v or in the
   columns) from the last number on. */
void pk_column_products(long width, long k, const double *columns, const double *v, double *products);

/* A + ridge·I = Uᵀ U, A symmetric with rows `stride` apart; U in rows `width` apart, width a multiple of 8 and at least
   k, what is left of the diagonal being of no meaning. Returns 0 where that is not positive definite. */
int pk_upper_factor(long k, long stride, const double *a, double ridge, long width, double *u, double *log_determinant);

/* Uᵀ x = b in place. */
void pk_upper_forward(long k, long width, const double *u, double *b);

/* The same of eight b at once: of each eight numbers a row. */
void pk_upper_forward_lanes(long k, long width, const double *u, double *b);
