/* Integers in blocks of a scale, products of a table, added by a recipe: MXINT8, every sum of it.
 *
 * A code is {scale, element}, a byte each. The products of a step are added as they are, in 32 bits, and
 * are one term with the exponent of both scales, those of its first k. LANES columns at a time; k is
 * never split. A register of FP32 takes terms as FP32 numbers, where scales are so near 1 that neither they
 * nor sums are subnormal; other steps are those of sum_steps.h. `entries` is the table of products, and
 * `table` the recipe alone.
 */
#include <stdlib.h>

#include "sum_steps.h"

typedef uint16_t code;
typedef float sum;

#include "operands.h"

enum { LANES = 16, ONE = 127, FEW_PRODUCTS = 1 << 13 };

/* LANES columns at one k. */
struct right {
    code codes[LANES];
};

static const struct sum *sum_of(const struct task *task) { return task->table; }

static inline int scale_of(code x) { return x >> 8; }

/* Within 2^-50..2^50. */
static inline int is_near(code x) { return scale_of(x) - ONE <= 50 && ONE - scale_of(x) <= 50; }

/* Whether all scales are near. */
static int pack_row(code *row, const struct task *task, const code *a) {
    int near = 1;
    for (int64_t k = 0; k < task->depth; k++) {
        row[k] = a[task->a.inner[k]];
        near &= is_near(row[k]);
    }
    return near;
}

static int pack_columns(struct right *panel, const struct task *task, const code *b, const int64_t *outer,
                                int width) {
    struct run runs[LANES];
    const int count = find_runs(runs, outer, width);
    int near = 1;
    for (int64_t k = 0; k < task->depth; k++) {
        for (int n = 0; n < LANES; n++) panel[k].codes[n] = ONE << 8; /* where there is no column */
        copy_codes(panel[k].codes, b + task->b.inner[k], runs, count);
        for (int n = 0; n < width; n++) near &= is_near(panel[k].codes[n]);
    }
    return near;
}

/* The products of a step, added. */
static inline void add_products(int32_t *total, const int16_t *entries, const code *row, const struct right *panel,
                                int64_t count) {
    memset(total, 0, LANES * sizeof *total);
    for (int64_t k = 0; k < count; k++) {
        const int16_t *products = entries + 256 * (row[k] & 255);
        for (int n = 0; n < LANES; n++) total[n] += products[panel[k].codes[n] & 255];
    }
}

/* A term to each register. */
static inline void add_terms(struct steps *now, const struct sum *sum, const int32_t *total, code x,
                             const struct right *panel) {
    for (int n = 0; n < LANES; n++) steps_block(now + n, total[n], scale_of(x), scale_of(panel->codes[n]), sum);
}

/* 2^(code - ONE), of a code that is near. */
static inline float power_of(int scale) { return sum_float((uint32_t)scale << 23); }

/* A term to each FP32 sum: it is exact, and so the addition rounds once. */
static void add_natively(float *c, const int32_t *total, const code *row, const struct right *panel,
                         int fraction_bits) {
    const float scale = power_of(scale_of(*row)) * power_of(ONE - fraction_bits);
    for (int n = 0; n < LANES; n++) c[n] += (float)total[n] * (scale * power_of(scale_of(panel->codes[n])));
}

static int is_fp32(const struct sum *sum) {
    return sum->align < 0 && !sum->late && sum->nearest && sum->exponent_bits == 8 && sum->register_bits == 23;
}

/* A row of outputs, by FP32 additions or by steps. */
static void add_row(float *result, const struct task *task, const code *row, const struct right *panel, int near) {
    const struct sum *sum = sum_of(task);
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    const int native = near && is_fp32(sum);
    memset(result, 0, LANES * sizeof *result);
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        float c[LANES] = {0};
        struct steps now[LANES];
        for (int n = 0; n < LANES; n++) steps_clear(now + n);
        for (int64_t k = from; k < last; k += sum->terms) {
            int32_t total[LANES];
            add_products(total, (const int16_t *)task->entries, row + k, panel + k, min64(sum->terms, last - k));
            if (native) add_natively(c, total, row + k, panel + k, sum->fraction_bits);
            else add_terms(now, sum, total, row[k], panel + k);
        }
        for (int n = 0; n < LANES; n++) {
            const float held = native ? c[n] : steps_sum(now + n, sum);
            result[n] = sum->chunk ? result[n] + held : held;
        }
    }
}

static void multiply_panel(const struct task *task, const code *a, code *row, const struct right *panel,
                           int near, float *c, const int64_t *columns, int width) {
    for (int64_t m = 0; m < task->rows; m++) {
        float result[LANES];
        const int is_row_near = pack_row(row, task, a + task->a.outer[m]);
        add_row(result, task, row, panel, near && is_row_near);
        for (int n = 0; n < width; n++) c[task->c_row[m] + columns[n]] = sum_plain(result[n]);
    }
}

/* Returns 0, or 1 if there is no memory. */
int multiply_task(const struct task *task) {
    const int64_t panels = (task->columns + LANES - 1) / LANES;
    const double products = (double)task->rows * task->depth * task->columns * task->problems;
    const int threads = products < FEW_PRODUCTS ? 1 : task->threads;
    int failed = 0;
#pragma omp parallel num_threads(threads) reduction(| : failed)
    {
        struct right *panel = malloc((size_t)task->depth * sizeof *panel);
        code *row = malloc((size_t)task->depth * sizeof *row);
        failed |= !panel || !row;
#pragma omp for schedule(dynamic, 1)
        for (int64_t at = 0; at < panels * task->problems; at++) {
            if (!panel || !row) continue;
            const int64_t problem = at / panels, n = at % panels * LANES;
            const int width = (int)min64(LANES, task->columns - n);
            const code *b = task->b.codes + task->b_base[problem];
            const int near = pack_columns(panel, task, b, task->b.outer + n, width);
            multiply_panel(task, task->a.codes + task->a_base[problem], row, panel, near,
                           task->c + task->c_base[problem], task->c_column + n, width);
        }
        free(panel);
        free(row);
    }
    return failed;
}
