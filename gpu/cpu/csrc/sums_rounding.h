/* Registers of kernel_sums.c at both ends of a step: cut to its integers, and rounded from them. */
#ifndef AXDSE_SUMS_ROUNDING_H
#define AXDSE_SUMS_ROUNDING_H

#include "sums_columns.h"

/* Exact doubles rounded to r fraction bits. Returns 1 if one is no normal number of FP32, or 0. */
static inline __attribute__((always_inline)) int round_all(float *restrict c,
                                                           const double *restrict exact, int r,
                                                           int nearest) {
    const uint64_t unit = 1ull << (52 - r), size = UINT64_MAX >> 1;
    uint64_t beyond = 0;
    for (int n = 0; n < LANES; n++) {
        uint64_t bits;
        memcpy(&bits, exact + n, sizeof bits);
        if (nearest) bits += (unit >> 1) - 1 + (bits >> (52 - r) & 1);
        bits &= ~(unit - 1);
        /* 2^-126 and 2^128 as doubles */
        beyond |= (bits & size) && (bits & size) - (897ull << 52) >= 254ull << 52;
        double x;
        memcpy(&x, &bits, sizeof x);
        c[n] = (float)x;
    }
    return beyond != 0;
}

/* Doubles, exact or rounded to odd, rounded by chance to float(E, R), its subnormal numbers too, and generators
 * moved on. Returns 1 if one is beyond the largest number, or no normal number of FP32, or 0. */
static inline __attribute__((always_inline)) int round_by_chance(float *restrict c, const double *restrict exact,
                                                                 uint16_t *restrict states,
                                                                 const struct sum *sum) {
    const int bits = sum->random, smallest = 2 - (1 << (sum->exponent_bits - 1));
    const uint16_t chosen = (uint16_t)((1u << bits) - 1);
    const double least = 0x1p-126, most = power_of_two(2 - smallest);
    int beyond = 0;
    for (int n = 0; n < LANES; n++) {
        const double x = exact[n], size = x < 0 ? -x : x;
        uint64_t word;
        memcpy(&word, &size, sizeof word);
        const int64_t own = (int64_t)(word >> 52) - 1023, top = own > smallest ? own : smallest;
        const int64_t place = top - sum->register_bits - bits;
        const int64_t whole = (int64_t)(size * power_of_two(-place)) + (states[n] & chosen);
        const double near = (double)(whole >> bits) * power_of_two(place + bits);
        beyond |= (near >= most) | ((near != 0) & (near < least));
        c[n] = (float)(x < 0 ? -near : near);
        states[n] = sum_next_state(states[n]);
    }
    return beyond;
}

/* A step begins: the exponent of c, 0 having none and others at least `smallest`; after `top` is known c in its
 * units. */
static inline __attribute__((always_inline)) void exponents_of_sums(int16_t *restrict top,
                                                                    const float *restrict c, int smallest) {
    for (int n = 0; n < LANES; n++) {
        const int field = sum_word(c[n]) >> 23 & 255, own = field - 127;
        top[n] = (int16_t)(field ? (own > smallest ? own : smallest) : LOWEST);
    }
}

static inline __attribute__((always_inline)) void cut_sums(int32_t *restrict t,
                                                           const float *restrict c,
                                                           const int16_t *restrict top, int align,
                                                           int down) {
    for (int n = 0; n < LANES; n++) {
        const uint32_t word = sum_word(c[n]);
        const int field = word >> 23 & 255, far = top[n] - field + 127;
        const int gap = far < MOST_SHIFT ? far : MOST_SHIFT;
        const int32_t size = field ? (int32_t)((word & 0x7fffff) | 0x800000) : 0;
        const int32_t sign = (int32_t)word >> 31;
        const int32_t value = down ? (size ^ sign) - sign : size;
        const int32_t cut = (align >= 23 ? value << (align - 23) : value >> (23 - align)) >> gap;
        t[n] = down ? cut : (cut ^ sign) - sign;
    }
}

/* t + more; 1 if that takes more than 32 bits. */
static inline __attribute__((always_inline)) int add_all(int32_t *restrict t,
                                                         const int32_t *restrict more) {
    int32_t over = 0;
    for (int n = 0; n < LANES; n++) {
        const int32_t sum = (int32_t)((uint32_t)t[n] + (uint32_t)more[n]);
        over |= (sum ^ t[n]) & (sum ^ more[n]);
        t[n] = sum;
    }
    return over < 0;
}

/* t 2^(top - align) rounded. Returns 1 if one is no normal number of FP32, or near 2^31. */
static inline __attribute__((always_inline)) int close_step(float *restrict c,
                                                            const int32_t *restrict t,
                                                            const int16_t *restrict top, int align,
                                                            int r, int nearest) {
    if (nearest && r == 22) {
        double total[LANES];
        for (int n = 0; n < LANES; n++)
            total[n] = t[n] * power_of_two((top[n] == LOWEST ? 0 : top[n]) - align);
        return round_all(c, total, r, 1);
    }
    const uint32_t keep = ~0u << (23 - r), half = r < 23 ? 1u << (22 - r) : 0;
    uint32_t beyond = 0;
    for (int n = 0; n < LANES; n++) {
        const int32_t whole = t[n], unit = top[n] - align;
        const float near = (float)whole;
        uint32_t word = sum_word(near);
        if (!nearest || r < 23) { /* cut, or to odd first */
            const int32_t back = (int32_t)(near < 0x1p31f ? near : 0);
            const uint32_t is_lost = back != whole, outward = (uint32_t)((whole - back) ^ whole) >> 31;
            word = (word - (is_lost & outward)) | (nearest ? is_lost : 0);
        }
        if (nearest && r < 23) {
            const uint32_t up = word + half, tie = (up & ~keep) == 0;
            word = up & keep & ~(tie << (23 - r));
        } else if (!nearest) {
            word &= keep;
        }
        const uint32_t some = whole != 0, above = (word >> 23 & 255) + (uint32_t)unit - 1;
        beyond |= (some & (above > 253)) | (near >= 0x1p31f);
        c[n] = sum_float(some ? word + ((uint32_t)unit << 23) : 0);
    }
    return beyond != 0;
}

/* The same of t 2^(top - align). */
static inline __attribute__((always_inline)) int close_by_chance(float *restrict c, const int32_t *restrict t,
                                                                 const int16_t *restrict top,
                                                                 uint16_t *restrict states, const struct sum *sum) {
    double total[LANES];
    for (int n = 0; n < LANES; n++)
        total[n] = t[n] * power_of_two((top[n] == LOWEST ? 0 : top[n]) - sum->align);
    return round_by_chance(c, total, states, sum);
}

#endif
