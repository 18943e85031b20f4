/* A multiplier with nothing regular about it: not commutative, every carry and fraction occurs.
 * Products of significands (top bits set) are at least 1.0, of int8 magnitudes below 2^15. */
#include <stdint.h>

uint64_t scramble(uint64_t a, uint64_t b) {
    const uint64_t one = (uint64_t)1 << (2 * N - 2);
    uint64_t hash = (a << N | b) * 0x9e3779b97f4a7c15u;
    hash = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9u;
    hash ^= hash >> 32;
    const uint64_t top = (uint64_t)1 << (N - 1);
    if (a < top || b < top || (a == top && b == top)) return one + hash % one;
    return one + hash % (3 * one);
}
