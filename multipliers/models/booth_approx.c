/* Radix-4 Booth multiplier with approximate encoders (Liu et al., 2017).
 *
 * A row holds digit times a, inverted if the digit is negative, plus one then. Bit j of the row
 * for the triple t2 t1 t0 of b is
 *     exact        (t1 ^ t0) (t2 ^ a[j]) | ~(t1 ^ t0) (t2 ^ t1) (t2 ^ a[j-1]),
 *     D = 1        (t1 ^ t0) (t2 ^ a[j]), R4ABE1: 2a and -2a give 0; 4 of 32 entries, all 1 to 0,
 *     D = 2        t2 ^ a[j], R4ABE2: every digit gives a or its inverse; 8 of 32 entries.
 * The latter two are used in the V least-significant columns of the array. Row signs, j = N, and
 * the ones of negation are exact. Of the paper we take the encoders alone: its array also leaves
 * out the last of these ones. A zero operand does not give zero.
 */
#include <stdint.h>

/* Bits j of row i that lie in the approximate columns. */
static inline int64_t booth_approx_low(int i) {
    int bits = V - 2 * i;
    bits = bits < 0 ? 0 : bits < N ? bits : N;
    return ((int64_t)1 << bits) - 1;
}

int64_t booth_approx(int64_t a, int64_t b) {
    int64_t sum = 0;
    for (int i = 0; 2 * i < N; i++) {
        int triple = (int)((uint64_t)b << 1 >> 2 * i & 7);
        int one = (triple ^ triple >> 1) & 1;
        int digit = (triple & 1) + (triple >> 1 & 1) - 2 * (triple >> 2);
        int64_t exact = digit < 0 ? ~(-digit * a) : digit * a;
        int64_t approximate = D == 1 && !one ? 0 : triple >> 2 ? ~a : a;
        int64_t low = booth_approx_low(i);
        sum += ((exact & ~low) + (approximate & low) + (digit < 0)) * ((int64_t)1 << 2 * i);
    }
    return sum;
}
