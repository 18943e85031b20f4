/* AVX-512 VBMI float kernel: vpermi2b looks 64 products up at once, in a table row of 128 bytes.
 *
 * A byte {carry, fraction} is added to sign and exponent of b: the carry lands on the exponent,
 * and the sum is a bfloat16 number. vdpbf16ps multiplies those of two k by the scales of a, powers
 * of two, and adds both to an FP32 sum. Entries of two bytes become FP32 words instead. Bytes lie
 * in an order such that the in-lane unpacks give sums in the order of the columns: byte
 * 16 l + 4 q + r of a register is column 16 q + 4 l + r.
 *
 * Operations per 64 columns and k, look-ups, unpacks, additions, products: 1 + 3 + 2 + 2 for
 * entries of a byte, 2 + 8 + 2 + 4 for two. Zen 4 starts two such in a cycle at best.
 */
#include <immintrin.h>
#include <stdint.h>

enum { LANES = 64, ROWS = 5, DEPTH = 256 };

struct columns {
    _Alignas(64) uint8_t index[DEPTH][LANES];
    _Alignas(64) uint16_t scale[DEPTH][LANES];
    uint64_t not_zero[DEPTH];
    int any_zero;
};

#include "gemm_float.h"

/* Up to 64 entries are one register, up to 128 two; upper bytes first, then the lower ones. */
static int has_lower(const struct task *task) { return task->entry_bytes == 2; }
static uint32_t plane_stride(int fraction_bits) { return fraction_bits < 7 ? 64 : 128; }
static uint32_t row_stride(const struct task *task) {
    return plane_stride(task->fraction_bits) * (uint32_t)task->entry_bytes;
}

int64_t table_size(int fraction_bits, int entry_bytes) {
    return ((int64_t)plane_stride(fraction_bits) * entry_bytes) << fraction_bits;
}

/* Lay entries (see gemm_float.h) out as table rows; `table` is 64-byte aligned and zeroed. */
void prepare_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    const int size = 1 << fraction_bits;
    const uint32_t plane = plane_stride(fraction_bits);
    for (int x = 0; x < size; x++)
        for (int y = 0; y < size; y++) {
            uint8_t *row = table + (size_t)x * plane * (uint32_t)entry_bytes;
            row[y] = (uint8_t)(entries[x * size + y] >> 8);
            if (entry_bytes == 2) row[plane + (uint32_t)y] = (uint8_t)entries[x * size + y];
        }
}

/* Pairs of k as vdpbf16ps takes them (two bytes each), or FP32 words. */
static void pack_scales(struct row *row, int depth, const struct task *task) {
    uint16_t *pairs = (uint16_t *)row->scale;
    if (has_lower(task))
        for (int k = 0; k < depth; k++) row->scale[k] = (uint32_t)scale_of(row->codes[k]) << 16;
    else
        for (int k = 0; k < depth; k++) pairs[k] = scale_of(row->codes[k]);
}

/* The runs of a block as masked loads of 32 columns; masked lanes touch no memory. */
struct loads {
    int64_t offset[2][LANES / 2 + 1];
    __mmask32 lanes[2][LANES / 2 + 1];
    int count[2];
};

static void plan_loads(struct loads *loads, const struct block *block) {
    loads->count[0] = loads->count[1] = 0;
    for (int i = 0; i < block->from_runs; i++) {
        const struct run *run = block->from + i;
        const uint64_t lanes = (~0ull >> (64 - run->length)) << run->first;
        for (int half = 0; half < 2; half++) {
            const int at = loads->count[half];
            loads->offset[half][at] = run->offset + 32 * half;
            loads->lanes[half][at] = (__mmask32)(lanes >> (32 * half));
            loads->count[half] += (__mmask32)(lanes >> (32 * half)) != 0;
        }
    }
}

/* Columns 32 half .. 32 half + 31 of one k. */
static inline __m512i load_half(const struct loads *loads, const code *from, int half) {
    __m512i codes = _mm512_setzero_si512();
    for (int i = 0; i < loads->count[half]; i++)
        codes = _mm512_mask_loadu_epi16(codes, loads->lanes[half][i],
                                        from + loads->offset[half][i]);
    return codes;
}

static inline __m512i in_lookup_order(__m512i bytes) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, bytes);
}

static inline __m512i join_bytes(__m512i words0, __m512i words1) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(words0)),
                              _mm512_cvtepi16_epi8(words1), 1);
}

/* Half a row of codes: zeros and what is left to multiply_slow() masked, exponents bounded. */
struct half {
    __m512i codes, low, high;
    __mmask32 not_zero;
};

static inline struct half bound_half(__m512i codes, __m512i low, __m512i high) {
    const __m512i exponents = _mm512_and_si512(_mm512_srli_epi16(codes, 7), _mm512_set1_epi16(255));
    const __mmask32 nonzero = _mm512_test_epi16_mask(exponents, exponents);
    const __mmask32 kept = _mm512_mask_cmple_epu16_mask(nonzero, exponents, _mm512_set1_epi16(253));
    return (struct half){
        .codes = _mm512_maskz_mov_epi16(kept, codes),
        .low = _mm512_mask_min_epu16(low, nonzero, low, exponents),
        .high = _mm512_max_epu16(high, exponents),
        .not_zero = kept,
    };
}

/* The scales of columns of one k as the unpacks of look-ups want them, for FP32 words. */
static inline __m512i words_in_lookup_order(__m512i words) {
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), words);
}

static inline void store_pairs(uint16_t *to, __m512i even, __m512i odd) {
    const __m512i first = _mm512_setr_epi32(
        0x00200000, 0x00210001, 0x00220002, 0x00230003, 0x00240004, 0x00250005, 0x00260006, 0x00270007,
        0x00280008, 0x00290009, 0x002a000a, 0x002b000b, 0x002c000c, 0x002d000d, 0x002e000e, 0x002f000f);
    const __m512i second = _mm512_add_epi16(first, _mm512_set1_epi16(16));
    _mm512_store_si512(to, _mm512_permutex2var_epi16(even, first, odd));
    _mm512_store_si512(to + 32, _mm512_permutex2var_epi16(even, second, odd));
}

static inline int smallest(__m512i words) {
    return _mm512_reduce_min_epi32(_mm512_min_epi32(_mm512_and_si512(words, _mm512_set1_epi32(0xffff)),
                                                    _mm512_srli_epi32(words, 16)));
}

static inline int largest(__m512i words) {
    return _mm512_reduce_max_epi32(_mm512_max_epi32(_mm512_and_si512(words, _mm512_set1_epi32(0xffff)),
                                                    _mm512_srli_epi32(words, 16)));
}

static void pack_columns(struct columns *columns, struct block *block, int depth,
                         const struct task *task) {
    const __m512i size = _mm512_set1_epi16(0x7f), scale = _mm512_set1_epi16((short)0xff80);
    const __m128i drop = _mm_cvtsi32_si128(7 - task->fraction_bits);
    const uint64_t all = ~0ull >> (LANES - block->width);
    struct half half[2];
    struct loads loads;
    __m512i low = _mm512_set1_epi16(255), high = _mm512_setzero_si512(), even[2] = {high, high};
    columns->any_zero = 0;
    plan_loads(&loads, block);
    for (int k = 0; k < (depth + 1) / 2 * 2; k++) {
        __m512i scales[2], index[2];
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            const __m512i codes = k < depth ? load_half(&loads, block->b + block->b_inner[k], h)
                                            : _mm512_setzero_si512();
            half[h] = bound_half(codes, low, high);
            low = half[h].low;
            high = half[h].high;
            scales[h] = _mm512_and_si512(half[h].codes, scale);
            index[h] = _mm512_srl_epi16(_mm512_and_si512(half[h].codes, size), drop);
        }
        const uint64_t not_zero = half[0].not_zero | (uint64_t)half[1].not_zero << 32;
        columns->any_zero |= (not_zero & all) != all;
        columns->not_zero[k] = _mm512_movepi8_mask(in_lookup_order(_mm512_movm_epi8(not_zero)));
        _mm512_store_si512(columns->index[k], in_lookup_order(join_bytes(index[0], index[1])));
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            if (has_lower(task))
                _mm512_store_si512(columns->scale[k] + 32 * h, words_in_lookup_order(scales[h]));
            else if (k % 2)
                store_pairs(columns->scale[k - 1] + 64 * h, even[h], scales[h]);
            even[h] = scales[h];
        }
    }
    block->bounds = (struct bounds){.low = smallest(low), .high = largest(high)};
}

static inline __m512i look_up(const uint8_t *row, __m512i index, int registers) {
    return registers == 1 ? _mm512_permutexvar_epi8(index, _mm512_load_si512(row))
                          : _mm512_permutex2var_epi8(_mm512_load_si512(row), index,
                                                     _mm512_load_si512(row + 64));
}

static inline __m512i look_up_masked(__mmask64 mask, const uint8_t *row, __m512i index,
                                     int registers) {
    return registers == 1
               ? _mm512_maskz_permutexvar_epi8(mask, index, _mm512_load_si512(row))
               : _mm512_maskz_permutex2var_epi8(mask, _mm512_load_si512(row), index,
                                                _mm512_load_si512(row + 64));
}

#define INLINE static inline __attribute__((always_inline))

/* Loops over rows are unrolled whole: sums in an array would live in memory. */
#define FOR_ROWS _Pragma("GCC unroll 5") for (int r = 0; r < count; r++)
#define FOR_QUARTERS _Pragma("GCC unroll 4") for (int q = 0; q < 4; q++)

INLINE void fetch_sums(float *const *c, int count) {
    FOR_ROWS FOR_QUARTERS __builtin_prefetch(c[r] + 16 * q, 1);
}

/* acc + even * scale_even + odd * scale_odd for the bfloat16 numbers of a pair of k. */
static inline __m512 add_pair(__m512 acc, __m512i pair, __m512i scales) {
#ifdef __AVX512BF16__
    return _mm512_dpbf16_ps(acc, (__m512bh)pair, (__m512bh)scales);
#else
    const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
    const __m512 odd = _mm512_castsi512_ps(_mm512_and_si512(pair, upper));
    const __m512 even = _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16));
    acc = _mm512_fmadd_ps(odd, _mm512_castsi512_ps(_mm512_and_si512(scales, upper)), acc);
    return _mm512_fmadd_ps(even, _mm512_castsi512_ps(_mm512_slli_epi32(scales, 16)), acc);
#endif
}

INLINE void store_sums(float *const *c, __m512 (*sums)[4], int count) {
    FOR_ROWS FOR_QUARTERS _mm512_storeu_ps(
        c[r] + 16 * q, _mm512_add_ps(_mm512_loadu_ps(c[r] + 16 * q), sums[r][q]));
}

INLINE void multiply_bytes(float *const *c, const struct row *rows, const struct columns *columns,
                           int depth, const uint8_t *table, int registers, int masked, int count) {
    const __m512i zero = _mm512_setzero_si512();
    __m512 sums[ROWS][4];
    fetch_sums(c, count);
    FOR_ROWS FOR_QUARTERS sums[r][q] = _mm512_setzero_ps();
    for (int k = 0; k < depth; k += 2) {
        const __m512i index0 = _mm512_load_si512(columns->index[k]);
        const __m512i index1 = _mm512_load_si512(columns->index[k + 1]);
        const __mmask64 mask0 = columns->not_zero[k], mask1 = columns->not_zero[k + 1];
        const __m512i scale_b[4] = {
            _mm512_load_si512(columns->scale[k]), _mm512_load_si512(columns->scale[k] + 32),
            _mm512_load_si512(columns->scale[k] + 64), _mm512_load_si512(columns->scale[k] + 96)};
        FOR_ROWS {
            const uint8_t *row0 = table + rows[r].at[k], *row1 = table + rows[r].at[k + 1];
            const __m512i bytes0 = masked ? look_up_masked(mask0, row0, index0, registers)
                                          : look_up(row0, index0, registers);
            const __m512i bytes1 = masked ? look_up_masked(mask1, row1, index1, registers)
                                          : look_up(row1, index1, registers);
            const __m512i lower = _mm512_unpacklo_epi8(bytes0, bytes1);
            const __m512i upper = _mm512_unpackhi_epi8(bytes0, bytes1);
            const __m512i scales = _mm512_set1_epi32((int)rows[r].scale[k / 2]);
            const __m512i pairs[4] = {
                _mm512_unpacklo_epi8(lower, zero), _mm512_unpackhi_epi8(lower, zero),
                _mm512_unpacklo_epi8(upper, zero), _mm512_unpackhi_epi8(upper, zero)};
            FOR_QUARTERS sums[r][q] =
                add_pair(sums[r][q], _mm512_add_epi16(pairs[q], scale_b[q]), scales);
        }
    }
    store_sums(c, sums, count);
}

INLINE void multiply_words(float *const *c, const struct row *rows, const struct columns *columns,
                           int depth, const uint8_t *table, int registers, int count) {
    const __m512i zero = _mm512_setzero_si512();
    __m512 sums[ROWS][4];
    fetch_sums(c, count);
    FOR_ROWS FOR_QUARTERS sums[r][q] = _mm512_setzero_ps();
    for (int k = 0; k < depth; k++) {
        const __m512i index = _mm512_load_si512(columns->index[k]);
        const __mmask64 mask = columns->not_zero[k];
        const __m512i scale0 = _mm512_load_si512(columns->scale[k]);
        const __m512i scale1 = _mm512_load_si512(columns->scale[k] + 32);
        FOR_ROWS {
            const uint8_t *row = table + rows[r].at[k];
            const __m512i upper = look_up_masked(mask, row, index, registers);
            const __m512i lower = look_up_masked(mask, row + 64 * registers, index, registers);
            const __m512i high0 = _mm512_add_epi16(_mm512_unpacklo_epi8(upper, zero), scale0);
            const __m512i high1 = _mm512_add_epi16(_mm512_unpackhi_epi8(upper, zero), scale1);
            const __m512i low0 = _mm512_unpacklo_epi8(zero, lower);
            const __m512i low1 = _mm512_unpackhi_epi8(zero, lower);
            const __m512 scale = _mm512_castsi512_ps(_mm512_set1_epi32((int)rows[r].scale[k]));
            const __m512i words[4] = {
                _mm512_unpacklo_epi16(low0, high0), _mm512_unpackhi_epi16(low0, high0),
                _mm512_unpacklo_epi16(low1, high1), _mm512_unpackhi_epi16(low1, high1)};
            FOR_QUARTERS sums[r][q] =
                _mm512_fmadd_ps(_mm512_castsi512_ps(words[q]), scale, sums[r][q]);
        }
    }
    store_sums(c, sums, count);
}

INLINE void multiply_count(float *const *c, const struct row *rows, const struct columns *columns,
                           int depth, const struct task *task, int count) {
    const uint8_t *table = task->table;
    const int one = task->fraction_bits < 7, masked = columns->any_zero;
    if (has_lower(task) && one) multiply_words(c, rows, columns, depth, table, 1, count);
    else if (has_lower(task)) multiply_words(c, rows, columns, depth, table, 2, count);
    else if (one && masked) multiply_bytes(c, rows, columns, depth, table, 1, 1, count);
    else if (one) multiply_bytes(c, rows, columns, depth, table, 1, 0, count);
    else if (masked) multiply_bytes(c, rows, columns, depth, table, 2, 1, count);
    else multiply_bytes(c, rows, columns, depth, table, 2, 0, count);
}

static void multiply(float *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task) {
    (void)block;
    if (count == 5) multiply_count(c, rows, columns, depth, task, 5);
    else if (count == 4) multiply_count(c, rows, columns, depth, task, 4);
    else if (count == 3) multiply_count(c, rows, columns, depth, task, 3);
    else if (count == 2) multiply_count(c, rows, columns, depth, task, 2);
    else multiply_count(c, rows, columns, depth, task, 1);
}
