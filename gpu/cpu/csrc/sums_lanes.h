/* What the AVX-512 kernels of sums share: the order of columns, look-ups of bytes, rounding.
 *
 * A register holds SPAN columns as bytes, two hold them as words, four as FP32. Bytes lie in an order such
 * that in-lane unpacks give words, and those FP32 words, in that of the columns: byte
 * 16 l + 4 q + r is column 16 q + 4 l + r.
 */
#ifndef AXDSE_SUMS_LANES_H
#define AXDSE_SUMS_LANES_H

#include <immintrin.h>
#include <stdint.h>

#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("GCC unroll 32")

INLINE __m512i in_lookup_order(__m512i bytes) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, bytes);
}

INLINE __m512i join_bytes(__m512i first, __m512i second) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(first)),
                              _mm512_cvtepi16_epi8(second), 1);
}

/* 32 columns as what unpacking bytes in the order of look-ups gives. */
INLINE __m512i words_in_lookup_order(__m512i words) {
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), words);
}

/* The upper words of two registers of FP32, in that order. */
INLINE __m512i upper_words(__m512 first, __m512 second) {
    static const uint16_t pick[32] = {1,  3,  5,  7,  33, 35, 37, 39, 9,  11, 13, 15, 41, 43, 45, 47,
                                      17, 19, 21, 23, 49, 51, 53, 55, 25, 27, 29, 31, 57, 59, 61, 63};
    return _mm512_permutex2var_epi16(_mm512_castps_si512(first), _mm512_loadu_si512(pick),
                                     _mm512_castps_si512(second));
}

/* Words as the upper halves of FP32, those of columns 16 o .. 16 o + 15 of the 32. */
INLINE __m512 as_floats(__m512i words, int o) {
    const __m512i zero = _mm512_setzero_si512();
    return _mm512_castsi512_ps(o ? _mm512_unpackhi_epi16(zero, words) : _mm512_unpacklo_epi16(zero, words));
}

INLINE __m512i exponents_of_codes(__m512i codes) {
    return _mm512_and_si512(_mm512_srli_epi16(codes, 7), _mm512_set1_epi16(255));
}

INLINE int largest_word(__m512i x) {
    const __m256i y = _mm256_max_epu16(_mm512_castsi512_si256(x), _mm512_extracti64x4_epi64(x, 1));
    const __m128i z = _mm_max_epu16(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
    return 65535 - _mm_extract_epi16(_mm_minpos_epu16(_mm_sub_epi16(_mm_set1_epi16(-1), z)), 0);
}

INLINE int smallest_word(__m512i x) {
    return 65535 - largest_word(_mm512_sub_epi16(_mm512_set1_epi16(-1), x));
}

INLINE __m512i looked_up_bytes(const uint8_t *row, __m512i index, int registers) {
    return registers == 1 ? _mm512_permutexvar_epi8(index, _mm512_load_si512(row))
                          : _mm512_permutex2var_epi8(_mm512_load_si512(row), index,
                                                     _mm512_load_si512(row + 64));
}

INLINE __m512i looked_up_masked(__mmask64 mask, const uint8_t *row, __m512i index, int registers) {
    return registers == 1 ? _mm512_maskz_permutexvar_epi8(mask, index, _mm512_load_si512(row))
                          : _mm512_maskz_permutex2var_epi8(mask, _mm512_load_si512(row), index,
                                                           _mm512_load_si512(row + 64));
}

/* Words of FP32 with r fraction bits, toward zero: `keep` are those kept. */
INLINE __m512i kept_bits(int r) { return _mm512_set1_epi32(-(1 << (23 - r))); }
INLINE __m512 to_zero(__m512 x, __m512i keep) {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), keep));
}

/* Half of the last bit kept. */
INLINE __m512i half_of(int r) { return _mm512_set1_epi32(r < 23 ? 1 << (22 - r) : 0); }

/* To nearest even: half a unit is added, and a last bit cleared that a tie has set. */
INLINE __m512 to_nearest(__m512 x, __m512i keep, __m512i half) {
    const __m512i up = _mm512_add_epi32(_mm512_castps_si512(x), half);
    const __mmask16 tie = _mm512_testn_epi32_mask(up, _mm512_xor_si512(keep, _mm512_set1_epi32(-1)));
    const __m512i kept = _mm512_and_si512(up, keep);
    return _mm512_castsi512_ps(_mm512_mask_and_epi32(kept, tie, kept, _mm512_slli_epi32(keep, 1)));
}

#endif
