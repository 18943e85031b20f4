/* Aligned steps by conversion: registers float(8,R), align=F <= 28, tables of m <= 7, any N.
 *
 * A product becomes the FP32 word of s 2^(F - gap), gap below the largest exponent M of its lane, and
 * vcvtps2dq, toward zero or down, is the shifter. Gaps are three: of a to the largest exponent of
 * its step, the same of b, and Dm of both of these to M. Exponents are added as words of 16 bits that
 * have the sign on top and the upper bits of the significand below. Bytes of b lie in an order such
 * that in-lane unpacks give sums in that of the columns (kernel_vbmi.c).
 *
 * A gap of MOST_GAP or more in a or b is that, and a lane whose M lies more than `deepest` below the
 * sum of both largest exponents is left to the model: then nothing is kept of what has MOST_GAP, and
 * zeros have it. Whether a lane has any product is a matter of masks of zeros. Infinities and
 * NaN are zeros here; their lanes go to the model, as do those whose exponents are extreme.
 *
 * Operations per 64 columns and k, entries of a byte: 2 for M, a look-up, 2 + 4 unpacks, 1 + 4
 * additions of words, 4 conversions, 4 additions.
 */
#ifndef AXDSE_SUMS_CONVERTED_H
#define AXDSE_SUMS_CONVERTED_H

#include "sums_lanes.h"
#include "sums_nest.h"

enum { MOST_GAP = 62, NO_GAP = 255, LEAST_TOP = 84, MOST_TOP = 200, WORDS = SUM_MOST_TERMS / 16 };

/* N terms of a row. Exponents are in the place that they have in the upper half of an FP32 word;
 * `top`, the largest, is without its bias, and -127 of a row of zeros. */
struct converted_row {
    int16_t top, is_special;
    uint16_t some[WORDS];
    struct {
        int16_t exponent; /* -gap, and the sign */
        uint16_t at, gap, none;
    } term[];
};

struct converted_columns {
    _Alignas(64) uint16_t top[2][32];
    uint16_t some[WORDS][2][32];
    struct {
        uint8_t gap[SPAN], index[SPAN];
        uint16_t exponent[2][32];
    } k[SUM_MOST_TERMS];
    int low, high; /* of top, where it is not 0 */
    uint64_t special;
};

INLINE __mmask32 first_lanes(int count) { return count < 32 ? (1u << count) - 1 : ~0u; }

static void pack_converted_row(void *packed, const code *codes, int count, const struct task *task) {
    struct converted_row *row = packed;
    const __m512i ends = _mm512_set1_epi16(NO_GAP), lowest = _mm512_set1_epi16(MOST_GAP);
    const __m128i drop = _mm_cvtsi32_si128(7 - task->fraction_bits);
    const __m512i stride = _mm512_set1_epi16((short)plane_row(task->fraction_bits, task->entry_bytes));
    __mmask32 some[WORDS / 2] = {0, 0}, odd = 0;
    __m512i x[WORDS / 2], e[WORDS / 2], most = _mm512_setzero_si512();
    for (int k = 0, w = 0; k < count; k += 32, w++) {
        x[w] = _mm512_maskz_loadu_epi16(first_lanes(count - k), codes + k);
        e[w] = exponents_of_codes(x[w]);
        const __mmask32 are_odd = _mm512_cmpeq_epi16_mask(e[w], ends);
        odd |= are_odd;
        some[w] = _mm512_test_epi16_mask(e[w], e[w]) & ~are_odd;
        most = _mm512_mask_max_epu16(most, some[w], most, e[w]);
    }
    const int top = largest_word(most);
    row->top = (int16_t)((top - 127) * 128);
    row->is_special = odd != 0;
    memcpy(row->some, some, sizeof some);
    for (int k = 0, w = 0; k < count; k += 32, w++) {
        const __m512i gap = _mm512_mask_sub_epi16(ends, some[w], _mm512_set1_epi16((short)top), e[w]);
        const __m512i sign = _mm512_and_si512(x[w], _mm512_set1_epi16(INT16_MIN));
        const __m512i exponent = _mm512_sub_epi16(sign, _mm512_slli_epi16(_mm512_min_epu16(gap, lowest), 7));
        const __m512i index = _mm512_srl_epi16(_mm512_and_si512(x[w], _mm512_set1_epi16(127)), drop);
        const __m512i at = _mm512_mullo_epi16(index, stride);
        /* Lanes of 128 bits hold terms 0, 8, 16, 24 and on. */
        const __m512i low = _mm512_unpacklo_epi16(exponent, at), high = _mm512_unpackhi_epi16(exponent, at);
        const __m512i zero = _mm512_setzero_si512();
        const __m512i low_gap = _mm512_unpacklo_epi16(gap, zero), high_gap = _mm512_unpackhi_epi16(gap, zero);
        const __m512i parts[4] = {_mm512_unpacklo_epi32(low, low_gap), _mm512_unpackhi_epi32(low, low_gap),
                                  _mm512_unpacklo_epi32(high, high_gap), _mm512_unpackhi_epi32(high, high_gap)};
        for (int i = 0; i < 4; i++) {
            _mm_storeu_si128((void *)(row->term + k + 2 * i), _mm512_castsi512_si128(parts[i]));
            if (count - k > 8) _mm_storeu_si128((void *)(row->term + k + 8 + 2 * i), _mm512_extracti32x4_epi32(parts[i], 1));
            if (count - k > 16) _mm_storeu_si128((void *)(row->term + k + 16 + 2 * i), _mm512_extracti32x4_epi32(parts[i], 2));
            if (count - k > 24) _mm_storeu_si128((void *)(row->term + k + 24 + 2 * i), _mm512_extracti32x4_epi32(parts[i], 3));
        }
    }
}

/* What both ways need of columns: the largest exponents, masks of zeros, and bounds. */
struct column_bounds {
    __m512i top[2];
    int low, high;
    uint64_t special;
};

static struct column_bounds bound_columns(const code (*codes)[SPAN], int count,
                                          uint16_t (*some)[2][32]) {
    const __m512i ends = _mm512_set1_epi16(255), zero = _mm512_setzero_si512();
    struct column_bounds bounds = {.special = 0};
    __m512i low = ends, high = zero;
    for (int h = 0; h < 2; h++) {
        __m512i top = zero, there = zero;
        for (int k = 0; k < count; k++) {
            const __m512i e = exponents_of_codes(_mm512_loadu_si512(codes[k] + 32 * h));
            const __mmask32 odd = _mm512_cmpeq_epi16_mask(e, ends);
            const __mmask32 is = _mm512_test_epi16_mask(e, e) & ~odd;
            bounds.special |= (uint64_t)odd << (32 * h);
            top = _mm512_mask_max_epu16(top, is, top, e);
            there = _mm512_or_si512(there, _mm512_maskz_set1_epi16(is, (short)(1 << k % 16)));
            if (k % 16 == 15 || k == count - 1) {
                _mm512_store_si512(some[k / 16][h], words_in_lookup_order(there));
                there = zero;
            }
        }
        bounds.top[h] = top;
        high = _mm512_max_epu16(high, top);
        low = _mm512_mask_min_epu16(low, _mm512_test_epi16_mask(top, top), low, top);
    }
    bounds.low = smallest_word(low);
    bounds.high = largest_word(high);
    return bounds;
}

static void pack_converted_columns(void *packed, const code (*codes)[SPAN], int count,
                                   const struct task *task) {
    struct converted_columns *to = packed;
    const struct column_bounds bounds = bound_columns(codes, count, to->some);
    const __m512i ends = _mm512_set1_epi16(255), lowest = _mm512_set1_epi16(MOST_GAP);
    const __m512i unit = _mm512_set1_epi16((short)(127 + sum_of(task)->align));
    const __m128i drop = _mm_cvtsi32_si128(7 - task->fraction_bits);
    to->low = bounds.low, to->high = bounds.high, to->special = bounds.special;
    for (int h = 0; h < 2; h++)
        _mm512_store_si512(to->top[h], words_in_lookup_order(_mm512_slli_epi16(bounds.top[h], 7)));
    for (int k = 0; k < count; k++) {
        __m512i gaps[2], index[2];
        UNROLLED for (int h = 0; h < 2; h++) {
            const __m512i x = _mm512_loadu_si512(codes[k] + 32 * h), e = exponents_of_codes(x);
            const __mmask32 some = _mm512_test_epi16_mask(e, e) & _mm512_cmpneq_epi16_mask(e, ends);
            gaps[h] = _mm512_mask_sub_epi16(ends, some, bounds.top[h], e);
            index[h] = _mm512_srl_epi16(_mm512_and_si512(x, _mm512_set1_epi16(127)), drop);
            const __m512i place = _mm512_sub_epi16(unit, _mm512_min_epu16(gaps[h], lowest));
            const __m512i sign = _mm512_and_si512(x, _mm512_set1_epi16(INT16_MIN));
            _mm512_store_si512(to->k[k].exponent[h],
                               words_in_lookup_order(_mm512_or_si512(sign, _mm512_slli_epi16(place, 7))));
        }
        _mm512_store_si512(to->k[k].gap, in_lookup_order(join_bytes(gaps[0], gaps[1])));
        _mm512_store_si512(to->k[k].index, in_lookup_order(join_bytes(index[0], index[1])));
    }
}

/* Lanes of columns from those of two such registers. */
static uint64_t columns_of(__mmask32 first, __mmask32 second) {
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    const __mmask32 low = _mm512_movepi16_mask(_mm512_permutexvar_epi64(order, _mm512_movm_epi16(first)));
    const __mmask32 high = _mm512_movepi16_mask(_mm512_permutexvar_epi64(order, _mm512_movm_epi16(second)));
    return (uint64_t)high << 32 | low;
}

/* Term k in units of 2^(M - F), added to `sums`. */
INLINE void add_converted_term(__m512i *sums, const struct converted_row *x, const struct converted_columns *y,
                               const __m512i *diff, int k, const uint8_t *table, int registers, int wide, int down) {
    const __m512i zero = _mm512_setzero_si512();
    const uint8_t *row = table + x->term[k].at;
    const __m512i exponent = _mm512_set1_epi16(x->term[k].exponent);
    const __m512i index = _mm512_load_si512(y->k[k].index);
    const __m512i upper = looked_up_bytes(row, index, registers);
    const __m512i lower = wide ? looked_up_bytes(row + 64 * registers, index, registers) : zero;
    __m512i none = zero;
    if (down) {
        if (x->term[k].gap == NO_GAP) return;
        const __m512i gap = _mm512_load_si512(y->k[k].gap);
        none = _mm512_movm_epi8(_mm512_cmpeq_epi8_mask(gap, _mm512_set1_epi8((char)NO_GAP)));
    }
    UNROLLED for (int h = 0; h < 2; h++) {
        const __m512i bytes = h ? _mm512_unpackhi_epi8(upper, zero) : _mm512_unpacklo_epi8(upper, zero);
        const __m512i rest = h ? _mm512_unpackhi_epi8(zero, lower) : _mm512_unpacklo_epi8(zero, lower);
        const __m512i out = h ? _mm512_unpackhi_epi8(none, none) : _mm512_unpacklo_epi8(none, none);
        const __m512i place = _mm512_add_epi16(_mm512_load_si512(y->k[k].exponent[h]),
                                               _mm512_add_epi16(exponent, diff[h]));
        const __m512i words = _mm512_add_epi16(place, bytes);
        UNROLLED for (int o = 0; o < 2; o++) {
            __m512i product = o ? _mm512_unpackhi_epi16(rest, words) : _mm512_unpacklo_epi16(rest, words);
            if (down) /* zeros have a sign, and no floor */
                product = _mm512_andnot_si512(o ? _mm512_unpackhi_epi16(out, out) : _mm512_unpacklo_epi16(out, out), product);
            const __m512 exact = _mm512_castsi512_ps(product);
            const __m512i cut = down ? _mm512_cvt_roundps_epi32(exact, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)
                                     : _mm512_cvttps_epi32(exact);
            sums[2 * h + o] = _mm512_add_epi32(sums[2 * h + o], cut);
        }
    }
}

/* An integer of 32 bits as FP32 with r fraction bits; r = 22 to nearest even is not among them. */
INLINE __m512 rounded(__m512i whole, int r, int nearest) {
    if (nearest && r == 23) return _mm512_cvtepi32_ps(whole);
    __m512 near = _mm512_cvt_roundepi32_ps(whole, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    if (nearest) { /* to odd first */
        const __mmask16 lost = _mm512_cmpneq_epi32_mask(_mm512_cvttps_epi32(near), whole);
        const __m512i word = _mm512_castps_si512(near);
        near = _mm512_castsi512_ps(_mm512_mask_or_epi32(word, lost, word, _mm512_set1_epi32(1)));
    }
    return nearest ? to_nearest(near, kept_bits(r), half_of(r)) : to_zero(near, kept_bits(r));
}

/* Lanes of which the sum takes more than 32 bits: both are of one sign, it is of the other. */
INLINE uint64_t add_whole(__m512i *whole, const __m512i *some, int may_exceed) {
    uint64_t lanes = 0;
    UNROLLED for (int q = 0; q < 4; q++) {
        const __m512i sum = _mm512_add_epi32(whole[q], some[q]);
        if (may_exceed) {
            const __m512i over = _mm512_ternarylogic_epi32(whole[q], some[q], sum, 0x42);
            lanes |= (uint64_t)_mm512_movepi32_mask(over) << (16 * q);
        }
        whole[q] = sum;
    }
    return lanes;
}

/* One row; `terms` 0: as many as the block has, else so many, unrolled, whose sum 32 bits hold, and which
 * are rounded toward zero with c among them. */
INLINE void add_converted_row(struct block *block, int64_t m, const struct converted_row *x,
                              const struct converted_columns *y, const uint8_t *table, int terms, int registers,
                              int wide, int down) {
    const struct sum *sum = sum_of(block->task);
    const int align = sum->align, r = sum->register_bits;
    const int late = terms ? 0 : sum->late, nearest = terms ? 0 : sum->nearest;
    const int deepest = MOST_GAP - 2 - align, flush = 1 << (29 - align);
    const int count = terms ? terms : block->count;
    float *c = block->c[m], before[SPAN];
    uint64_t lanes = x->is_special ? UINT64_MAX : y->special;
    if (block->odd[m]) lanes |= odd_lanes(c, block->lowest);
    const int is_empty = x->top == -127 * 128 || !y->high;
    if (is_empty && !lanes) return;
    __m512i gap = _mm512_set1_epi8(-1);
#define RAISE(k)                                                                                   \
    gap = _mm512_min_epu8(gap, _mm512_adds_epu8(_mm512_set1_epi8((char)x->term[k].gap),            \
                                                _mm512_load_si512(y->k[k].gap)))
    if (terms)
        UNROLLED for (int k = 0; k < terms; k++) RAISE(k);
    else
        for (int k = 0; k < count; k++) RAISE(k);
    const __m512i zero = _mm512_setzero_si512();
    const __m512i least = _mm512_set1_epi16((short)((align + 1) * 128));
    __m512 sums[4];
    UNROLLED for (int q = 0; q < 4; q++) sums[q] = _mm512_loadu_ps(c + 16 * q);
    __m512i most[2], diff[2];
    __mmask32 far[2] = {0, 0};
    const int is_extreme = x->top + y->low * 128 < LEAST_TOP * 128 || x->top + y->high * 128 > MOST_TOP * 128;
    UNROLLED for (int h = 0; h < 2; h++) {
        const __m512i own = late ? zero : _mm512_and_si512(upper_words(sums[2 * h], sums[2 * h + 1]), _mm512_set1_epi16(0x7f80));
        const __m512i back = _mm512_slli_epi16(h ? _mm512_unpackhi_epi8(gap, zero) : _mm512_unpacklo_epi8(gap, zero), 7);
        __mmask32 some = 0;
        for (int w = 0; w * 16 < count; w++)
            some |= _mm512_test_epi16_mask(_mm512_load_si512(y->some[w][h]), _mm512_set1_epi16((short)x->some[w]));
        const __m512i top = _mm512_adds_epi16(_mm512_load_si512(y->top[h]), _mm512_set1_epi16(x->top));
        most[h] = _mm512_max_epi16(own, _mm512_mask_sub_epi16(least, some, top, back));
        const __m512i above = _mm512_sub_epi16(top, most[h]);
        far[h] = _mm512_mask_cmpgt_epi16_mask(some, above, _mm512_set1_epi16((short)(deepest * 128)));
        if (__builtin_expect(is_extreme, 0)) {
            far[h] |= _mm512_mask_cmplt_epi16_mask(some, top, _mm512_set1_epi16(LEAST_TOP * 128));
            far[h] |= _mm512_mask_cmpgt_epi16_mask(some, top, _mm512_set1_epi16(MOST_TOP * 128));
        }
        /* Lanes without products take any. */
        diff[h] = _mm512_min_epi16(_mm512_max_epi16(above, _mm512_set1_epi16((short)(-(align + 2) * 128))),
                                   _mm512_set1_epi16((short)(deepest * 128)));
    }
    if (__builtin_expect((far[0] | far[1]) != 0, 0)) lanes |= columns_of(far[0], far[1]);
    __m512i whole[4];
    UNROLLED for (int q = 0; q < 4; q++) {
        const __m512i unit = _mm512_sub_epi16(_mm512_set1_epi16((short)((254 + align) * 128)), most[q / 2]);
        const __m512 scaled = _mm512_mul_ps(sums[q], as_floats(unit, q % 2));
        whole[q] = down ? _mm512_cvt_roundps_epi32(scaled, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)
                        : _mm512_cvttps_epi32(scaled);
        if (late) whole[q] = zero;
    }
    if (terms) {
        __m512i some[4] = {zero, zero, zero, zero};
        UNROLLED for (int k = 0; k < terms; k++) add_converted_term(some, x, y, diff, k, table, registers, wide, down);
        lanes |= add_whole(whole, some, (terms << (align + 2)) + (2 << align) < 0);
    } else {
        for (int from = 0; from < count; from += flush) {
            __m512i some[4] = {zero, zero, zero, zero};
            for (int k = from; k < count && k < from + flush; k++)
                add_converted_term(some, x, y, diff, k, table, registers, wide, down);
            lanes |= add_whole(whole, some, 1);
        }
    }
    if (__builtin_expect(lanes != 0, 0)) memcpy(before, c, sizeof before);
    UNROLLED for (int q = 0; q < 4; q++) {
        const __m512i unit = _mm512_sub_epi16(most[q / 2], _mm512_set1_epi16((short)(align * 128)));
        const __m512 next = _mm512_mul_ps(rounded(whole[q], r, nearest), as_floats(unit, q % 2));
        _mm512_storeu_ps(c + 16 * q, late ? _mm512_add_ps(next, sums[q]) : next);
    }
    if (__builtin_expect(lanes != 0, 0)) add_lanes(block, m, lanes, before);
}

#define CONVERTED(terms, registers, wide, down)                                                    \
    for (int64_t m = 0; m < count; m++)                                                            \
    add_converted_row(block, m, (const void *)((const char *)rows + m * size), block->packed, table, \
                      terms, registers, wide, down)

static int64_t converted_row_size(const struct task *task) {
    return (int64_t)sizeof(struct converted_row) + (sum_of(task)->terms + 7) / 8 * 8 * 8;
}

static void add_converted_rows(struct block *block, const void *rows, int64_t count) {
    const struct task *task = block->task;
    const uint8_t *table = (const uint8_t *)task->table + planes_at(task->fraction_bits);
    const int64_t size = converted_row_size(task);
    const int one = task->fraction_bits < 7, wide = task->entry_bytes == 2, is_plain = sum_of(task)->align <= 25 && !sum_of(task)->late && !sum_of(task)->nearest;
#define CONVERTED_OF(registers, wide)                                                              \
    if (sum_of(task)->down) CONVERTED(0, registers, wide, 1);                                      \
    else if (block->count == 16 && is_plain) CONVERTED(16, registers, wide, 0);                    \
    else if (block->count == 8 && is_plain) CONVERTED(8, registers, wide, 0);                      \
    else CONVERTED(0, registers, wide, 0)
    if (one && wide) { CONVERTED_OF(1, 1); }
    else if (one) { CONVERTED_OF(1, 0); }
    else if (wide) { CONVERTED_OF(2, 1); }
    else { CONVERTED_OF(2, 0); }
}

static struct way converted_way(const struct task *task) {
    return (struct way){
        .deep = sum_of(task)->terms,
        .lowest = sum_of(task)->align + 1,
        .row_size = converted_row_size(task),
        .block_size = sizeof(struct converted_columns),
        .pack_row = pack_converted_row,
        .pack_columns = pack_converted_columns,
        .add = add_converted_rows,
    };
}

#endif
