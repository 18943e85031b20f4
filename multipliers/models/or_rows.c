/* Multiplier with OR-compressed rows, after significance-driven logic compression (Qiqieh et al.,
 * 2017), whose clusters of rows are ORed in their less significant columns only.
 *
 * The partial products are taken D at a time, from the least-significant on, and the bits of each
 * column are ORed: one row, no carry. These rows are added exactly.
 */
#include <stdint.h>

uint64_t or_rows(uint64_t a, uint64_t b) {
    uint64_t sum = 0, cluster = 0;
    for (int i = 0; i < N; i++) {
        if (i % D == 0) sum += cluster, cluster = 0;
        cluster |= (b >> i & 1) * (a << i);
    }
    return sum + cluster;
}
