#include <stdint.h>
uint64_t m(uint64_t a, uint64_t b) { uint64_t p = 1; while (b--) p *= a; return p & 255; }
