/* Codes of 16 bits, for the kernels that look up: m <= 7, or int8. */
#include <stdint.h>

typedef uint16_t code;
static inline code code_of(uint32_t word) { return (code)(word >> 16); }

#include "rounding.h"
