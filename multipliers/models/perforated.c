/* Partial-product perforation (Zervakis et al., 2016).
 *
 * The K successive partial products from row S on are not formed, which clears bits S..S+K-1 of
 * the multiplier operand.
 */
#include <stdint.h>

#define PERFORATED_ROWS ((((uint64_t)1 << K) - 1) << S)

uint64_t perforated(uint64_t a, uint64_t b) { return a * (b & ~PERFORATED_ROWS); }
