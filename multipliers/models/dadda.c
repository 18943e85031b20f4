/* Dadda's multiplier (1965) is exact:
 * only the arrangement of its adders, in rtl/dadda.v, is its own.
 */
#include <stdint.h>

uint64_t dadda(uint64_t a, uint64_t b) { return a * b; }
