/* What the int8 kernels share: void operands, and rows that meet them.
 *
 * A code above 255 is no operand at all: the border of a gradient, whose products do not exist.
 * Tables that give 0 for every zero operand need none, since a code of 0 does the same.
 */
#include "gemm.h"

enum { VOID = 256 };

static uint32_t row_stride(void);

static void pack_row(struct row *row, int depth, const struct task *task) {
    (void)task;
    for (int k = 0; k < depth; k++) row->at[k] = row->codes[k] * row_stride();
}

static void load_codes(code *codes, const struct block *block, int k) {
    copy_codes(codes, block->b + block->b_inner[k], block->from, block->from_runs);
}

/* bounds.high tells the largest code of the block. */
static inline void note_void(struct block *block, const code *codes) {
    int largest = block->bounds.high;
    for (int n = 0; n < block->width; n++) largest = codes[n] > largest ? codes[n] : largest;
    block->bounds.high = largest;
}

static int is_fast(const struct row *row, const struct block *block) {
    (void)row;
    return block->bounds.high < VOID;
}

static void multiply_slow(sum *c, const struct row *row, const struct columns *columns,
                          struct block *block, int depth, const struct task *task) {
    (void)columns;
    code codes[LANES];
    for (int k = 0; k < depth; k++) {
        const int16_t *entries = (const int16_t *)task->entries + 256 * row->codes[k];
        load_codes(codes, block, k);
        for (int n = 0; n < block->width; n++)
            c[n] += codes[n] < VOID ? entries[codes[n]] : 0;
    }
}
