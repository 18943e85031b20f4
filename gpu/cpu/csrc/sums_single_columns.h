/* Operands of kernel_sums_single.c: rows of a and SPAN columns of b, as scales and places in the table. */
#ifndef AXDSE_SUMS_SINGLE_COLUMNS_H
#define AXDSE_SUMS_SINGLE_COLUMNS_H

#include "sums_lanes.h"
#include "sums_nest.h"

enum { SINGLE_DEPTH = 128, SINGLE_ROWS = 4, LEAST_SUM = -95 };

enum rounding { TO_ZERO, TO_FP32, TO_NEAREST, TO_BF16, TO_FP16, BY_ODD };

struct single_row {
    int16_t low, high, is_special, unused;
    struct {
        uint32_t scale, at; /* of an FP32 word, or that of bfloat16 in its half of a pair */
    } term[];
};

struct single_columns {
    _Alignas(64) uint8_t index[SINGLE_DEPTH][SPAN];
    uint16_t scale[SINGLE_DEPTH / 2][4][32]; /* pairs of k of 16 columns; two k of 32 with two bytes */
    uint64_t some[SINGLE_DEPTH];
    uint16_t lows[SPAN], highs[SPAN]; /* exponents of a column, and of all */
    int low, high;
    uint64_t special;
};

static enum rounding rounding_of(const struct task *task) {
    const struct sum *sum = sum_of(task);
    const int r = sum->register_bits, once = r <= 10 && ((const struct head *)task->table)->product_bits <= r + 1;
    const int is_narrow = task->entry_bytes == 1;
    if (!sum->nearest) return TO_ZERO;
    if (r == 23) return TO_FP32;
    if (!once || !is_narrow) return BY_ODD;
    if (r == 10 && sum->exponent_bits == 5) return TO_FP16;
#ifdef __AVX512BF16__
    if (r == 7 && sum->exponent_bits == 8) return TO_BF16;
#endif
    return TO_NEAREST;
}

/* Whether a register is held smaller; conversions to fp16 have its range by themselves. */
static int is_limited(const struct task *task) {
    return sum_of(task)->exponent_bits < 8 && rounding_of(task) != TO_FP16;
}

/* By how much, of a and of b. */
struct shifts {
    int a, b;
};

static struct shifts shifts_of(const struct task *task) {
    const int shift = is_limited(task) ? 128 - (1 << (sum_of(task)->exponent_bits - 1)) : 0;
    return (struct shifts){shift / 2, shift - shift / 2};
}

/* Whether vdpbf16ps adds: it rounds to nearest even alone, and has no subnormals. */
INLINE int adds_pairs(enum rounding rounding, int limited) {
#ifdef __AVX512BF16__
    return !limited && (rounding == TO_NEAREST || rounding == TO_BF16 || rounding == TO_FP16);
#else
    (void)rounding, (void)limited;
    return 0;
#endif
}

static void pack_single_row(void *packed, const code *codes, int count, const struct task *task) {
    struct single_row *row = packed;
    const int pairs = adds_pairs(rounding_of(task), is_limited(task));
    const __m512i stride = _mm512_set1_epi32(plane_row(task->fraction_bits, task->entry_bytes));
    const __m512i down = _mm512_set1_epi32(shifts_of(task).a << 7), ends = _mm512_set1_epi32(255);
    const __m512i halves = pairs ? _mm512_set1_epi64(16ll << 32) : _mm512_set1_epi32(16);
    const __m128i drop = _mm_cvtsi32_si128(7 - task->fraction_bits);
    const __m512i first = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    __m512i low = ends, high = _mm512_setzero_si512();
    __mmask16 special = 0;
    for (int k = 0; k < count; k += 16) {
        const __mmask16 there = count - k < 16 ? (__mmask16)((1 << (count - k)) - 1) : 0xffff;
        const __m512i x = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, codes + k));
        const __m512i e = _mm512_and_si512(_mm512_srli_epi32(x, 7), ends);
        const __mmask16 odd = _mm512_cmpeq_epi32_mask(e, ends), some = _mm512_test_epi32_mask(e, e) & ~odd;
        special |= odd;
        low = _mm512_mask_min_epu32(low, some, low, e);
        high = _mm512_mask_max_epu32(high, some, high, e);
        const __m512i scale = _mm512_and_si512(x, _mm512_set1_epi32(0x7f80));
        const __mmask16 kept = _mm512_mask_cmplt_epi32_mask(some, down, scale);
        const __m512i placed = _mm512_sllv_epi32(_mm512_maskz_sub_epi32(kept, _mm512_and_si512(x, _mm512_set1_epi32(0xff80)), down), halves);
        const __m512i index = _mm512_srl_epi32(_mm512_and_si512(x, _mm512_set1_epi32(127)), drop);
        const __m512i at = _mm512_mullo_epi32(index, stride);
        const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
        _mm512_storeu_si512(row->term + k, _mm512_permutex2var_epi32(placed, first, at));
        _mm512_storeu_si512(row->term + k + 8, _mm512_permutex2var_epi32(placed, second, at));
    }
    row->low = (int16_t)_mm512_reduce_min_epu32(low), row->high = (int16_t)_mm512_reduce_max_epu32(high);
    row->is_special = special != 0;
}

/* Words of two k side by side, 16 columns from 16 h on. */
INLINE __m512i paired(__m512i even, __m512i odd, int h) {
    static const uint16_t pairs[32] = {0, 32, 1, 33, 2,  34, 3,  35, 4,  36, 5,  37, 6,  38, 7,  39,
                                       8, 40, 9, 41, 10, 42, 11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    const __m512i order = _mm512_add_epi16(_mm512_loadu_si512(pairs), _mm512_set1_epi16((short)(16 * h)));
    return _mm512_permutex2var_epi16(even, order, odd);
}

static void pack_single_columns(void *packed, const code (*codes)[SPAN], int count, const struct task *task) {
    struct single_columns *to = packed;
    const __m512i ends = _mm512_set1_epi16(255), zero = _mm512_setzero_si512();
    const __m128i drop = _mm_cvtsi32_si128(7 - task->fraction_bits);
    const __m512i least = _mm512_set1_epi16((short)shifts_of(task).b);
    const __m512i down = _mm512_slli_epi16(least, 7);
    const int wide = task->entry_bytes == 2;
    __m512i low[2] = {ends, ends}, high[2] = {zero, zero}, even[2] = {zero, zero};
    to->special = 0;
    for (int k = 0; k < (count + 1) / 2 * 2; k++) {
        __m512i index[2], scale[2];
        uint64_t some = 0;
        UNROLLED for (int h = 0; h < 2; h++) {
            const __m512i x = k < count ? _mm512_loadu_si512(codes[k] + 32 * h) : zero, e = exponents_of_codes(x);
            const __mmask32 odd = _mm512_cmpeq_epi16_mask(e, ends), is = _mm512_test_epi16_mask(e, e) & ~odd;
            to->special |= (uint64_t)odd << (32 * h);
            /* What cannot be scaled is 0: the model has its products, but with a zero it has none. */
            const __mmask32 kept = _mm512_mask_cmplt_epi16_mask(is, least, e) & _mm512_cmplt_epi16_mask(e, _mm512_set1_epi16(254));
            some |= (uint64_t)kept << (32 * h);
            low[h] = _mm512_mask_min_epu16(low[h], is, low[h], e);
            high[h] = _mm512_mask_max_epu16(high[h], is, high[h], e);
            index[h] = _mm512_srl_epi16(_mm512_and_si512(x, _mm512_set1_epi16(127)), drop);
            scale[h] = _mm512_and_si512(x, _mm512_set1_epi16((short)0xff80));
            scale[h] = _mm512_maskz_sub_epi16(kept, scale[h], down);
        }
        _mm512_store_si512(to->index[k], in_lookup_order(join_bytes(index[0], index[1])));
        to->some[k] = _mm512_movepi8_mask(in_lookup_order(_mm512_movm_epi8(some)));
        UNROLLED for (int h = 0; h < 2; h++) {
            if (wide) _mm512_store_si512(to->scale[k / 2][2 * (k % 2) + h], words_in_lookup_order(scale[h]));
            else if (k % 2)
                for (int i = 0; i < 2; i++) _mm512_store_si512(to->scale[k / 2][2 * h + i], paired(even[h], scale[h], i));
            even[h] = scale[h];
        }
    }
    for (int h = 0; h < 2; h++) {
        _mm512_storeu_si512(to->lows + 32 * h, low[h]);
        _mm512_storeu_si512(to->highs + 32 * h, high[h]);
    }
    to->low = smallest_word(_mm512_min_epu16(low[0], low[1]));
    to->high = largest_word(_mm512_max_epu16(high[0], high[1]));
}

#endif
