/* Error-tolerant multiplier, ETM (Kyaw, Goh and Yeo, 2010).
 *
 * Operands are split K bits from below. If both upper parts are 0 the lower parts are multiplied
 * exactly. Otherwise the upper parts are, and the lower parts only looked at: from their first bit
 * on that is 1 in either of them all product bits are 1. Here a bit of the lower parts stands for
 * two bits of the product, so that the 2 K low product bits are spanned.
 */
#include <stdint.h>

uint64_t etm(uint64_t a, uint64_t b) {
    uint64_t upper_a = a >> K, upper_b = b >> K, either = (a | b) & (((uint64_t)1 << K) - 1);
    if ((upper_a | upper_b) == 0) return a * b;
    int ones = 0;
    for (int i = 0; i < K; i++) ones += either >> i != 0;
    return upper_a * upper_b << 2 * K | (((uint64_t)1 << 2 * ones) - 1);
}
