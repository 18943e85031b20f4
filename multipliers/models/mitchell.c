/* Mitchell's logarithmic multiplier (1962), on normalised significands.
 *
 * log2(1 + x) is taken as x, so the logarithm of the product is x + y: its integer part is the
 * carry and its fractional part, read as a mantissa again, the fraction. The sum {carry, fraction}
 * is the whole multiplier. With the exponents before it, it adds bit patterns of floats: that is
 * piecewise-affine multiplication, PAM (Kosson and Jaggi, 2023).
 */
#include <stdint.h>

uint64_t mitchell(uint64_t x, uint64_t y) { return x + y; }
