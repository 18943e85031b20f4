/* The radix-4 Booth multiplier (MacSorley, 1961) is exact: only its partial products, in rtl/booth.v, are its own. */
#include <stdint.h>

int64_t booth(int64_t a, int64_t b) { return a * b; }
