/* Dadda tree with approximate 4:2 compressors (Dadda, 1965; Yang, Han and Lombardi, 2015).
 *
 * The C least-significant columns of partial products shrink to 8, 4, then 2 dots by counters of
 * up to four dots that give {carry, sum} = min(dots set, 3). This is a half adder for two dots, a
 * full adder for three, and for four the compressor ACCI1, wrong only if all are set. As in a
 * Dadda tree, a column is reduced no further than its height, with the carries that arrive from
 * the right, demands. What stays, and the columns above, are added exactly.
 *
 * A column is a queue: counters take its oldest dots, which lie in the low bits; sums and then
 * arriving carries are appended.
 */
#include <stdint.h>

typedef struct {
    uint32_t dots;
    int height;
} dadda42_column;

static inline void dadda42_append(dadda42_column *column, uint32_t dot) {
    column->dots |= dot << column->height++;
}

static inline uint32_t dadda42_count(dadda42_column *column, int taken) {
    uint32_t ones = 0;
    for (int i = 0; i < taken; i++) ones += column->dots >> i & 1;
    column->dots >>= taken;
    column->height -= taken;
    return ones < 4 ? ones : 3;
}

/* Reduces all columns to the target height and returns the carries into column C. */
static inline dadda42_column dadda42_stage(dadda42_column *columns, int target) {
    dadda42_column arriving = {0, 0};
    for (int j = 0; j < C; j++) {
        dadda42_column carries = {0, 0};
        int excess = columns[j].height + arriving.height - target;
        for (; excess > 0; excess -= 3) {
            uint32_t count = dadda42_count(&columns[j], excess < 3 ? excess + 1 : 4);
            dadda42_append(&columns[j], count & 1);
            dadda42_append(&carries, count >> 1);
        }
        columns[j].dots |= arriving.dots << columns[j].height;
        columns[j].height += arriving.height;
        arriving = carries;
    }
    return arriving;
}

static inline uint64_t dadda42_sum(dadda42_column column) {
    uint64_t ones = 0;
    for (int i = 0; i < column.height; i++) ones += column.dots >> i & 1;
    return ones;
}

uint64_t dadda42(uint64_t a, uint64_t b) {
    dadda42_column columns[C] = {{0, 0}};
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) {
        uint64_t row = (b >> i & 1) * (a << i);
        sum += row >> C << C;
        for (int j = i; j < i + N && j < C; j++) dadda42_append(&columns[j], row >> j & 1);
    }
    for (int target = 8; target > 1; target /= 2)
        sum += dadda42_sum(dadda42_stage(columns, target)) << C;
    for (int j = 0; j < C; j++) sum += dadda42_sum(columns[j]) << j;
    return sum;
}
