/* Low-energy truncation-based approximate multiplier, LETAM (Vahdat et al., 2017).
 *
 * Each operand is cut to the T bits from its leading one on and a one is appended, which makes up
 * for the bits cut off. The two odd numbers of T + 1 bits are multiplied exactly and shifted back;
 * bits of the result below one are dropped. We read the paper so that the one is always appended:
 * unlike DRUM, which sets the last kept bit, small operands need no case of their own and are not
 * exact either.
 */
#include <stdint.h>

static inline int letam_leading(uint64_t a) {
    int leading = 0;
    for (int i = 1; i < N; i++) leading += a >> i != 0;
    return leading;
}

static inline uint64_t letam_segment(uint64_t a) {
    return a << T >> letam_leading(a) | 1;
}

uint64_t letam(uint64_t a, uint64_t b) {
    if (a == 0 || b == 0) return 0;
    int exponent = letam_leading(a) + letam_leading(b);
    return letam_segment(a) * letam_segment(b) << exponent >> 2 * T;
}
