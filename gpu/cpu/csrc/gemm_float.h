/* What the float kernels of the loop nest share: splitting rows, and rows that need care.
 *
 * Packed columns keep zeros in place of infinity, NaN and exponent 254: a row that meets one in
 * its block goes through multiply_slow().
 */
#include "float_codes.h"
#include "gemm.h"

static void pack_scales(struct row *row, int depth, const struct task *task);

/* Bytes from a table row to the next; the kernel says how many entries a row and how many bytes
 * an entry take. */
static uint32_t row_stride(const struct task *task);

static void pack_row(struct row *row, int depth, const struct task *task) {
    const int fraction_bits = task->fraction_bits;
    const uint32_t stride = row_stride(task);
    const int padded = padded_depth(depth);
    row->bounds = bounds_of(row->codes, padded);
    for (int k = 0; k < padded; k++)
        row->at[k] = index_of(row->codes[k], fraction_bits) * stride;
    pack_scales(row, padded, task);
}

static int is_fast(const struct row *row, const struct block *block) {
    return is_in_range(row->bounds, block->bounds);
}

static void load_codes(code *codes, const struct block *block, int k) {
    copy_codes(codes, block->b + block->b_inner[k], block->from, block->from_runs);
}

static void know_bounds(struct block *block, int depth) {
    code codes[LANES];
    for (int k = 0; k < depth; k++) {
        load_codes(codes, block, k);
        block->bounds_of_k[k] = bounds_of(codes, block->width);
    }
    block->knows_bounds = 1;
}

/* The k in range go the fast way, from +0 so that nothing small in c is flushed; the others are
 * taken one by one. A zero of a code in its place adds nothing. */
static void multiply_slow(sum *c, const struct row *row, const struct columns *columns,
                          struct block *block, int depth, const struct task *task) {
    struct row plain = *row;
    code codes[LANES];
    if (!block->knows_bounds) know_bounds(block, depth);
    for (int k = 0; k < depth; k++) {
        const code a = row->codes[k];
        if (is_in_range(bounds_of(&a, 1), block->bounds_of_k[k])) continue;
        const uint16_t *entries =
            task->entries + ((size_t)index_of(a, task->fraction_bits) << task->fraction_bits);
        plain.codes[k] = 0;
        load_codes(codes, block, k);
        for (int n = 0; n < block->width; n++)
            c[n] += any_product(a, codes[n], entries[index_of(codes[n], task->fraction_bits)]);
    }
    pack_row(&plain, depth, task);
    multiply(&c, &plain, 1, columns, block, depth, task);
}
