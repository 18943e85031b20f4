/* Portable int8 kernel: one look-up at a time. */
#include <stdint.h>

enum { LANES = 64, ROWS = 4, DEPTH = 64 };

typedef uint16_t code;
typedef int32_t sum;

struct columns {
    uint8_t index[DEPTH][LANES];
};

#include "gemm_int8.h"

static uint32_t row_stride(void) { return 256 * sizeof(int16_t); }

int64_t table_size(int fraction_bits, int entry_bytes) {
    (void)fraction_bits, (void)entry_bytes;
    return 256 * 256 * sizeof(int16_t);
}

void prepare_table(void *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    memcpy(table, entries, (size_t)table_size(fraction_bits, entry_bytes));
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

static void multiply_one(int32_t *restrict c, const struct row *row, const struct columns *columns,
                         int depth, const uint8_t *table) {
    for (int k = 0; k < depth; k++) {
        const int16_t *restrict entries = (const int16_t *)(table + row->at[k]);
        for (int n = 0; n < LANES; n++) c[n] += entries[columns->index[k][n]];
    }
}

static void multiply(int32_t *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task) {
    (void)block;
    for (int r = 0; r < count; r++) multiply_one(c[r], rows + r, columns, depth, task->table);
}
