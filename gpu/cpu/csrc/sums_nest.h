/* The loop nest of float sums, for kernels that add SPAN columns at once.
 *
 * k is cut into blocks that end where chunks end: a step of the sum each, or several. A `way`
 * packs rows of a, all at once, and SPAN columns of b, block by block, and adds a block to the
 * registers of all rows. Registers stay in `c`, in the order of the columns, so any block of a row
 * may be added in another way instead, or lanes of it one by one by the model (`add_by_model`).
 *
 * What a way takes is up to it, but for registers: those that are 0 or have an exponent of
 * `lowest` .. HIGHEST, which its own steps give, too. The model may give others; their row is `odd`
 * then, and `odd_lanes` tells which they are.
 *
 * A lazy register (sums_lazy.h) is an integer in the place of the number, with a raw exponent beside
 * it; its way says what sum that is.
 */
#ifndef AXDSE_SUMS_NEST_H
#define AXDSE_SUMS_NEST_H

#include <immintrin.h>

#include "sums_task.h"

enum { SPAN = 64, HIGHEST = 227, MOST_ROWS = 1024, EMPTY = -(1 << 14) };

/* Blocks of rows, or lanes of them, that were not added the fast way, of any task; tests look at it. */
int64_t careful_blocks;

struct block {
    const struct task *task;
    const code *a; /* of the problem */
    int64_t k;
    int count, lowest, has_spare;
    code (*codes)[SPAN];
    void *packed, *spare; /* columns, and the same for another way */
    float (*c)[SPAN];     /* registers of rows from the first on */
    int16_t (*raised)[SPAN]; /* exponents of lazy ones, EMPTY to begin with */
    uint8_t *odd;
    int64_t first;
};

struct way {
    int deep;   /* k of a block at most */
    int lowest; /* exponent field of a register */
    int64_t row_size, block_size, spare_size;
    void (*pack_row)(void *row, const code *codes, int count, const struct task *task);
    void (*pack_columns)(void *columns, const code (*codes)[SPAN], int count, const struct task *task);
    void (*add)(struct block *block, const void *rows, int64_t count);
    void (*sums_of)(const struct block *block, int64_t m, float *sums); /* of lazy registers, else 0 */
};

/* One lane of one row of a block, by the model of the sum. */
static float add_by_model(const struct block *block, const code *row, int lane, float c) {
    const struct task *task = block->task;
    const struct sum *sum = sum_of(task);
    struct running now = {0};
    sum_clear(sum, &now, c);
    for (int k = 0; k < block->count; k += sum->terms) {
        const int count = (int)min64(sum->terms, block->count - k);
        struct terms terms;
        for (int i = 0; i < count; i++) set_term(&terms, i, row[k + i], block->codes[k + i][lane], task);
        sum_step(sum, &now, terms.exponent, terms.significand, count, terms.special);
    }
    return sum_end(sum, &now);
}

static __attribute__((noinline)) uint64_t odd_lanes(const float *c, int lowest) {
    uint64_t lanes = 0;
    for (int n = 0; n < SPAN; n++) {
        const uint32_t word = sum_word(c[n]), field = word >> 23 & 255;
        lanes |= (uint64_t)(word && (field < (uint32_t)lowest || field > HIGHEST)) << n;
    }
    return lanes;
}

/* `lanes` of row m, from the registers `before`; the others have their sums already. */
static __attribute__((noinline)) void add_lanes(struct block *block, int64_t m, uint64_t lanes,
                                                const float *before) {
    const struct task *task = block->task;
    const code *a = block->a + task->a.outer[block->first + m];
    float *c = block->c[m];
    code row[block->count];
    for (int k = 0; k < block->count; k++) row[k] = a[task->a.inner[block->k + k]];
    for (; lanes; lanes &= lanes - 1) {
        const int n = __builtin_ctzll(lanes);
        c[n] = add_by_model(block, row, n, before[n]);
    }
    block->odd[m] = odd_lanes(c, block->lowest) != 0;
#pragma omp atomic
    careful_blocks++;
}

/* Where blocks begin, their depth, and whether a chunk ends. */
struct piece {
    int64_t k;
    int count, ends;
};

static int64_t cut_depth(struct piece *pieces, const struct task *task, int deep) {
    const int64_t chunk = sum_of(task)->chunk ? sum_of(task)->chunk : task->depth;
    int64_t count = 0;
    for (int64_t from = 0; from < task->depth; from += chunk) {
        const int64_t last = min64(from + chunk, task->depth);
        for (int64_t k = from; k < last; k += deep, count++)
            if (pieces)
                pieces[count] = (struct piece){k, (int)min64(deep, last - k), k + deep >= last};
    }
    return count;
}

/* What a thread works with. */
struct workspace {
    struct block block;
    float (*outer)[SPAN];
    void *memory;
};

static int64_t padded(int64_t size) { return (size + 63) / 64 * 64; }

static int open_workspace(struct workspace *own, const struct task *task, const struct way *way,
                          int64_t rows) {
    const int64_t codes = padded((int64_t)way->deep * SPAN * (int64_t)sizeof(code));
    const int64_t registers = rows * SPAN * (int64_t)sizeof(float);
    const int64_t block = padded(way->block_size), spare = padded(way->spare_size);
    const int64_t raised = way->sums_of ? registers / 2 : 0;
    char *memory = aligned_alloc(64, (size_t)(codes + block + spare + 2 * registers + raised + padded(rows)));
    *own = (struct workspace){.memory = memory};
    if (!memory) return 1;
    own->block = (struct block){.task = task, .lowest = way->lowest};
    own->block.codes = (void *)memory;
    own->block.packed = memory += codes;
    own->block.spare = memory += block;
    own->block.c = (void *)(memory += spare);
    own->outer = (void *)(memory += registers);
    own->block.raised = (void *)(memory += registers);
    own->block.odd = (uint8_t *)(memory + raised);
    return 0;
}

/* As copy_codes(), of runs that are often half of SPAN: a call for each would take a sixth of the time. */
static inline void copy_span(code *out, const code *from, const struct run *runs, int count) {
    for (int i = 0; i < count; i++) {
        const uint64_t all = ~0ull >> (SPAN - runs[i].length);
        const code *x = from + runs[i].offset + runs[i].first;
        code *to = out + runs[i].first;
        _mm512_mask_storeu_epi16(to, (__mmask32)all, _mm512_maskz_loadu_epi16((__mmask32)all, x));
        if (runs[i].length > SPAN / 2)
            _mm512_mask_storeu_epi16(to + SPAN / 2, (__mmask32)(all >> 32),
                                     _mm512_maskz_loadu_epi16((__mmask32)(all >> 32), x + SPAN / 2));
    }
}

static void load_block(struct block *block, const struct piece *piece, const code *b,
                       const struct run *runs, int runs_count) {
    block->k = piece->k, block->count = piece->count;
    block->has_spare = 0;
    for (int k = 0; k < piece->count; k++)
        copy_span(block->codes[k], b + block->task->b.inner[piece->k + k], runs, runs_count);
}

static void clear(struct block *block, const struct way *way, int64_t rows) {
    memset(block->c, 0, (size_t)rows * sizeof *block->c);
    memset(block->odd, 0, (size_t)rows);
    for (int64_t i = 0; way->sums_of && i < rows * SPAN; i++) (*block->raised)[i] = EMPTY;
}

static void end_chunk(struct workspace *own, const struct way *way, int64_t rows) {
    for (int64_t m = 0; m < rows; m++) {
        float *c = own->block.c[m], *outer = own->outer[m];
        if (way->sums_of) way->sums_of(&own->block, m, c);
        for (int n = 0; n < SPAN; n++) outer[n] += c[n];
    }
    clear(&own->block, way, rows);
}

/* `packed` rows [first, last) of a problem times SPAN columns from n on. */
static void multiply_span(struct workspace *own, const struct way *way, const char *packed,
                          const struct piece *pieces, int64_t piece_count, const code *b, sum *c,
                          int64_t n, int64_t last) {
    struct block *block = &own->block;
    const struct task *task = block->task;
    const int64_t rows = last - block->first;
    const int width = (int)min64(SPAN, task->columns - n), chunk = sum_of(task)->chunk;
    struct run runs[SPAN];
    int count = find_runs(runs, task->b.outer + n, width);
    memset(block->codes, 0, (size_t)way->deep * sizeof *block->codes);
    memset(own->outer, 0, chunk ? (size_t)rows * sizeof *own->outer : 0);
    clear(block, way, rows);
    for (int64_t i = 0; i < piece_count; i++) {
        load_block(block, pieces + i, b, runs, count);
        way->pack_columns(block->packed, (const code(*)[SPAN])block->codes, block->count, task);
        way->add(block, packed + (i * task->rows + block->first) * way->row_size, rows);
        if (chunk && pieces[i].ends) end_chunk(own, way, rows);
    }
    count = find_runs(runs, task->c_column + n, width);
    for (int64_t m = 0; m < rows; m++) {
        float *from = chunk ? own->outer[m] : block->c[m];
        if (way->sums_of && !chunk) way->sums_of(block, m, from);
        for (int l = 0; l < SPAN; l++) from[l] = sum_plain(from[l]);
        for (int i = 0; i < count; i++)
            memcpy(c + task->c_row[block->first + m] + runs[i].offset + runs[i].first,
                   from + runs[i].first, (size_t)runs[i].length * sizeof *from);
    }
}

static void pack_piece(char *packed, const struct way *way, const struct task *task, const code *a,
                       const struct piece *piece) {
    struct run runs[way->deep];
    code codes[way->deep];
    const int count = find_runs(runs, task->a.inner + piece->k, piece->count);
    for (int64_t m = 0; m < task->rows; m++) {
        const code *from = a + task->a.outer[m];
        if (count > 1) copy_codes(codes, from, runs, count);
        way->pack_row(packed + m * way->row_size, count > 1 ? codes : from + runs[0].offset, piece->count, task);
    }
}

enum { FEW_PRODUCTS = 1 << 15 };

/* Returns 0, or 1 if there is no memory. */
static int multiply_by(const struct way *way, const struct task *task) {
    const int64_t spans = (task->columns + SPAN - 1) / SPAN, count = cut_depth(0, task, way->deep);
    const double products = (double)task->rows * task->depth * task->columns * task->problems;
    const int threads = products < FEW_PRODUCTS ? 1 : task->threads;
    const int64_t shared = spans >= 2 * threads ? 1 : min64(threads, task->rows);
    const int64_t parts = (task->rows + MOST_ROWS - 1) / MOST_ROWS * shared;
    const int64_t most = (task->rows + parts - 1) / parts;
    struct piece *pieces = malloc((size_t)count * sizeof *pieces);
    char *packed = aligned_alloc(64, (size_t)padded(count * task->rows * way->row_size));
    int failed = !pieces || !packed;
    if (!failed) cut_depth(pieces, task, way->deep);
    for (int64_t problem = 0; problem < task->problems && !failed; problem++) {
        const code *a = task->a.codes + task->a_base[problem];
        const code *b = task->b.codes + task->b_base[problem];
#pragma omp parallel num_threads(threads) reduction(| : failed)
        {
            struct workspace own;
            failed |= open_workspace(&own, task, way, most);
            own.block.a = a;
#pragma omp for schedule(static)
            for (int64_t i = 0; i < count; i++)
                pack_piece(packed + i * task->rows * way->row_size, way, task, a, pieces + i);
#pragma omp for schedule(dynamic, 1)
            for (int64_t at = 0; at < spans * parts; at++) {
                if (failed) continue;
                own.block.first = task->rows * (at % parts) / parts;
                multiply_span(&own, way, packed, pieces, count, b, task->c + task->c_base[problem],
                              at / parts * SPAN, task->rows * (at % parts + 1) / parts);
            }
            free(own.memory);
        }
    }
    free(pieces);
    free(packed);
    return failed;
}

#endif
