/* Mitchell's multiplier on truncated fractions, Mitch-w (Kim et al., 2019), on significands.
 *
 * The fractions are cut to their W high bits before they are added; the others of the product
 * are zero.
 */
#include <stdint.h>

uint64_t mitch_w(uint64_t x, uint64_t y) { return ((x >> (M - W)) + (y >> (M - W))) << (M - W); }
