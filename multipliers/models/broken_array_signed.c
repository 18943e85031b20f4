/* Broken-array multiplier (Mahdiani et al., 2010) on Baugh and Wooley's two's complement array.
 *
 * In the rows above the horizontal break level H the bit of b counts as 0: what remains of such a
 * row is the constant that Baugh and Wooley's array puts in place of a sign. Of the other rows
 * the cells to the right of the vertical break level V are omitted (i + j < V <= N - 1: no sign
 * bit is there).
 */
#include <stdint.h>

int64_t broken_array_signed(int64_t a, int64_t b) {
    uint64_t bits_a = (uint64_t)a, bits_b = (uint64_t)b >> H << H, omitted = 0;
    for (int i = H; i < V; i++) {
        uint64_t cells = (bits_b >> i & 1) * (bits_a << i);
        omitted += cells & (((uint64_t)1 << V) - 1);
    }
    return (int64_t)(bits_a * bits_b - omitted);
}
