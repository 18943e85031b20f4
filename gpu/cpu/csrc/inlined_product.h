/* One product of a C model compiled into a kernel: float(8, m) operands, m <= 23, FP32 product.
 *
 * Defined by whoever compiles it, beside the parameters of the model:
 *   FP_E = 8, FP_M, FP_F, FP_SIGNIFICAND, FP_CORE(x, y), FP_CORE_FILE   as in fp_multiply.c
 *   AXDSE_UINT   the type that the model knows as uint64_t: 32 bits wide where that was shown to
 *                give the same products, since a vector holds twice as many of them
 *
 * Two roads to the same bits. any_product() is the unit itself, fp_multiply.c, for any operands.
 * scaled_product() is for operands and products that are normal numbers: the core's significand
 * as FP32, times the powers of two of the operands, which rounds nothing. A {carry, fraction} is
 * added to the bits of a power of two, and the carry lands on the exponent by itself. The product
 * of an integer core is normalised by its conversion to FP32, exact because it has 24 bits by
 * then, and cut to F bits of fraction by a mask.
 */
#include "fp32_words.h"

/* Hidden: only then may the compiler take the model's own functions into the loop. */
#pragma GCC visibility push(hidden)
#define uint64_t AXDSE_UINT
#include FP_CORE_FILE
#undef uint64_t
#undef FP_CORE_FILE
#include "fp_multiply.c"
#pragma GCC visibility pop

enum {
    DROP = 23 - FP_M,
    ONES = (1 << FP_M) - 1,
    WIDE = FP_F > FP_M,
    CUT = WIDE ? 0 : FP_M, /* low bits of an integer product that no F bits need */
    POINT = FP_SIGNIFICAND ? 0 : 2 * FP_M - CUT, /* its fraction bits after that */
    LOWEST = POINT + 1, /* exponents of b that stay normal with POINT taken off */
    HIGHEST = 253       /* and finite with a carry added */
};

static inline int exponent_of(uint32_t code) { return code >> 23 & 0xff; }

static inline uint32_t fraction_of(uint32_t code) { return code >> DROP & ONES; }

/* Said where it is used: knowing the leading one, the compiler takes away the loops that look
 * for it, without which there would be no vectors. */
static inline uint32_t with_hidden_one(uint32_t fraction) { return fraction | (ONES + 1); }

/* Product of an integer core: a significand in [1, 4), times 2^POINT. */
static inline float converted(uint32_t x, uint32_t y) {
    uint32_t kept = (uint32_t)(FP_CORE(with_hidden_one(x), with_hidden_one(y)) >> CUT);
    /* 25 bits if m = 23 and there is a carry: the lowest, which would be rounded, is cut. */
    if (FP_M == 23) kept &= ~(kept >> 24);
    const float value = (float)(int32_t)kept;
    return WIDE ? value : float_of(word_of(value) & 0xffffffffu << DROP);
}

/* Fractions x and y, the second one's scale: sign and 2^(exponent - POINT), or zero.
 * With any_zero = 0 no scale is zero. */
static inline float scaled_product(uint32_t x, uint32_t y, float scale, int any_zero) {
    if (!FP_SIGNIFICAND) return converted(x, y) * scale;
    const uint32_t core = (uint32_t)FP_CORE(x, y) << DROP;
    return any_zero ? float_of(0x3f800000u + core) * scale : float_of(word_of(scale) + core);
}

/* Rounded FP32 words in, FP32 product out; specials, overflow and underflow as fp_multiply.c. */
static inline float any_product(uint32_t a, uint32_t b) {
    return float_of((uint32_t)(fp_multiply(a >> DROP, b >> DROP) << (23 - FP_F)));
}
