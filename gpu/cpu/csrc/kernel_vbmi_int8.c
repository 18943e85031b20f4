/* AVX-512 VBMI int8 kernel: table rows of 256 products, two planes of bytes in four registers each.
 *
 * The index of vpermi2b has seven bits: lanes below 128 look up in the first half of a plane,
 * the others in the second, and a masked look-up leaves the index of the rest in place. Sums of
 * bytes are kept in 16-bit lanes for up to 256 k. A lane holds columns n (lower byte) and n + 32:
 * the sum of whole lanes, modulo 2^16, less 2^8 times the sum of upper bytes is that of the lower.
 *
 * Products are stored with 2^15 added, so that all bytes are unsigned; DEPTH times that goes off in
 * the end. Operations per 64 columns and k: 4 look-ups, 2 shifts, 4 additions.
 */
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 256, BLOCK = 64, BLOCKS = LANES / BLOCK, ROWS = 1, DEPTH = 256, PLANE = 256 };

typedef uint16_t code;
typedef int32_t sum;

struct columns {
    _Alignas(64) uint8_t index[DEPTH][LANES];
    uint64_t below[DEPTH][BLOCKS], above[DEPTH][BLOCKS];
};

#include "gemm_int8.h"

static uint32_t row_stride(void) { return 2 * PLANE; }

int64_t table_size(int fraction_bits, int entry_bytes) {
    (void)fraction_bits, (void)entry_bytes;
    return 256 * 2 * PLANE;
}

/* Lay the products out as table rows: the lower bytes, then the upper ones. */
void prepare_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    (void)fraction_bits, (void)entry_bytes;
    for (int x = 0; x < 256; x++)
        for (int y = 0; y < 256; y++) {
            const uint16_t product = entries[256 * x + y] ^ 0x8000;
            table[2 * PLANE * x + y] = (uint8_t)product;
            table[2 * PLANE * x + PLANE + y] = (uint8_t)(product >> 8);
        }
}

static void pack_columns(struct columns *columns, struct block *block, int depth,
                         const struct task *task) {
    (void)task;
    code codes[LANES] = {0};
    for (int k = 0; k < depth; k++) {
        load_codes(codes, block, k);
        note_void(block, codes);
        for (int j = 0; j * BLOCK < block->width; j++) {
            const __m512i first = _mm512_loadu_si512(codes + BLOCK * j);
            const __m512i second = _mm512_loadu_si512(codes + BLOCK * j + 32);
            const __m512i low = _mm512_and_si512(first, _mm512_set1_epi16(0xff));
            const __m512i index = _mm512_or_si512(low, _mm512_slli_epi16(second, 8));
            _mm512_store_si512(columns->index[k] + BLOCK * j, index);
            columns->above[k][j] = _mm512_movepi8_mask(index);
            columns->below[k][j] = ~columns->above[k][j];
        }
    }
}

#define INLINE static inline __attribute__((always_inline))
#define FOR_BLOCKS _Pragma("GCC unroll 4") for (int j = 0; j < blocks; j++)

/* Sums of a plane over k, as the head of this file says. */
struct plane {
    __m512i both, upper;
};

INLINE struct plane add_bytes(struct plane sums, __m512i bytes) {
    return (struct plane){_mm512_add_epi16(sums.both, bytes),
                          _mm512_add_epi16(sums.upper, _mm512_srli_epi16(bytes, 8))};
}

INLINE __m512i look_up(__m512i index, __mmask64 below, __mmask64 above, const __m512i *row) {
    const __m512i half = _mm512_mask2_permutex2var_epi8(row[0], index, below, row[1]);
    return _mm512_mask2_permutex2var_epi8(row[2], half, above, row[3]);
}

INLINE void add_words(int32_t *c, __m256i low, __m256i high, int depth) {
    const __m512i bias = _mm512_set1_epi32(depth << 15);
    const __m512i product = _mm512_add_epi32(_mm512_cvtepu16_epi32(low),
                                             _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 8));
    _mm512_storeu_si512(c, _mm512_add_epi32(_mm512_loadu_si512(c), _mm512_sub_epi32(product, bias)));
}

INLINE void store_half(int32_t *c, __m512i low, __m512i high, int depth) {
    add_words(c, _mm512_castsi512_si256(low), _mm512_castsi512_si256(high), depth);
    add_words(c + 16, _mm512_extracti64x4_epi64(low, 1), _mm512_extracti64x4_epi64(high, 1), depth);
}

INLINE __m512i lower_of(struct plane sums) {
    return _mm512_sub_epi16(sums.both, _mm512_slli_epi16(sums.upper, 8));
}

INLINE void multiply_blocks_of(int32_t *c, const struct row *row, const struct columns *columns,
                               int depth, const uint8_t *table, int blocks) {
    struct plane low[BLOCKS], high[BLOCKS];
    FOR_BLOCKS low[j] = high[j] = (struct plane){_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (int k = 0; k < depth; k++) {
        const uint8_t *at = table + row->at[k];
        const __m512i lower[4] = {_mm512_load_si512(at), _mm512_load_si512(at + 64),
                                  _mm512_load_si512(at + 128), _mm512_load_si512(at + 192)};
        const __m512i upper[4] = {_mm512_load_si512(at + 256), _mm512_load_si512(at + 320),
                                  _mm512_load_si512(at + 384), _mm512_load_si512(at + 448)};
        FOR_BLOCKS {
            const __m512i index = _mm512_load_si512(columns->index[k] + BLOCK * j);
            const __mmask64 below = columns->below[k][j], above = columns->above[k][j];
            low[j] = add_bytes(low[j], look_up(index, below, above, lower));
            high[j] = add_bytes(high[j], look_up(index, below, above, upper));
        }
    }
    FOR_BLOCKS {
        store_half(c + BLOCK * j, lower_of(low[j]), lower_of(high[j]), depth);
        store_half(c + BLOCK * j + 32, low[j].upper, high[j].upper, depth);
    }
}

static void multiply(int32_t *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task) {
    const int blocks = (block->width + BLOCK - 1) / BLOCK;
    (void)count;
    if (blocks == 4) multiply_blocks_of(*c, rows, columns, depth, task->table, 4);
    else if (blocks == 3) multiply_blocks_of(*c, rows, columns, depth, task->table, 3);
    else if (blocks == 2) multiply_blocks_of(*c, rows, columns, depth, task->table, 2);
    else multiply_blocks_of(*c, rows, columns, depth, task->table, 1);
}
