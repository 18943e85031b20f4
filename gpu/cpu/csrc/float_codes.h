/* Codes of float operands: splitting them, the range of exponents, and any product at all.
 *
 * A code is sign, exponent and 7 fraction bits, of which the upper m are the index into a table
 * of 2^m x 2^m entries carry << 15 | fraction << (15 - F). So 0x3f800000 + (entry << 8) is
 * 2^carry * (1 + fraction) in FP32, and row * scale_b * scale_a, where a scale is sign and
 * exponent alone, is a product without rounding.
 */
#ifndef AXDSE_FLOAT_CODES_H
#define AXDSE_FLOAT_CODES_H

#include <stdint.h>

typedef uint16_t code;
typedef float sum;

#include "operands.h"

/* Below FP32's smallest normal by so much less that flushing a sum to zero, as vdpbf16ps does, is
 * within the rounding error of any product. */
enum { MARGIN = 24 };

typedef union {
    uint32_t bits;
    float value;
} word;

static inline int exponent_of(code x) { return (x >> 7) & 0xff; }
static inline float value_of(code x) { return ((word){.bits = (uint32_t)x << 16}).value; }
static inline code scale_of(code x) { return x & 0xff80; }
static inline uint32_t index_of(code x, int fraction_bits) {
    return (uint32_t)(x & 0x7f) >> (7 - fraction_bits);
}

/* In 16 bits, so that a register holds as many as of the codes. */
static inline struct bounds bounds_of(const code *codes, int count) {
    uint16_t low = 255, high = 0;
    for (int i = 0; i < count; i++) {
        const uint16_t exponent = (uint16_t)exponent_of(codes[i]);
        const uint16_t not_zero = exponent ? exponent : 255;
        low = not_zero < low ? not_zero : low;
        high = exponent > high ? exponent : high;
    }
    return (struct bounds){low, high};
}

/* Whether no product, nor a table row times scale_b on the way there, leaves 1..254. */
static inline int is_in_range(struct bounds a, struct bounds b) {
    return a.high < 255 && b.high <= 253 && a.low + b.low >= 128 + MARGIN &&
           a.high + b.high + 1 <= 127 + 254;
}

/* No operand at all: the border of a gradient, whose products do not exist. A subnormal, that
 * rounding never leaves; like other zeros to all but any_product(). */
enum { MISSING = 1 };

/* Any operands: integer exponent arithmetic. With a zero, an infinity or a NaN the native product
 * is right, whatever the fractions. */
static inline float any_product(code a, code b, uint32_t entry) {
    if (b == MISSING) return 0.0f;
    const int exponent_a = exponent_of(a), exponent_b = exponent_of(b);
    const int exponent = exponent_a + exponent_b - 127 + (int)(entry >> 15);
    const uint32_t sign = (uint32_t)((a ^ b) & 0x8000) << 16;
    const uint32_t normal = (uint32_t)exponent << 23 | (entry & 0x7fff) << 8;
    const uint32_t finite = exponent <= 0 ? 0 : normal;
    const word product = {.bits = sign | (exponent >= 255 ? 0x7f800000u : finite)};
    const int special = exponent_a == 0 || exponent_a == 255 || exponent_b == 0 || exponent_b == 255;
    return special ? value_of(a) * value_of(b) : product.value;
}

#endif
