/* int8 kernels whose lanes are rows of a.
 *
 * For a k, the products of each of the 256 codes with ROWS codes of a are gathered, a vector a
 * code, by transposing ROWS table rows. A column then adds a whole vector with one load.
 *
 * Sums of words, modulo 2^16, and of their upper bytes, exact for up to 256 k, make the sum: the
 * first less 2^8 times the second is the sum of the lower bytes. Products are stored with 2^15
 * added, so that all bytes are unsigned; depth times that goes off in the end.
 *
 * The kernel defines LANES, ROWS, DEPTH, a `vector` of ROWS uint16, and transpose(), which makes
 * BATCH vectors of the entries of ROWS rows from `first` on. Operations per ROWS rows, column and
 * k: 2 additions, 1 shift, and loads of a vector, an index, and half of the sums, which are stored
 * for every other k. A gathering takes as long as 200 columns.
 */
#include "gemm_int8.h"

enum { CODES = 256, TOGETHER = 2 };

static uint32_t row_stride(void) { return CODES * sizeof(uint16_t); }

int64_t table_size(int fraction_bits, int entry_bytes) {
    (void)fraction_bits, (void)entry_bytes;
    return CODES * CODES * sizeof(uint16_t);
}

void prepare_table(uint16_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    (void)fraction_bits, (void)entry_bytes;
    for (int i = 0; i < CODES * CODES; i++) table[i] = entries[i] ^ 0x8000;
}

static void pack_columns(struct columns *columns, struct block *block, int depth,
                         const struct task *task) {
    (void)task;
    code codes[LANES] = {0};
    for (int k = 0; k < depth; k++) {
        load_codes(codes, block, k);
        note_void(block, codes);
        for (int n = 0; n < LANES; n++) columns->index[k][n] = (uint8_t)codes[n];
    }
}

/* Sums of a column: of words and of their upper bytes. */
struct sums {
    vector words, upper;
};

static void gather_products(vector *products, const struct row *rows, int count, int k,
                            const uint8_t *table) {
    const uint16_t *from[ROWS];
    for (int r = 0; r < ROWS; r++)
        from[r] = (const uint16_t *)(table + rows[r < count ? r : 0].at[k]);
    for (int first = 0; first < CODES; first += BATCH) transpose(products + first, from, first);
}

static void add_products(struct sums *sums, int width, const vector (*products)[CODES],
                         const uint8_t (*index)[LANES], int together) {
    for (int n = 0; n < width; n++) {
        vector words = sums[n].words, upper = sums[n].upper;
        for (int i = 0; i < together; i++) {
            const vector product = products[i][index[i][n]];
            words += product;
            upper += product >> 8;
        }
        sums[n] = (struct sums){words, upper};
    }
}

/* A gathering and its columns against single look-ups; measured on Zen 4. */
static int prefers_products(int count, int width) { return (2 * count - 1) * width > 800; }

static void multiply_products(int32_t *const *c, const struct row *rows, int count,
                              const struct columns *columns, int width, int depth,
                              const uint8_t *table) {
    vector products[TOGETHER][CODES];
    struct sums sums[LANES];
    memset(sums, 0, (size_t)width * sizeof *sums);
    for (int k = 0; k < depth; k += TOGETHER) {
        const int together = depth - k < TOGETHER ? depth - k : TOGETHER;
        for (int i = 0; i < together; i++)
            gather_products(products[i], rows, count, k + i, table);
        if (together == TOGETHER)
            add_products(sums, width, products, columns->index + k, TOGETHER);
        else
            add_products(sums, width, products, columns->index + k, together);
    }
    for (int r = 0; r < count; r++)
        for (int n = 0; n < width; n++) {
            const uint32_t upper = (uint32_t)sums[n].upper[r] << 8;
            const uint32_t lower = (uint16_t)(sums[n].words[r] - upper);
            c[r][n] += (int32_t)(lower + upper - ((uint32_t)depth << 15));
        }
}

static void multiply_one(int32_t *restrict c, const struct row *row, const struct columns *columns,
                         int width, int depth, const uint8_t *table) {
    for (int k = 0; k < depth; k++) {
        const uint16_t *restrict entries = (const uint16_t *)(table + row->at[k]);
        for (int n = 0; n < width; n++) c[n] += entries[columns->index[k][n]] - 0x8000;
    }
}

static void multiply(int32_t *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task) {
    const int width = block->width;
    if (prefers_products(count, width))
        multiply_products(c, rows, count, columns, width, depth, task->table);
    else
        for (int r = 0; r < count; r++)
            multiply_one(c[r], rows + r, columns, width, depth, task->table);
}
