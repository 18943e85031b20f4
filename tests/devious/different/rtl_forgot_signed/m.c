#include <stdint.h>
int16_t m(int8_t a, int8_t b) { return a * b; }
