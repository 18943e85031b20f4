/* Bring your own: a multiplier that drops the lowest partial product of its second operand. */
#include <stdint.h>

uint16_t mine(uint8_t a, uint8_t b) { return (uint16_t)(a * (b & 0xFE)); }
