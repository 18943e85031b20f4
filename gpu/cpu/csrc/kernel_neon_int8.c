/* NEON int8 kernel: a register holds the products of one code with 8 rows. */
#include <arm_neon.h>
#include <stdint.h>

enum { LANES = 256, ROWS = 8, DEPTH = 256, BATCH = 8 };

typedef uint16_t code;
typedef int32_t sum;
typedef uint16_t vector __attribute__((vector_size(16)));

struct columns {
    uint8_t index[DEPTH][LANES];
};

static inline void transpose(vector *products, const uint16_t *const *from, int first);

#include "products_int8.h"

#define LOW_32(x, y) (vector)vzip1q_u32((uint32x4_t)(x), (uint32x4_t)(y))
#define HIGH_32(x, y) (vector)vzip2q_u32((uint32x4_t)(x), (uint32x4_t)(y))
#define LOW_64(x, y) (vector)vzip1q_u64((uint64x2_t)(x), (uint64x2_t)(y))
#define HIGH_64(x, y) (vector)vzip2q_u64((uint64x2_t)(x), (uint64x2_t)(y))

/* 8 rows of 8 entries to 8 vectors of 8. */
static inline void transpose(vector *products, const uint16_t *const *from, int first) {
    uint16x8_t x[8], pairs[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) x[r] = vld1q_u16(from[r] + first);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        pairs[i] = vzip1q_u16(x[2 * i], x[2 * i + 1]);
        pairs[i + 4] = vzip2q_u16(x[2 * i], x[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 8; half += 4) {
        const uint16x8_t *pair = pairs + half;
        const vector low[2] = {LOW_32(pair[0], pair[1]), LOW_32(pair[2], pair[3])};
        const vector high[2] = {HIGH_32(pair[0], pair[1]), HIGH_32(pair[2], pair[3])};
        products[half] = LOW_64(low[0], low[1]);
        products[half + 1] = HIGH_64(low[0], low[1]);
        products[half + 2] = LOW_64(high[0], high[1]);
        products[half + 3] = HIGH_64(high[0], high[1]);
    }
}
