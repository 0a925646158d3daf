/* Included once per element type with REAL, VEC (a 64-byte vector of REAL), LANES, EXP and FN(name) defined. */

PER_CPU void FN(pk_silu_forward)(const REAL *restrict x, REAL *restrict y, long n) {
    for (long i = 0; i < n; i++) y[i] = x[i] / (1 + EXP(-x[i]));
}

PER_CPU void FN(pk_silu_backward)(const REAL *restrict x, const REAL *restrict dy, REAL *restrict dx, long n) {
    for (long i = 0; i < n; i++) {
        REAL s = 1 / (1 + EXP(-x[i]));
        dx[i] += dy[i] * s * (1 + x[i] * (1 - s));
    }
}

PER_CPU void FN(pk_bias)(REAL *restrict y, const REAL *restrict bias, long rows, long cols) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < cols; j++) y[i * cols + j] += bias[j];
}

PER_CPU void FN(pk_bias_backward)(const REAL *restrict dy, REAL *restrict dbias, long rows, long cols) {
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < cols; j++) dbias[j] += dy[i * cols + j];
}

PER_CPU void FN(pk_norm_forward)(const REAL *restrict x, const REAL *restrict scale, const REAL *restrict shift,
                                 const int32_t *restrict group, long stride, REAL *restrict y, REAL *restrict stats,
                                 long rows, long cols) {
#pragma clang fp reassociate(on)
    for (long i = 0; i < rows; i++) {
        const REAL *xi = x + i * cols;
        const REAL *s = scale + (group ? group[i] : 0) * stride, *b = shift + (group ? group[i] : 0) * stride;
        REAL sum = 0, square = 0;
        for (long j = 0; j < cols; j++) sum += xi[j];
        REAL mean = sum / cols;
        for (long j = 0; j < cols; j++) square += (xi[j] - mean) * (xi[j] - mean);
        REAL r = 1 / SQRT(square / cols + (REAL)1e-5);
        stats[2 * i] = mean;
        stats[2 * i + 1] = r;
        for (long j = 0; j < cols; j++) y[i * cols + j] = (xi[j] - mean) * r * (1 + s[j]) + b[j];
    }
}

PER_CPU void FN(pk_norm_backward)(const REAL *restrict x, const REAL *restrict scale, const int32_t *restrict group,
                                  long stride, const REAL *restrict stats, const REAL *restrict dy, REAL *restrict dx,
                                  REAL *restrict dscale, REAL *restrict dshift, long rows, long cols) {
#pragma clang fp reassociate(on)
    for (long i = 0; i < rows; i++) {
        const REAL *xi = x + i * cols, *di = dy + i * cols;
        long g = (group ? group[i] : 0) * stride;
        const REAL *s = scale + g;
        REAL *ds = dscale + g, *db = dshift + g;
        REAL mean = stats[2 * i], r = stats[2 * i + 1], a = 0, b = 0;
        for (long j = 0; j < cols; j++) {
            REAL n = (xi[j] - mean) * r, e = di[j] * (1 + s[j]);
            a += e;
            b += e * n;
        }
        a /= cols;
        b /= cols;
        for (long j = 0; j < cols; j++) {
            REAL n = (xi[j] - mean) * r, e = di[j] * (1 + s[j]);
            ds[j] += di[j] * n;
            db[j] += di[j];
            dx[i * cols + j] += r * (e - a - n * b);
        }
    }
}

PER_CPU void FN(pk_gate_forward)(const REAL *restrict x, const REAL *restrict h, const REAL *restrict gate,
                                 const int32_t *restrict group, long stride, REAL *restrict y, long rows, long cols) {
    for (long i = 0; i < rows; i++) {
        const REAL *g = gate + (group ? group[i] : 0) * stride;
        for (long j = 0; j < cols; j++) y[i * cols + j] = x[i * cols + j] + (1 + g[j]) * h[i * cols + j];
    }
}

PER_CPU void FN(pk_gate_backward)(const REAL *restrict h, const REAL *restrict gate, const int32_t *restrict group,
                                  long stride, const REAL *restrict dy, REAL *restrict dx, REAL *restrict dh,
                                  REAL *restrict dgate, long rows, long cols) {
    for (long i = 0; i < rows; i++) {
        long o = (group ? group[i] : 0) * stride;
        for (long j = 0; j < cols; j++) {
            REAL d = dy[i * cols + j];
            dx[i * cols + j] += d;
            dh[i * cols + j] += (1 + gate[o + j]) * d;
            dgate[o + j] += h[i * cols + j] * d;
        }
    }
}

PER_CPU void FN(pk_axpy)(REAL a, const REAL *restrict x, REAL *restrict y, long n) {
    for (long i = 0; i < n; i++) y[i] += a * x[i];
}

PER_CPU double FN(pk_sum_of_squares)(const REAL *restrict x, long n) {
#pragma clang fp reassociate(on)
    double sum = 0;
    for (long i = 0; i < n; i++) sum += (double)x[i] * x[i];
    return sum;
}

/* ---- attention
   ---------------------------------------------------------------------------------------------------------------- */

/* Packs `rows` × `cols` (row stride `stride`) into dst with row stride `pitch`, the rest of each row and up to `rows4`
   rows zero. */
INLINE void FN(pack)(const REAL *src, long stride, long rows, long cols, REAL *dst, long pitch, long rows4,
                     REAL scale) {
    for (long i = 0; i < rows4; i++)
        for (long j = 0; j < pitch; j++) dst[i * pitch + j] = i < rows && j < cols ? src[i * stride + j] * scale : 0;
}

/* Packs the transpose: dst[j][i] = src[i][j]; `pitch` ≥ rows, zero beyond. */
INLINE void FN(pack_transposed)(const REAL *src, long stride, long rows, long cols, REAL *dst, long pitch) {
    for (long j = 0; j < cols; j++)
        for (long i = rows; i < pitch; i++) dst[j * pitch + i] = 0;
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < cols; j++) dst[j * pitch + i] = src[i * stride + j];
}

/* C (n4 × pitch) = A (n4 × apitch, `depth` used) · Bᵗ (depth × pitch); n4 a multiple of 4, pitch of LANES. */
INLINE void FN(product)(const REAL *a, long apitch, const REAL *b, long pitch, long depth, REAL *c, long n4) {
    for (long i = 0; i < n4; i += 4)
        for (long j = 0; j < pitch; j += LANES) {
            VEC c0 = {0}, c1 = {0}, c2 = {0}, c3 = {0};
            const REAL *a0 = a + i * apitch;
            for (long d = 0; d < depth; d++) {
                VEC bv = *(const VEC *)(b + d * pitch + j);
                c0 += a0[d] * bv;
                c1 += a0[apitch + d] * bv;
                c2 += a0[2 * apitch + d] * bv;
                c3 += a0[3 * apitch + d] * bv;
            }
            REAL *cp = c + i * pitch + j;
            *(VEC *)cp = c0;
            *(VEC *)(cp + pitch) = c1;
            *(VEC *)(cp + 2 * pitch) = c2;
            *(VEC *)(cp + 3 * pitch) = c3;
        }
}

/* C (m4 × pitch) = Aᵀ B with A (n × apitch, m4 columns used), B (n × pitch). */
INLINE void FN(product_transposed)(const REAL *a, long apitch, const REAL *b, long pitch, long n, REAL *c, long m4) {
    for (long i = 0; i < m4; i += 4)
        for (long j = 0; j < pitch; j += LANES) {
            VEC c0 = {0}, c1 = {0}, c2 = {0}, c3 = {0};
            for (long d = 0; d < n; d++) {
                const REAL *ad = a + d * apitch + i;
                VEC bv = *(const VEC *)(b + d * pitch + j);
                c0 += ad[0] * bv;
                c1 += ad[1] * bv;
                c2 += ad[2] * bv;
                c3 += ad[3] * bv;
            }
            REAL *cp = c + i * pitch + j;
            *(VEC *)cp = c0;
            *(VEC *)(cp + pitch) = c1;
            *(VEC *)(cp + 2 * pitch) = c2;
            *(VEC *)(cp + 3 * pitch) = c3;
        }
}

PER_CPU static void FN(softmax_rows)(REAL *restrict s, long pitch, long nq, long nk, const uint8_t *mask) {
#pragma clang fp reassociate(on)
    for (long i = 0; i < nq; i++) {
        REAL *row = s + i * pitch, peak = -(REAL)1e30, sum = 0;
        if (mask)
            for (long j = 0; j < nk; j++) row[j] = mask[i * nk + j] ? row[j] : -(REAL)1e30;
        for (long j = 0; j < nk; j++) peak = row[j] > peak ? row[j] : peak;
        for (long j = 0; j < nk; j++) row[j] = EXP(row[j] - peak);
        if (mask)
            for (long j = 0; j < nk; j++) row[j] = mask[i * nk + j] ? row[j] : 0;
        for (long j = 0; j < nk; j++) sum += row[j];
        REAL r = 1 / sum;
        for (long j = 0; j < nk; j++) row[j] *= r;
        for (long j = nk; j < pitch; j++) row[j] = 0;
    }
}

#define UP4(n) (((n) + 3) & ~3L)
#define UPL(n) (((n) + LANES - 1) & ~(long)(LANES - 1))

PER_CPU void FN(pk_attention_forward)(const REAL *q, const REAL *k, const REAL *v, long qstride, long kstride,
                                      const pk_segment *segments, long count, long heads, long headwidth,
                                      const uint8_t *mask, REAL *out, long ostride, REAL *prob) {
    long most_q = 0, most_k = 0;
    for (long t = 0; t < count; t++) {
        most_q = segments[t].nq > most_q ? segments[t].nq : most_q;
        most_k = segments[t].nk > most_k ? segments[t].nk : most_k;
    }
    long dp = UPL(headwidth), qr = UP4(most_q), kp = UPL(most_k);
    REAL *scratch = aligned_alloc(64, sizeof(REAL) * (2 * qr * dp + dp * kp + kp * dp + qr * kp) + 64);
    REAL *qp = scratch, *op = qp + qr * dp, *kt = op + qr * dp, *vp = kt + dp * kp, *sp = vp + kp * dp;
    const REAL scale = 1 / SQRT((REAL)headwidth);
    for (long t = 0; t < count; t++) {
        pk_segment g = segments[t];
        long n4 = UP4(g.nq), pitch = UPL(g.nk);
        for (long h = 0; h < heads; h++) {
            FN(pack)(q + g.q0 * qstride + h * headwidth, qstride, g.nq, headwidth, qp, dp, n4, scale);
            FN(pack_transposed)(k + g.k0 * kstride + h * headwidth, kstride, g.nk, headwidth, kt, pitch);
            FN(pack)(v + g.k0 * kstride + h * headwidth, kstride, g.nk, headwidth, vp, dp, g.nk, 1);
            REAL *s = prob ? prob : sp;
            FN(product)(qp, dp, kt, pitch, headwidth, s, n4);
            FN(softmax_rows)(s, pitch, g.nq, g.nk, mask);
            FN(product)(s, pitch, vp, dp, g.nk, op, n4);
            for (long i = 0; i < g.nq; i++)
                for (long d = 0; d < headwidth; d++) out[(g.q0 + i) * ostride + h * headwidth + d] = op[i * dp + d];
            if (prob) prob += n4 * PITCH16(g.nk);
        }
    }
    free(scratch);
}

PER_CPU void FN(pk_attention_backward)(const REAL *q, const REAL *k, const REAL *v, long qstride, long kstride,
                                       const pk_segment *segments, long count, long heads, long headwidth,
                                       const REAL *prob, const REAL *dout, long ostride, REAL *dq, REAL *dk, REAL *dv) {
#pragma clang fp reassociate(on)
    long most_q = 0, most_k = 0;
    for (long t = 0; t < count; t++) {
        most_q = segments[t].nq > most_q ? segments[t].nq : most_q;
        most_k = segments[t].nk > most_k ? segments[t].nk : most_k;
    }
    long dp = UPL(headwidth), qr = UP4(most_q), kp = UPL(most_k), kr = UP4(most_k);
    REAL *scratch = aligned_alloc(64, sizeof(REAL) * (3 * qr * dp + dp * kp + 2 * kr * dp + qr * kp) + 64);
    REAL *qp = scratch, *dop = qp + qr * dp, *tmp = dop + qr * dp, *vt = tmp + qr * dp, *kk = vt + dp * kp,
         *ko = kk + kr * dp, *ds = ko + kr * dp;
    const REAL scale = 1 / SQRT((REAL)headwidth);
    for (long t = 0; t < count; t++) {
        pk_segment g = segments[t];
        long n4 = UP4(g.nq), pitch = UPL(g.nk), m4 = UP4(g.nk);
        for (long h = 0; h < heads; h++) {
            long qo = g.q0 * qstride + h * headwidth, kof = g.k0 * kstride + h * headwidth;
            FN(pack)(q + qo, qstride, g.nq, headwidth, qp, dp, n4, scale);
            FN(pack)(dout + g.q0 * ostride + h * headwidth, ostride, g.nq, headwidth, dop, dp, n4, 1);
            FN(pack_transposed)(v + kof, kstride, g.nk, headwidth, vt, pitch);
            FN(pack)(k + kof, kstride, g.nk, headwidth, kk, dp, g.nk, scale);
            FN(product)(dop, dp, vt, pitch, headwidth, ds, n4);
            for (long i = 0; i < g.nq; i++) {
                REAL dot = 0;
                for (long j = 0; j < g.nk; j++) dot += prob[i * pitch + j] * ds[i * pitch + j];
                for (long j = 0; j < pitch; j++) ds[i * pitch + j] = prob[i * pitch + j] * (ds[i * pitch + j] - dot);
            }
            FN(product_transposed)(prob, pitch, dop, dp, g.nq, ko, m4);
            for (long j = 0; j < g.nk; j++)
                for (long d = 0; d < headwidth; d++) dv[kof + j * kstride + d] += ko[j * dp + d];
            FN(product_transposed)(ds, pitch, qp, dp, g.nq, ko, m4);
            for (long j = 0; j < g.nk; j++)
                for (long d = 0; d < headwidth; d++) dk[kof + j * kstride + d] += ko[j * dp + d];
            FN(product)(ds, pitch, kk, dp, g.nk, tmp, n4);
            for (long i = 0; i < g.nq; i++)
                for (long d = 0; d < headwidth; d++) dq[qo + i * qstride + d] += tmp[i * dp + d];
            prob += n4 * PITCH16(g.nk);
        }
    }
    free(scratch);
}
