/* Dynamic range unbiased multiplier, DRUM (Hashemi, Bahar and Reda, 2015).
 *
 * Each operand is cut to the K bits from its leading one on. The lowest of them is set, which
 * makes up for the bits cut off: they are worth half a unit of that bit on average. Operands
 * below 2^K are taken as they are. The two segments are multiplied exactly and shifted back.
 */
#include <stdint.h>

static inline uint64_t drum_operand(uint64_t a) {
    int cut = 0;
    for (int i = K; i < N; i++) cut += a >> i != 0;
    return cut ? (a >> cut | 1) << cut : a;
}

uint64_t drum(uint64_t a, uint64_t b) { return drum_operand(a) * drum_operand(b); }
