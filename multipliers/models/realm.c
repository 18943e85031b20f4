/* Reduced-error logarithmic multiplier, REALM (Saadat et al., 2020), on significands.
 *
 * The S high bits of each fraction name one of 2^S x 2^S segments. Each has a factor, in units of
 * 1/64, that is added to Mitchell's product 1 + x + y or, with a carry, 2 (x + y): there, half of
 * it to the fraction. The factor is the integral over its segment of Mitchell's relative error,
 * min(xy, (1-x)(1-y)) / ((1+x)(1+y)), over that of 1 / ((1+x)(1+y)), so that the mean relative
 * error is 0, rounded to the 6 bits of the paper; all are below 1/4.
 *
 * The T low bits of the fractions are cut off, the lowest of those kept set to stand for them. The
 * factor is rounded to the W = M - T bits left, a sum that it lifts to 2 is renormalised, and one
 * that it would lift to 4 becomes the largest product below.
 */
#include <stdint.h>

#define REALM_W (M - T)
#define REALM_ONE ((uint64_t)1 << REALM_W)

/* Nibble j of row i: the factor of segment (i, j). */
static inline uint64_t realm_factor(uint64_t i, uint64_t j) {
    static const uint32_t of_4[4] = {0x4531, 0x5C93, 0x39C5, 0x1354};
    static const uint32_t of_8[8] = {0x23322110, 0x38875421, 0x38CB9641, 0x27BEC952,
                              0x259CEB72, 0x1469BC83, 0x12457883, 0x01122332};
    return (S == 2 ? of_4[i & 3] : of_8[i & 7]) >> 4 * j & 15;
}

uint64_t realm(uint64_t x, uint64_t y) {
    uint64_t lowest = T > 0;
    uint64_t sum = (x >> T | lowest) + (y >> T | lowest);
    uint64_t carry = sum >> REALM_W;
    uint64_t factor = realm_factor(x >> (M - S), y >> (M - S));
    uint64_t corrected = sum + (((factor << REALM_W) + (32 << carry)) >> (6 + carry));
    if (carry == 0 && corrected >= REALM_ONE) corrected = (corrected + REALM_ONE) / 2;
    if (corrected >= 2 * REALM_ONE) corrected = 2 * REALM_ONE - 1;
    return corrected << T;
}
