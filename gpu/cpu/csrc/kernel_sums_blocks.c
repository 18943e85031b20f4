/* Integers in blocks of a scale, products of a table, added by a recipe: MXINT8, every sum of it.
 *
 * A code is {scale, element}, a byte each. The products of a step are added as they are, in 32 bits, and
 * are one term with the exponent of both scales, those of its first k. LANES columns at a time; k is
 * never split. A register of FP32 takes terms as FP32 numbers, where scales are so near 1 that neither they
 * nor sums are subnormal. Other steps are those of sum_steps.h; what it does not take, and rows and
 * columns with a scale that is NaN, go through sum.h. `entries` is the table of products, and `table` the recipe alone.
 */
#include <stdlib.h>

#include "sum_steps.h"

typedef uint16_t code;
typedef float sum;

#include "operands.h"

enum { LANES = 16, ONE = 127, NAN_SCALE = 255, FEW_PRODUCTS = 1 << 13 };
enum scales { NEAR, FAR, ODD }; /* within 2^-50..2^50; any; with NaN */

struct head {
    struct sum sum; /* of steps */
    int32_t terms;  /* of products */
};

/* LANES columns at one k. */
struct right {
    code codes[LANES];
};

static inline int scale_of(code x) { return x >> 8; }

static inline enum scales worst(enum scales known, code x) {
    const int is_near = scale_of(x) - ONE <= 50 && ONE - scale_of(x) <= 50;
    const enum scales own = is_near ? NEAR : scale_of(x) == NAN_SCALE ? ODD : FAR;
    return own > known ? own : known;
}

static enum scales pack_row(code *row, const struct task *task, const code *a) {
    enum scales known = NEAR;
    for (int64_t k = 0; k < task->depth; k++) {
        row[k] = a[task->a.inner[k]];
        known = worst(known, row[k]);
    }
    return known;
}

static enum scales pack_columns(struct right *panel, const struct task *task, const code *b, const int64_t *outer,
                                int width) {
    struct run runs[LANES];
    const int count = find_runs(runs, outer, width);
    enum scales known = NEAR;
    for (int64_t k = 0; k < task->depth; k++) {
        for (int n = 0; n < LANES; n++) panel[k].codes[n] = ONE << 8; /* where there is no column */
        copy_codes(panel[k].codes, b + task->b.inner[k], runs, count);
        for (int n = 0; n < width; n++) known = worst(known, panel[k].codes[n]);
    }
    return known;
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

/* A term that is not special to each register; `exponents` are sums of two codes of scales. */
static inline void add_terms(struct steps *now, const struct sum *sum, const int32_t *total, const int32_t *exponents) {
    for (int n = 0; n < LANES; n++) {
        if (sum->align < 0) {
            steps_exact(now + n, total[n], exponents[n], sum);
            continue;
        }
        const int32_t own = steps_top(now + n, sum), top = total[n] && exponents[n] > own ? exponents[n] : own;
        int64_t sums = steps_begin(now + n, top, sum);
        if (total[n]) sums += steps_aligned(total[n], exponents[n], sum->fraction_bits, top, sum);
        steps_end(now + n, sums, top, sum);
    }
}

/* The same of any terms, by the model of the sum. */
static void add_any(struct running *now, const struct sum *sum, const int32_t *total, const int32_t *exponents,
                    const code *row, const struct right *panel) {
    for (int n = 0; n < LANES; n++) {
        const int is_nan = scale_of(*row) == NAN_SCALE || scale_of(panel->codes[n]) == NAN_SCALE;
        const int32_t exponent = exponents[n] - BOTH_BIASES;
        const int64_t significand = is_nan ? 0 : total[n];
        sum_step(sum, now + n, &exponent, &significand, 1, is_nan ? sum_float(0x7fc00000) : 0);
    }
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

/* A row of outputs, by FP32 additions, by steps or by the model. */
void add_row(float *result, const struct task *task, const code *row, const struct right *panel,
                    enum scales scales) {
    const struct head *head = task->table;
    const struct sum *sum = &head->sum;
    const int64_t depth = task->depth, chunk = sum->chunk ? (int64_t)sum->chunk * head->terms : depth;
    const int native = scales == NEAR && is_fp32(sum), careful = scales == ODD || !takes_steps(sum);
    memset(result, 0, LANES * sizeof *result);
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        float c[LANES] = {0};
        struct steps now[LANES];
        struct running any[LANES] = {0};
        for (int n = 0; n < LANES; n++) steps_clear(now + n), sum_clear(sum, any + n, 0);
        for (int64_t k = from; k < last; k += head->terms) {
            int32_t total[LANES], exponents[LANES];
            add_products(total, (const int16_t *)task->entries, row + k, panel + k, min64(head->terms, last - k));
            for (int n = 0; n < LANES; n++) exponents[n] = scale_of(row[k]) + scale_of(panel[k].codes[n]);
            if (native) add_natively(c, total, row + k, panel + k, sum->fraction_bits);
            else if (careful) add_any(any, sum, total, exponents, row + k, panel + k);
            else add_terms(now, sum, total, exponents);
        }
        for (int n = 0; n < LANES; n++) {
            const float held = native ? c[n] : careful ? sum_end(sum, any + n) : steps_sum(now + n, sum);
            result[n] = sum->chunk ? result[n] + held : held;
        }
    }
}

static void multiply_panel(const struct task *task, const code *a, code *row, const struct right *panel,
                           enum scales scales, float *c, const int64_t *columns, int width) {
    for (int64_t m = 0; m < task->rows; m++) {
        float result[LANES];
        const enum scales own = pack_row(row, task, a + task->a.outer[m]);
        add_row(result, task, row, panel, own > scales ? own : scales);
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
            const enum scales scales = pack_columns(panel, task, b, task->b.outer + n, width);
            multiply_panel(task, task->a.codes + task->a_base[problem], row, panel, scales,
                           task->c + task->c_base[problem], task->c_column + n, width);
        }
        free(panel);
        free(row);
    }
    return failed;
}
