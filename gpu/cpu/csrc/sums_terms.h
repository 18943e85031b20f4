/* Terms of a step of kernel_sums.c: looked up, aligned, cut and added, in 16 or 32 bits.
 *
 * AVX-512 looks up by permutations of words, AVX2 by shuffles of bytes; other CPUs read the table.
 */
#ifndef AXDSE_SUMS_TERMS_H
#define AXDSE_SUMS_TERMS_H

#include "sums_columns.h"

#if AXDSE_PERMUTES
/* table[row + index] of each lane; `bits` is m. */
static inline __attribute__((always_inline)) __m512i looked_up(const uint16_t *row,
                                                               const place *index, int bits) {
    const __m512i at = _mm512_loadu_si512(index);
    if (bits <= 5) return _mm512_permutexvar_epi16(at, _mm512_loadu_si512(row));
    const __m512i low = _mm512_permutex2var_epi16(_mm512_loadu_si512(row), at,
                                                  _mm512_loadu_si512(row + 32));
    const __m512i high = _mm512_permutex2var_epi16(_mm512_loadu_si512(row + 64), at,
                                                   _mm512_loadu_si512(row + 96));
    return _mm512_mask_mov_epi16(low, _mm512_test_epi16_mask(at, _mm512_set1_epi16(64)), high);
}

static inline __attribute__((always_inline)) __m512i exponents_of(const struct left *x,
                                                                  const struct right *y) {
    return _mm512_add_epi16(_mm512_set1_epi16(x->exponent), _mm512_loadu_si512(y->exponent));
}

/* Unpacked words lie in lanes of 128 bits; t has them in order. */
static inline __attribute__((always_inline)) void add_in_order(int32_t *t, __m512i low,
                                                               __m512i high) {
    const __m512i first = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    const __m512i x = _mm512_permutex2var_epi32(low, first, high);
    const __m512i y = _mm512_permutex2var_epi32(low, second, high);
    _mm512_storeu_si512(t, _mm512_add_epi32(_mm512_loadu_si512(t), x));
    _mm512_storeu_si512(t + 16, _mm512_add_epi32(_mm512_loadu_si512(t + 16), y));
}

/* Terms of at most 15 bits: shifted as words, then two k at a time times their signs. */
static inline __attribute__((always_inline)) void add_short_terms(
    int32_t *restrict t, const int16_t *restrict top, const struct left *x, const struct right *y,
    int64_t count, const uint16_t *table, int bits, int align) {
    const __m512i one = _mm512_set1_epi16(1);
    const __m512i place = _mm512_add_epi16(_mm512_loadu_si512(top),
                                           _mm512_set1_epi16((int16_t)(FRACTION - align)));
    __m512i low = _mm512_setzero_si512(), high = low;
    for (int64_t i = 0; i < count; i += 2) {
        __m512i size[2], sign[2];
        for (int j = 0; j < 2; j++) {
            const int64_t k = i + j < count ? i + j : i;
            const __m512i gap = _mm512_sub_epi16(place, exponents_of(x + k, y + k));
            size[j] = _mm512_srlv_epi16(looked_up(table + x[k].at, y[k].index, bits), gap);
            if (i + j == count) size[j] = _mm512_setzero_si512();
            /* (row ^ column) | 1: 1 or -1 */
            sign[j] = _mm512_ternarylogic_epi32(_mm512_set1_epi16((int16_t)x[k].sign),
                                                _mm512_loadu_si512(y[k].sign), one, 0xbe);
        }
        const __m512i even = _mm512_madd_epi16(_mm512_unpacklo_epi16(size[0], size[1]),
                                               _mm512_unpacklo_epi16(sign[0], sign[1]));
        const __m512i odd = _mm512_madd_epi16(_mm512_unpackhi_epi16(size[0], size[1]),
                                              _mm512_unpackhi_epi16(sign[0], sign[1]));
        low = _mm512_add_epi32(low, even);
        high = _mm512_add_epi32(high, odd);
    }
    add_in_order(t, low, high);
}

/* Others: significands in the upper halves of 32 bits, from where they are shifted. */
static inline __attribute__((always_inline)) void add_long_terms(
    int32_t *restrict t, const int16_t *restrict top, const struct left *x, const struct right *y,
    int64_t count, const uint16_t *table, int bits, int align) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i place = _mm512_add_epi16(_mm512_loadu_si512(top),
                                           _mm512_set1_epi16((int16_t)(16 + FRACTION - align)));
    __m512i low = zero, high = zero;
    for (int64_t i = 0; i < count; i++) {
        const __m512i gap = _mm512_sub_epi16(place, exponents_of(x + i, y + i));
        const __m512i size = looked_up(table + x[i].at, y[i].index, bits);
        const __m512i sign = _mm512_xor_si512(_mm512_set1_epi16((int16_t)x[i].sign),
                                              _mm512_loadu_si512(y[i].sign));
        const __m512i sign_low = _mm512_unpacklo_epi16(sign, sign);
        const __m512i sign_high = _mm512_unpackhi_epi16(sign, sign);
        const __m512i even = _mm512_srlv_epi32(_mm512_unpacklo_epi16(zero, size),
                                               _mm512_unpacklo_epi16(gap, zero));
        const __m512i odd = _mm512_srlv_epi32(_mm512_unpackhi_epi16(zero, size),
                                              _mm512_unpackhi_epi16(gap, zero));
        low = _mm512_add_epi32(low, _mm512_sub_epi32(_mm512_xor_si512(even, sign_low), sign_low));
        high = _mm512_add_epi32(high, _mm512_sub_epi32(_mm512_xor_si512(odd, sign_high), sign_high));
    }
    add_in_order(t, low, high);
}

#endif

#if AXDSE_SHUFFLES
/* One plane of bytes: vpshufb gives 0 where bit 7 of the index is set. Slices of 16 entries hold their
 * difference from the last, so that all those that are not beyond the index make the entry. */
static inline __attribute__((always_inline)) __m256i shuffled(const uint8_t *plane, __m256i index,
                                                              int slices) {
    __m256i bytes = _mm256_setzero_si256();
    for (int s = 0; s < slices; s++) {
        const __m128i slice = _mm_load_si128((const __m128i *)(plane + 16 * s));
        const __m256i found = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(slice), index);
        bytes = _mm256_xor_si256(bytes, found);
        index = _mm256_subs_epi8(index, _mm256_set1_epi8(16));
    }
    return bytes;
}
#endif

/* Where look_up() finds rows: significands, or slices of their bytes in rows as long. */
static const uint16_t *looked_table(const struct task *task) {
    const int64_t slices = rows_size(task->fraction_bits, task->entry_bytes);
    return AXDSE_SHUFFLES ? (const uint16_t *)((const char *)task->table + slices) : table_of(task);
}

/* Significands of LANES columns; `bits` is m, or more. */
static inline __attribute__((always_inline)) void look_up(uint16_t *restrict out,
                                                          const uint16_t *row,
                                                          const place *index, int bits) {
#if AXDSE_PERMUTES
    _mm512_storeu_si512(out, looked_up(row, index, bits));
#elif AXDSE_SHUFFLES
    const int slices = bits <= 4 ? 1 : 1 << (bits - 4);
    const uint8_t *plane = (const uint8_t *)row;
    const __m256i at = _mm256_loadu_si256((const __m256i *)index);
    const __m256i low = shuffled(plane, at, slices);
    const __m256i high = shuffled(plane + row_stride(bits), at, slices);
    _mm256_storeu_si256((__m256i *)out, _mm256_unpacklo_epi8(low, high));
    _mm256_storeu_si256((__m256i *)(out + 16), _mm256_unpackhi_epi8(low, high));
#else
    (void)bits;
    for (int n = 0; n < LANES; n++) out[n] = row[index[n]];
#endif
}

/* The largest exponent of `count` terms and of what is in `top`. */
static inline __attribute__((always_inline)) void raise_top(int16_t *restrict top,
                                                            const struct left *x,
                                                            const struct right *y, int64_t count) {
#if AXDSE_PERMUTES
    __m512i largest = _mm512_loadu_si512(top);
    for (int64_t i = 0; i < count; i++)
        largest = _mm512_max_epi16(largest, exponents_of(x + i, y + i));
    _mm512_storeu_si512(top, largest);
#else
    for (int64_t i = 0; i < count; i++)
        for (int n = 0; n < LANES; n++) {
            const int16_t exponent = (int16_t)(x[i].exponent + y[i].exponent[n]);
            top[n] = exponent > top[n] ? exponent : top[n];
        }
#endif
}

#if AXDSE_SHUFFLES
/* As add_long_terms(): words unpack to columns 0..3 and 8..11, then 4..7 and 12..15. */
static inline __attribute__((always_inline)) void add_shuffled_terms(
    int32_t *restrict t, const int16_t *restrict top, const struct left *x, const struct right *y,
    int64_t count, const uint16_t *table, int bits, int align) {
    const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi16(1);
    __m256i sums[4] = {zero, zero, zero, zero};
    for (int64_t i = 0; i < count; i++) {
        uint16_t found[LANES];
        look_up(found, table + x[i].at, y[i].index, bits);
#pragma GCC unroll 2
        for (int h = 0; h < 2; h++) {
            const __m256i places = _mm256_loadu_si256((const __m256i *)(top + 16 * h));
            const __m256i own = _mm256_loadu_si256((const __m256i *)(y[i].exponent + 16 * h));
            const __m256i minus = _mm256_loadu_si256((const __m256i *)(y[i].sign + 16 * h));
            const __m256i size = _mm256_loadu_si256((const __m256i *)(found + 16 * h));
            const int16_t from = (int16_t)(16 + FRACTION - align - x[i].exponent);
            const __m256i gap = _mm256_sub_epi16(_mm256_add_epi16(places, _mm256_set1_epi16(from)), own);
            const __m256i sign = _mm256_xor_si256(_mm256_set1_epi16((int16_t)x[i].sign), minus);
            const __m256i low = _mm256_srlv_epi32(_mm256_unpacklo_epi16(zero, size), _mm256_unpacklo_epi16(gap, zero));
            const __m256i high = _mm256_srlv_epi32(_mm256_unpackhi_epi16(zero, size), _mm256_unpackhi_epi16(gap, zero));
            const __m256i first = _mm256_sign_epi32(low, _mm256_unpacklo_epi16(one, sign));
            const __m256i second = _mm256_sign_epi32(high, _mm256_unpackhi_epi16(one, sign));
            sums[2 * h] = _mm256_add_epi32(sums[2 * h], first);
            sums[2 * h + 1] = _mm256_add_epi32(sums[2 * h + 1], second);
        }
    }
    for (int q = 0; q < 4; q++) {
        __m256i *to = (__m256i *)(t + 8 * q);
        const __m256i low = sums[q / 2 * 2], high = sums[q / 2 * 2 + 1];
        const __m256i some = q % 2 ? _mm256_permute2x128_si256(low, high, 0x31)
                                   : _mm256_permute2x128_si256(low, high, 0x20);
        _mm256_storeu_si256(to, _mm256_add_epi32(_mm256_loadu_si256(to), some));
    }
}
#endif

/* `count` terms cut and added to t, in units of 2^(top - align): so few that 32 bits hold them. */
static inline __attribute__((always_inline)) void add_terms(
    int32_t *restrict t, const int16_t *restrict top, const struct left *x, const struct right *y,
    int64_t count, const uint16_t *table, int bits, int align, int down) {
#if AXDSE_PERMUTES
    if (!down && align < FRACTION) {
        add_short_terms(t, top, x, y, count, table, bits, align);
        return;
    }
    if (!down) {
        add_long_terms(t, top, x, y, count, table, bits, align);
        return;
    }
#elif AXDSE_SHUFFLES
    if (!down) {
        add_shuffled_terms(t, top, x, y, count, table, bits, align);
        return;
    }
#endif
    const int up = align - FRACTION, left = up > 0 ? up : 0, right = up < 0 ? -up : 0;
    for (int64_t i = 0; i < count; i++) {
        uint16_t found[LANES];
        look_up(found, table + x[i].at, y[i].index, bits);
        for (int n = 0; n < LANES; n++) {
            const int16_t exponent = (int16_t)(x[i].exponent + y[i].exponent[n]);
            const uint16_t far = (uint16_t)(top[n] - exponent);
            const int gap = far < MOST_SHIFT ? far : MOST_SHIFT;
            const int32_t sign = (int16_t)(x[i].sign ^ y[i].sign[n]);
            const int32_t size = exponent > LOWEST ? (int32_t)found[n] << left : 0;
            t[n] += down ? ((size ^ sign) - sign) >> right >> gap
                         : ((size >> right >> gap) ^ sign) - sign;
        }
    }
}

#endif
