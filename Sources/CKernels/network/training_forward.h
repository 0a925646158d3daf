/* Part of training_template.h: a layer forwards. */

/* n(x) or x of `rows` rows from row `first`, and zeros around them; for narrow kinds n(x) only, and no zeros: `narrow`
   makes them, of x where it stands.  Returns the largest absolute value, where that is asked for (NARROW 2).  Forwards
   the statistics of a norm are made, backwards used. */
INLINED float FN(read)(const pk_train_layer *l, long n, long first, long rows, int forwards, float *to) {
    const long pitch = pitch_of(n), wide = up(n, 32), tall = up(rows, TILE);
    VEC peak = (VEC)0.0f;
    (void)wide, (void)tall;
#ifdef NARROW
    const long normed = l->scale ? rows : 0;
#else
    const long normed = rows;
#endif
    for (long r = 0; r < normed; r++) {
        const float *x = l->x + (first + r) * n;
        float *y = to + r * pitch;
        if (l->scale) {
            float *stats = l->stats + 2 * (first + r);
            if (forwards) {
                VEC total = (VEC)0.0f, square = (VEC)0.0f;
                for (long k = 0; k < n; k += LANES) total += FN(load)(x + k, n - k);
                const float mean = FN(sum)(total) / (float)n;
                long k = 0;
                for (; k + LANES <= n; k += LANES) {
                    const VEC d = *(const VEC *)(x + k) - mean;
                    square += d * d;
                }
                float more = 0;
                for (; k < n; k++) more += (x[k] - mean) * (x[k] - mean);
                stats[0] = mean;
                stats[1] = 1.0f / ROOT((FN(sum)(square) + more) / (float)n + 1e-5f);
            }
            const long at = (l->norm_group ? l->norm_group[first + r] : 0) * l->norm_stride;
            const float mean = stats[0], root = stats[1], *scale = l->scale + at, *shift = l->shift + at;
            for (long k = 0; k < n; k += LANES) {
                const VEC v = (FN(load)(x + k, n - k) - mean) * root * (1.0f + FN(load)(scale + k, n - k)) +
                              FN(load)(shift + k, n - k);
                FN(store)(y + k, v, n - k);
#if defined(NARROW) && NARROW == 2
                peak = FN(larger)(peak, FN(load)(y + k, n - k));
#endif
            }
        }
#ifndef NARROW
        else
            for (long k = 0; k < n; k += LANES) FN(store)(y + k, FN(load)(x + k, n - k), n - k);
        for (long k = n; k < wide; k += LANES) FN(store)(y + k, (VEC)0.0f, wide - k);
#endif
    }
#ifndef NARROW
    for (long r = rows; r < tall; r++) memset(to + r * pitch, 0, (size_t)wide * 4);
#elif NARROW == 2
    if (!l->scale) peak = FN(peak)(l->x + first * n, rows * n);
#endif
    return FN(largest)(peak);
}

/* A tile's way from sums to y: `rows` by `width`, constants for whole tiles. silu, gated, onto: what the layer has of
   them. */
INLINED void FN(finish)(const pk_train_layer *l, long first, long rows, long j, long width, const float *tile,
                        float factor, const float *biases, int silu, int gated, int onto) {
    const long columns = l->columns;
    for (long r = 0; r < rows; r++) {
        const long at = (first + r) * columns + j;
        const float *gate =
            gated ? l->gate + (l->gate_group ? l->gate_group[first + r] : 0) * l->gate_stride + j : NULL;
        UNROLL for (int c = 0; c < PANEL; c += LANES) {
            const long left = width - c;
            if (left <= 0) break;
            VEC y = *(const VEC *)(tile + r * PANEL + c) * factor + *(const VEC *)(biases + j + c);
            if (silu) {
                VEC slope;
                y = FN(silu)(y, &slope);
                FN(keep_slope)(l->slope, at + c, slope, left);
            }
            if (gated) {
                FN(store)(l->ungated + at + c, y, left);
                y *= 1.0f + FN(load)(gate + c, left);
            }
            if (onto) y += FN(load)(l->residual + at + c, left);
            FN(store)(l->y + at + c, y, left);
        }
    }
}

INLINED void FN(forward_tile)(const pk_train_layer *l, long first, long rows, long j, long width, long steps,
                              const float *x, long pitch, const float *panel, float factor, const float *biases) {
    float tile[TILE * PANEL] __attribute__((aligned(64)));
    const long columns = l->columns;
    FN(fetch)(l->y + first * columns + j, rows, columns);
    if (l->residual) FN(fetch)(l->residual + first * columns + j, rows, columns);
    FN(micro)(steps, x, pitch, 1, panel, PANEL, tile);
    if (l->silu)
        FN(finish)(l, first, rows, j, width, tile, factor, biases, 1, l->gate != NULL, l->residual != NULL);
    else if (l->gate) FN(finish)(l, first, rows, j, width, tile, factor, biases, 0, 1, 1);
    else if (l->residual) FN(finish)(l, first, rows, j, width, tile, factor, biases, 0, 0, 1);
    else FN(finish)(l, first, rows, j, width, tile, factor, biases, 0, 0, 0);
}

TARGET static void FN(forward)(const pk_train_layer *l, const float *packed, float *scratch) {
    const long pitch = pitch_of(l->depth), steps = STEPS(l->depth), across = up(l->columns, PANEL),
               columns = l->columns;
    const float *biases = packed + across * steps;
    for (long first = 0; first < l->rows; first += MOST) {
        const long rows = l->rows - first < MOST ? l->rows - first : MOST;
        float *x = scratch, factor = biases[across];
        const float peak =
            l->depth == 64 ? FN(read)(l, 64, first, rows, 1, x) : FN(read)(l, l->depth, first, rows, 1, x);
        (void)peak;
#ifdef NARROW
        float *words = scratch + MOST * pitch;
        const float scale = NARROW == 2 ? half_scale(peak) : 1;
        const float *from = l->scale ? x : l->x + first * l->depth;
        const long stride = l->scale ? pitch : l->depth;
        if (l->kept) {
            float *down = l->kept + first / MOST * kept_block(l->depth);
            FN(narrow)(rows, l->depth, TILE, from, stride, scale, words, down, pitch);
            down[CHAIN * pitch] = scale;
        } else FN(narrow)(rows, l->depth, TILE, from, stride, scale, words, NULL, pitch);
        x = words;
        factor /= scale;
#endif
        for (long j = 0; j < columns; j += PANEL)
            for (long i = 0; i < rows; i += TILE) {
                const long m = rows - i < TILE ? rows - i : TILE, width = columns - j;
                const float *xi = x + i * pitch, *panel = packed + j * steps;
                if (m == TILE && width >= PANEL)
                    FN(forward_tile)(l, first + i, TILE, j, PANEL, steps, xi, pitch, panel, factor, biases);
                else
                    FN(forward_tile)(l, first + i, m, j, width < PANEL ? width : PANEL, steps, xi, pitch, panel, factor,
                                     biases);
            }
    }
}
