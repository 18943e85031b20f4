/* Broken-Booth multiplier (Farshchi, Abrishami and Fakhraie, 2013).
 *
 * Rows of the radix-4 Booth array, a digit -2..2 of b times a, lose their bits to the right of
 * the vertical break level, in columns below V. T = 0 breaks finished two's complement numbers:
 * each row is rounded down to a multiple of 2^V. T = 1 breaks the array as it is built, where a
 * negative row is inverted and has a one added in its lowest column: if that column is omitted,
 * so is the one. These are our readings of types 0 and 1 of the paper. With T = 1, a zero operand
 * a does not give zero. With V <= N no row loses its sign.
 */
#include <stdint.h>

int64_t broken_booth(int64_t a, int64_t b) {
    int64_t sum = 0;
    for (int i = 0; 2 * i < N; i++) {
        int triple = (int)((uint64_t)b << 1 >> 2 * i & 7);
        int digit = (triple & 1) + (triple >> 1 & 1) - 2 * (triple >> 2);
        int lost = T && digit < 0 && 2 * i < V;
        int64_t row = (digit * a - lost) * ((int64_t)1 << 2 * i);
        sum += row & -((int64_t)1 << V);
    }
    return sum;
}
