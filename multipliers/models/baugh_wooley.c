/* Baugh and Wooley's array multiplier (1973) is exact:
 * only the form of its partial products, in rtl/baugh_wooley.v, is its own.
 */
#include <stdint.h>

int64_t baugh_wooley(int64_t a, int64_t b) { return a * b; }
