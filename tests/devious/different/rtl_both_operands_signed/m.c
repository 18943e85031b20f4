#include <stdint.h>
int16_t m(int8_t w, uint8_t x) { return w * x; }
