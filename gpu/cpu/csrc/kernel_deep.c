/* Float kernel for products of few columns and much depth: the weight gradient of a depthwise
 * convolution has one row, and a column a tap, which leaves most lanes of the other kernels idle.
 *
 * Here lanes run along k: look-ups gather from the whole table in FP32, as in the portable kernel,
 * and SUMS partial sums are joined in the end. The compiler vectorises it where the CPU gathers.
 */
#include "float_codes.h"

enum { DEPTH = 1024, SUMS = 32, MAX_COLUMNS = 12 };

int64_t table_size(int fraction_bits, int entry_bytes) {
    (void)entry_bytes;
    return (int64_t)sizeof(float) << (2 * fraction_bits);
}

/* Entries (see float_codes.h) as the numbers that they mean. */
void prepare_table(float *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    (void)entry_bytes;
    for (int64_t i = 0; i < 1ll << (2 * fraction_bits); i++)
        table[i] = ((word){.bits = 0x3f800000u + ((uint32_t)entries[i] << 8)}).value;
}

/* A scale, or 0 of a zero: then the product is a zero, whatever the entry. */
static inline float scale_value(code x) { return exponent_of(x) ? value_of(scale_of(x)) : 0.0f; }

/* Adds `count` products to the sums, a multiple of SUMS; operands are in range. */
static void add_products(float *restrict sums, const code *restrict a, const code *restrict b,
                         int count, const float *restrict table, int fraction_bits) {
    for (int k = 0; k < count; k += SUMS)
        for (int i = 0; i < SUMS; i++) {
            const uint32_t row = index_of(a[k + i], fraction_bits) << fraction_bits;
            const float entry = table[row | index_of(b[k + i], fraction_bits)];
            sums[i] += entry * scale_value(b[k + i]) * scale_value(a[k + i]);
        }
}

static float add_any(const code *a, const code *b, int count, const struct task *task) {
    float total = 0.0f;
    for (int k = 0; k < count; k++) {
        const uint32_t row = index_of(a[k], task->fraction_bits) << task->fraction_bits;
        const uint16_t entry = task->entries[row | index_of(b[k], task->fraction_bits)];
        total += any_product(a[k], b[k], entry);
    }
    return total;
}

/* A row of a times all columns, over all of k. Codes beyond the depth are zeros. */
static void multiply_row(sum *c, const code *a, const code *b, const struct task *task) {
    struct run a_runs[DEPTH], b_runs[DEPTH];
    code a_codes[DEPTH], b_codes[DEPTH];
    float sums[MAX_COLUMNS][SUMS] = {{0}};
    for (int64_t k = 0; k < task->depth; k += DEPTH) {
        const int count = (int)min64(DEPTH, task->depth - k);
        const int padded = (count + SUMS - 1) / SUMS * SUMS;
        const size_t rest = (size_t)(padded - count) * sizeof(code);
        const int a_count = find_runs(a_runs, task->a.inner + k, count);
        const int b_count = find_runs(b_runs, task->b.inner + k, count);
        copy_codes(a_codes, a, a_runs, a_count);
        memset(a_codes + count, 0, rest);
        const struct bounds bounds = bounds_of(a_codes, padded);
        for (int64_t n = 0; n < task->columns; n++) {
            copy_codes(b_codes, b + task->b.outer[n], b_runs, b_count);
            memset(b_codes + count, 0, rest);
            if (is_in_range(bounds, bounds_of(b_codes, padded)))
                add_products(sums[n], a_codes, b_codes, padded, task->table, task->fraction_bits);
            else
                c[task->c_column[n]] += add_any(a_codes, b_codes, count, task);
        }
    }
    for (int64_t n = 0; n < task->columns; n++)
        for (int i = 0; i < SUMS; i++) c[task->c_column[n]] += sums[n][i];
}

/* c comes as zeros; at most MAX_COLUMNS columns. */
int multiply_task(const struct task *task) {
#pragma omp parallel for num_threads(task->threads) collapse(2) schedule(static)
    for (int64_t problem = 0; problem < task->problems; problem++)
        for (int64_t m = 0; m < task->rows; m++)
            multiply_row(task->c + task->c_base[problem] + task->c_row[m],
                         task->a.codes + task->a_base[problem] + task->a.outer[m],
                         task->b.codes + task->b_base[problem], task);
    return 0;
}
