/* Operands of kernel_sums.c: rows of a, LANES columns of b, and one output by the model of the sum.
 *
 * With AXDSE_CAREFUL no vectors are meant to be used.
 */
#ifndef AXDSE_SUMS_COLUMNS_H
#define AXDSE_SUMS_COLUMNS_H

#include "sums_task.h"
#if defined(__AVX512BW__) && !defined(AXDSE_CAREFUL)
#include <immintrin.h>
#define AXDSE_PERMUTES 1
#else
#define AXDSE_PERMUTES 0
#endif
#if defined(__AVX2__) && !AXDSE_PERMUTES && !defined(AXDSE_CAREFUL)
#include <immintrin.h>
#define AXDSE_SHUFFLES 1
typedef uint8_t place;
#else
#define AXDSE_SHUFFLES 0
typedef uint16_t place;
#endif

enum {
    LANES = 32,
    ABSENT = -9000, /* exponent of a zero */
    LOWEST = -8000, /* below the exponents of all products, above those with a zero */
    MOST_SHIFT = 31,
    FEW_BITS = AXDSE_SHUFFLES ? 4 : 5, /* of a table row in one register */
};

/* How kernel_sums.c adds. */
enum { BY_MODEL, ONE_BY_ONE, ALIGNED, LAZY, ONE_BY_CHANCE, WIDE_BY_CHANCE, ALIGNED_BY_CHANCE };

/* What k of a row of a is: exponent, place of its table row, sign as a mask. */
struct left {
    int16_t exponent;
    uint16_t at, sign, code;
};

/* LANES columns of b at one k. */
struct right {
    union {
        struct {
            int16_t exponent[LANES];
            uint16_t sign[LANES];
        };
        float scale[LANES]; /* where `is_scaled`: of a significand, as FP32 */
    };
    uint16_t code[LANES];
    place index[LANES]; /* in the order of look_up() */
};

/* Bounds of the exponents of what is not zero, infinities and NaN being the highest. */
struct reach {
    int low, high;
};

static struct reach with(struct reach reach, int exponent) {
    if (!exponent) return reach;
    return (struct reach){exponent < reach.low ? exponent : reach.low,
                          exponent > reach.high ? exponent : reach.high};
}

static struct reach pack_row(struct left *row, const struct task *task, const code *a) {
    struct reach reach = {255, 0};
    const int stride = row_stride(task->fraction_bits);
    for (int64_t k = 0; k < task->depth; k++) {
        const code x = a[task->a.inner[k]];
        row[k].exponent = (int16_t)(exponent_of(x) ? exponent_of(x) - 127 : ABSENT);
        row[k].at = (uint16_t)(index_of(x, task->fraction_bits) * (uint32_t)stride);
        row[k].sign = x >> 15 ? 0xffff : 0;
        row[k].code = x;
        reach = with(reach, exponent_of(x));
    }
    return reach;
}

/* In-lane unpacks of bytes give words in the order of columns if the middle quarters are swapped. */
static inline void order_for_look_up(place *index) {
#if AXDSE_SHUFFLES
    uint64_t quarters[4];
    memcpy(quarters, index, sizeof quarters);
    const uint64_t second = quarters[1];
    quarters[1] = quarters[2], quarters[2] = second;
    memcpy(index, quarters, sizeof quarters);
#else
    (void)index;
#endif
}

static inline int is_single(const struct sum *sum) {
    return sum->kind == SUM_FLOAT && sum->align < 0 && sum->terms == 1 && !sum->late;
}

/* Whether products are added one by one in FP32: to a register float(8,R), but R = 22 to nearest even, or by
 * chance to one that FP32 has the random bits of. */
static int is_scaled(const struct sum *sum) {
    if (sum->random) return is_single(sum) && sum->register_bits + sum->random <= 23;
    return is_single(sum) && sum->exponent_bits == 8 && !(sum->nearest && sum->register_bits == 22);
}

static struct reach pack_columns(struct right *panel, const struct task *task, const code *b,
                                 const int64_t *outer, int width) {
    const int scaled = is_scaled(sum_of(task));
    struct run runs[LANES];
    uint16_t low = 255, high = 0;
    const int count = find_runs(runs, outer, width);
    for (int64_t k = 0; k < task->depth; k++) {
        struct right *at = panel + k;
        memset(at->code, 0, sizeof at->code);
        copy_codes(at->code, b + task->b.inner[k], runs, count);
        for (int n = 0; n < LANES; n++) {
            const code x = at->code[n];
            const uint16_t exponent = (uint16_t)exponent_of(x), there = exponent ? exponent : 255;
            low = there < low ? there : low;
            high = exponent > high ? exponent : high;
            at->index[n] = (place)index_of(x, task->fraction_bits);
            if (scaled) {
                const uint32_t scale = ((uint32_t)(x & 0xff80) << 16) - (FRACTION << 23);
                at->scale[n] = sum_float(exponent > FRACTION ? scale : 0);
            } else {
                at->exponent[n] = (int16_t)(exponent ? (int)exponent - 127 : ABSENT);
                at->sign[n] = (uint16_t)((int16_t)x >> 15);
            }
        }
        order_for_look_up(at->index);
    }
    return (struct reach){low, high};
}

/* Whether all operands are finite and, for sums in FP32 itself, neither a product nor a
 * sum leaves its normal numbers, nor a significand times the scale of b: sums are multiples of the
 * smallest unit of a term, and grow by at most twice a term. The other forms find out by themselves. */
static int is_in_reach(const struct task *task, struct reach a, struct reach b, int form) {
    if (a.high == 255 || b.high == 255) return 0;
    const int low = a.low + b.low - 254, high = a.high + b.high - 254;
    const int bits = 64 - __builtin_clzll((uint64_t)task->depth);
    if ((form != ONE_BY_ONE && form != ONE_BY_CHANCE) || !a.high || !b.high) return 1;
    return low >= -95 && high + bits + 4 <= 126 && b.low > FRACTION && b.high <= 251;
}

/* One output by the model of the sum, at that place of the result. */
static float careful(const struct task *task, const struct left *row, const struct right *panel,
                     int lane, int64_t place) {
    const struct sum *sum = sum_of(task);
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    struct running now = {.state = sum_first_state(task->seed, place)};
    float outer = 0;
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t end = min64(from + chunk, depth);
        sum_clear(sum, &now, 0);
        for (int64_t k = from; k < end; k += sum->terms) {
            struct terms terms;
            const int count = (int)min64(sum->terms, end - k);
            for (int i = 0; i < count; i++)
                set_term(&terms, i, row[k + i].code, panel[k + i].code[lane], task);
            sum_step(sum, &now, terms.exponent, terms.significand, count, terms.special);
        }
        outer = sum->chunk ? outer + sum_end(sum, &now) : sum_end(sum, &now);
    }
    return sum_plain(outer);
}

#endif
