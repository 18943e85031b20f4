/* Truncation- and rounding-based scalable approximate multiplier, TOSAM (Vahdat et al., 2019).
 *
 * Operands are 2^i (1 + x) and 2^j (1 + y), so the product is 2^(i+j) (1 + x + y + xy). The sum
 * takes x and y cut to T bits. The product takes them cut to H bits and a one appended, which
 * makes up for the bits cut off. Bits of the result below one are dropped. No one is appended to
 * the terms of the sum: with it, (H, T) = (0, 2) would err by 10% on average, not the paper's 11%.
 */
#include <stdint.h>

#define TOSAM_POINT (T > 2 * H + 2 ? T : 2 * H + 2) /* fraction bits of the sum */

static inline int tosam_leading(uint64_t a) {
    int leading = 0;
    for (int i = 1; i < N; i++) leading += a >> i != 0;
    return leading;
}

static inline uint64_t tosam_fraction(uint64_t a, int bits) {
    return (a << bits >> tosam_leading(a)) - ((uint64_t)1 << bits);
}

uint64_t tosam(uint64_t a, uint64_t b) {
    if (a == 0 || b == 0) return 0;
    uint64_t sum = tosam_fraction(a, T) + tosam_fraction(b, T);
    uint64_t product = (2 * tosam_fraction(a, H) + 1) * (2 * tosam_fraction(b, H) + 1);
    uint64_t significand = ((uint64_t)1 << TOSAM_POINT) + (sum << (TOSAM_POINT - T))
                           + (product << (TOSAM_POINT - 2 * H - 2));
    return significand << (tosam_leading(a) + tosam_leading(b)) >> TOSAM_POINT;
}
