/* Broken-array multiplier, BAM (Mahdiani et al., 2010).
 *
 * The array has a cell for each partial-product bit a[j] b[i], in row i and column i + j. Cells
 * above the horizontal break level H (rows i < H) and to the right of the vertical break level V
 * (columns i + j < V) are omitted.
 */
#include <stdint.h>

uint64_t broken_array(uint64_t a, uint64_t b) {
    uint64_t sum = 0;
    for (int i = H; i < N; i++) {
        uint64_t row = (b >> i & 1) * (a << i);
        sum += row >> V << V;
    }
    return sum;
}
