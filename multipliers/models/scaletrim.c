/* Linearised truncated multiplier with compensation, scaleTRIM (Farahmand et al., 2023).
 *
 * Operands are 2^i (1 + x) and 2^j (1 + y), so the product is 2^(i+j) (1 + x + y + xy). With x and
 * y cut to H bits and s their sum, the significand is taken as 1 + s + s/4 + c: 5/4 is next to the
 * least-squares slope 9/7 of the product over x + y. The constant c depends on which of 2^M equal
 * segments of [0, 2) holds s. It is the mean, over all x and y that the cut puts there, of what
 * the line leaves to be added, rounded to 2^(-H-2). In the first segment it is not let below 0:
 * a product of normalised operands is at least 1. The paper fits each of its configurations; we
 * keep one slope and fit the constants alone. Bits of the result below one are dropped.
 *
 * Byte k of the table for H and M is 2^(H+2) (1/4 + c) of segment k, with 1/4 to be positive.
 */
#include <stdint.h>

static inline int scaletrim_leading(uint64_t a) {
    int leading = 0;
    for (int i = 1; i < N; i++) leading += a >> i != 0;
    return leading;
}

static inline uint64_t scaletrim_fraction(uint64_t a) {
    return (a << H >> scaletrim_leading(a)) - ((uint64_t)1 << H);
}

static inline uint64_t scaletrim_constant(uint64_t segment) {
    const uint64_t table[5][4] = {
        {0x09, 0x0b08, 0x0e0a0808, UINT64_C(0x040e0c0a08080808)},
        {0x0d, 0x100a, 0x170f0a0b, UINT64_C(0x1a16110d0a0a0b0c)},
        {0x15, 0x1b10, 0x27170f11, UINT64_C(0x2e251c140f0f1012)},
        {0x25, 0x3020, 0x49291920, UINT64_C(0x574432221a191c20)},
        {0x45, 0x5b40, 0x8b4b2e40, UINT64_C(0xa7825e3e2e2e3340)},
    };
    return table[H - 2][M] >> 8 * segment & 255;
}

uint64_t scaletrim(uint64_t a, uint64_t b) {
    if (a == 0 || b == 0) return 0;
    uint64_t sum = scaletrim_fraction(a) + scaletrim_fraction(b);
    uint64_t constant = scaletrim_constant(sum >> (H + 1 - M));
    uint64_t significand = ((uint64_t)3 << H) + 5 * sum + constant;
    return significand << (scaletrim_leading(a) + scaletrim_leading(b)) >> (H + 2);
}
