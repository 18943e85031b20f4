/* Mitchell's multiplier with approximate mirror adders, ALM-MAA3 (Liu et al., 2018; the adders of
 * Gupta et al., 2013), on significands.
 *
 * The T low bits of the sum of the fractions come from a chain of the third approximate mirror
 * adder: the carry out is y | x & carry in, and the sum bit its complement. The bits above are
 * added exactly. The paper does not say which operand is which: y is the one that sets the carry.
 */
#include <stdint.h>

uint64_t alm_maa(uint64_t x, uint64_t y) {
    uint64_t low = 0, carry = 0;
    for (int i = 0; i < T; i++) {
        carry = (y >> i | (x >> i & carry)) & 1;
        low |= (carry ^ 1) << i;
    }
    return ((x >> T) + (y >> T) + carry) << T | low;
}
