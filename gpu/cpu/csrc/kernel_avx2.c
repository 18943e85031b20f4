/* AVX2 float kernel: vpshufb looks 32 products up at once, in slices of 16 entries of a table row.
 *
 * vpshufb gives 0 where bit 7 of the index is set. So slices hold differences: slice s is XORed
 * with slice s - 1, the index goes down by 16 from slice to slice, and the XOR of the look-ups
 * that are not yet negative is the entry. The index -128, of zeros, saturates and never looks up.
 *
 * A byte {carry, fraction} is added to sign and exponent of b: the carry lands on the exponent,
 * and the sum is the upper half of an FP32 word, which is multiplied by the scale of a, a power of
 * two, and added to an FP32 sum. Lower bytes of entries of two bytes are the next eight bits.
 * Byte 4 j + i of a register is column 8 i + j, so that words come out in the order of columns.
 *
 * Operations per 32 columns, k and row, for m = 7 and entries of a byte: 8 look-ups, 4 subtractions
 * (shared by two rows), 7 XORs, 8 to words, 4 products: 31, of which AVX2 CPUs start 3 or 4 in a
 * cycle. Entries of two bytes: 16 + 4 + 14 + 14 + 4, so wide blocks of these go another way, that
 * of products_float.h.
 */
#include <immintrin.h>
#include <stdint.h>

enum { PART = 32, PARTS = 8, LANES = PART * PARTS, PAIR = 2, ROWS = 16, DEPTH = 128 };
enum { SLICE = 16, NOTHING = 128 };

/* 32 columns, and their scales as both ways of multiplying want them. */
struct part {
    uint32_t index[DEPTH][PART / 4];
    uint32_t pairs[DEPTH][2][PART / 4]; /* columns j and j + 16, then j + 8 and j + 24 */
    uint32_t words[DEPTH][PART];        /* in the order of the bytes of index */
};

struct columns {
    _Alignas(32) struct part parts[PARTS];
};

#include "gemm_float.h"

/* Upper bytes first, then the lower ones. */
static uint32_t plane_stride(int fraction_bits) {
    return fraction_bits < 4 ? SLICE : 1u << fraction_bits;
}
static uint32_t row_stride(const struct task *task) {
    return plane_stride(task->fraction_bits) * (uint32_t)task->entry_bytes;
}

/* Where rows of FP32 values begin, each twice as long as a table row; only with two bytes. */
static int64_t values_at(int fraction_bits, int entry_bytes) {
    return (((int64_t)plane_stride(fraction_bits) * entry_bytes << fraction_bits) + 63) / 64 * 64;
}

int64_t table_size(int fraction_bits, int entry_bytes) {
    const int64_t values = (int64_t)plane_stride(fraction_bits) * (int64_t)sizeof(float);
    return values_at(fraction_bits, entry_bytes) + (entry_bytes == 2 ? values << fraction_bits : 0);
}

/* Lay entries (see float_codes.h) out as table rows; `table` is 64-byte aligned and zeroed. */
void prepare_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    const int size = 1 << fraction_bits;
    const uint32_t plane = plane_stride(fraction_bits);
    uint32_t *values = (uint32_t *)(table + values_at(fraction_bits, entry_bytes));
    for (int x = 0; x < size; x++)
        for (int y = 0; y < size; y++) {
            uint8_t *row = table + (size_t)x * plane * (uint32_t)entry_bytes;
            const uint16_t *entry = entries + x * size + y;
            const int change = *entry ^ (y < SLICE ? 0 : entry[-SLICE]);
            row[y] = (uint8_t)(change >> 8);
            if (entry_bytes == 1) continue;
            row[plane + (uint32_t)y] = (uint8_t)change;
            values[(uint32_t)x * plane + (uint32_t)y] = 0x3f800000u + ((uint32_t)*entry << 8);
        }
}

static void pack_scales(struct row *row, int depth, const struct task *task) {
    (void)task;
    for (int k = 0; k < depth; k++) row->scale[k] = (uint32_t)scale_of(row->codes[k]) << 16;
}

static void pack_part(struct part *part, int k, const code *codes, const struct task *task) {
    const int drop = 7 - task->fraction_bits, wide = task->entry_bytes == 2;
    uint32_t scale[PART], index[PART];
    for (int n = 0; n < PART; n++) {
        const uint32_t exponent = (uint32_t)exponent_of(codes[n]), kept = exponent - 1 < 253;
        scale[n] = kept ? scale_of(codes[n]) : 0;
        index[n] = kept ? (codes[n] & 0x7fu) >> drop : NOTHING;
    }
    for (int j = 0; j < 8; j++) {
        part->pairs[k][0][j] = scale[j] | scale[j + 16] << 16;
        part->pairs[k][1][j] = scale[j + 8] | scale[j + 24] << 16;
        part->index[k][j] =
            index[j] | index[j + 8] << 8 | index[j + 16] << 16 | index[j + 24] << 24;
        for (int i = 0; i < 4 && wide; i++) part->words[k][4 * j + i] = scale[8 * i + j] << 16;
    }
}

static void pack_columns(struct columns *columns, struct block *block, int depth,
                         const struct task *task) {
    code codes[LANES] = {0};
    for (int k = 0; k < depth; k++) {
        load_codes(codes, block, k);
        const struct bounds bounds = bounds_of(codes, LANES);
        block->bounds.low = bounds.low < block->bounds.low ? bounds.low : block->bounds.low;
        block->bounds.high = bounds.high > block->bounds.high ? bounds.high : block->bounds.high;
        for (int n = 0; n < block->width; n += PART)
            pack_part(columns->parts + n / PART, k, codes + n, task);
    }
}

#define INLINE static inline __attribute__((always_inline))
#define FOR_ROWS _Pragma("GCC unroll 2") for (int r = 0; r < count; r++)
#define FOR_QUARTERS _Pragma("GCC unroll 4") for (int q = 0; q < 4; q++)

/* Compilers would load all slices first and spill the sums. */
#define KEEP_ORDER(x) __asm__("" : "+x"(x))

INLINE __m256i load_slice(const uint8_t *slice) {
    return _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)slice));
}

/* The entries of `count` rows in one plane, 32 columns. */
INLINE void look_up(__m256i *bytes, const uint8_t *const *row, __m256i index, int slices,
                    int count) {
    FOR_ROWS bytes[r] = _mm256_shuffle_epi8(load_slice(row[r]), index);
    _Pragma("GCC unroll 8") for (int s = 1; s < slices; s++) {
        index = _mm256_subs_epi8(index, _mm256_set1_epi8(SLICE));
        FOR_ROWS {
            const __m256i slice = load_slice(row[r] + SLICE * s);
            bytes[r] = _mm256_xor_si256(bytes[r], _mm256_shuffle_epi8(slice, index));
            KEEP_ORDER(bytes[r]);
        }
    }
}

/* FP32 words of columns 8 q .. 8 q + 7, from upper bytes and scales; lower halves are zero. */
INLINE void to_words(__m256i *words, __m256i bytes, const uint32_t (*scale)[8]) {
    const __m256i upper = _mm256_set1_epi32((int)0xffff0000);
    const __m256i even = _mm256_add_epi16(_mm256_and_si256(bytes, _mm256_set1_epi16(0xff)),
                                          _mm256_load_si256((const __m256i *)scale[0]));
    const __m256i odd = _mm256_add_epi16(_mm256_srli_epi16(bytes, 8),
                                         _mm256_load_si256((const __m256i *)scale[1]));
    words[0] = _mm256_slli_epi32(even, 16);
    words[1] = _mm256_slli_epi32(odd, 16);
    words[2] = _mm256_and_si256(even, upper);
    words[3] = _mm256_and_si256(odd, upper);
}

INLINE void add_lower(__m256i *words, __m256i bytes) {
    const __m256i even = _mm256_slli_epi16(bytes, 8);
    const __m256i odd = _mm256_and_si256(bytes, _mm256_set1_epi16((short)0xff00));
    words[0] = _mm256_blend_epi16(words[0], even, 0x55);
    words[1] = _mm256_blend_epi16(words[1], odd, 0x55);
    words[2] = _mm256_or_si256(words[2], _mm256_srli_epi32(even, 16));
    words[3] = _mm256_or_si256(words[3], _mm256_srli_epi32(odd, 16));
}

INLINE void multiply_rows_of(float *const *c, const struct row *rows,
                             const struct part *part, int depth, const uint8_t *table,
                             int slices, int planes, int count) {
    __m256 sums[PAIR][4];
    FOR_ROWS FOR_QUARTERS sums[r][q] = _mm256_setzero_ps();
    for (int k = 0; k < depth; k++) {
        const __m256i index = _mm256_load_si256((const __m256i *)part->index[k]);
        const uint8_t *row[PAIR], *lower_row[PAIR];
        __m256i bytes[PAIR], lower[PAIR];
        FOR_ROWS row[r] = table + rows[r].at[k];
        FOR_ROWS lower_row[r] = row[r] + SLICE * slices;
        look_up(bytes, row, index, slices, count);
        if (planes == 2) look_up(lower, lower_row, index, slices, count);
        FOR_ROWS {
            const __m256 scale = _mm256_broadcast_ss((const float *)&rows[r].scale[k]);
            __m256i words[4];
            to_words(words, bytes[r], part->pairs[k]);
            if (planes == 2) add_lower(words, lower[r]);
            FOR_QUARTERS sums[r][q] =
                _mm256_fmadd_ps(_mm256_castsi256_ps(words[q]), scale, sums[r][q]);
        }
    }
    FOR_ROWS FOR_QUARTERS _mm256_storeu_ps(
        c[r] + 8 * q, _mm256_add_ps(_mm256_loadu_ps(c[r] + 8 * q), sums[r][q]));
}

INLINE void multiply_planes(float *const *c, const struct row *rows,
                            const struct part *part, int depth, const struct task *task,
                            int planes, int count) {
    const uint8_t *table = task->table;
    const int bits = task->fraction_bits;
    if (bits == 7) multiply_rows_of(c, rows, part, depth, table, 8, planes, count);
    else if (bits == 6) multiply_rows_of(c, rows, part, depth, table, 4, planes, count);
    else if (bits == 5) multiply_rows_of(c, rows, part, depth, table, 2, planes, count);
    else multiply_rows_of(c, rows, part, depth, table, 1, planes, count);
}

static void multiply_part(float *const *c, const struct row *rows, int count,
                          const struct part *part, int depth, const struct task *task) {
    if (task->entry_bytes == 2 && count == 2) multiply_planes(c, rows, part, depth, task, 2, 2);
    else if (task->entry_bytes == 2) multiply_planes(c, rows, part, depth, task, 2, 1);
    else if (count == 2) multiply_planes(c, rows, part, depth, task, 1, 2);
    else multiply_planes(c, rows, part, depth, task, 1, 1);
}

#include "products_float.h"

static void multiply(float *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task) {
    if (prefers_products(rows, count, block->width, task)) {
        multiply_products(c, rows, count, columns, block->width, depth, task);
        return;
    }
    for (int n = 0; n < block->width; n += PART)
        for (int r = 0; r < count; r += PAIR) {
            float *const to[PAIR] = {c[r] + n, c[r + 1 < count ? r + 1 : r] + n};
            multiply_part(to, rows + r, count - r < PAIR ? 1 : PAIR, columns->parts + n / PART,
                          depth, task);
        }
}
