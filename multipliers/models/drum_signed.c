/* Signed dynamic range unbiased multiplier: DRUM (Hashemi, Bahar and Reda, 2015) of magnitudes.
 *
 * S = 0 takes exact magnitudes and negates the product of operands of unlike sign. S = 1 inverts
 * instead of negating, operands and product, as the approximate signed RoBA (Zendegani et al.,
 * 2017) does: no carries, but a negative number -a counts as a - 1, and a negative product is one
 * too low, also that of a zero operand.
 *
 * Magnitudes are cut to the K bits from the leading one on, the lowest of which is set. The
 * largest, 2^(N-1), is taken as it is: with K = 2 its square would not fit the product otherwise.
 */
#include <stdint.h>

static inline int64_t drum_signed_negated(int64_t a) { return S ? ~a : -a; }

static inline int64_t drum_signed_operand(int64_t a) {
    int64_t magnitude = a < 0 ? drum_signed_negated(a) : a;
    int cut = 0;
    while (magnitude >> cut >> K) cut++;
    if (cut == 0 || magnitude >> (N - 1)) return magnitude;
    return (magnitude >> cut | 1) << cut;
}

int64_t drum_signed(int64_t a, int64_t b) {
    int64_t product = drum_signed_operand(a) * drum_signed_operand(b);
    return (a < 0) != (b < 0) ? drum_signed_negated(product) : product;
}
