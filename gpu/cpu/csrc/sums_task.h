/* What the kernels of float sums share: their table, and the products of a step for the model.
 *
 * A table begins with its recipe, TABLE_AT bytes. Significands follow, of FRACTION bits behind the
 * point, 2^m rows of 32 or 128; then the same as rows of bytes {carry, fraction}, and of the fraction's rest if an
 * entry has two bytes, 64 or 128 of each.
 */
#ifndef AXDSE_SUMS_TASK_H
#define AXDSE_SUMS_TASK_H

#include <stdlib.h>

#include "float_codes.h"
#include "sum.h"

enum {
    TABLE_AT = 64,
    FRACTION = 14,
};

/* What a table begins with. */
struct head {
    struct sum sum;
    int32_t product_bits; /* at most, of significands */
};

static const struct sum *sum_of(const struct task *task) { return task->table; }
static const uint16_t *table_of(const struct task *task) {
    return (const uint16_t *)((const char *)task->table + TABLE_AT);
}
static inline int row_stride(int fraction_bits) { return fraction_bits > 5 ? 128 : 32; }

static int plane_row(int fraction_bits, int entry_bytes) {
    return (fraction_bits < 7 ? 64 : 128) * entry_bytes;
}
static int64_t planes_at(int fraction_bits) {
    return TABLE_AT + ((int64_t)row_stride(fraction_bits) * (int64_t)sizeof(uint16_t) << fraction_bits);
}

/* Tables of a kernel of sums in all: the recipe, significands, rows of bytes. */
static int64_t rows_size(int fraction_bits, int entry_bytes) {
    return planes_at(fraction_bits) + ((int64_t)plane_row(fraction_bits, entry_bytes) << fraction_bits);
}

/* `entries` as float_codes.h has them; `table` is zeroed but for its `struct sum`. */
static void prepare_rows(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    const int size = 1 << fraction_bits, plane = plane_row(fraction_bits, 1);
    uint16_t *significands = (uint16_t *)(table + TABLE_AT);
    uint32_t all = 0x8000;
    for (int x = 0; x < size; x++)
        for (int y = 0; y < size; y++) {
            const uint32_t entry = entries[x * size + y];
            /* A wide one's last bit is 0: of 15 there are 14. */
            const uint32_t whole = (0x8000 | (entry & 0x7fff)) << (entry >> 15);
            uint8_t *row = table + planes_at(fraction_bits) + x * plane_row(fraction_bits, entry_bytes);
            significands[x * row_stride(fraction_bits) + y] = (uint16_t)(whole >> 1);
            row[y] = (uint8_t)(entry >> 8);
            all |= entry;
            if (entry_bytes == 2) row[plane + y] = (uint8_t)entry;
        }
    ((struct head *)table)->product_bits = 16 - __builtin_ctz(all);
}

static inline double power_of_two(int64_t exponent) {
    const uint64_t bits = (uint64_t)(exponent + 1023) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int is_special(code x) { return exponent_of(x) == 255; }

/* The products of a step as the model of the sum takes them. */
struct terms {
    int32_t exponent[SUM_MOST_TERMS];
    int64_t significand[SUM_MOST_TERMS];
    float special; /* the sum of infinities and NaN, else 0 */
};

static void set_term(struct terms *terms, int i, code x, code y, const struct task *task) {
    const int bits = task->fraction_bits;
    const int odd = (is_special(x) || is_special(y)) && y != MISSING;
    const int none = odd || !exponent_of(x) || !exponent_of(y);
    const int64_t at = index_of(x, bits) * (uint32_t)row_stride(bits) + index_of(y, bits);
    const int64_t size = none ? 0 : table_of(task)[at];
    if (i == 0) terms->special = 0;
    terms->special += odd ? value_of(x) * value_of(y) : 0;
    terms->exponent[i] = none ? 0 : exponent_of(x) + exponent_of(y) - 254;
    terms->significand[i] = (x ^ y) >> 15 ? -size : size;
}

#endif
