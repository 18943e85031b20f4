/* int8 products added in a register of two's complement, by a recipe of multipliers/sums.
 *
 * LANES columns at a time; k is never split, since what saturates depends on its order.
 */
#include <stdint.h>
#include <stdlib.h>

typedef uint16_t code;
typedef int32_t sum;

#include "operands.h"
#include "sum.h"

/* A code above 255 is no operand at all: the last entry of a row of the table is that product. */
enum { LANES = 32, VOID = 256, STRIDE = VOID + 1 };

static void pack_columns(code (*panel)[LANES], const struct task *task, const code *b,
                         const int64_t *outer, int width) {
    struct run runs[LANES];
    const int count = find_runs(runs, outer, width);
    for (int64_t k = 0; k < task->depth; k++) {
        memset(panel[k], 0, sizeof panel[k]);
        copy_codes(panel[k], b + task->b.inner[k], runs, count);
    }
}

static int64_t held(int64_t value, const struct sum *recipe) {
    return (int64_t)sum_held(value, recipe->width, recipe->saturate);
}

/* One row: steps of `terms` products, each added at once. */
static void multiply_row(sum *total, const struct task *task, const code *a,
                         const code (*panel)[LANES], const int16_t *table) {
    const struct sum *recipe = task->table;
    const int saturate = recipe->saturate, spare = 32 - recipe->width;
    /* A step of 64 products has up to 22 bits: 32 hold it beside any register but the widest. */
    const int narrow = !saturate || recipe->width <= 30;
    const int32_t most = (int32_t)(((int64_t)1 << (recipe->width - 1)) - 1);
    int32_t t[LANES] = {0};
    for (int64_t k = 0; k < task->depth; k += recipe->terms) {
        const int64_t end = min64(k + recipe->terms, task->depth);
        int32_t step[LANES] = {0};
        for (int64_t i = k; i < end; i++) {
            const int16_t *row = table + STRIDE * a[task->a.inner[i]];
            for (int n = 0; n < LANES; n++) step[n] += row[panel[i][n]];
        }
        if (!narrow) {
            for (int n = 0; n < LANES; n++) t[n] = (int32_t)held((int64_t)t[n] + step[n], recipe);
        } else if (saturate) {
            for (int n = 0; n < LANES; n++) {
                const int32_t next = t[n] + step[n], high = next > most ? most : next;
                t[n] = high < -most - 1 ? -most - 1 : high;
            }
        } else {
            for (int n = 0; n < LANES; n++)
                t[n] = (int32_t)((uint32_t)(t[n] + step[n]) << spare) >> spare;
        }
    }
    memcpy(total, t, sizeof t);
}

/* Returns 0, or 1 if there is no memory. */
int multiply_task(const struct task *task) {
    const int64_t panels = (task->columns + LANES - 1) / LANES, all = panels * task->problems;
    const int16_t *entries = (const int16_t *)task->entries;
    int16_t *table = calloc(256 * STRIDE, sizeof *table);
    int failed = !table;
    for (int x = 0; x < 256 && table; x++)
        memcpy(table + STRIDE * x, entries + 256 * x, 256 * sizeof *table);
#pragma omp parallel num_threads(task->threads) reduction(| : failed)
    {
        code(*panel)[LANES] = malloc((size_t)task->depth * sizeof *panel);
        failed |= !panel;
#pragma omp for schedule(dynamic, 1)
        for (int64_t at = 0; at < all; at++) {
            if (!panel || !table) continue;
            const int64_t problem = at / panels, n = at % panels * LANES;
            const int width = (int)min64(LANES, task->columns - n);
            const code *a = task->a.codes + task->a_base[problem];
            sum *c = task->c + task->c_base[problem];
            pack_columns(panel, task, task->b.codes + task->b_base[problem], task->b.outer + n,
                         width);
            for (int64_t m = 0; m < task->rows; m++) {
                sum total[LANES];
                multiply_row(total, task, a + task->a.outer[m], (const code(*)[LANES])panel, table);
                for (int l = 0; l < width; l++)
                    c[task->c_row[m] + task->c_column[n + l]] = total[l];
            }
        }
        free(panel);
    }
    free(table);
    return failed;
}
