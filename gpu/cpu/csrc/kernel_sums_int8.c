/* int8 products added in a register of two's complement, by a recipe of multipliers/sums. */
#include <stdint.h>
#include <stdlib.h>

typedef uint16_t code;
typedef int32_t sum;

#include "operands.h"
#include "sum.h"

enum { LANES = 32, VOID = 256 };

/* k is never split: sums that saturate depend on their order. */
static void multiply_panel(const struct task *task, const code *a, const code *b, sum *c, int64_t n) {
    const struct sum *recipe = task->table;
    const int16_t *entries = (const int16_t *)task->entries;
    const int width = (int)min64(LANES, task->columns - n), spare = 64 - recipe->width;
    const int64_t half = (int64_t)1 << (recipe->width - 1);
    struct run runs[LANES];
    const int count = find_runs(runs, task->b.outer + n, width);
    for (int64_t m = 0; m < task->rows; m++) {
        int64_t total[LANES] = {0};
        for (int64_t k = 0; k < task->depth; k += recipe->terms) {
            for (int64_t i = k; i < min64(k + recipe->terms, task->depth); i++) {
                const int16_t *row = entries + 256 * a[task->a.outer[m] + task->a.inner[i]];
                code codes[LANES] = {0};
                copy_codes(codes, b + task->b.inner[i], runs, count);
                for (int l = 0; l < width; l++) total[l] += codes[l] < VOID ? row[codes[l]] : 0;
            }
            for (int l = 0; l < LANES; l++) {
                const int64_t high = total[l] > half - 1 ? half - 1 : total[l];
                const int64_t kept = high < -half ? -half : high;
                total[l] = recipe->saturate ? kept
                                            : (int64_t)((uint64_t)total[l] << spare) >> spare;
            }
        }
        for (int l = 0; l < width; l++)
            c[task->c_row[m] + task->c_column[n + l]] = (sum)total[l];
    }
}

/* Returns 0: it needs no memory. */
int multiply_task(const struct task *task) {
    const int64_t panels = (task->columns + LANES - 1) / LANES, all = panels * task->problems;
#pragma omp parallel for num_threads(task->threads) schedule(dynamic, 1)
    for (int64_t at = 0; at < all; at++) {
        const int64_t problem = at / panels;
        multiply_panel(task, task->a.codes + task->a_base[problem],
                       task->b.codes + task->b_base[problem], task->c + task->c_base[problem],
                       at % panels * LANES);
    }
    return 0;
}
