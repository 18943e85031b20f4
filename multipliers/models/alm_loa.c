/* Mitchell's multiplier with a lower-part OR adder, ALM-LOA (Liu et al., 2018), on significands.
 *
 * The T low bits of the sum of the fractions are the OR of theirs. The bits above are added
 * exactly; the carry into them is the AND of the highest bits of the two low parts.
 */
#include <stdint.h>

uint64_t alm_loa(uint64_t x, uint64_t y) {
    uint64_t ones = ((uint64_t)1 << T) - 1;
    uint64_t carry = x >> (T - 1) & y >> (T - 1) & 1;
    return ((x >> T) + (y >> T) + carry) << T | ((x | y) & ones);
}
