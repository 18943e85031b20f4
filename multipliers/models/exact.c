/* Exact unsigned multiplier: the reference that every approximate design is compared with. */
#include <stdint.h>

uint64_t exact(uint64_t a, uint64_t b) { return a * b; }
