/* AVX-512 BF16 kernel of tables that have factors: T(a, b) = sum over r of u_r(a) v_r(b).
 *
 * u_r and v_r are bfloat16 numbers: a factor of the fraction times the power of two of the
 * operand, so vdpbf16ps multiplies and adds two ranks of 16 columns at once. The ranks of one
 * product are added first, which rounds nothing (axdse.gpu.factors.ops), and then to the sum, so
 * sums round no more often than in any other kernel. A table of rank 1 pairs two k instead.
 *
 * Operations per 16 columns and k: 1/2 for rank 1; rank / 2 and an addition up to rank 4, which
 * Zen 4 starts in the same cycle; rank / 2 + 1 beyond.
 */
#include <immintrin.h>

enum { LANES = 32, ROWS = 8, DEPTH = 128, MAX_PAIRS = 8, FRACTIONS = 128 };

#define is_in_range is_in_range_of_table
#include "float_codes.h"
#undef is_in_range

/* Factors are within 2^-LOWEST..2^(255 - HIGHEST) and sums of a product's terms within
 * 2^HEADROOM: factors/bf16.py checks it. */
enum { LOWEST = 25, HIGHEST = 230, HEADROOM = 6 };

static inline int is_in_range(struct bounds a, struct bounds b) {
    return a.low >= LOWEST && b.low >= LOWEST && a.high <= HIGHEST && b.high <= HIGHEST &&
           a.low + b.low >= 128 + MARGIN && a.high + b.high + HEADROOM <= 127 + 254;
}

struct columns {
    _Alignas(64) uint32_t pairs[DEPTH * MAX_PAIRS][LANES];
};

/* `table`: bfloat16 factors by fraction, the absent one of an odd rank zero. */
struct factors {
    int32_t rank, unused[15];
    uint16_t a[2 * MAX_PAIRS][FRACTIONS], b[2 * MAX_PAIRS][FRACTIONS];
    uint32_t pairs_of_a[FRACTIONS][MAX_PAIRS];
};

static uint32_t row_stride(const struct task *task) {
    (void)task;
    return MAX_PAIRS * sizeof(uint32_t);
}

#include "gemm_float.h"

static inline int pairs_of(const struct task *task) {
    return (((const struct factors *)task->table)->rank + 1) / 2;
}

/* One factor of 32 codes; zero where an operand is, or is left to multiply_slow(). */
static inline __m512i factors_of(__m512i codes, const uint16_t *by_fraction, int fraction_bits) {
    const __m512i exponents = _mm512_and_si512(codes, _mm512_set1_epi16(0x7f80));
    const __m512i index = _mm512_srl_epi16(_mm512_and_si512(codes, _mm512_set1_epi16(0x7f)),
                                           _mm_cvtsi32_si128(7 - fraction_bits));
    const __m512i low = _mm512_permutex2var_epi16(_mm512_loadu_si512(by_fraction), index,
                                                  _mm512_loadu_si512(by_fraction + 32));
    const __m512i high = _mm512_permutex2var_epi16(_mm512_loadu_si512(by_fraction + 64), index,
                                                   _mm512_loadu_si512(by_fraction + 96));
    const __mmask32 upper = _mm512_test_epi16_mask(index, _mm512_set1_epi16(64));
    const __m512i factor = _mm512_mask_mov_epi16(low, upper, high);
    const __mmask32 not_zero = _mm512_test_epi16_mask(factor, factor);
    const __mmask32 above = _mm512_mask_cmpge_epu16_mask(not_zero, exponents,
                                                         _mm512_set1_epi16(LOWEST << 7));
    const __mmask32 kept = _mm512_mask_cmple_epu16_mask(above, exponents,
                                                        _mm512_set1_epi16(HIGHEST << 7));
    const __m512i shifted = _mm512_sub_epi16(_mm512_add_epi16(factor, exponents),
                                             _mm512_set1_epi16(127 << 7));
    const __m512i signs = _mm512_and_si512(codes, _mm512_set1_epi16((short)0x8000));
    return _mm512_maskz_mov_epi16(kept, _mm512_xor_si512(shifted, signs));
}

/* 32 pairs in the order of the lanes. */
static inline void store_pairs(uint32_t *to, __m512i even, __m512i odd) {
    const __m512i step = _mm512_set1_epi32(0x00010001);
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i first = _mm512_add_epi32(_mm512_mullo_epi32(lane, step),
                                           _mm512_set1_epi32(32 << 16));
    const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(16 << 16 | 16));
    _mm512_storeu_si512(to, _mm512_permutex2var_epi16(even, first, odd));
    _mm512_storeu_si512(to + 16, _mm512_permutex2var_epi16(even, second, odd));
}

/* Rank 1: pairs of k in `scale`. Up to rank 4: pairs of ranks in `scale` and in `at`. Beyond, `at`
 * is where the fraction's pairs are and `scale` the power of two. */
static void pack_scales(struct row *row, int depth, const struct task *task) {
    const struct factors *f = task->table;
    const int m = task->fraction_bits;
    for (int k = 0; k < depth && f->rank > 4; k++)
        row->scale[k] = (uint32_t)scale_of(row->codes[k]) << 16;
    for (int k = 0; k < depth && f->rank <= 4; k += 32) {
        const __m512i codes = _mm512_loadu_si512(row->codes + k);
        if (f->rank == 1) {
            _mm512_storeu_si512((uint16_t *)row->scale + k, factors_of(codes, f->a[0], m));
            continue;
        }
        store_pairs(row->scale + k, factors_of(codes, f->a[0], m), factors_of(codes, f->a[1], m));
        if (f->rank > 2)
            store_pairs(row->at + k, factors_of(codes, f->a[2], m), factors_of(codes, f->a[3], m));
    }
}

static void pack_columns(struct columns *columns, struct block *block, int depth,
                         const struct task *task) {
    const struct factors *f = task->table;
    const int m = task->fraction_bits, pairs = pairs_of(task);
    code codes[LANES] = {0};
    __m512i even = _mm512_setzero_si512();
    for (int k = 0; k < (depth + 1) / 2 * 2; k++) {
        if (k < depth) load_codes(codes, block, k);
        else memset(codes, 0, sizeof codes);
        const struct bounds bounds = bounds_of(codes, LANES);
        block->bounds.low = bounds.low < block->bounds.low ? bounds.low : block->bounds.low;
        block->bounds.high = bounds.high > block->bounds.high ? bounds.high : block->bounds.high;
        const __m512i all = _mm512_loadu_si512(codes);
        if (f->rank == 1) {
            const __m512i odd = factors_of(all, f->b[0], m);
            if (k % 2) store_pairs(columns->pairs[k / 2], even, odd);
            even = odd;
            continue;
        }
        for (int p = 0; p < pairs; p++)
            store_pairs(columns->pairs[k * pairs + p], factors_of(all, f->b[2 * p], m),
                        factors_of(all, f->b[2 * p + 1], m));
    }
}

#define INLINE static inline __attribute__((always_inline))
#define FOR_ROWS _Pragma("GCC unroll 8") for (int r = 0; r < count; r++)
#define FOR_HALVES _Pragma("GCC unroll 2") for (int h = 0; h < 2; h++)
#define FOR_PAIRS _Pragma("GCC unroll 8") for (int p = 0; p < pairs; p++)

static inline __m512 add_pairs(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
}

INLINE void store_sums(float *const *c, __m512 (*sums)[2], int count) {
    FOR_ROWS FOR_HALVES _mm512_storeu_ps(
        c[r] + 16 * h, _mm512_add_ps(_mm512_loadu_ps(c[r] + 16 * h), sums[r][h]));
}

INLINE void multiply_one(float *const *c, const struct row *rows, const struct columns *columns,
                         int depth, int count) {
    __m512 sums[ROWS][2];
    FOR_ROWS FOR_HALVES sums[r][h] = _mm512_setzero_ps();
    for (int k = 0; k < (depth + 1) / 2; k++) {
        const __m512i b[2] = {_mm512_load_si512(columns->pairs[k]),
                              _mm512_load_si512(columns->pairs[k] + 16)};
        FOR_ROWS {
            const __m512i a = _mm512_set1_epi32((int)rows[r].scale[k]);
            FOR_HALVES sums[r][h] = add_pairs(sums[r][h], a, b[h]);
        }
    }
    store_sums(c, sums, count);
}

INLINE void multiply_few(float *const *c, const struct row *rows, const struct columns *columns,
                         int depth, int pairs, int count) {
    __m512 sums[ROWS][2];
    FOR_ROWS FOR_HALVES sums[r][h] = _mm512_setzero_ps();
    for (int k = 0; k < depth; k++) {
        const uint32_t(*from)[LANES] = columns->pairs + k * pairs;
        __m512i b[2][2];
        FOR_PAIRS FOR_HALVES b[p][h] = _mm512_load_si512(from[p] + 16 * h);
        FOR_ROWS {
            const __m512i first = _mm512_set1_epi32((int)rows[r].scale[k]);
            FOR_HALVES {
                __m512 product = add_pairs(_mm512_setzero_ps(), first, b[0][h]);
                if (pairs == 2)
                    product = add_pairs(product, _mm512_set1_epi32((int)rows[r].at[k]), b[1][h]);
                sums[r][h] = _mm512_add_ps(sums[r][h], product);
            }
        }
    }
    store_sums(c, sums, count);
}

INLINE void multiply_many(float *const *c, const struct row *rows, const struct columns *columns,
                          int depth, const struct factors *factors, int pairs, int count) {
    const char *pairs_of_a = (const char *)factors->pairs_of_a;
    __m512 sums[ROWS][2];
    FOR_ROWS FOR_HALVES sums[r][h] = _mm512_setzero_ps();
    for (int k = 0; k < depth; k++) {
        const uint32_t(*from)[LANES] = columns->pairs + k * pairs;
        FOR_ROWS {
            const int *a = (const int *)(pairs_of_a + rows[r].at[k]);
            __m512 products[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
            FOR_PAIRS FOR_HALVES products[h] = add_pairs(
                products[h], _mm512_set1_epi32(a[p]), _mm512_load_si512(from[p] + 16 * h));
            const __m512 scale = _mm512_castsi512_ps(_mm512_set1_epi32((int)rows[r].scale[k]));
            FOR_HALVES sums[r][h] = _mm512_fmadd_ps(products[h], scale, sums[r][h]);
        }
    }
    store_sums(c, sums, count);
}

INLINE void multiply_count(float *const *c, const struct row *rows, const struct columns *columns,
                           int depth, const struct task *task, int count) {
    const struct factors *f = task->table;
    const int pairs = pairs_of(task);
    if (f->rank == 1) multiply_one(c, rows, columns, depth, count);
    else if (pairs == 1) multiply_few(c, rows, columns, depth, 1, count);
    else if (pairs == 2) multiply_few(c, rows, columns, depth, 2, count);
    else if (pairs == 3) multiply_many(c, rows, columns, depth, f, 3, count);
    else if (pairs == 4) multiply_many(c, rows, columns, depth, f, 4, count);
    else multiply_many(c, rows, columns, depth, f, pairs, count);
}

static void multiply(float *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task) {
    (void)block;
    switch (count) {
    case 8: multiply_count(c, rows, columns, depth, task, 8); break;
    case 7: multiply_count(c, rows, columns, depth, task, 7); break;
    case 6: multiply_count(c, rows, columns, depth, task, 6); break;
    case 5: multiply_count(c, rows, columns, depth, task, 5); break;
    case 4: multiply_count(c, rows, columns, depth, task, 4); break;
    case 3: multiply_count(c, rows, columns, depth, task, 3); break;
    case 2: multiply_count(c, rows, columns, depth, task, 2); break;
    default: multiply_count(c, rows, columns, depth, task, 1);
    }
}
