#include <stdint.h>
uint8_t m(int8_t a, int8_t b) { return (uint8_t)(a * b); }
