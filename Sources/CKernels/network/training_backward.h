/* Part of training_template.h: a layer's gradients. */

/* `width` vectors of columns from column c: see `arrive`. silu, gated: what the layer has of them; left: columns that
   there are. */
INLINED VEC FN(arrive_columns)(const pk_train_layer *l, long first, long rows, long c, int width, long left, int silu,
                               int gated, float *to, long pitch) {
    VEC total[8], peak = (VEC)0.0f;
    UNROLL for (int v = 0; v < width; v++) total[v] = (VEC)0.0f;
    for (long r = 0; r < rows; r++) {
        const long at = (first + r) * l->columns + c,
                   g = gated ? (l->gate_group ? l->gate_group[first + r] : 0) * l->gate_stride + c : 0;
        UNROLL for (int v = 0; v < width; v++) {
            const long o = v * LANES, n = left - o;
            VEC d = FN(load)(l->dy + at + o, n);
            if (gated) {
                FN(store)(l->dgate + g + o, FN(load)(l->dgate + g + o, n) + FN(load)(l->ungated + at + o, n) * d, n);
                d *= 1.0f + FN(load)(l->gate + g + o, n);
            }
            if (silu) d *= FN(kept_slope)(l->slope, at + o, n);
            total[v] += d;
#if defined(NARROW) && NARROW == 2
            peak = FN(larger)(peak, d);
#endif
            if (to) FN(store)(to + r * pitch + c + o, d, n);
        }
    }
    UNROLL for (int v = 0; v < width; v++) {
        float *db = l->db + c + v * LANES;
        FN(store)(db, FN(load)(db, left - v * LANES) + total[v], left - v * LANES);
    }
    return peak;
}

/* The gradient of f's argument (`to` may be NULL where that is dy), and zeros around it, and on the way those of the
   gate and the bias; returns as `read` does. */
INLINED float FN(arrive)(const pk_train_layer *l, long first, long rows, float *to) {
    const long n = l->columns, pitch = pitch_of(n), wide = up(n, 32), tall = up(rows, TILE);
    VEC peak = (VEC)0.0f;
    (void)wide, (void)tall;
    for (long c = 0; c < n;) {
        const long whole = 8 * LANES, half = 4 * LANES, left = n - c;
        VEC p;
        if (left >= whole) {
            if (l->silu && l->gate) p = FN(arrive_columns)(l, first, rows, c, 8, whole, 1, 1, to, pitch);
            else if (l->silu) p = FN(arrive_columns)(l, first, rows, c, 8, whole, 1, 0, to, pitch);
            else if (l->gate) p = FN(arrive_columns)(l, first, rows, c, 8, whole, 0, 1, to, pitch);
            else if (to) p = FN(arrive_columns)(l, first, rows, c, 8, whole, 0, 0, to, pitch);
            else p = FN(arrive_columns)(l, first, rows, c, 8, whole, 0, 0, NULL, pitch);
            c += whole;
        } else if (left >= half) {
            if (l->silu && l->gate) p = FN(arrive_columns)(l, first, rows, c, 4, half, 1, 1, to, pitch);
            else if (l->silu) p = FN(arrive_columns)(l, first, rows, c, 4, half, 1, 0, to, pitch);
            else if (l->gate) p = FN(arrive_columns)(l, first, rows, c, 4, half, 0, 1, to, pitch);
            else if (to) p = FN(arrive_columns)(l, first, rows, c, 4, half, 0, 0, to, pitch);
            else p = FN(arrive_columns)(l, first, rows, c, 4, half, 0, 0, NULL, pitch);
            c += half;
        } else {
            p = FN(arrive_columns)(l, first, rows, c, 1, left, l->silu, l->gate != NULL, to, pitch);
            c += LANES;
        }
        peak = FN(larger)(peak, p);
    }
#ifndef NARROW
    if (n < wide)
        for (long r = 0; r < rows; r++)
            for (long k = n; k < wide; k += LANES) FN(store)(to + r * pitch + k, (VEC)0.0f, wide - k);
    for (long r = rows; r < tall; r++) memset(to + r * pitch, 0, (size_t)wide * 4);
#endif
    return FN(largest)(peak);
}

/* A row of dx, from its row `d` of dn. */
INLINED void FN(leave_row)(const pk_train_layer *l, long row, long n, const float *d, const float *scale,
                           int written) {
    const float *x = l->x + row * n, mean = l->stats[2 * row], root = l->stats[2 * row + 1];
    float *dx = l->dx + row * n;
    VEC plain = (VEC)0.0f, along = (VEC)0.0f;
    for (long k = 0; k < n; k += LANES) {
        const long left = n - k;
        const VEC e = FN(load)(d + k, left) * (1.0f + FN(load)(scale + k, left));
        plain += e;
        along += e * ((FN(load)(x + k, left) - mean) * root);
    }
    const float a = FN(sum)(plain) / (float)n, b = FN(sum)(along) / (float)n;
    for (long k = 0; k < n; k += LANES) {
        const long left = n - k;
        const VEC normal = (FN(load)(x + k, left) - mean) * root,
                  e = FN(load)(d + k, left) * (1.0f + FN(load)(scale + k, left));
        const VEC v = root * (e - a - normal * b);
        FN(store)(dx + k, written ? v : FN(load)(dx + k, left) + v, left);
    }
}

/* From dn, the gradient of n(x), to those of x, scale and shift.  4 LANES columns at a time are summed over the rows of
   a group; where the depth is that constant a row is read once. */
INLINED void FN(leave)(const pk_train_layer *l, long first, long rows, const float *dn, long pitch, long n,
                       int written) {
    for (long r = 0; r < rows;) {
        const int32_t group = l->norm_group ? l->norm_group[first + r] : 0;
        const long at = group * l->norm_stride;
        const float *scale = l->scale + at;
        long last = r + 1;
        while (last < rows && (l->norm_group ? l->norm_group[first + last] : 0) == group) last++;
        for (long k0 = 0; k0 < n; k0 += 4 * LANES) {
            VEC ds[4], db[4];
            UNROLL for (int v = 0; v < 4; v++) ds[v] = db[v] = (VEC)0.0f;
            for (long i = r; i < last; i++) {
                const float *x = l->x + (first + i) * n, *d = dn + i * pitch, mean = l->stats[2 * (first + i)],
                            root = l->stats[2 * (first + i) + 1];
                UNROLL for (int v = 0; v < 4; v++) {
                    const long k = k0 + v * LANES, left = n - k;
                    if (left <= 0) break;
                    const VEC normal = (FN(load)(x + k, left) - mean) * root, dk = FN(load)(d + k, left);
                    ds[v] += dk * normal;
                    db[v] += dk;
                }
                if (n == 4 * LANES) FN(leave_row)(l, first + i, n, d, scale, written);
            }
            UNROLL for (int v = 0; v < 4; v++) {
                const long k = k0 + v * LANES, left = n - k;
                if (left <= 0) break;
                FN(store)(l->dscale + at + k, FN(load)(l->dscale + at + k, left) + ds[v], left);
                FN(store)(l->dshift + at + k, FN(load)(l->dshift + at + k, left) + db[v], left);
            }
        }
        if (n != 4 * LANES)
            for (long i = r; i < last; i++) FN(leave_row)(l, first + i, n, dn + i * pitch, scale, written);
        r = last;
    }
}

/* `rows` by `width` sums times `factor`, added to what is there unless `written`. */
INLINED void FN(add_tile)(long steps, const float *x, long across, long along, const float *b, long bstep,
                          float factor, int written, float *to, long stride, long rows, long width) {
    float tile[TILE * PANEL] __attribute__((aligned(64)));
    FN(fetch)(to, rows, stride);
    FN(micro)(steps, x, across, along, b, bstep, tile);
    for (long r = 0; r < rows; r++) UNROLL for (int c = 0; c < PANEL; c += LANES) {
            const long left = width - c;
            if (left <= 0) break;
            const VEC d = factor * *(const VEC *)(tile + r * PANEL + c);
            float *at = to + r * stride + c;
            FN(store)(at, written ? d : FN(load)(at, left) + d, left);
        }
}

TARGET static void FN(backward)(const pk_train_layer *l, const float *transposed, float *scratch) {
    const long depth = l->depth, columns = l->columns, xpitch = pitch_of(depth), zpitch = pitch_of(columns);
    const long across = up(depth, PANEL), steps = STEPS(columns);
    float *x = scratch, *z = x + MOST * xpitch, *dn = z + MOST * zpitch;
#ifdef NARROW
    /* Narrow words are made of dy where it stands, unless f' or a gate changes it. */
    const int copies = l->silu || l->gate;
#else
    const int copies = 1;
#endif
    for (long first = 0; first < l->rows; first += MOST) {
        const long rows = l->rows - first < MOST ? l->rows - first : MOST;
        const float zpeak = FN(arrive)(l, first, rows, copies ? z : NULL);
        const float *xt = x, *zt = z, *zw = z;
        float xscale = 1, zscale = 1;
        (void)zpeak;
#ifndef NARROW
        if (depth == 64) FN(read)(l, 64, first, rows, 0, x);
        else FN(read)(l, depth, first, rows, 0, x);
#endif
#ifdef NARROW
        float *more = dn + MOST * xpitch, *last = more + MOST / 2 * zpitch;
        if (NARROW == 2) zscale = half_scale(zpeak);
        const float *dz = copies ? z : l->dy + first * columns;
        const long stride = copies ? zpitch : columns;
        if (l->dx) FN(narrow)(rows, columns, TILE, dz, stride, zscale, last, more, zpitch);
        else FN(narrow)(rows, columns, 2, dz, stride, zscale, NULL, more, zpitch);
        xt = l->kept + first / MOST * kept_block(depth);
        xscale = xt[CHAIN * xpitch];
        zt = more;
#endif
        const float wfactor = 1 / (xscale * zscale);
        for (long j = 0; j < columns; j += PANEL)
            for (long i = 0; i < depth; i += TILE) {
                const long m = depth - i < TILE ? depth - i : TILE, width = columns - j;
                float *to = l->dw + i * columns + j;
                if (m == TILE && width >= PANEL)
                    FN(add_tile)(STEPS(rows), xt + i, 1, xpitch, zt + j, zpitch, wfactor, 0, to, columns, TILE, PANEL);
                else
                    FN(add_tile)(STEPS(rows), xt + i, 1, xpitch, zt + j, zpitch, wfactor, 0, to, columns, m,
                                 width < PANEL ? width : PANEL);
            }
        if (!l->dx) continue;
#ifdef NARROW
        zw = last;
#endif
        const float factor = transposed[across * (steps + 1)] / zscale;
        for (long j = 0; j < depth; j += PANEL)
            for (long i = 0; i < rows; i += TILE) {
                const long m = rows - i < TILE ? rows - i : TILE, width = depth - j;
                const float *zi = zw + i * zpitch, *panel = transposed + j * steps;
                float *to = l->scale ? dn + i * xpitch + j : l->dx + (first + i) * depth + j;
                const long stride = l->scale ? xpitch : depth;
                const int written = l->scale || l->dx_written;
                if (m == TILE && width >= PANEL && written)
                    FN(add_tile)(steps, zi, zpitch, 1, panel, PANEL, factor, 1, to, stride, TILE, PANEL);
                else if (m == TILE && width >= PANEL)
                    FN(add_tile)(steps, zi, zpitch, 1, panel, PANEL, factor, 0, to, stride, TILE, PANEL);
                else
                    FN(add_tile)(steps, zi, zpitch, 1, panel, PANEL, factor, written, to, stride, m,
                                 width < PANEL ? width : PANEL);
            }
        if (l->scale) {
            if (depth == 64 && l->dx_written) FN(leave)(l, first, rows, dn, xpitch, 64, 1);
            else if (depth == 64) FN(leave)(l, first, rows, dn, xpitch, 64, 0);
            else FN(leave)(l, first, rows, dn, xpitch, depth, l->dx_written);
        }
    }
}
