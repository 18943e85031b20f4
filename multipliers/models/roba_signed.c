/* Rounding-based approximate multiplier, RoBA, signed (Zendegani et al., 2017).
 *
 * S = 0, the paper's S-RoBA, takes exact magnitudes and negates the product of operands of unlike
 * sign. S = 1, its AS-RoBA, inverts instead of negating, operands and product: a negative number
 * -a counts as a - 1, and a negative product is one too low, also that of a zero operand.
 *
 * With r and s the powers of two nearest to the magnitudes a and b, the product is rb + sa - rs,
 * short of (a - r)(b - s). Halfway values 3 2^p round up; 3 itself rounds down to 2.
 */
#include <stdint.h>

static inline int64_t roba_signed_negated(int64_t a) { return S ? ~a : -a; }

static inline int64_t roba_signed_magnitude(int64_t a) {
    return a < 0 ? roba_signed_negated(a) : a;
}

static inline int64_t roba_signed_round(int64_t a) {
    int leading = 0;
    while (a >> leading > 1) leading++;
    int up = leading > 1 && (a >> (leading - 1) & 1);
    return a ? (int64_t)1 << (leading + up) : 0;
}

int64_t roba_signed(int64_t a, int64_t b) {
    int64_t x = roba_signed_magnitude(a), y = roba_signed_magnitude(b);
    int64_t r = roba_signed_round(x), s = roba_signed_round(y);
    int64_t product = r * y + s * x - r * s;
    return (a < 0) != (b < 0) ? roba_signed_negated(product) : product;
}
