/* The other way of the AVX2 kernel, for wide blocks and entries of two bytes: lanes are rows of a.
 *
 * For a k, the products of each fraction of b with ROWS codes of a are gathered in FP32, a vector a
 * fraction, by transposing ROWS table rows. A column then adds a whole vector times its own scale.
 *
 * Operations per 16 rows, column and k: 2 products, and loads of 2 vectors, a scale, an index, and
 * half of the sums, which are stored for every other k.
 */
enum { TOGETHER = 2 };

/* FP32 products of ROWS rows. */
struct products {
    __m256 half[2];
};

/* 4 entries of rows r and r + 4. */
static inline __m256 load_rows(const float *const *row, int r, int first) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_load_ps(row[r] + first)),
                                _mm_load_ps(row[r + 4] + first), 1);
}

/* 8 rows of 4 entries to 4 vectors of 8, times the scales of the rows. */
static inline void transpose(struct products *to, int half, const float *const *row, int first,
                             __m256 scale) {
    __m256d pairs[4];
    for (int i = 0; i < 2; i++) {
        const __m256 x = load_rows(row, 2 * i, first), y = load_rows(row, 2 * i + 1, first);
        pairs[i] = _mm256_castps_pd(_mm256_unpacklo_ps(x, y));
        pairs[i + 2] = _mm256_castps_pd(_mm256_unpackhi_ps(x, y));
    }
    for (int i = 0; i < 2; i++) {
        const __m256d *pair = pairs + 2 * i;
        const __m256 even = _mm256_castpd_ps(_mm256_unpacklo_pd(pair[0], pair[1]));
        const __m256 odd = _mm256_castpd_ps(_mm256_unpackhi_pd(pair[0], pair[1]));
        to[first + 2 * i].half[half] = _mm256_mul_ps(even, scale);
        to[first + 2 * i + 1].half[half] = _mm256_mul_ps(odd, scale);
    }
}

/* Rows beyond `count` repeat the first. */
static void gather_products(struct products *products, const struct row *rows, int count, int k,
                            const struct task *task) {
    const int size = 1 << task->fraction_bits;
    const char *values =
        (const char *)task->table + values_at(task->fraction_bits, task->entry_bytes);
    for (int half = 0; half < 2; half++) {
        const float *from[8];
        float scale[8];
        for (int r = 0; r < 8; r++) {
            const struct row *row = rows + (8 * half + r < count ? 8 * half + r : 0);
            from[r] = (const float *)(values + 2 * row->at[k]);
            memcpy(scale + r, row->scale + k, sizeof *scale);
        }
        for (int first = 0; first < size; first += 4)
            transpose(products, half, from, first, _mm256_loadu_ps(scale));
    }
}

INLINE void add_products(struct products *sums, const struct products (*products)[NOTHING + 1],
                         const struct part *part, int k, int together) {
    for (int n = 0; n < PART; n++) {
        struct products sum = sums[n];
        _Pragma("GCC unroll 2") for (int i = 0; i < together; i++) {
            const uint8_t at = ((const uint8_t *)part->index[k + i])[n];
            const struct products *product = products[i] + at;
            const __m256 scale = _mm256_broadcast_ss((const float *)&part->words[k + i][n]);
            for (int h = 0; h < 2; h++)
                sum.half[h] = _mm256_fmadd_ps(product->half[h], scale, sum.half[h]);
        }
        sums[n] = sum;
    }
}

/* Whether it takes less time than look-ups, and rows times their scales stay finite. Times
 * on Zen 4, in units of 14 ps: a product looked up 3.5 + slices, a column 63, a slice 1500. */
static int prefers_products(const struct row *rows, int count, int width,
                            const struct task *task) {
    const int slices = (1 << task->fraction_bits) / SLICE + (task->fraction_bits < 4);
    const int gain = count * (7 + 2 * slices) - 2 * 63;
    int high = 0;
    for (int r = 0; r < count; r++) high = rows[r].bounds.high > high ? rows[r].bounds.high : high;
    return task->entry_bytes == 2 && high <= 253 && gain * width > 2 * 1500 * slices;
}

static void multiply_products(float *const *c, const struct row *rows, int count,
                              const struct columns *columns, int width, int depth,
                              const struct task *task) {
    struct products products[TOGETHER][NOTHING + 1], sums[LANES];
    for (int i = 0; i < TOGETHER; i++) memset(&products[i][NOTHING], 0, sizeof **products);
    memset(sums, 0, sizeof sums);
    for (int k = 0; k < depth; k += TOGETHER) {
        const int together = depth - k < TOGETHER ? depth - k : TOGETHER;
        for (int i = 0; i < together; i++) gather_products(products[i], rows, count, k + i, task);
        for (int n = 0; n < width; n += PART) {
            const struct part *part = columns->parts + n / PART;
            if (together == TOGETHER) add_products(sums + n, products, part, k, TOGETHER);
            else add_products(sums + n, products, part, k, together);
        }
    }
    for (int r = 0; r < count; r++)
        for (int n = 0; n < width; n++)
            c[r][n] += ((const float *)&sums[n / PART * PART + n % 8 * 4 + n % PART / 8])[r];
}
