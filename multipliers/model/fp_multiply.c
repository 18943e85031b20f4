/* Floating-point multiplier around any core: sign, exponent, normalisation, special values.
 *
 * The C of rtl/fp_multiply.v and rtl/normalise.v. Operands are float(FP_E, FP_M), the product is
 * float(FP_E, FP_F). Subnormal operands count as zero, an exponent below 1 gives a signed zero,
 * above the largest a signed infinity, 0 x infinity and NaN operands the quiet NaN.
 *
 * Defined by whoever compiles it, beside the parameters of the core:
 *   FP_E, FP_M   widths of an operand's exponent and fraction
 *   FP_F         fraction bits of the product: FP_M (narrow), or up to 2 * FP_M + 1 (wide)
 *   FP_CORE(x, y)  the core: its function, or a call that exchanges the operands
 *   FP_SIGNIFICAND  1: the core takes fractions and gives {carry, fraction}; 0: it takes and
 *                multiplies integers, here significands with their hidden one
 *   FP_CORE_FILE its file, in quotes; left out where the core stands above
 */
#include <stdint.h>

#ifdef FP_CORE_FILE
#include FP_CORE_FILE
#endif

/* Product of two significands (2 * FP_M + 2 bits, at least 1.0) -> {carry, top FP_F bits}. */
static inline uint64_t fp_normalised(uint64_t product) {
    uint64_t carry = product >> (2 * FP_M + 1) & 1;
    uint64_t wide = product << (1 - carry) & (((uint64_t)1 << (2 * FP_M + 1)) - 1);
    return carry << FP_F | wide >> (2 * FP_M + 1 - FP_F);
}

/* Fractions -> {carry, fraction}. */
static inline uint64_t fp_core(uint64_t x, uint64_t y) {
    uint64_t hidden = (uint64_t)1 << FP_M;
    return FP_SIGNIFICAND ? (uint64_t)FP_CORE(x, y)
                          : fp_normalised((uint64_t)FP_CORE(hidden | x, hidden | y));
}

uint64_t fp_multiply(uint64_t a, uint64_t b) {
    const uint64_t top = ((uint64_t)1 << FP_E) - 1, bias = top >> 1;
    const uint64_t ones = ((uint64_t)1 << FP_M) - 1, infinity = top << FP_F;
    uint64_t exponent_a = a >> FP_M & top, exponent_b = b >> FP_M & top;
    uint64_t x = a & ones, y = b & ones;
    uint64_t sign = ((a ^ b) >> (FP_E + FP_M) & 1) << (FP_E + FP_F);
    int zero = exponent_a == 0 || exponent_b == 0;
    int full_a = exponent_a == top, full_b = exponent_b == top;
    if ((full_a && x) || (full_b && y) || (zero && (full_a || full_b)))
        return infinity | (uint64_t)1 << (FP_F - 1);
    if (full_a || full_b) return sign | infinity;
    if (zero) return sign;

    uint64_t core = fp_core(x, y);
    /* The bias is taken off last: the sum may be below it. */
    uint64_t biased = exponent_a + exponent_b + (core >> FP_F);
    if (biased <= bias) return sign;
    if (biased >= bias + top) return sign | infinity;
    return sign | (biased - bias) << FP_F | (core & (((uint64_t)1 << FP_F) - 1));
}
