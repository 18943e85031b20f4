/* What a host kernel is given: operands by their offsets, a table, and where sums go.
 *
 * An operand is a rounded tensor of codes whose element (outer, inner) lies at
 * codes[outer[..] + inner[..]]: two lists of offsets say all there is to say about matrices,
 * transposes, groups and the three products of a convolution, so panels are packed straight from
 * the image. A float code is the upper half of an FP32 word, rounded to m <= 7 fraction bits,
 * subnormals already zero; an int8 code is its two's complement byte. The kernel defines `code`
 * and `sum` first.
 */
#ifndef AXDSE_OPERANDS_H
#define AXDSE_OPERANDS_H

#include <stdint.h>
#include <string.h>

struct operand {
    const code *codes;
    const int64_t *outer, *inner;
};

/* Problems share a table and all offsets but these bases. `entries` is the table, row = index of a;
 * `table` the same as prepare_table() laid it out. */
struct task {
    struct operand a, b;
    sum *c;
    const int64_t *c_row, *c_column;
    const int64_t *a_base, *b_base, *c_base;
    const void *table;
    const uint16_t *entries;
    int64_t problems, rows, depth, columns;
    uint64_t seed; /* of sums that are rounded by chance */
    int32_t fraction_bits, entry_bytes, threads;
};

/* Consecutive lanes that are consecutive in memory: lane l of the run is at offset + l. */
struct run {
    int64_t offset;
    int32_t first, length;
};

static int find_runs(struct run *runs, const int64_t *offsets, int width) {
    int count = 0;
    for (int lane = 0; lane < width; lane++) {
        if (lane == 0 || offsets[lane] != offsets[lane - 1] + 1)
            runs[count++] = (struct run){.offset = offsets[lane] - lane, .first = lane};
        runs[count - 1].length = lane + 1 - runs[count - 1].first;
    }
    return count;
}

static inline int64_t min64(int64_t x, int64_t y) { return x < y ? x : y; }

/* Bounds of biased exponents of non-zero elements; 255 and 0 of none. */
struct bounds {
    int low, high;
};

static inline void copy_codes(code *out, const code *from, const struct run *runs, int count) {
    for (int i = 0; i < count; i++)
        memcpy(out + runs[i].first, from + runs[i].offset + runs[i].first,
               (size_t)runs[i].length * sizeof *out);
}

#endif
