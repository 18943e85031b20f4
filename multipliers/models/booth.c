/* The radix-4 Booth multiplier (MacSorley, 1961) is exact:
 * only the form of its partial products, in rtl/booth.v, is its own.
 */
#include <stdint.h>

int64_t booth(int64_t a, int64_t b) { return a * b; }
