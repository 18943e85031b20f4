/* Rounding-based approximate multiplier, RoBA, unsigned (Zendegani et al., 2017).
 *
 * With r and s the powers of two nearest to a and b, ab = rb + sa - rs + (a - r)(b - s). The last
 * term is dropped; the others are shifts. Halfway values 3 2^p round up; 3 itself rounds down to
 * 2, as in the paper, whose rounding logic is then smaller. The largest operands round to 2^N.
 */
#include <stdint.h>

static inline uint64_t roba_round(uint64_t a) {
    int leading = 0;
    for (int i = 1; i < N; i++) leading += a >> i != 0;
    int up = leading > 1 && (a >> (leading - 1) & 1);
    return a ? (uint64_t)1 << (leading + up) : 0;
}

uint64_t roba(uint64_t a, uint64_t b) {
    uint64_t r = roba_round(a), s = roba_round(b);
    return r * b + s * a - r * s;
}
