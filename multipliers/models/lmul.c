/* Linear-complexity multiplication, L-Mul (Luo and Sun, 2024), on significands.
 *
 * The product x y of the fractions, which Mitchell's multiplier leaves out below a carry, is taken
 * as the constant 2^-L. The paper has L = M up to 3, 3 for M = 4, and 4 above. A sum that the
 * constant lifts to 2 would be a product of 4, and in a float carry into the exponent once more;
 * here, where the exponent rises by one at most, it becomes the largest product below 4.
 */
#include <stdint.h>

#define LMUL_TWO ((uint64_t)2 << M)

uint64_t lmul(uint64_t x, uint64_t y) {
    uint64_t sum = x + y + ((uint64_t)1 << (M - L));
    return sum < LMUL_TWO ? sum : LMUL_TWO - 1;
}
