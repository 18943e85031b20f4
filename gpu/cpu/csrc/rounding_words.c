/* Codes of 32 bits, for the kernels that have a C model inlined: any m. */
#include <stdint.h>

typedef uint32_t code;
static inline code code_of(uint32_t word) { return word; }

#include "rounding.h"
