/* Configurable floating-point multiplier, CFPU (Imani, Peroni and Rosing, 2017), on significands.
 *
 * The fraction y is discarded if its T high bits, the tuning bits, are all 0, and rounded up to 1
 * if they are all 1: the product is x, or 2x. Else it is exact, cut to M bits; 0 takes the place
 * of y in its multiplier otherwise, so that it rests. The second operand is the one discarded, by
 * convention; and exact products are cut, not rounded, as that is cheapest.
 */
#include <stdint.h>

uint64_t cfpu(uint64_t x, uint64_t y) {
    uint64_t one = (uint64_t)1 << M, ones = ((uint64_t)1 << T) - 1, tuning = y >> (M - T);
    if (tuning == 0) return x;
    if (tuning == ones) return one | x;
    uint64_t product = (one | x) * (one | y);
    uint64_t carry = product >> (2 * M + 1);
    return carry << M | (product >> (M + carry) & (one - 1));
}
