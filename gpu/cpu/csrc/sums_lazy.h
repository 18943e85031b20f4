/* Lazy registers: a raw exponent that only rises, and up to 32 bits of two's complement.
 *
 * While the exponents of a row stay, its steps are nothing but additions of integers, and bits beyond V
 * are no matter: they are dropped before a register is shifted, and once per output. So a block is
 * many steps, and between two of them only the gap G of the register below both largest exponents is
 * compared with the smallest of the next terms; where that is smaller in a lane, registers are
 * shifted and cut. Products are converted, as sums_converted.h does it: any table of m <= 7, both cuts.
 *
 * Exponents are sums of two biased ones, and lie in the order of words that unpacking bytes gives. A lane
 * of an infinity or NaN is kept by the model from then on: its exponent is SPECIAL and its integer
 * the word of that. So does the model with lanes of which a term lies more than `deepest` below both
 * largest exponents, and no earlier one above.
 */
#ifndef AXDSE_SUMS_LAZY_H
#define AXDSE_SUMS_LAZY_H

#include "sums_converted.h"

enum { LAZY_DEPTH = 16, SPECIAL = 1 << 14, TWO_BIASES = 254 };

/* The place of a column's exponent. */
static int place_of(int column) {
    return column / 32 * 32 + column % 16 / 4 * 8 + column / 16 % 2 * 4 + column % 4;
}

INLINE uint64_t columns_of_bytes(__mmask64 lanes) {
    return _mm512_movepi8_mask(in_lookup_order(_mm512_movm_epi8(lanes)));
}

/* Registers of a row while a block is added. */
struct lazy_row {
    __m512i held[4];
    __m512i top[2], gap[2]; /* both largest exponents, and how far below them that of the register is */
};

INLINE struct lazy_row open_lazy_row(const struct block *block, int64_t m, int x_top, const uint16_t (*y_top)[32]) {
    struct lazy_row row;
    UNROLLED for (int q = 0; q < 4; q++) row.held[q] = _mm512_loadu_si512(block->c[m] + 16 * q);
    UNROLLED for (int h = 0; h < 2; h++) {
        row.top[h] = _mm512_add_epi16(_mm512_srli_epi16(_mm512_load_si512(y_top[h]), 7),
                                      _mm512_set1_epi16((short)(x_top / 128 + 127)));
        row.gap[h] = _mm512_sub_epi16(row.top[h], _mm512_loadu_si512(block->raised[m] + 32 * h));
    }
    return row;
}

INLINE __m512i wrapped(__m512i held, __m128i spare) {
    return _mm512_sra_epi32(_mm512_sll_epi32(held, spare), spare);
}

/* Exponents rise where `next`, words, is smaller than the gap and `may`: registers are shifted, and cut. */
INLINE void raise_registers(struct lazy_row *row, const __m512i *next, const __mmask32 *may, __m128i spare, int down) {
    const __m512i zero = _mm512_setzero_si512();
    UNROLLED for (int h = 0; h < 2; h++) {
        const __mmask32 up = _mm512_mask_cmplt_epi16_mask(may[h], next[h], row->gap[h]);
        const __m512i shift = _mm512_maskz_sub_epi16(up, row->gap[h], next[h]);
        row->gap[h] = _mm512_mask_mov_epi16(row->gap[h], up, next[h]);
        UNROLLED for (int o = 0; o < 2; o++) {
            const __m512i by = o ? _mm512_unpackhi_epi16(shift, zero) : _mm512_unpacklo_epi16(shift, zero);
            const __m512i held = wrapped(row->held[2 * h + o], spare), sign = _mm512_srai_epi32(held, 31);
            const __m512i size = _mm512_srlv_epi32(_mm512_abs_epi32(held), by);
            row->held[2 * h + o] = down ? _mm512_srav_epi32(held, by)
                                        : _mm512_sub_epi32(_mm512_xor_si512(size, sign), sign);
        }
    }
}

/* `lanes` of row m by the model, from the registers before the block. */
static __attribute__((noinline)) void add_lazy_lanes(struct block *block, int64_t m, uint64_t lanes,
                                                     const int32_t *held, const int16_t *raised) {
    const struct task *task = block->task;
    const struct sum *sum = sum_of(task);
    const code *a = block->a + task->a.outer[block->first + m];
    int is_odd = 0;
    for (; lanes; lanes &= lanes - 1) {
        const int n = __builtin_ctzll(lanes), exponent = raised[place_of(n)];
        struct running now = {0};
        sum_clear(sum, &now, exponent == SPECIAL ? sum_float((uint32_t)held[n]) : 0);
        if (exponent != SPECIAL && exponent != EMPTY) {
            now.exponent = exponent - TWO_BIASES;
            now.held = sum_held(held[n], sum->width, 0);
        }
        for (int k = 0; k < block->count; k += sum->terms) {
            const int count = (int)min64(sum->terms, block->count - k);
            struct terms terms;
            for (int i = 0; i < count; i++)
                set_term(&terms, i, a[task->a.inner[block->k + k + i]], block->codes[k + i][n], task);
            sum_step(sum, &now, terms.exponent, terms.significand, count, terms.special);
        }
        const int is_special = now.special != 0;
        const int32_t word = is_special ? (int32_t)sum_word(now.special) : (int32_t)now.held;
        memcpy(block->c[m] + n, &word, sizeof word);
        block->raised[m][place_of(n)] = (int16_t)(is_special                    ? SPECIAL
                                                  : now.exponent == SUM_NONE ? EMPTY
                                                                             : now.exponent + TWO_BIASES);
        is_odd |= is_special;
    }
    block->odd[m] |= (uint8_t)is_odd;
#pragma omp atomic
    careful_blocks++;
}

static uint64_t special_lanes(const int16_t *raised) {
    uint64_t lanes = 0;
    for (int n = 0; n < SPAN; n++) lanes |= (uint64_t)(raised[place_of(n)] == SPECIAL) << n;
    return lanes;
}

INLINE void close_lazy_row(struct block *block, int64_t m, const struct lazy_row *row, uint64_t lanes) {
    int32_t held[SPAN];
    int16_t raised[SPAN];
    if (__builtin_expect(lanes != 0, 0)) {
        memcpy(held, block->c[m], sizeof held);
        memcpy(raised, block->raised[m], sizeof raised);
    }
    UNROLLED for (int q = 0; q < 4; q++) _mm512_storeu_si512(block->c[m] + 16 * q, row->held[q]);
    UNROLLED for (int h = 0; h < 2; h++)
        _mm512_storeu_si512(block->raised[m] + 32 * h, _mm512_sub_epi16(row->top[h], row->gap[h]));
    if (__builtin_expect(lanes != 0, 0)) add_lazy_lanes(block, m, lanes, held, raised);
}

/* Registers as FP32, rounded once; by the model those that are special or have no normal scale. */
static void lazy_sums_of(const struct block *block, int64_t m, float *sums) {
    const struct sum *sum = sum_of(block->task);
    const __m128i spare = _mm_cvtsi32_si128(32 - sum->width);
    const __m512i unit = _mm512_set1_epi16((short)(127 - TWO_BIASES - sum->align)), one = _mm512_set1_epi16(127);
    const __m512i most = _mm512_set1_epi16(254 - 32), least = _mm512_set1_epi16(1);
    int32_t held[SPAN];
    int16_t raised[SPAN];
    memcpy(held, block->c[m], sizeof held);
    memcpy(raised, block->raised[m], sizeof raised);
    __mmask32 far[2];
    UNROLLED for (int h = 0; h < 2; h++) {
        const __m512i exponent = _mm512_loadu_si512(raised + 32 * h);
        const __mmask32 is_empty = _mm512_cmpeq_epi16_mask(exponent, _mm512_set1_epi16(EMPTY));
        const __m512i field = _mm512_mask_mov_epi16(_mm512_add_epi16(exponent, unit), is_empty, one);
        far[h] = _mm512_cmplt_epi16_mask(field, least) | _mm512_cmpgt_epi16_mask(field, most);
        UNROLLED for (int o = 0; o < 2; o++) {
            const __m512i whole = wrapped(_mm512_loadu_si512(held + 32 * h + 16 * o), spare);
            const __m512 scale = as_floats(_mm512_slli_epi16(field, 7), o);
            _mm512_storeu_ps(sums + 32 * h + 16 * o, _mm512_mul_ps(rounded(whole, 23, sum->nearest), scale));
        }
    }
    for (uint64_t lanes = columns_of(far[0], far[1]); lanes; lanes &= lanes - 1) {
        const int n = __builtin_ctzll(lanes), exponent = raised[place_of(n)];
        struct running now = {0};
        sum_clear(sum, &now, exponent == SPECIAL ? sum_float((uint32_t)held[n]) : 0);
        if (exponent != SPECIAL) now.held = sum_held(held[n], sum->width, 0), now.exponent = exponent - TWO_BIASES;
        sums[n] = sum_end(sum, &now);
    }
}

/* Lanes that have products in terms [from, end). */
static __attribute__((noinline)) __mmask64 lanes_with_products(const struct converted_row *x,
                                                               const struct converted_columns *y, int from, int end) {
    __mmask64 lanes = 0;
    for (int k = from; k < end; k++)
        if (x->term[k].gap != NO_GAP)
            lanes |= _mm512_cmpneq_epi8_mask(_mm512_load_si512(y->k[k].gap), _mm512_set1_epi8((char)NO_GAP));
    return lanes;
}

/* Places of terms, as sums_converted.h wants them, from the gaps of registers. */
INLINE void place_terms(__m512i *diff, const struct lazy_row *row, int align, int deepest) {
    UNROLLED for (int h = 0; h < 2; h++) {
        const __m512i gap = _mm512_max_epi16(row->gap[h], _mm512_set1_epi16((short)-(align + 2)));
        diff[h] = _mm512_slli_epi16(_mm512_min_epi16(gap, _mm512_set1_epi16((short)deepest)), 7);
    }
}

INLINE void add_lazy_row(struct block *block, int64_t m, const struct converted_row *x, const struct converted_columns *y,
                         const uint8_t *table, int terms, int registers, int wide, int down) {
    const struct sum *sum = sum_of(block->task);
    const int step = terms ? terms : sum->terms, deepest = MOST_GAP - 2 - sum->align;
    const __m128i spare = _mm_cvtsi32_si128(32 - sum->width);
    const __m512i zero = _mm512_setzero_si512(), deep = _mm512_set1_epi8((char)deepest);
    uint64_t lanes = x->is_special ? UINT64_MAX : y->special;
    if (block->odd[m]) lanes |= special_lanes(block->raised[m]);
    if ((x->top == -127 * 128 || !y->high) && !lanes) return;
    struct lazy_row row = open_lazy_row(block, m, x->top, y->top);
    __m512i least = _mm512_packus_epi16(row.gap[0], row.gap[1]), diff[2];
    place_terms(diff, &row, sum->align, deepest);
    __mmask64 open = _mm512_cmpgt_epu8_mask(least, deep);
    for (int from = 0; from < block->count; from += step) {
        const int end = from + step < block->count ? from + step : block->count;
        __m512i gap = _mm512_set1_epi8(-1);
        for (int k = from; k < end; k++)
            gap = _mm512_min_epu8(gap, _mm512_adds_epu8(_mm512_set1_epi8((char)x->term[k].gap), _mm512_load_si512(y->k[k].gap)));
        if (_mm512_cmplt_epu8_mask(gap, least)) {
            const __m512i next[2] = {_mm512_unpacklo_epi8(gap, zero), _mm512_unpackhi_epi8(gap, zero)};
            const __mmask32 may[2] = {_mm512_cmpneq_epi16_mask(next[0], _mm512_set1_epi16(NO_GAP)),
                                      _mm512_cmpneq_epi16_mask(next[1], _mm512_set1_epi16(NO_GAP))};
            raise_registers(&row, next, may, spare, down);
            place_terms(diff, &row, sum->align, deepest);
            least = _mm512_min_epu8(least, gap);
            open = _mm512_cmpgt_epu8_mask(least, deep);
        }
        if (open) lanes |= columns_of_bytes(open & lanes_with_products(x, y, from, end));
        for (int k = from; k < end; k++) add_converted_term(row.held, x, y, diff, k, table, registers, wide, down);
    }
    close_lazy_row(block, m, &row, lanes);
}

static int64_t lazy_depth(const struct sum *sum) {
    return sum->terms < LAZY_DEPTH ? LAZY_DEPTH / sum->terms * sum->terms : sum->terms;
}

static int64_t lazy_row_size(const struct task *task) {
    return (int64_t)sizeof(struct converted_row) + (lazy_depth(sum_of(task)) + 7) / 8 * 8 * 8;
}

#define LAZY(terms, registers, wide, down)                                                         \
    for (int64_t m = 0; m < count; m++)                                                            \
    add_lazy_row(block, m, (const void *)((const char *)rows + m * size), block->packed, table,    \
                 terms, registers, wide, down)

static void add_lazy_rows(struct block *block, const void *rows, int64_t count) {
    const struct task *task = block->task;
    const uint8_t *table = (const uint8_t *)task->table + planes_at(task->fraction_bits);
    const int64_t size = lazy_row_size(task);
    const int one = task->fraction_bits < 7, wide = task->entry_bytes == 2, down = sum_of(task)->down;
#define LAZY_OF(registers, wide)                                                                   \
    if (down) LAZY(0, registers, wide, 1);                                                         \
    else if (sum_of(task)->terms == 4 && block->count % 4 == 0) LAZY(4, registers, wide, 0);       \
    else LAZY(0, registers, wide, 0)
    if (one && wide) { LAZY_OF(1, 1); }
    else if (one) { LAZY_OF(1, 0); }
    else if (wide) { LAZY_OF(2, 1); }
    else { LAZY_OF(2, 0); }
}

static struct way lazy_way(const struct task *task) {
    return (struct way){
        .deep = (int)lazy_depth(sum_of(task)),
        .row_size = lazy_row_size(task),
        .block_size = sizeof(struct converted_columns),
        .pack_row = pack_converted_row,
        .pack_columns = pack_converted_columns,
        .add = add_lazy_rows,
        .sums_of = lazy_sums_of,
    };
}

#endif
