/* The loop nest of the host kernels: c[m, n] = sum over k of T(a[m, k], b[n, k]).
 *
 * A kernel defines code, sum, LANES, ROWS, DEPTH and
 *   struct columns   LANES columns of b, DEPTH deep, in the order that it looks up in
 * includes this file, and gives
 *   pack_columns()   fills it and bounds the block
 *   pack_row()       splits codes of a row of a into table row and scale
 *   multiply()       ROWS x LANES sums from packed operands, added to a tile of c
 *   is_fast()        whether multiply() may be used on a row and these columns
 *   multiply_slow()  one row with any operands at all
 *
 * Sums run over blocks of DEPTH from +0 and blocks are added in the order of k: results depend
 * on the number of threads only where k itself is split, and that split is fixed by the shape.
 */
#include "operands.h"

#include <stdlib.h>

enum { ROW_BYTES = 1 << 18, MAX_ROWS = 1024, PADDING = 32 };

/* Codes of rows are zero from the depth on to this one, so that vectors may take them whole. */
static inline int padded_depth(int depth) { return (depth + PADDING - 1) / PADDING * PADDING; }

/* A row of a, DEPTH codes: where its table rows are (bytes), its scales, and what bounds them. */
struct row {
    _Alignas(64) uint32_t at[DEPTH];
    uint32_t scale[DEPTH];
    code codes[DEPTH];
    struct bounds bounds;
};

/* One block of columns: where it comes from, where its sums go, and what bounds it: all of it, and
 * each k once multiply_slow() has asked for that. */
struct block {
    const code *b;
    const int64_t *b_inner;
    struct run from[LANES], to[LANES];
    int from_runs, to_runs, width, knows_bounds;
    struct bounds bounds, bounds_of_k[DEPTH];
};

static void pack_row(struct row *row, int depth, const struct task *task);
static void pack_columns(struct columns *columns, struct block *block, int depth,
                         const struct task *task);
static int is_fast(const struct row *row, const struct block *block);
static void multiply(sum *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task);
static void multiply_slow(sum *c, const struct row *row, const struct columns *columns,
                          struct block *block, int depth, const struct task *task);

static void add_tile(sum *c, const sum *tile, const struct run *runs, int count) {
    for (int i = 0; i < count; i++) {
        sum *restrict to = c + runs[i].offset;
        const int first = runs[i].first, last = first + runs[i].length;
        for (int lane = first; lane < last; lane++) to[lane] += tile[lane];
    }
}

/* `count` rows times a block: straight into c where it is whole, through a tile elsewhere. */
static void multiply_rows(sum *const *c, const struct row *rows, int count,
                          const struct columns *columns, struct block *block, int depth,
                          const struct task *task) {
    static const sum zeros[LANES];
    _Alignas(64) sum tile[ROWS][LANES];
    const int whole = block->to_runs == 1 && block->width == LANES;
    sum *to[ROWS];
    int fast = 1;
    for (int r = 0; r < count; r++) {
        fast &= is_fast(rows + r, block);
        to[r] = whole ? c[r] + block->to[0].offset : memcpy(tile[r], zeros, sizeof zeros);
    }
    if (fast)
        multiply(to, rows, count, columns, block, depth, task);
    else
        for (int r = 0; r < count; r++)
            multiply_slow(to[r], rows + r, columns, block, depth, task);
    for (int r = 0; r < count && !whole; r++) add_tile(c[r], tile[r], block->to, block->to_runs);
}

/* What a thread works with. */
struct scratch {
    struct columns columns;
    struct block block;
    struct run runs[DEPTH];
    struct row rows[];
};

struct range {
    int64_t first, last;
};

/* Share `count` things among `parts`, as evenly as may be. */
static struct range share(int64_t count, int64_t part, int64_t parts) {
    return (struct range){count * part / parts, count * (part + 1) / parts};
}

/* The depth of a block: at most DEPTH, even, and the last block about as deep as the others. */
static int block_depth(struct range depth) {
    const int64_t length = depth.last - depth.first, blocks = (length + DEPTH - 1) / DEPTH;
    return blocks ? (int)((length + blocks - 1) / blocks + 1) / 2 * 2 : DEPTH;
}

static void pack_rows(struct scratch *s, const struct task *task, const code *a,
                      struct range rows, struct range depth) {
    struct row *row = s->rows;
    const int step = block_depth(depth);
    for (int64_t k = depth.first; k < depth.last; k += step) {
        const int width = (int)min64(step, depth.last - k);
        const int count = find_runs(s->runs, task->a.inner + k, width);
        for (int64_t m = rows.first; m < rows.last; m++, row++) {
            copy_codes(row->codes, a + task->a.outer[m], s->runs, count);
            memset(row->codes + width, 0, (padded_depth(width) - width) * sizeof(code));
            pack_row(row, width, task);
        }
    }
}

static void open_block(struct block *block, const struct task *task, int64_t n, int64_t last) {
    block->width = (int)min64(LANES, last - n);
    block->from_runs = find_runs(block->from, task->b.outer + n, block->width);
    block->to_runs = find_runs(block->to, task->c_column + n, block->width);
}

/* Packed rows [rows) of a times columns [columns) of b, over [depth), added to c. */
static void multiply_panel(struct scratch *s, const struct task *task, const code *b, sum *c,
                           struct range rows, struct range columns, struct range depth) {
    const int64_t height = rows.last - rows.first, groups = (height + ROWS - 1) / ROWS;
    const int step = block_depth(depth);
    for (int64_t n = columns.first; n < columns.last; n += LANES) {
        open_block(&s->block, task, n, columns.last);
        s->block.b = b;
        const struct row *packed = s->rows;
        for (int64_t k = depth.first; k < depth.last; k += step, packed += height) {
            const int deep = (int)min64(step, depth.last - k);
            s->block.b_inner = task->b.inner + k;
            s->block.knows_bounds = 0;
            s->block.bounds = (struct bounds){255, 0};
            pack_columns(&s->columns, &s->block, deep, task);
            for (int64_t group = 0; group < groups; group++) {
                const struct range part = share(height, group, groups);
                const int count = (int)(part.last - part.first);
                sum *to[ROWS];
                for (int r = 0; r < count; r++)
                    to[r] = c + task->c_row[rows.first + part.first + r];
                multiply_rows(to, packed + part.first, count, &s->columns, &s->block, deep, task);
            }
        }
    }
}

/* How deep a panel of packed rows may be: all of k at best, so that c stays in the cache. */
static int64_t panel_depth(int64_t height) {
    const int64_t blocks = ROW_BYTES / (int64_t)sizeof(struct row) / (height ? height : 1);
    return (blocks ? blocks : 1) * DEPTH;
}

static void multiply_problem(struct scratch *s, const struct task *task, int64_t problem, sum *c,
                             struct range all, struct range columns, struct range depth) {
    for (int64_t m = all.first; m < all.last; m += MAX_ROWS) {
        const struct range rows = {m, min64(m + MAX_ROWS, all.last)};
        const int64_t step = panel_depth(rows.last - rows.first);
        for (int64_t k = depth.first; k < depth.last; k += step) {
            const struct range part = {k, min64(k + step, depth.last)};
            pack_rows(s, task, task->a.codes + task->a_base[problem], rows, part);
            multiply_panel(s, task, task->b.codes + task->b_base[problem],
                           c + task->c_base[problem], rows, columns, part);
        }
    }
}

/* Stays with its thread: fresh pages for every call would cost more than packing. */
static struct scratch *own_scratch(const struct task *task) {
    static _Thread_local struct scratch *own;
    static _Thread_local size_t own_size;
    const int64_t height = min64(MAX_ROWS, task->rows);
    const int64_t deep = min64(panel_depth(height), (task->depth + DEPTH - 1) / DEPTH * DEPTH);
    const size_t size = sizeof(struct scratch) + (deep / DEPTH) * height * sizeof(struct row);
    if (size > own_size) {
        free(own);
        own = aligned_alloc(64, (size + 63) / 64 * 64);
        own_size = own ? size : 0;
    }
    return own;
}

/* Rows [rows) of blocks of columns of all problems, [blocks), one after the other. */
static void multiply_blocks(struct scratch *s, const struct task *task, struct range rows,
                            struct range blocks) {
    const int64_t each = (task->columns + LANES - 1) / LANES;
    const struct range depth = {0, task->depth};
    for (int64_t at = blocks.first; at < blocks.last;) {
        const int64_t problem = at / each, first = at % each;
        const int64_t last = min64(each, first + blocks.last - at);
        const struct range columns = {first * LANES, min64(last * LANES, task->columns)};
        multiply_problem(s, task, problem, task->c, rows, columns, depth);
        at += last - first;
    }
}

/* One product of much depth and few columns: a part of k each, sums joined in order. `c` is
 * contiguous, rows x columns, in this case alone. */
static int multiply_split(const struct task *task, int parts) {
    const int64_t size = task->rows * task->columns;
    sum *partial = calloc((size_t)(size * (parts - 1)), sizeof *partial);
    int failed = !partial;
#pragma omp parallel for num_threads(parts) schedule(static, 1) reduction(| : failed)
    for (int part = 0; part < parts; part++) {
        struct scratch *s = own_scratch(task);
        const struct range columns = {0, task->columns};
        sum *c = part ? partial + size * (part - 1) : task->c;
        failed |= !s;
        if (s && partial)
            multiply_problem(s, task, 0, c, (struct range){0, task->rows}, columns,
                             share(task->depth, part, parts));
    }
    for (int part = 1; part < parts && !failed; part++)
        for (int64_t i = 0; i < size; i++) task->c[i] += partial[size * (part - 1) + i];
    free(partial);
    return failed;
}

enum { SERIAL_PRODUCTS = 1 << 17, SPLIT_DEPTH = 16 * DEPTH };

/* c comes as zeros. Returns 0, or 1 if there is no memory. */
int multiply_task(const struct task *task) {
    const int64_t blocks = (task->columns + LANES - 1) / LANES * task->problems;
    const double products = (double)task->rows * task->depth * task->columns * task->problems;
    const int threads = products < SERIAL_PRODUCTS ? 1 : task->threads;
    if (blocks < 2 * threads && task->problems == 1 && task->depth >= SPLIT_DEPTH)
        return multiply_split(task, threads);
    /* With few blocks, threads share their rows too: sums do not depend on that. */
    const int64_t most = (task->rows + ROWS - 1) / ROWS, wanted = threads / (blocks ? blocks : 1);
    const int row_parts = (int)(wanted < 2 ? 1 : min64(wanted, most)), lists = threads / row_parts;
    int failed = 0;
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(| : failed)
    for (int part = 0; part < lists * row_parts; part++) {
        struct scratch *s = own_scratch(task);
        failed |= !s;
        if (s)
            multiply_blocks(s, task, share(task->rows, part % row_parts, row_parts),
                            share(blocks, part / row_parts, lists));
    }
    return failed;
}
