/* AVX2 int8 kernel: a register holds the products of one code with 16 rows. */
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 256, ROWS = 16, DEPTH = 256, BATCH = 8 };

typedef uint16_t code;
typedef int32_t sum;
typedef uint16_t vector __attribute__((vector_size(32)));

struct columns {
    uint8_t index[DEPTH][LANES];
};

static inline void transpose(vector *products, const uint16_t *const *from, int first);

#include "products_int8.h"

/* 8 entries of rows r and r + 8. */
static inline __m256i load_rows(const uint16_t *const *from, int r, int first) {
    const __m128i low = _mm_load_si128((const __m128i *)(from[r] + first));
    const __m128i high = _mm_load_si128((const __m128i *)(from[r + 8] + first));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
}

/* 16 rows of 8 entries to 8 vectors of 16: in both halves of registers an 8 x 8 transposition. */
static inline void transpose(vector *products, const uint16_t *const *from, int first) {
    __m256i x[8], pairs[8], quads[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) x[r] = load_rows(from, r, first);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        pairs[i] = _mm256_unpacklo_epi16(x[2 * i], x[2 * i + 1]);
        pairs[i + 4] = _mm256_unpackhi_epi16(x[2 * i], x[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        quads[2 * i] = _mm256_unpacklo_epi32(pairs[2 * i], pairs[2 * i + 1]);
        quads[2 * i + 1] = _mm256_unpackhi_epi32(pairs[2 * i], pairs[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++)
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            const int q = 4 * half + i;
            products[4 * half + 2 * i] = (vector)_mm256_unpacklo_epi64(quads[q], quads[q + 2]);
            products[4 * half + 2 * i + 1] = (vector)_mm256_unpackhi_epi64(quads[q], quads[q + 2]);
        }
}
