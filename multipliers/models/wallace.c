/* Wallace's multiplier (1964) is exact:
 * only the arrangement of its adders, in rtl/wallace.v, is its own.
 */
#include <stdint.h>

uint64_t wallace(uint64_t a, uint64_t b) { return a * b; }
