/* Products of a C model, compiled into the loop, added by a recipe: float(8, m), m <= 23, every float sum.
 *
 * LANES columns at a time; k is never split. The model's significands are vectors, as in
 * kernel_inlined.c, and steps those of sum_steps.h; what it does not take, and lanes that meet an
 * infinity or NaN, go through sum.h. The table is the recipe alone.
 */
#include "inlined_product.h"

#include <stdlib.h>

#include "sum_steps.h"

typedef uint32_t code;
typedef float sum;

#include "operands.h"

/* The border of a gradient, no operand at all: a subnormal, that rounding never leaves. */
enum { LANES = 16, MISSING = 1, FEW_PRODUCTS = 1 << 13 };

struct left {
    int32_t exponent; /* NO_TERM of what has no products here */
    uint32_t fraction, code;
};

/* LANES columns at one k. */
struct right {
    int32_t exponent[LANES];
    uint32_t fraction[LANES], code[LANES];
};

static const struct sum *sum_of(const struct task *task) { return task->table; }

static inline int32_t exponent_of_term(code x) {
    const int exponent = exponent_of(x);
    return exponent == 0 || exponent == 255 ? NO_TERM : exponent;
}

/* Whether one is infinite or NaN. */
static int pack_row(struct left *row, const struct task *task, const code *a) {
    int special = 0;
    for (int64_t k = 0; k < task->depth; k++) {
        const code x = a[task->a.inner[k]];
        row[k] = (struct left){exponent_of_term(x), fraction_of(x), x};
        special |= exponent_of(x) == 255;
    }
    return special;
}

/* Lanes of which one is. */
static uint32_t pack_columns(struct right *panel, const struct task *task, const code *b, const int64_t *outer,
                             int width) {
    struct run runs[LANES];
    const int count = find_runs(runs, outer, width);
    uint32_t special = 0;
    for (int64_t k = 0; k < task->depth; k++) {
        struct right *at = panel + k;
        memset(at->code, 0, sizeof at->code);
        copy_codes(at->code, b + task->b.inner[k], runs, count);
        for (int n = 0; n < LANES; n++) {
            at->exponent[n] = exponent_of_term(at->code[n]);
            at->fraction[n] = fraction_of(at->code[n]);
            special |= (uint32_t)(exponent_of(at->code[n]) == 255) << n;
        }
    }
    return special;
}

/* Products of significands, of FP_F fraction bits; of lanes without one, too. */
static inline void multiply(int32_t *restrict significand, const struct left *x, const struct right *y) {
    const uint32_t fraction = x->fraction;
    const float scale = float_of((uint32_t)(127 + FP_F - POINT) << 23);
    for (int n = 0; n < LANES; n++) {
        const int32_t size = (int32_t)scaled_product(fraction, y->fraction[n], scale, 1);
        const int32_t sign = (int32_t)(x->code ^ y->code[n]) >> 31;
        significand[n] = (size ^ sign) - sign;
    }
}

static inline void add_step(struct steps *now, const struct sum *sum, const struct left *x, const struct right *y,
                            int64_t count) {
    int32_t top[LANES];
    int64_t total[LANES];
    for (int n = 0; n < LANES; n++) top[n] = steps_top(now + n, sum);
    for (int64_t k = 0; k < count; k++)
        for (int n = 0; n < LANES; n++) {
            const int32_t exponent = x[k].exponent + y[k].exponent[n], most = exponent > top[n] ? exponent : top[n];
            top[n] = exponent > 0 ? most : top[n];
        }
    for (int n = 0; n < LANES; n++) total[n] = steps_begin(now + n, top[n], sum);
    for (int64_t k = 0; k < count; k++) {
        int32_t significand[LANES];
        multiply(significand, x + k, y + k);
        for (int n = 0; n < LANES; n++) {
            const int32_t exponent = x[k].exponent + y[k].exponent[n];
            const int64_t term = exponent > 0 ? significand[n] : 0;
            total[n] += steps_aligned(term, exponent > 0 ? exponent : top[n], FP_F, top[n], sum);
        }
    }
    for (int n = 0; n < LANES; n++) steps_end(now + n, total[n], top[n], sum);
}

static inline void add_exactly(struct steps *now, const struct sum *sum, const struct left *x, const struct right *y) {
    int32_t significand[LANES];
    multiply(significand, x, y);
    for (int n = 0; n < LANES; n++) {
        const int32_t exponent = x->exponent + y->exponent[n];
        steps_exact(now + n, exponent > 0 ? significand[n] : 0, exponent, sum);
    }
}

/* Outputs of a row, at those places of the result. */
static void add_row(float *result, const struct task *task, const struct left *row, const struct right *panel,
                    int64_t place, const int64_t *columns, int width) {
    const struct sum *sum = sum_of(task);
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    struct steps now[LANES] = {0};
    for (int n = 0; n < width; n++) now[n].state = sum_first_state(task->seed, place + columns[n]);
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        for (int n = 0; n < LANES; n++) steps_clear(now + n);
        for (int64_t k = from; k < last; k += sum->terms)
            if (sum->kind == SUM_FLOAT && sum->align < 0) add_exactly(now, sum, row + k, panel + k);
            else add_step(now, sum, row + k, panel + k, min64(sum->terms, last - k));
        for (int n = 0; n < LANES; n++) {
            const float c = steps_sum(now + n, sum);
            now[n].outer = sum->chunk ? now[n].outer + c : c;
        }
    }
    for (int n = 0; n < LANES; n++) result[n] = now[n].outer;
}

/* One output by the model of the sum, at that place of the result. */
static float modelled(const struct task *task, const struct left *row, const struct right *panel, int lane,
                      int64_t place) {
    const struct sum *sum = sum_of(task);
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    struct running now = {.state = sum_first_state(task->seed, place)};
    float outer = 0;
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        sum_clear(sum, &now, 0);
        for (int64_t k = from; k < last; k += sum->terms) {
            const int count = (int)min64(sum->terms, last - k);
            int32_t exponents[SUM_MOST_TERMS];
            int64_t significands[SUM_MOST_TERMS];
            float special = 0;
            for (int i = 0; i < count; i++) {
                const code x = row[k + i].code, y = panel[k + i].code[lane];
                const int32_t exponent = row[k + i].exponent + panel[k + i].exponent[lane];
                int32_t significand[LANES];
                multiply(significand, row + k + i, panel + k + i);
                if (y != MISSING && (exponent_of(x) == 255 || exponent_of(y) == 255)) special += float_of(x) * float_of(y);
                exponents[i] = exponent > 0 ? exponent - BOTH_BIASES : 0;
                significands[i] = exponent > 0 ? significand[lane] : 0;
            }
            sum_step(sum, &now, exponents, significands, count, special);
        }
        outer = sum->chunk ? outer + sum_end(sum, &now) : sum_end(sum, &now);
    }
    return outer;
}

/* `c`: the place of this problem. */
static void multiply_panel(const struct task *task, const struct left *rows, const uint8_t *specials,
                           const struct right *panel, uint32_t special, int64_t c, const int64_t *columns, int width) {
    const uint32_t all = takes_steps(sum_of(task)) ? 0 : UINT32_MAX;
    for (int64_t m = 0; m < task->rows; m++) {
        const struct left *row = rows + m * task->depth;
        const uint32_t odd = specials[m] ? UINT32_MAX : special | all;
        const int64_t place = c + task->c_row[m];
        float result[LANES];
        if (!all) add_row(result, task, row, panel, place, columns, width);
        for (int n = 0; n < width; n++) {
            const int64_t at = place + columns[n];
            task->c[at] = sum_plain(odd >> n & 1 ? modelled(task, row, panel, n, at) : result[n]);
        }
    }
}

/* Returns 0, or 1 if there is no memory. */
int multiply_task(const struct task *task) {
    const int64_t panels = (task->columns + LANES - 1) / LANES;
    const double products = (double)task->rows * task->depth * task->columns * task->problems;
    const int threads = products < FEW_PRODUCTS ? 1 : task->threads;
    struct left *rows = malloc((size_t)(task->rows * task->depth) * sizeof *rows);
    uint8_t *specials = malloc((size_t)task->rows);
    int failed = !rows || !specials;
    for (int64_t problem = 0; problem < task->problems && !failed; problem++) {
        const code *a = task->a.codes + task->a_base[problem], *b = task->b.codes + task->b_base[problem];
#pragma omp parallel num_threads(threads) reduction(| : failed)
        {
            struct right *panel = aligned_alloc(64, (size_t)task->depth * sizeof *panel);
            failed |= !panel;
#pragma omp for schedule(static)
            for (int64_t m = 0; m < task->rows; m++)
                specials[m] = (uint8_t)pack_row(rows + m * task->depth, task, a + task->a.outer[m]);
#pragma omp for schedule(dynamic, 1)
            for (int64_t at = 0; at < panels; at++) {
                if (!panel) continue;
                const int width = (int)min64(LANES, task->columns - at * LANES);
                const uint32_t special = pack_columns(panel, task, b, task->b.outer + at * LANES, width);
                multiply_panel(task, rows, specials, panel, special, task->c_base[problem],
                               task->c_column + at * LANES, width);
            }
            free(panel);
        }
    }
    free(rows);
    free(specials);
    return failed;
}
