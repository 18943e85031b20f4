/* Dadda tree with approximate 4:2 compressors (Dadda, 1965; Yang, Han and Lombardi, 2015).
 *
 * The C least-significant columns of partial products shrink to 8, 4, then 2 dots by counters of
 * up to four dots that give {carry, sum} = min(dots set, 3). This is a half adder for two dots, a
 * full adder for three, and for four the compressor ACCI1, wrong only if all are set. As in a
 * Dadda tree, a column is reduced no further than its height, with the carries that arrive from
 * the right, demands. What stays, and the columns above, are added exactly: so the product is the
 * exact one less a unit of its column for every compressor whose dots are all set.
 *
 * A column is a queue: counters take its oldest dots, which lie in the low bits; sums and then
 * arriving carries are appended. Widths suit N <= 16.
 */
#include <stdint.h>

#define DADDA42_ONES_OF_4 UINT64_C(0x4332322132212110) /* nibble x: how many bits of x are set */

typedef struct {
    uint32_t dots;
    int height;
} dadda42_queue;

static inline void dadda42_append(dadda42_queue *queue, uint32_t dots, int height) {
    queue->dots |= dots << queue->height;
    queue->height += height;
}

static inline uint32_t dadda42_take(dadda42_queue *queue, int height) {
    uint32_t dots = queue->dots & ((UINT32_C(1) << height) - 1);
    queue->dots >>= height;
    queue->height -= height;
    return (uint32_t)(DADDA42_ONES_OF_4 >> 4 * dots) & 15;
}

/* Reduces the columns to the target height; returns what the compressors lose. */
static inline uint64_t dadda42_stage(dadda42_queue *columns, int target) {
    dadda42_queue arriving = {0, 0};
    uint64_t lost = 0;
    for (int j = 0; j < C; j++) {
        dadda42_queue carries = {0, 0};
        int excess = columns[j].height + arriving.height - target;
        for (; excess > 0; excess -= 3) {
            uint32_t ones = dadda42_take(&columns[j], excess < 3 ? excess + 1 : 4);
            uint32_t full = ones / 4, count = ones - full;
            dadda42_append(&columns[j], count & 1, 1);
            dadda42_append(&carries, count / 2, 1);
            lost += (uint64_t)full << j;
        }
        dadda42_append(&columns[j], arriving.dots, arriving.height);
        arriving = carries;
    }
    return lost;
}

uint64_t dadda42(uint64_t a, uint64_t b) {
    dadda42_queue columns[C];
    uint64_t reversed = 0;
    for (int i = 0; i < N; i++) reversed = 2 * reversed + (a >> i & 1);
    for (int j = 0; j < C; j++) {
        int past = j - (N - 1); /* the highest column holds a[N-1-i] b[i] for all i */
        columns[j].dots = (uint32_t)(past < 0 ? reversed >> -past & b : reversed & b >> past);
        columns[j].height = past < 0 ? N + past : N - past;
    }
    uint64_t product = a * b;
    for (int target = 8; target > 1; target /= 2) product -= dadda42_stage(columns, target);
    return product;
}
