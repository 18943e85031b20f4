/* Steps of a sum in integers of 64 bits, for kernels: sum.h for finite terms, with the same names of its parts.
 *
 * One text for C and for CUDA, where a thread has an output. A term is significand 2^(exponent - fraction
 * bits), of up to 26 bits; exponents here are sums of two biased ones, so those of terms are positive,
 * and NO_TERM says that there is none. It takes registers float(E,R), behind a step that aligns or, of
 * one term, exactly, and lazy ones; what `takes_steps` refuses, and infinities and NaN, are sum.h's.
 */
#ifndef AXDSE_SUM_STEPS_H
#define AXDSE_SUM_STEPS_H

#include "sum.h"

/* A constant of the recipe, where the language has such functions. */
#ifdef __cplusplus
#define SUM_CONSTANT static constexpr
#else
#define SUM_CONSTANT static inline
#endif

enum { NO_TERM = -(1 << 10), BOTH_BIASES = 254 };

/* One output. `exponent` and `held` are of lazy registers, `state` is that of the generator beside one. */
struct steps {
    float c, outer;
    uint16_t state;
    int32_t exponent;
    int64_t held;
};

SUM_CONSTANT int takes_steps(const struct sum *sum) {
    return sum->kind == SUM_LAZY || (sum->kind == SUM_FLOAT && (sum->align >= 0 || sum->terms == 1));
}

static inline int steps_bits(uint64_t size) { return 64 - __builtin_clzll(size); }

/* size 2^unit, size < 2^62, rounded once to float(e, r). */
static inline float steps_rounded(int negative, uint64_t size, int32_t unit, int e, int r, struct sum_round how) {
    const uint32_t sign = (uint32_t)negative << 31;
    const int bias = (1 << (e - 1)) - 1;
    int32_t top = steps_bits(size) - 1 + unit;
    if (top < 1 - bias) top = 1 - bias;
    const int32_t drop = top - r - unit;
    uint64_t kept = 0;
    if (drop <= 0) {
        kept = size << -drop;
    } else {
        const uint64_t rest = drop < 64 ? size & (((uint64_t)1 << drop) - 1) : size;
        if (drop < 64) kept = size >> drop;
        if (how.nearest && drop < 64) {
            const uint64_t half = (uint64_t)1 << (drop - 1);
            kept += rest > half || (rest == half && (kept & 1));
        }
        if (how.random) {
            const int32_t down = drop - how.random;
            const uint32_t first = (uint32_t)(down <= 0 ? rest << -down : down < 64 ? rest >> down : 0);
            kept += (first + how.added) >> how.random;
        }
    }
    if (kept >> (r + 1)) kept >>= 1, top++;
    if (top > bias) return sum_float(sign | 0x7f800000u);
    if (!kept) return sum_float(sign);
    const int above = steps_bits(kept) - 1, exponent = top - r + above + 127;
    const uint32_t place = exponent >= 1 ? ((uint32_t)(exponent - 1) << 23) + (uint32_t)(kept << (23 - above))
                                         : (uint32_t)kept << (23 - r);
    return sum_float(sign | place);
}

static inline float steps_of_integer(int64_t value, int32_t unit, int e, int r, struct sum_round how) {
    if (!value) return 0;
    return steps_rounded(value < 0, (uint64_t)(value < 0 ? -value : value), unit, e, r, how);
}

/* value 2^-down, cut toward zero, or down. */
static inline int64_t steps_cut(int64_t value, int32_t down, int is_down) {
    const int by = down < 63 ? down : 63;
    if (is_down) return value >> by;
    const int64_t size = value < 0 ? -value : value;
    return value < 0 ? -(size >> by) : size >> by;
}

/* A term, or c, in units of 2^(top - align). */
static inline int64_t steps_aligned(int64_t significand, int32_t exponent, int fraction_bits, int32_t top,
                                    const struct sum *sum) {
    const int up = sum->align - fraction_bits;
    return steps_cut(up > 0 ? significand << up : significand, top - exponent + (up < 0 ? -up : 0), sum->down);
}

/* x 2^p + y 2^q, not both zero, exactly, rounded once to the register. */
static inline float steps_of_two(int64_t x, int32_t p, int64_t y, int32_t q, const struct sum *sum,
                                 struct sum_round how) {
    const int e = sum->exponent_bits, r = sum->register_bits;
    if (!x) return steps_of_integer(y, q, e, r, how);
    if (!y) return steps_of_integer(x, p, e, r, how);
    /* To 61 bits each, so that of the smaller one at most an odd bit is lost. */
    const int up_x = 61 - steps_bits((uint64_t)(x < 0 ? -x : x)), up_y = 61 - steps_bits((uint64_t)(y < 0 ? -y : y));
    int64_t high = x << up_x, low = y << up_y;
    int32_t unit = p - up_x, gap = unit - (q - up_y);
    if (gap < 0) {
        const int64_t other = high;
        high = low, low = other, unit -= gap, gap = -gap;
    }
    const uint64_t size = (uint64_t)(low < 0 ? -low : low);
    uint64_t cut = gap > 62 ? 0 : size >> gap;
    if (gap > 62 || cut << gap != size) cut |= 1;
    return steps_of_integer(high + (low < 0 ? -(int64_t)cut : (int64_t)cut), unit, e, r, how);
}

/* products + c as IEEE 754 has it, to nearest even. */
static inline float steps_late(float products, float c, const struct sum *sum) {
    const float native = products + c;
    if (!sum_finite(products) || !sum_finite(c) || native == 0) return native;
    int32_t p, q;
    const int64_t x = sum_split(products, &p), y = sum_split(c, &q);
    const struct sum_round nearest = {1, 0, 0};
    return steps_of_two(x, p - 23, y, q - 23, sum, nearest);
}

/* How this step rounds; the generator goes on. */
static inline struct sum_round steps_round(struct steps *now, const struct sum *sum) {
    const struct sum_round how = sum_round_of(sum, now->state);
    if (sum->random) now->state = sum_next_state(now->state);
    return how;
}

/* All but what outlasts a chunk. */
static inline void steps_clear(struct steps *now) {
    now->c = 0;
    now->exponent = NO_TERM;
    now->held = 0;
}

/* The exponent that a step begins with, to be raised to those of its terms. */
static inline int32_t steps_top(const struct steps *now, const struct sum *sum) {
    if (sum->kind == SUM_LAZY) return now->exponent;
    int32_t own;
    const int64_t s = sum_split(now->c, &own);
    /* A subnormal number has the exponent of the smallest normal one of its register. */
    const int32_t smallest = 2 - (1 << (sum->exponent_bits - 1));
    return s && !sum->late ? (own > smallest ? own : smallest) + BOTH_BIASES : NO_TERM;
}

/* What the register adds to a step whose terms are aligned to `top`. */
static inline int64_t steps_begin(struct steps *now, int32_t top, const struct sum *sum) {
    if (sum->kind == SUM_LAZY) {
        const int64_t held = now->held ? steps_cut(now->held, top - now->exponent, sum->down) : 0;
        now->exponent = top;
        return held;
    }
    int32_t own;
    const int64_t s = sum_split(now->c, &own);
    return s && !sum->late ? steps_aligned(s, own + BOTH_BIASES, 23, top, sum) : 0;
}

/* The total of a step to the register. Once that is infinite it stays so. */
static inline void steps_end(struct steps *now, int64_t total, int32_t top, const struct sum *sum) {
    if (sum->kind == SUM_LAZY) {
        const int spare = 64 - sum->width;
        now->held = (int64_t)((uint64_t)total << spare) >> spare;
        return;
    }
    const int32_t unit = top - BOTH_BIASES - sum->align;
    const struct sum_round how = steps_round(now, sum);
    const float next = steps_of_integer(total, unit, sum->exponent_bits, sum->register_bits, how);
    if (sum->late) now->c = steps_late(next, now->c, sum);
    else if (sum_finite(now->c)) now->c = next;
}

/* A step of one term, nothing being cut; a significand of 0 is none, which leaves of -0 the zero. */
static inline void steps_exact(struct steps *now, int64_t significand, int32_t exponent, const struct sum *sum) {
    const int32_t unit = exponent - BOTH_BIASES - sum->fraction_bits;
    const struct sum_round how = steps_round(now, sum);
    if (sum->late) {
        const float next = steps_of_integer(significand, unit, sum->exponent_bits, sum->register_bits, how);
        now->c = steps_late(next, now->c, sum);
    } else if (sum_finite(now->c)) {
        int32_t own;
        const int64_t s = sum_split(now->c, &own);
        now->c = significand || s ? steps_of_two(significand, unit, s, own - 23, sum, how) : 0;
    }
}

/* A step of integers in blocks of a scale, their products added already: one term. Scales are codes of
 * 2^(code - 127), or of NaN. */
static inline void steps_block(struct steps *now, int64_t products, int32_t x, int32_t y, const struct sum *sum) {
    const int32_t exponent = x + y;
    if (x == 255 || y == 255) {
        now->c = sum_float(0x7fc00000);
    } else if (sum->align < 0) {
        steps_exact(now, products, exponent, sum);
    } else {
        const int32_t own = steps_top(now, sum), top = products && exponent > own ? exponent : own;
        int64_t total = steps_begin(now, top, sum);
        if (products) total += steps_aligned(products, exponent, sum->fraction_bits, top, sum);
        steps_end(now, total, top, sum);
    }
}

/* The register as FP32. */
static inline float steps_sum(const struct steps *now, const struct sum *sum) {
    if (sum->kind == SUM_FLOAT) return now->c;
    return steps_of_integer(now->held, now->exponent - BOTH_BIASES - sum->align, 8, 23, sum_round_of(sum, 0));
}

#endif
