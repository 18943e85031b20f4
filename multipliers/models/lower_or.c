/* Multiplier with a lower-part OR, after the lower-part OR adder (Mahdiani et al., 2010).
 *
 * The partial-product bits of each of the V least-significant columns are ORed: one bit, no carry.
 * The columns above are added exactly.
 */
#include <stdint.h>

uint64_t lower_or(uint64_t a, uint64_t b) {
    uint64_t upper = 0, lower = 0, mask = ((uint64_t)1 << V) - 1;
    for (int i = 0; i < N; i++) {
        uint64_t row = (b >> i & 1) * (a << i);
        upper += row & ~mask;
        lower |= row & mask;
    }
    return upper | lower;
}
