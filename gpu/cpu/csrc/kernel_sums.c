/* Float products added by a recipe of multipliers/sums: every operator, any table of m <= 7.
 *
 * LANES columns at a time; k is never split. Where no product and no sum can leave the normal
 * numbers of FP32, steps are vectors of integers (`fast_*`); anything else, and any sum that has
 * no such form, goes through sum.h, one output at a time (`careful`). Both give the same
 * bits. With AXDSE_CAREFUL all is careful.
 */
#include <fenv.h>

#include "sums_rounding.h"
#include "sums_terms.h"

enum { TOGETHER = 2 };

/* A register float(8, R), or of any E by chance, its terms aligned. Returns 1 if `careful` must do it again.
 * `states` of generators: NULL without. */
static inline __attribute__((always_inline)) int fast_aligned(
    float *restrict result, const struct task *task, const struct left *row,
    const struct right *panel, int bits, int down, int nearest, int late, uint16_t *states) {
    const struct sum *sum = sum_of(task);
    const uint16_t *table = looked_table(task);
    const int align = sum->align, r = sum->register_bits;
    const int smallest = states ? 2 - (1 << (sum->exponent_bits - 1)) : LOWEST;
    /* So many terms stay below 2^30. */
    const int flush = 1 << (28 - align);
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    float c[LANES] = {0}, outer[LANES] = {0};
    int over = 0;
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        for (int64_t k = from; k < last; k += sum->terms) {
            const int64_t end = min64(k + sum->terms, last);
            int16_t top[LANES];
            int32_t t[LANES] = {0};
            if (late)
                for (int n = 0; n < LANES; n++) top[n] = LOWEST;
            else
                exponents_of_sums(top, c, smallest);
            raise_top(top, row + k, panel + k, end - k);
            if (!late) cut_sums(t, c, top, align, down);
            add_terms(t, top, row + k, panel + k, min64(flush, end - k), table, bits, align, down);
            for (int64_t i = k + flush; i < end; i += flush) {
                int32_t more[LANES] = {0};
                const int64_t some = min64(flush, end - i);
                add_terms(more, top, row + i, panel + i, some, table, bits, align, down);
                over |= add_all(t, more);
            }
            float next[LANES];
            over |= states ? close_by_chance(next, t, top, states, sum)
                           : close_step(next, t, top, align, r, nearest);
            for (int n = 0; n < LANES; n++) c[n] = late ? next[n] + c[n] : next[n];
        }
        if (sum->chunk)
            for (int n = 0; n < LANES; n++) outer[n] += c[n], c[n] = 0;
    }
    for (int n = 0; n < LANES; n++) result[n] = sum->chunk ? outer[n] : c[n];
    return over;
}

/* One product to each of c. Toward zero, where that is the direction of this thread, a sum in FP32 is cut to
 * r bits. To nearest it is rounded to odd first, unless it is `once`, as its rounding error says; r is
 * 23 or up to 21 then. */
static inline __attribute__((always_inline)) void add_product(float *restrict c,
                                                              const struct left *x,
                                                              const struct right *y,
                                                              const uint16_t *table, int bits,
                                                              int r, int nearest, int once) {
    uint16_t found[LANES];
    look_up(found, table + x->at, y->index, bits);
    const uint32_t unit = 1u << (23 - r), keep = -unit, half = unit / 2;
    const float scale = sum_float((uint32_t)(x->code & 0xff80) << 16);
    for (int n = 0; n < LANES; n++) {
        const float p = (float)found[n] * y->scale[n] * scale, s = c[n] + p; /* products are exact */
        uint32_t word = sum_word(s);
        if (nearest && !once) {
            const float part = s - c[n], lost = (c[n] - (s - part)) + (p - part);
            const uint32_t is_lost = lost != 0, inward = (sum_word(lost) ^ word) >> 31;
            word = (word - (is_lost & inward)) | is_lost;
        }
        if (nearest && r < 23) {
            const uint32_t up = word + half;
            const int32_t tie = -((up & ~keep) == 0);
            word = up & keep & ~((uint32_t)tie & unit);
        } else {
            word &= keep;
        }
        c[n] = sum_float(word);
    }
}

/* c and a product, to odd in FP64. */
static inline __attribute__((always_inline)) void added_to_odd(double *restrict exact, const float *restrict c,
                                                               const struct left *x, const struct right *y,
                                                               const uint16_t *table, int bits) {
    uint16_t found[LANES];
    look_up(found, table + x->at, y->index, bits);
    for (int n = 0; n < LANES; n++) {
        const int exponent = x->exponent + y->exponent[n];
        const double size = exponent > LOWEST ? (double)found[n] : 0.0;
        const double scale = power_of_two(exponent > LOWEST ? exponent - FRACTION : 0);
        const double y_n = ((x->sign ^ y->sign[n]) & 1 ? -size : size) * scale;
        const double x_n = c[n], s = x_n + y_n, part = s - x_n;
        const double lost = (x_n - (s - part)) + (y_n - part);
        uint64_t word;
        memcpy(&word, &s, sizeof word);
        const uint64_t outward = (lost > 0) == (s > 0);
        word += lost != 0 && !(word & 1) ? (outward ? 1 : -1) : 0;
        memcpy(exact + n, &word, sizeof word);
    }
}

/* c to the outer sum, to nearest even whatever direction there is, and cleared. */
static __attribute__((noinline)) void end_single_chunk(float *outer, float *c, int nearest) {
    if (!nearest) fesetround(FE_TONEAREST);
    for (int n = 0; n < LANES; n++) outer[n] += c[n], c[n] = 0;
    if (!nearest) fesetround(FE_TOWARDZERO);
}

/* A register float(8, R) that products are added to exactly, one by one; of two rows, as each waits for the
 * sum before. */
static inline __attribute__((always_inline)) int fast_exact(float *restrict result,
                                                            const struct task *task,
                                                            const struct left *const *rows,
                                                            const struct right *panel, int bits,
                                                            int nearest) {
    const struct sum *sum = sum_of(task);
    const uint16_t *table = looked_table(task);
    const int r = sum->register_bits, bits_of_products = ((const struct head *)task->table)->product_bits;
    /* kernel_sums_single.c says why */
    const int once = nearest && (r == 23 || (r <= 10 && bits_of_products <= r + 1));
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    float c[TOGETHER][LANES] = {0}, outer[TOGETHER][LANES] = {0};
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        for (int64_t k = from; k < last; k++)
#pragma GCC unroll 2
            for (int t = 0; t < TOGETHER; t++) {
                const struct left *x = rows[t] + k;
                double exact[LANES];
                if (nearest && r == 22) {
                    added_to_odd(exact, c[t], x, panel + k, table, bits);
                    round_all(c[t], exact, r, 1);
                } else if (once) add_product(c[t], x, panel + k, table, bits, r, nearest, 1);
                else add_product(c[t], x, panel + k, table, bits, r, nearest, 0);
            }
        for (int t = 0; t < TOGETHER && sum->chunk; t++) end_single_chunk(outer[t], c[t], nearest);
    }
    memcpy(result, sum->chunk ? outer : c, sizeof c);
    return 0;
}

/* One product to each of c in FP32, cut toward zero, whose next bits decide. Returns 1 if one is no normal number
 * of the register. */
static inline __attribute__((always_inline)) int add_by_chance(float *restrict c, const struct left *x,
                                                               const struct right *y, const uint16_t *table,
                                                               int bits, uint16_t *restrict states,
                                                               const struct sum *sum) {
    uint16_t found[LANES];
    look_up(found, table + x->at, y->index, bits);
    const int bias = (1 << (sum->exponent_bits - 1)) - 1, low = 23 - sum->register_bits - sum->random;
    const uint32_t cut = ~0u << low, keep = ~0u << (23 - sum->register_bits), chosen = (1u << sum->random) - 1;
    const uint32_t least = (uint32_t)(128 - bias) << 23, most = (uint32_t)(128 + bias) << 23;
    const float scale = sum_float((uint32_t)(x->code & 0xff80) << 16);
    uint32_t beyond = 0;
    for (int n = 0; n < LANES; n++) {
        const float p = (float)found[n] * y->scale[n] * scale, s = c[n] + p; /* products are exact */
        const float part = s - c[n], lost = (c[n] - (s - part)) + (p - part);
        const uint32_t is_lost = lost != 0, near = sum_word(s), inward = (sum_word(lost) ^ near) >> 31;
        const uint32_t word = near - (is_lost & inward), size = word & 0x7fffffff;
        const uint32_t risen = ((word & cut) + ((states[n] & chosen) << low)) & keep;
        beyond |= ((size != 0) & (size < least)) | ((risen & 0x7fffffff) >= most);
        c[n] = sum_float(risen);
        states[n] = sum_next_state(states[n]);
    }
    return beyond != 0;
}

/* Products added exactly, one by one, and rounded by chance, of two rows; in FP32, or `wide` in FP64. */
static inline __attribute__((always_inline)) int fast_by_chance(float *restrict result, const struct task *task,
                                                                const struct left *const *rows,
                                                                const struct right *panel, int bits,
                                                                uint16_t (*states)[LANES], int wide) {
    const struct sum *sum = sum_of(task);
    const uint16_t *table = looked_table(task);
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    float c[TOGETHER][LANES] = {0}, outer[TOGETHER][LANES] = {0};
    int over = 0;
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        for (int64_t k = from; k < last; k++)
#pragma GCC unroll 2
            for (int t = 0; t < TOGETHER; t++) {
                if (wide) {
                    double exact[LANES];
                    added_to_odd(exact, c[t], rows[t] + k, panel + k, table, bits);
                    over |= round_by_chance(c[t], exact, states[t], sum);
                } else {
                    over |= add_by_chance(c[t], rows[t] + k, panel + k, table, bits, states[t], sum);
                }
            }
        for (int t = 0; t < TOGETHER && sum->chunk; t++)
            for (int n = 0; n < LANES; n++) outer[t][n] += c[t][n], c[t][n] = 0;
    }
    memcpy(result, sum->chunk ? outer : c, sizeof c);
    return over;
}

/* In the direction of its rounding, which this thread has while it runs. */
static __attribute__((noinline)) int fast_cut(float *result, const struct task *task,
                                              const struct left *const *rows, const struct right *panel) {
    fesetround(FE_TOWARDZERO);
    const int again = task->fraction_bits <= FEW_BITS ? fast_exact(result, task, rows, panel, FEW_BITS, 0)
                                                      : fast_exact(result, task, rows, panel, 7, 0);
    fesetround(FE_TONEAREST);
    return again;
}

/* A lazy register of at most 30 bits. */
static inline __attribute__((always_inline)) int fast_lazy(float *restrict result,
                                                           const struct task *task,
                                                           const struct left *row,
                                                           const struct right *panel, int bits,
                                                           int down, int nearest) {
    const struct sum *sum = sum_of(task);
    const uint16_t *table = looked_table(task);
    const int align = sum->align, spare = 32 - sum->width;
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    float c[LANES] = {0}, outer[LANES] = {0};
    int over = 0;
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        int16_t top[LANES], before[LANES];
        int32_t t[LANES] = {0};
        for (int n = 0; n < LANES; n++) top[n] = LOWEST;
        for (int64_t k = from; k < last; k += sum->terms) {
            const int64_t end = min64(k + sum->terms, last);
            memcpy(before, top, sizeof top);
            raise_top(top, row + k, panel + k, end - k);
            for (int n = 0; n < LANES; n++) {
                const int far = top[n] - before[n], gap = far < MOST_SHIFT ? far : MOST_SHIFT;
                const int32_t back = down ? 0 : t[n] >> 31 & (int32_t)((1u << gap) - 1);
                t[n] = (t[n] + back) >> gap;
            }
            add_terms(t, top, row + k, panel + k, end - k, table, bits, align, down);
            for (int n = 0; n < LANES; n++) t[n] = (int32_t)((uint32_t)t[n] << spare) >> spare;
        }
        over |= close_step(c, t, top, align, 23, nearest);
        if (sum->chunk)
            for (int n = 0; n < LANES; n++) outer[n] += c[n], c[n] = 0;
    }
    for (int n = 0; n < LANES; n++) result[n] = sum->chunk ? outer[n] : c[n];
    return over;
}

/* Which of them computes a sum. */
static int form_of(const struct sum *sum) {
#ifdef AXDSE_CAREFUL
    (void)sum;
    return BY_MODEL;
#else
    const int is_float = sum->kind == SUM_FLOAT && (sum->exponent_bits == 8 || sum->random);
    if (is_float && is_single(sum)) return !sum->random ? ONE_BY_ONE : is_scaled(sum) ? ONE_BY_CHANCE : WIDE_BY_CHANCE;
    if (is_float && sum->align >= 0 && sum->align <= 28 && (!sum->late || sum->register_bits == 23))
        return sum->random ? ALIGNED_BY_CHANCE : ALIGNED;
    if (sum->kind == SUM_LAZY && sum->width <= 30) return LAZY; /* so align <= 27 */
    return BY_MODEL;
#endif
}

#define FORMS(bits)                                                                            \
    if (form == ONE_BY_CHANCE) return fast_by_chance(c, task, rows, panel, bits, states, 0);   \
    if (form == WIDE_BY_CHANCE) return fast_by_chance(c, task, rows, panel, bits, states, 1);  \
    if (form == ALIGNED_BY_CHANCE)                                                             \
        return down ? fast_aligned(c, task, row, panel, bits, 1, 0, 0, states[0])              \
                    : fast_aligned(c, task, row, panel, bits, 0, 0, 0, states[0]);             \
    if (form == ONE_BY_ONE) return fast_exact(c, task, rows, panel, bits, 1);                           \
    if (form == LAZY)                                                                          \
        return down ? fast_lazy(c, task, row, panel, bits, 1, nearest)                         \
                    : fast_lazy(c, task, row, panel, bits, 0, nearest);                        \
    if (late) return fast_aligned(c, task, row, panel, bits, down, nearest, 1, NULL);          \
    return down      ? fast_aligned(c, task, row, panel, bits, 1, nearest, 0, NULL)            \
           : nearest ? fast_aligned(c, task, row, panel, bits, 0, 1, 0, NULL)                  \
                     : fast_aligned(c, task, row, panel, bits, 0, 0, 0, NULL)

/* One row, or TOGETHER by the first form. */
static int fast(float *c, const struct task *task, const struct left *const *rows,
                const struct right *panel, int form, uint16_t (*states)[LANES]) {
    const struct sum *sum = sum_of(task);
    const struct left *row = rows[0];
    const int down = sum->down, nearest = sum->nearest, late = sum->late;
    if (form == ONE_BY_ONE && !nearest) return fast_cut(c, task, rows, panel);
    if (task->fraction_bits <= FEW_BITS) {
        FORMS(FEW_BITS);
    }
    FORMS(7);
}

/* Rows [first, last) of one panel. */
static void multiply_rows(const struct task *task, const struct left *rows,
                          const struct reach *reaches, const struct right *panel,
                          struct reach reach, sum *c, const int64_t *columns, int width,
                          int64_t first, int64_t last) {
    const int form = form_of(sum_of(task)), random = sum_of(task)->random;
    const int pairs = form == ONE_BY_ONE || form == ONE_BY_CHANCE || form == WIDE_BY_CHANCE;
    for (int64_t m = first, count; m < last; m += count) {
        const int is_near = form && is_in_reach(task, reaches[m], reach, form);
        const int is_next = pairs && is_near && m + 1 < last && is_in_reach(task, reaches[m + 1], reach, form);
        count = is_next ? 2 : 1;
        const struct left *both[TOGETHER] = {rows + m * task->depth, rows + (m + count - 1) * task->depth};
        float results[TOGETHER][LANES];
        uint16_t states[TOGETHER][LANES] = {0};
        for (int t = 0; t < count && random; t++)
            for (int n = 0; n < width; n++)
                states[t][n] = sum_first_state(task->seed, c + task->c_row[m + t] + columns[n] - task->c);
        const int again = !is_near || fast(results[0], task, both, panel, form, states);
        for (int t = 0; t < count; t++) {
            float *result = results[t];
            int is_careful = again;
            /* Also where an FP32 sum outside the register has overflowed. */
            for (int n = 0; n < width && !is_careful; n++) is_careful = !sum_finite(result[n]);
            sum *row = c + task->c_row[m + t];
            for (int n = 0; n < width && is_careful; n++)
                result[n] = careful(task, both[t], panel, n, row + columns[n] - task->c);
            for (int n = 0; n < width; n++) row[columns[n]] = result[n];
        }
    }
}

int64_t table_size(int fraction_bits, int entry_bytes) {
    const int64_t slices = (int64_t)row_stride(fraction_bits) * (int64_t)sizeof(uint16_t) << fraction_bits;
    return rows_size(fraction_bits, entry_bytes) + (AXDSE_SHUFFLES ? slices : 0);
}

void prepare_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    prepare_rows(table, entries, fraction_bits, entry_bytes);
    if (!AXDSE_SHUFFLES) return;
    const int stride = row_stride(fraction_bits);
    const uint16_t *from = (const uint16_t *)(table + TABLE_AT);
    uint8_t *plane = table + rows_size(fraction_bits, entry_bytes);
    for (int x = 0; x < 1 << fraction_bits; x++, from += stride, plane += 2 * stride)
        for (int y = 0; y < 1 << fraction_bits; y++) {
            const int change = from[y] ^ (y < 16 ? 0 : from[y - 16]);
            plane[y] = (uint8_t)change;
            plane[stride + y] = (uint8_t)(change >> 8);
        }
}

enum { SERIAL_PRODUCTS = 1 << 15 };

/* Returns 0, or 1 if there is no memory. */
int multiply_task(const struct task *task) {
    const int64_t panels = (task->columns + LANES - 1) / LANES;
    const double products = (double)task->rows * task->depth * task->columns * task->problems;
    const int threads = products < SERIAL_PRODUCTS ? 1 : task->threads;
    const int64_t parts = panels >= 2 * threads ? 1 : min64(threads, task->rows);
    struct left *rows = malloc((size_t)(task->rows * task->depth) * sizeof *rows);
    struct reach *reaches = malloc((size_t)task->rows * sizeof *reaches);
    int failed = !rows || !reaches;
    for (int64_t problem = 0; problem < task->problems && !failed; problem++) {
        const code *a = task->a.codes + task->a_base[problem];
        const code *b = task->b.codes + task->b_base[problem];
        sum *c = task->c + task->c_base[problem];
#pragma omp parallel num_threads(threads) reduction(| : failed)
        {
            struct right *panel = aligned_alloc(64, (size_t)task->depth * sizeof *panel);
            failed |= !panel;
#pragma omp for schedule(static)
            for (int64_t m = 0; m < task->rows; m++)
                reaches[m] = pack_row(rows + m * task->depth, task, a + task->a.outer[m]);
#pragma omp for schedule(dynamic, 1)
            for (int64_t at = 0; at < panels * parts; at++) {
                if (!panel) continue;
                const int64_t n = at / parts * LANES, part = at % parts;
                const int width = (int)min64(LANES, task->columns - n);
                const struct reach reach = pack_columns(panel, task, b, task->b.outer + n, width);
                multiply_rows(task, rows, reaches, panel, reach, c, task->c_column + n, width,
                              task->rows * part / parts, task->rows * (part + 1) / parts);
            }
            free(panel);
        }
    }
    free(rows);
    free(reaches);
    return failed;
}
