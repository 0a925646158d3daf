/* Dense layers forwards and backwards.  Included once per kind with TARGET, LANES, KIND and, for narrow operands,
   NARROW (1: bfloat16, 2: half) defined. A word is what one step of a sum takes of an operand: a float, or two
   neighbouring narrow numbers.  Weights lie in panels of two vectors of columns, step after step; a block's rows are
   made ready in scratch matrices whose rows and columns are padded with zeros, so that only whole tiles are multiplied.
   */

#define GLUE2(a, b) a##_##b
#define GLUE(a, b) GLUE2(a, b)
#define FN(name) GLUE(name, KIND)
#define VEC FN(vec)
#define INTS FN(ints)
#define INLINED TARGET static inline __attribute__((always_inline))
#define PANEL (2 * LANES)
/* Rows of a tile: with two vectors of columns enough sums to hide the multiply-add's latency, and no more than the
   registers hold. */
#if LANES == 16
#define TILE 8
#else
#define TILE 6
#endif
#ifdef NARROW
#define STEPS(n) (((n) + 1) / 2)
#else
#define STEPS(n) (n)
#endif
typedef float VEC __attribute__((ext_vector_type(LANES), aligned(4)));
typedef int32_t INTS __attribute__((ext_vector_type(LANES), aligned(4)));

INLINED VEC FN(load)(const float *p, long n) {
    if (n >= LANES) return *(const VEC *)p;
#if LANES == 16
    return (VEC)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
    VEC v = (VEC)0.0f;
    memcpy(&v, p, (size_t)n * 4);
    return v;
#endif
}
INLINED void FN(store)(float *p, VEC v, long n) {
    if (n >= LANES) *(VEC *)p = v;
#if LANES == 16
    else _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    else memcpy(p, &v, (size_t)n * 4);
#endif
}
INLINED float FN(sum)(VEC v) {
#if LANES == 16
    return _mm512_reduce_add_ps((__m512)v);
#else
    float s = 0;
    UNROLL for (int i = 0; i < LANES; i++) s += v[i];
    return s;
#endif
}
/* The larger of `peak` ≥ 0 and |v|. */
INLINED VEC FN(larger)(VEC peak, VEC v) {
#if LANES == 16
    return (VEC)_mm512_range_ps((__m512)peak, (__m512)v, 0xB);
#else
    const VEC size = (VEC)((INTS)v & 0x7FFFFFFF);
    return size > peak ? size : peak;
#endif
}
INLINED float FN(largest)(VEC v) {
#if LANES == 16
    return _mm512_reduce_max_ps((__m512)v);
#else
    float peak = 0;
    UNROLL for (int i = 0; i < LANES; i++) peak = v[i] > peak ? v[i] : peak;
    return peak;
#endif
}
/* The largest |x| of n. */
INLINED VEC FN(peak)(const float *x, long n) {
    VEC most[4] = {(VEC)0.0f, (VEC)0.0f, (VEC)0.0f, (VEC)0.0f};
    long i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        __builtin_prefetch(x + i + 1024);
        UNROLL for (int v = 0; v < 4; v++) most[v] = FN(larger)(most[v], *(const VEC *)(x + i + v * LANES));
    }
    for (; i < n; i += LANES) most[0] = FN(larger)(most[0], FN(load)(x + i, n - i));
    return FN(larger)(FN(larger)(most[0], most[1]), FN(larger)(most[2], most[3]));
}

/* y σ(y), and its derivative.  Relative error of the exponential ≤ 2e-7. */
INLINED VEC FN(silu)(VEC y, VEC *slope) {
    VEC t = y * -1.44269504f;
#if LANES == 16
    const VEC k = (VEC)_mm512_roundscale_ps((__m512)t, 0),
              r = t - k; /* too large an exponential is ∞, its quotient 0: no bounds are needed */
#else
    t = t < -120.0f ? (VEC)-120.0f : t;
    t = t > 120.0f ? (VEC)120.0f : t;
    const VEC k = t + 12582912.0f, r = t - (k - 12582912.0f);
#endif
    VEC p = 1.326466561e-3f * r + 9.671511129e-3f;
    p = p * r + 5.550733954e-2f;
    p = p * r + 2.402224243e-1f;
    p = p * r + 6.931470037e-1f;
    p = p * r + 1.0f;
#if LANES == 16
    const VEC s = 1.0f / (1.0f + (VEC)_mm512_scalef_ps((__m512)p, (__m512)k));
#else
    const VEC s = 1.0f / (1.0f + (VEC)((INTS)p + ((INTS)k << 23)));
#endif
    *slope = s * (1.0f + y * (1.0f - s));
    return y * s;
}

/* Asks for `rows` rows of a panel's width, which a tile's sums will meet: their memory may be far away. */
INLINED void FN(fetch)(const float *p, long rows, long pitch) {
    for (long r = 0; r < rows; r++)
        for (int c = 0; c < PANEL; c += 16) __builtin_prefetch(p + r * pitch + c, 1);
}

/* TILE rows by a panel into `tile` (TILE × PANEL): Σ_k x[r·across + k·along] b[k·bstep], words. */
INLINED void FN(micro)(long steps, const float *x, long across, long along, const float *b, long bstep, float *tile) {
#if defined(NARROW) && NARROW == 2
    for (long first = 0; first < steps; first += CHAIN) {
        const long n = steps - first < CHAIN ? steps - first : CHAIN;
        __m512h s[TILE][2];
        UNROLL for (int r = 0; r < TILE; r++) s[r][0] = s[r][1] = _mm512_setzero_ph();
        const float *xk = x + first * along, *bk = b + first * bstep;
        _Pragma("clang loop unroll_count(4)") for (long k = 0; k < n; k++) {
            const __m512h b0 = _mm512_loadu_ph(bk + k * bstep), b1 = _mm512_loadu_ph(bk + k * bstep + LANES);
            UNROLL for (int r = 0; r < TILE; r++) {
                const __m512h a = (__m512h)_mm512_set1_ps(xk[r * across + k * along]);
                s[r][0] = _mm512_fmadd_ph(a, b0, s[r][0]);
                s[r][1] = _mm512_fmadd_ph(a, b1, s[r][1]);
            }
        }
        /* A lane holds the sums of a pair's first and of its second products. */
        UNROLL for (int r = 0; r < TILE; r++) {
            UNROLL for (int v = 0; v < 2; v++) {
                const __m512i pair = (__m512i)s[r][v];
                const VEC low = (VEC)_mm512_cvtxph_ps((__m256h)_mm512_cvtepi32_epi16(
                    (__m512i)_mm512_add_ph(s[r][v], (__m512h)_mm512_srli_epi32(pair, 16))));
                VEC *to = (VEC *)(tile + r * PANEL + v * LANES);
                *to = first ? *to + low : low;
            }
        }
    }
#else
    VEC s[TILE][2];
    UNROLL for (int r = 0; r < TILE; r++) s[r][0] = s[r][1] = (VEC)0.0f;
    _Pragma("clang loop unroll_count(4)") for (long k = 0; k < steps; k++) {
        const VEC b0 = *(const VEC *)(b + k * bstep), b1 = *(const VEC *)(b + k * bstep + LANES);
        UNROLL for (int r = 0; r < TILE; r++) {
#ifdef NARROW
            const __m512bh a = (__m512bh)_mm512_set1_ps(x[r * across + k * along]);
            s[r][0] = (VEC)_mm512_dpbf16_ps((__m512)s[r][0], a, (__m512bh)b0);
            s[r][1] = (VEC)_mm512_dpbf16_ps((__m512)s[r][1], a, (__m512bh)b1);
#else
            const float a = x[r * across + k * along];
            s[r][0] += a * b0;
            s[r][1] += a * b1;
#endif
        }
    }
    UNROLL for (int r = 0; r < TILE; r++) {
        *(VEC *)(tile + r * PANEL) = s[r][0];
        *(VEC *)(tile + r * PANEL + LANES) = s[r][1];
    }
#endif
}

#ifdef NARROW
INLINED __m256i FN(round)(VEC v) {
#if NARROW == 2
    return (__m256i)_mm512_cvtxps_ph((__m512)v);
#else
    return (__m256i)_mm512_cvtneps_pbh((__m512)v);
#endif
}

/* Rows of n floats, and zeros up to a multiple of 32 columns and of `by` rows, times `scale`, in narrow words: of
   neighbours in a row where `along` is given, and of neighbours in a column (row r has rows 2r and 2r + 1 of x) where
   `down` is.  Between rows of x: `stride`; of words: `pitch`. */
INLINED void FN(narrow)(long rows, long n, long by, const float *x, long stride, float scale, float *along, float *down,
                        long pitch) {
    const long tall = up(rows, by), whole = n / 32 * 32;
    for (long r = 0; r < tall; r += 2) {
        const float *upper = x + r * stride, *lower = upper + stride;
        const int both = r + 1 < rows, any = r < rows;
        for (long k = 0; k < n; k += 32) {
            UNROLL for (long c = k; c < k + 32; c += 16) {
                VEC a = (VEC)0.0f, b = (VEC)0.0f;
                if (any) a = k < whole ? *(const VEC *)(upper + c) : c < n ? FN(load)(upper + c, n - c) : a;
                if (both) b = k < whole ? *(const VEC *)(lower + c) : c < n ? FN(load)(lower + c, n - c) : b;
                const __m256i first = FN(round)(a * scale), second = FN(round)(b * scale);
                if (along) {
                    _mm256_store_si256((__m256i *)(along + r * pitch + c / 2), first);
                    _mm256_store_si256((__m256i *)(along + (r + 1) * pitch + c / 2), second);
                }
                if (down)
                    _mm512_store_si512(down + r / 2 * pitch + c,
                                       _mm512_or_si512(_mm512_cvtepu16_epi32(first),
                                                       _mm512_slli_epi32(_mm512_cvtepu16_epi32(second), 16)));
            }
        }
    }
}
#endif

/* Element (k, j) is weights[k·step + j·next]. */
TARGET static void FN(pack)(long depth, long columns, const float *weights, long step, long next, const float *bias,
                            float *packed) {
    const long steps = STEPS(depth), across = up(columns, PANEL);
    float *behind = packed + across * steps;
    float scale = 1;
#if defined(NARROW) && NARROW == 2
    VEC peak = (VEC)0.0f;
    const long count = depth * columns;
    for (long i = 0; i < count; i += LANES) peak = FN(larger)(peak, FN(load)(weights + i, count - i));
    scale = half_scale(FN(largest)(peak));
#endif
    for (long j = 0; j < columns; j += PANEL) {
        const long n = columns - j < PANEL ? columns - j : PANEL;
        float *to = packed + j * steps;
        for (long k = 0; k < steps; k++) {
#ifdef NARROW
            float low[PANEL] __attribute__((aligned(64))) = {0}, high[PANEL] __attribute__((aligned(64))) = {0};
            for (long c = 0; c < n; c++) low[c] = weights[2 * k * step + (j + c) * next];
            if (2 * k + 1 < depth)
                for (long c = 0; c < n; c++) high[c] = weights[(2 * k + 1) * step + (j + c) * next];
            for (long c = 0; c < PANEL; c += LANES) {
                const __m512i first = _mm512_cvtepu16_epi32(FN(round)(*(const VEC *)(low + c) * scale));
                const __m512i second = _mm512_cvtepu16_epi32(FN(round)(*(const VEC *)(high + c) * scale));
                _mm512_storeu_si512(to + k * PANEL + c, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
            }
#else
            if (next == 1) memcpy(to + k * PANEL, weights + k * step + j, (size_t)n * 4);
            else
                for (long c = 0; c < n; c++) to[k * PANEL + c] = weights[k * step + (j + c) * next];
            if (n < PANEL) memset(to + k * PANEL + n, 0, (size_t)(PANEL - n) * 4);
#endif
        }
    }
    memset(behind, 0, (size_t)across * 4);
    if (bias) memcpy(behind, bias, (size_t)columns * 4);
    behind[across] = 1 / scale;
}

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
                FN(store)(l->slope + at + c, slope, left);
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
        if (l->scale) FN(narrow)(rows, l->depth, TILE, x, pitch, scale, words, NULL, pitch);
        else FN(narrow)(rows, l->depth, TILE, l->x + first * l->depth, l->depth, scale, words, NULL, pitch);
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
            if (silu) d *= FN(load)(l->slope + at + o, n);
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
        const float xpeak = depth == 64 ? FN(read)(l, 64, first, rows, 0, x) : FN(read)(l, depth, first, rows, 0, x),
                    zpeak = FN(arrive)(l, first, rows, copies ? z : NULL);
        const float *xt = x, *zt = z, *zw = z;
        float xscale = 1, zscale = 1;
        (void)xpeak;
        (void)zpeak;
#ifdef NARROW
        float *words = dn + MOST * xpitch, *more = words + MOST / 2 * xpitch, *last = more + MOST / 2 * zpitch;
        if (NARROW == 2) xscale = half_scale(xpeak), zscale = half_scale(zpeak);
        if (l->scale) FN(narrow)(rows, depth, 2, x, xpitch, xscale, NULL, words, xpitch);
        else FN(narrow)(rows, depth, 2, l->x + first * depth, depth, xscale, NULL, words, xpitch);
        const float *dz = copies ? z : l->dy + first * columns;
        const long stride = copies ? zpitch : columns;
        if (l->dx) FN(narrow)(rows, columns, TILE, dz, stride, zscale, last, more, zpitch);
        else FN(narrow)(rows, columns, 2, dz, stride, zscale, NULL, more, zpitch);
        xt = words;
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

#undef GLUE2
#undef GLUE
#undef FN
#undef VEC
#undef INTS
#undef INLINED
#undef PANEL
#undef TILE
#undef STEPS
#undef TARGET
#undef LANES
#undef KIND
#undef NARROW
