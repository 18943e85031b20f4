/* Portable float kernel: one look-up at a time in table rows of FP32.
 *
 * The compiler vectorises all but the look-up itself, which runs at a load or two a cycle.
 */
#include <stdint.h>

enum { LANES = 64, ROWS = 4, DEPTH = 64 };

struct columns {
    uint8_t index[DEPTH][LANES];
    float scale[DEPTH][LANES]; /* 0 of what is not multiplied here */
};

#include "gemm_float.h"

static uint32_t row_stride(const struct task *task) {
    return (uint32_t)sizeof(float) << task->fraction_bits;
}

int64_t table_size(int fraction_bits, int entry_bytes) {
    (void)entry_bytes;
    return (int64_t)sizeof(float) << (2 * fraction_bits);
}

/* Entries (see gemm_float.h) as the numbers that they mean. */
void prepare_table(void *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    float *values = table;
    (void)entry_bytes;
    for (int64_t i = 0; i < 1ll << (2 * fraction_bits); i++)
        values[i] = ((word){.bits = 0x3f800000u + ((uint32_t)entries[i] << 8)}).value;
}

static void pack_scales(struct row *row, int depth, const struct task *task) {
    (void)task;
    for (int k = 0; k < depth; k++) row->scale[k] = (uint32_t)scale_of(row->codes[k]) << 16;
}

static void pack_columns(struct columns *columns, struct block *block, int depth,
                         const struct task *task) {
    code codes[LANES] = {0};
    for (int k = 0; k < depth; k++) {
        load_codes(codes, block, k);
        const struct bounds bounds = bounds_of(codes, block->width);
        block->bounds.low = bounds.low < block->bounds.low ? bounds.low : block->bounds.low;
        block->bounds.high = bounds.high > block->bounds.high ? bounds.high : block->bounds.high;
        for (int n = 0; n < LANES; n++) {
            const int exponent = exponent_of(codes[n]), kept = exponent != 0 && exponent <= 253;
            columns->index[k][n] = (uint8_t)index_of(codes[n], task->fraction_bits);
            columns->scale[k][n] = kept ? value_of(scale_of(codes[n])) : 0.0f;
        }
    }
}

static void multiply_one(float *restrict c, const struct row *row, const struct columns *columns,
                         int depth, const uint8_t *table) {
    float sums[LANES] = {0};
    for (int k = 0; k < depth; k++) {
        const float *restrict entries = (const float *)(table + row->at[k]);
        const float scale = ((word){.bits = row->scale[k]}).value;
        for (int n = 0; n < LANES; n++)
            sums[n] += entries[columns->index[k][n]] * columns->scale[k][n] * scale;
    }
    for (int n = 0; n < LANES; n++) c[n] += sums[n];
}

static void multiply(float *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task) {
    (void)block;
    for (int r = 0; r < count; r++) multiply_one(c[r], rows + r, columns, depth, task->table);
}
