/* Underdesigned multiplier, UDM (Kulkarni, Gupta and Ercegovac, 2011).
 *
 * Operands are cut into 2-bit digits (a zero completes an odd N). A digit product takes 3 bits
 * instead of 4, because 3 x 3 counts as 7 = 111:
 *     {a1 b1, a1 b0 | a0 b1, a0 b0}.
 * Digit products are added exactly. Here a row of them, one digit of a with all digits of b, is
 * formed at once: even bits hold b0 of each digit, or b1 of each digit.
 */
#include <stdint.h>

#define UDM_DIGITS UINT64_C(0x5555555555555555)

uint64_t udm(uint64_t a, uint64_t b) {
    uint64_t b0 = b & UDM_DIGITS, b1 = b >> 1 & UDM_DIGITS, sum = 0;
    for (int i = 0; i < N; i += 2) {
        uint64_t a0 = a >> i & 1, a1 = a >> (i + 1) & 1;
        uint64_t middle = (a1 * b0) | (a0 * b1);
        sum += (4 * a1 * b1 + 2 * middle + a0 * b0) << i;
    }
    return sum;
}
