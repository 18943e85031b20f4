#include <stdint.h>
unsigned m(unsigned a, unsigned b) { return a * b; }
