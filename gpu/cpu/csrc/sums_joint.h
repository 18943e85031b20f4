/* Aligned steps by one look-up of fraction and gap: registers float(8,R), align=F <= 13, cut toward
 * zero, m <= 3, N <= 32.
 *
 * A term s 2^(F - gap) has 15 bits and is 0 from a gap of 15 on, and there are 8 fractions of b: so
 * vpermi2b looks terms up that are aligned and cut already, in two planes of bytes, one row of 128
 * and 64 for each fraction of a. The index of b is gap << 3 | 7 - fraction, to which the gap of a is
 * added, and that of both largest exponents to M, with saturation: the last entry is 0, and zeros have
 * it. vpmaddubsw takes the signs of two k. Bytes lie in the order of sums_converted.h, and what
 * is no matter for 4 bits of gap (a lane whose M is 16 below both largest exponents, extreme ones,
 * special values) goes through that file.
 *
 * Operations per 64 columns and two k: 2 for M, 2 additions, 4 look-ups, 4 unpacks, 4 products,
 * 4 additions, 2 signs.
 */
#ifndef AXDSE_SUMS_JOINT_H
#define AXDSE_SUMS_JOINT_H

#include "sums_converted.h"

enum { JOINT_ROW = 192, JOINT_TERMS = 32, JOINT_FRACTIONS = 8, LEAST_JOINT_TOP = 45, JOINT_GAPS = 16 };

/* Of N terms gaps of a byte, offsets of table rows, and signs, 0 or -2, of pairs: `data` in this order. */
struct joint_row {
    int16_t top, is_special;
    uint16_t some[JOINT_TERMS / 16];
    uint8_t data[];
};

struct joint_columns {
    _Alignas(64) uint8_t index[JOINT_TERMS][SPAN];
    int8_t sign[JOINT_TERMS / 2][2][SPAN];
    uint16_t top[2][32], some[JOINT_TERMS / 16][2][32];
    int low, high;
    uint64_t special;
};

/* Terms of a step as it is unrolled. */
static int joint_terms(const struct sum *sum) { return sum->terms <= 8 ? 8 : sum->terms <= 16 ? 16 : 32; }

static void prepare_joint(uint8_t *table, const uint16_t *significands, int stride, int fraction_bits, int align) {
    for (int x = 0; x < 1 << fraction_bits; x++, table += JOINT_ROW, significands += stride)
        for (int i = 0; i < 128; i++) {
            const int y = (7 - i % 8) >> (3 - fraction_bits), gap = i / 8;
            const int term = gap < 15 ? significands[y] >> (FRACTION - align) >> gap : 0;
            table[i] = (uint8_t)term;
            if (i < 64) table[128 + i] = (uint8_t)(term >> 8); /* 0 beyond */
        }
}

static int64_t joint_table_size(int fraction_bits, int entry_bytes) {
    return rows_size(fraction_bits, entry_bytes) + (fraction_bits <= 3 ? JOINT_ROW << fraction_bits : 0);
}

static void prepare_joint_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes,
                                int is_joint) {
    prepare_rows(table, entries, fraction_bits, entry_bytes);
    if (is_joint)
        prepare_joint(table + rows_size(fraction_bits, entry_bytes), (const uint16_t *)(table + TABLE_AT),
                      row_stride(fraction_bits), fraction_bits, ((const struct sum *)table)->align);
}

static void pack_joint_terms(struct joint_row *row, const code *codes, int count, int terms,
                             const struct task *task) {
    uint8_t *gap = row->data;
    uint16_t *at = (uint16_t *)(gap + terms);
    int8_t *sign = (int8_t *)(at + terms);
    const __m512i x = _mm512_maskz_loadu_epi16(first_lanes(count), codes), ends = _mm512_set1_epi16(255);
    const __m512i e = exponents_of_codes(x);
    const __mmask32 odd = _mm512_cmpeq_epi16_mask(e, ends), some = _mm512_test_epi16_mask(e, e) & ~odd;
    const __m128i drop = _mm_cvtsi32_si128(7 - task->fraction_bits);
    const int top = largest_word(_mm512_maskz_mov_epi16(some, e));
    row->top = (int16_t)((top - 127) * 128);
    row->is_special = odd != 0;
    memcpy(row->some, &some, sizeof row->some);
    const __m512i far = _mm512_slli_epi16(_mm512_sub_epi16(_mm512_set1_epi16((short)top), e), 3);
    const __m512i gaps = _mm512_mask_min_epu16(ends, some, far, ends);
    const __m512i index = _mm512_srl_epi16(_mm512_and_si512(x, _mm512_set1_epi16(127)), drop);
    const __mmask32 kept = terms == 32 ? ~0u : (1u << terms) - 1;
    _mm512_mask_cvtepi16_storeu_epi8(gap, kept, gaps);
    _mm512_mask_storeu_epi16(at, kept, _mm512_mullo_epi16(index, _mm512_set1_epi16(JOINT_ROW)));
    const __m512i signs = _mm512_and_si512(_mm512_srai_epi16(x, 15), _mm512_set1_epi16(0xfe));
    _mm512_mask_cvtepi16_storeu_epi8(sign, kept, signs);
}

static void pack_joint_row(void *packed, const code *codes, int count, const struct task *task) {
    pack_joint_terms(packed, codes, count, joint_terms(sum_of(task)), task);
}

static void pack_joint_block(struct joint_columns *to, const code (*codes)[SPAN], int count, int terms) {
    const struct column_bounds bounds = bound_columns(codes, count, to->some);
    const __m512i ends = _mm512_set1_epi16(255), zero = _mm512_setzero_si512();
    to->low = bounds.low, to->high = bounds.high, to->special = bounds.special;
    for (int h = 0; h < 2; h++) {
        _mm512_store_si512(to->top[h], words_in_lookup_order(_mm512_slli_epi16(bounds.top[h], 7)));
        if (count <= 16) _mm512_store_si512(to->some[1][h], zero);
    }
    __m512i before = zero;
    for (int k = 0; k < terms; k++) {
        __m512i index[2];
        uint64_t minus = 0;
        UNROLLED for (int h = 0; h < 2; h++) {
            const __m512i x = k < count ? _mm512_loadu_si512(codes[k] + 32 * h) : zero, e = exponents_of_codes(x);
            const __mmask32 some = _mm512_test_epi16_mask(e, e) & _mm512_cmpneq_epi16_mask(e, ends);
            const __m512i fraction = _mm512_and_si512(_mm512_srli_epi16(x, 4), _mm512_set1_epi16(7));
            const __m512i gap = _mm512_slli_epi16(_mm512_sub_epi16(bounds.top[h], e), 3);
            const __m512i both = _mm512_add_epi16(gap, _mm512_sub_epi16(_mm512_set1_epi16(7), fraction));
            index[h] = _mm512_mask_min_epu16(ends, some, both, ends);
            minus |= (uint64_t)_mm512_movepi16_mask(x) << (32 * h);
        }
        _mm512_store_si512(to->index[k], in_lookup_order(join_bytes(index[0], index[1])));
        const __m512i one = _mm512_set1_epi8(1), signs = _mm512_mask_blend_epi8(minus, one, _mm512_set1_epi8(-1));
        const __m512i sign = in_lookup_order(signs);
        if (k % 2) {
            _mm512_store_si512(to->sign[k / 2][0], _mm512_unpacklo_epi8(before, sign));
            _mm512_store_si512(to->sign[k / 2][1], _mm512_unpackhi_epi8(before, sign));
        }
        before = sign;
    }
}

static void pack_joint_columns(void *packed, const code (*codes)[SPAN], int count, const struct task *task) {
    pack_joint_block(packed, codes, count, joint_terms(sum_of(task)));
}

static __attribute__((noinline)) void convert_row(struct block *block, int64_t m) {
    const struct task *task = block->task;
    const code *a = block->a + task->a.outer[block->first + m];
    _Alignas(64) char row[sizeof(struct converted_row) + 8 * JOINT_TERMS];
    code codes[JOINT_TERMS];
    for (int k = 0; k < block->count; k++) codes[k] = a[task->a.inner[block->k + k]];
    pack_converted_row(row, codes, block->count, task);
    if (!block->has_spare)
        pack_converted_columns(block->spare, (const code(*)[SPAN])block->codes, block->count, task);
    block->has_spare = 1;
    add_converted_row(block, m, (const void *)row, block->spare,
                      (const uint8_t *)task->table + planes_at(task->fraction_bits), 0, 1, 0, 0);
#pragma omp atomic
    careful_blocks++;
}

/* Pairs of 16-bit integers, the second times 256, added to those of 32 bits. */
INLINE __m512i add_joined(__m512i sum, __m512i pairs) {
    const __m512i weights = _mm512_set1_epi32(0x01000001);
#ifdef __AVX512VNNI__
    return _mm512_dpwssd_epi32(sum, pairs, weights);
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, weights));
#endif
}

INLINE __m512i joint_index(const uint8_t *gap, const struct joint_columns *y, int k) {
    return _mm512_adds_epu8(_mm512_set1_epi8((char)gap[k]), _mm512_load_si512(y->index[k]));
}

INLINE void add_joint_row(struct block *block, int64_t m, const struct joint_row *x, const struct joint_columns *y,
                          const uint8_t *table, int align, int r, int nearest, int terms, int places) {
    const int are_far = x->top + y->low * 128 < LEAST_JOINT_TOP * 128 || x->top + y->high * 128 > MOST_TOP * 128;
    if (__builtin_expect(are_far | x->is_special | block->odd[m] | (y->special != 0), 0)) {
        const int is_empty = x->top == -127 * 128 || !y->high;
        if (!is_empty || x->is_special || y->special || block->odd[m]) convert_row(block, m);
        return;
    }
    const uint8_t *gap = x->data;
    const uint16_t *at = (const uint16_t *)(gap + places), *sign = at + places;
    const __m512i zero = _mm512_setzero_si512();
    __m512i index[16], least[8];
    UNROLLED for (int k = 0; k < terms && k < 16; k++) index[k] = joint_index(gap, y, k);
    UNROLLED for (int k = 0; k < 8; k++) least[k] = terms == 8 ? index[k] : _mm512_min_epu8(index[2 * k], index[2 * k + 1]);
    UNROLLED for (int k = 16; k < terms; k++) least[k % 8] = _mm512_min_epu8(least[k % 8], joint_index(gap, y, k));
    UNROLLED for (int s = 4; s > 0; s /= 2)
        UNROLLED for (int k = 0; k < s; k++) least[k] = _mm512_min_epu8(least[k], least[k + s]);
    const __m512i nearest_gap = _mm512_and_si512(least[0], _mm512_set1_epi8((char)0xf8));
    float *c = block->c[m];
    __m512 sums[4];
    UNROLLED for (int q = 0; q < 4; q++) sums[q] = _mm512_loadu_ps(c + 16 * q);
    __m512i most[2], back[2];
    __mmask32 far = 0;
    UNROLLED for (int h = 0; h < 2; h++) {
        const __m512i own = _mm512_and_si512(upper_words(sums[2 * h], sums[2 * h + 1]), _mm512_set1_epi16(0x7f80));
        const __m512i upper = h ? _mm512_unpackhi_epi8(zero, nearest_gap) : _mm512_unpacklo_epi8(zero, nearest_gap);
        __mmask32 some = 0;
        UNROLLED for (int w = 0; w < (terms + 15) / 16; w++)
            some |= _mm512_test_epi16_mask(_mm512_load_si512(y->some[w][h]), _mm512_set1_epi16((short)x->some[w]));
        const __m512i top = _mm512_add_epi16(_mm512_load_si512(y->top[h]), _mm512_set1_epi16(x->top));
        const __m512i lowest = _mm512_set1_epi16((short)((align + 1) * 128));
        most[h] = _mm512_max_epi16(own, _mm512_mask_sub_epi16(lowest, some, top, _mm512_srli_epi16(upper, 4)));
        back[h] = _mm512_sub_epi16(most[h], top);
        far |= _mm512_mask_cmplt_epi16_mask(some, back[h], _mm512_set1_epi16(-JOINT_GAPS * 128));
    }
    if (__builtin_expect(far != 0, 0)) {
        convert_row(block, m);
        return;
    }
    const __m512i shift = _mm512_packs_epi16(_mm512_srai_epi16(back[0], 4), _mm512_srai_epi16(back[1], 4));
    const __m512i forth = _mm512_xor_si512(shift, _mm512_set1_epi8(INT8_MIN));
    __m512i low[2] = {zero, zero}, high[2] = {zero, zero};
    UNROLLED for (int k = 0; k < terms; k += 2) {
        const uint8_t *row[2] = {table + at[k], table + at[k + 1]};
        const __m512i signs = _mm512_set1_epi16((short)sign[k / 2]);
        __m512i lower[2], upper[2];
        UNROLLED for (int i = 0; i < 2; i++) {
            const __m512i own = _mm512_adds_epu8(k < 16 ? index[(k + i) % 16] : joint_index(gap, y, k + i), forth);
            lower[i] = _mm512_permutex2var_epi8(_mm512_load_si512(row[i]), own, _mm512_load_si512(row[i] + 64));
            upper[i] = _mm512_permutex2var_epi8(_mm512_load_si512(row[i] + 128), own, zero);
        }
        UNROLLED for (int h = 0; h < 2; h++) {
            const __m512i both = _mm512_xor_si512(_mm512_load_si512(y->sign[k / 2][h]), signs);
            const __m512i l = h ? _mm512_unpackhi_epi8(lower[0], lower[1]) : _mm512_unpacklo_epi8(lower[0], lower[1]);
            const __m512i u = h ? _mm512_unpackhi_epi8(upper[0], upper[1]) : _mm512_unpacklo_epi8(upper[0], upper[1]);
            low[h] = _mm512_add_epi16(low[h], _mm512_maddubs_epi16(l, both));
            high[h] = _mm512_add_epi16(high[h], _mm512_maddubs_epi16(u, both));
        }
    }
    UNROLLED for (int q = 0; q < 4; q++) {
        const int h = q / 2;
        const __m512i down = _mm512_sub_epi16(_mm512_set1_epi16((short)((254 + align) * 128)), most[h]);
        const __m512i up = _mm512_sub_epi16(most[h], _mm512_set1_epi16((short)(align * 128)));
        const __m512i pairs = q % 2 ? _mm512_unpackhi_epi16(low[h], high[h]) : _mm512_unpacklo_epi16(low[h], high[h]);
        const __m512i own = _mm512_cvttps_epi32(_mm512_mul_ps(sums[q], as_floats(down, q % 2)));
        const __m512 whole = _mm512_cvtepi32_ps(add_joined(own, pairs)); /* of 21 bits */
        const __m512 near = nearest ? to_nearest(whole, kept_bits(r), half_of(r)) : to_zero(whole, kept_bits(r));
        _mm512_storeu_ps(c + 16 * q, _mm512_mul_ps(near, as_floats(up, q % 2)));
    }
}

/* A row has `places`, of which the first `terms` are looked at. */
#define JOINT(nearest, terms, places)                                                              \
    for (int64_t m = 0; m < count; m++)                                                            \
    add_joint_row(block, m, (const void *)((const char *)rows + m * size), block->packed, table,   \
                  sum->align, sum->register_bits, nearest, terms, places)

static int64_t joint_row_size(const struct task *task) {
    return (int64_t)sizeof(struct joint_row) + 4 * joint_terms(sum_of(task));
}

static void add_joint_rows(struct block *block, const void *rows, int64_t count) {
    const struct task *task = block->task;
    const struct sum *sum = sum_of(task);
    const uint8_t *table = (const uint8_t *)task->table + rows_size(task->fraction_bits, task->entry_bytes);
    const int64_t size = joint_row_size(task);
    const int terms = joint_terms(sum), is_half = terms == 32 && block->count <= 16;
    if (sum->nearest) {
        if (terms == 8) JOINT(1, 8, 8);
        else if (terms == 16) JOINT(1, 16, 16);
        else JOINT(1, 32, 32);
    } else if (terms == 8) JOINT(0, 8, 8);
    else if (terms == 16) JOINT(0, 16, 16);
    else if (is_half) JOINT(0, 16, 32);
    else JOINT(0, 32, 32);
}

static int takes_joint(const struct sum *sum, int fraction_bits) {
    const int is_short = sum->align < FRACTION && sum->terms <= JOINT_TERMS && fraction_bits <= 3;
    return is_short && !sum->down && !sum->late;
}

static struct way joint_way(const struct task *task) {
    return (struct way){
        .deep = sum_of(task)->terms,
        .lowest = sum_of(task)->align + 1,
        .row_size = joint_row_size(task),
        .block_size = sizeof(struct joint_columns),
        .spare_size = sizeof(struct converted_columns),
        .pack_row = pack_joint_row,
        .pack_columns = pack_joint_columns,
        .add = add_joint_rows,
    };
}

#endif
