#include <stdint.h>
uint64_t m(uint64_t a, uint64_t b) {
  int x = a & 8 ? (int)a - 16 : (int)a, y = b & 8 ? (int)b - 16 : (int)b;
  return (uint64_t)(x == -8 && y == -1 ? -8 : x / (y ? y : 1)) & 255;
}
