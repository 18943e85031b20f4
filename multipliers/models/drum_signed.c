/* Signed dynamic range unbiased multiplier, DRUM (Hashemi, Bahar and Reda, 2015).
 *
 * The magnitudes are multiplied as by the unsigned design: cut to the K bits from the leading one on,
 * the lowest of them set. The product gets its sign back. Both conversions are exact.
 */
#include <stdint.h>

static inline uint64_t drum_signed_operand(int64_t a) {
    uint64_t magnitude = a < 0 ? -(uint64_t)a : (uint64_t)a;
    int cut = 0;
    while (magnitude >> cut >> K) cut++;
    return cut ? (magnitude >> cut | 1) << cut : magnitude;
}

int64_t drum_signed(int64_t a, int64_t b) {
    int64_t product = (int64_t)(drum_signed_operand(a) * drum_signed_operand(b));
    return (a < 0) != (b < 0) ? -product : product;
}
