/* 2^x of a vector's lanes: included once per instruction set, where VEC, INTS and INLINED are defined. */

/* Relative error ≤ 2e-7; `is_short` ≤ 8e-5.  With 16 lanes of any x, to 0 and to ∞; otherwise |x| ≤ 120. */
INLINED VEC FN(power_of_two)(VEC x, int is_short) {
#if LANES == 16
    const VEC k = (VEC)_mm512_roundscale_ps((__m512)x, 0), r = x - k;
#else
    /* 1.5 · 2²³ brings x's whole part into the last bits. */
    const VEC k = x + 12582912.0f, r = x - (k - 12582912.0f);
#endif
    VEC p;
    if (is_short) {
        p = 5.517166722e-2f * r + 2.426111221e-1f;
        p = p * r + 6.932609858e-1f;
        p = p * r + 9.999280736e-1f;
    } else {
        p = 1.326466561e-3f * r + 9.671511129e-3f;
        p = p * r + 5.550733954e-2f;
        p = p * r + 2.402224243e-1f;
        p = p * r + 6.931470037e-1f;
        p = p * r + 1.0f;
    }
#if LANES == 16
    return (VEC)_mm512_scalef_ps((__m512)p, (__m512)k);
#else
    return (VEC)((INTS)p + ((INTS)k << 23));
#endif
}

/* 1 + e^−y, of which y/(1 + e^−y) is the activation: too large an exponential is ∞, the quotient 0. */
INLINED VEC FN(one_and_power)(VEC y, int is_short) {
    VEC t = y * -1.44269504f;
#if LANES != 16
    t = t < -120.0f ? (VEC)-120.0f : t;
    t = t > 120.0f ? (VEC)120.0f : t;
#endif
    return 1.0f + FN(power_of_two)(t, is_short);
}
