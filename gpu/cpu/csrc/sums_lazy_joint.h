/* Lazy registers, by the look-ups of sums_joint.h: F <= 13, m <= 3, N = 2 .. 16, cut toward zero.
 *
 * A block has LAZY_SLOTS places, each step as many of them as the next power of two. `forth`, a byte of
 * each column, is what sums_joint.h adds to an index, 8 (16 - G) limited to 0 .. 255: it rises with the
 * register's exponent, and the terms of a step are compared with it by one more operation. Planes of
 * bytes are added up over steps, and joined where an exponent rises, and at the end of a block.
 *
 * 0 says that the register lies 16 or more below both largest exponents, or has none: a product is then
 * left to the model.
 */
#ifndef AXDSE_SUMS_LAZY_JOINT_H
#define AXDSE_SUMS_LAZY_JOINT_H

#include "sums_joint.h"
#include "sums_lazy.h"

enum { LAZY_SLOTS = 32, MOST_LAZY_TERMS = 16 };

/* Slots of a step: pairs of them take their signs at once. */
static int lazy_slots(const struct sum *sum) {
    int slots = 2;
    while (slots < sum->terms) slots *= 2;
    return slots;
}

static int64_t joint_lazy_depth(const struct sum *sum) { return LAZY_SLOTS / lazy_slots(sum) * sum->terms; }

static int64_t joint_lazy_row_size(void) { return (int64_t)sizeof(struct joint_row) + 4 * LAZY_SLOTS; }

static void pack_joint_lazy_row(void *packed, const code *codes, int count, const struct task *task) {
    const int terms = sum_of(task)->terms, slots = lazy_slots(sum_of(task));
    code spread[LAZY_SLOTS] = {0};
    for (int k = 0; k < count; k++) spread[k / terms * slots + k % terms] = codes[k];
    pack_joint_terms(packed, spread, LAZY_SLOTS, LAZY_SLOTS, task);
}

static void pack_joint_lazy_columns(void *packed, const code (*codes)[SPAN], int count, const struct task *task) {
    const int terms = sum_of(task)->terms, slots = lazy_slots(sum_of(task));
    if (terms == slots) {
        pack_joint_block(packed, codes, count, LAZY_SLOTS);
        return;
    }
    code spread[LAZY_SLOTS][SPAN];
    memset(spread, 0, sizeof spread);
    for (int k = 0; k < count; k++) memcpy(spread[k / terms * slots + k % terms], codes[k], sizeof *codes);
    pack_joint_block(packed, (const code(*)[SPAN])spread, LAZY_SLOTS, LAZY_SLOTS);
}

/* The planes to the registers. */
INLINE void join_planes(__m512i *held, __m512i *low, __m512i *high) {
    UNROLLED for (int q = 0; q < 4; q++)
        held[q] = add_joined(held[q], q % 2 ? _mm512_unpackhi_epi16(low[q / 2], high[q / 2])
                                            : _mm512_unpacklo_epi16(low[q / 2], high[q / 2]));
    low[0] = low[1] = high[0] = high[1] = _mm512_setzero_si512();
}

/* `open` lanes that have products in slots [from, from + slots), columns. */
static __attribute__((noinline)) uint64_t open_lanes(const struct joint_row *x, const struct joint_columns *y,
                                                     __mmask64 open, int from, int slots) {
    const int w = from / 16, bits = x->some[w] >> from % 16 & ((1 << slots) - 1);
    __mmask32 lanes[2];
    for (int h = 0; h < 2; h++)
        lanes[h] = _mm512_test_epi16_mask(_mm512_load_si512(y->some[w][h]), _mm512_set1_epi16((short)(bits << from % 16)));
    return columns_of_bytes(open) & columns_of(lanes[0], lanes[1]);
}

INLINE void add_joint_lazy_row(struct block *block, int64_t m, const struct joint_row *x, const struct joint_columns *y,
                               const uint8_t *table, int slots) {
    const __m128i spare = _mm_cvtsi32_si128(32 - sum_of(block->task)->width);
    const __m512i zero = _mm512_setzero_si512(), sixteen = _mm512_set1_epi16(16);
    uint64_t lanes = x->is_special ? UINT64_MAX : y->special;
    if (block->odd[m]) lanes |= special_lanes(block->raised[m]);
    if ((x->top == -127 * 128 || !y->high) && !lanes) return;
    const uint8_t *gap = x->data;
    const uint16_t *at = (const uint16_t *)(gap + LAZY_SLOTS), *sign = at + LAZY_SLOTS;
    struct lazy_row row = open_lazy_row(block, m, x->top, y->top);
    __m512i above[2], low[2] = {zero, zero}, high[2] = {zero, zero};
    UNROLLED for (int h = 0; h < 2; h++)
        above[h] = _mm512_slli_epi16(_mm512_min_epi16(_mm512_sub_epi16(sixteen, row.gap[h]), _mm512_set1_epi16(32)), 3);
    __m512i forth = _mm512_packus_epi16(_mm512_max_epi16(above[0], zero), _mm512_max_epi16(above[1], zero));
    __mmask64 open = _mm512_testn_epi8_mask(forth, forth);
    const int deep = (block->count + sum_of(block->task)->terms - 1) / sum_of(block->task)->terms * slots;
    for (int from = 0; from < deep; from += slots) {
        __m512i index[MOST_LAZY_TERMS], least;
        UNROLLED for (int k = 0; k < slots; k++) {
            index[k] = joint_index(gap, y, from + k);
            least = k ? _mm512_min_epu8(least, index[k]) : index[k];
        }
        const __m512i next = _mm512_subs_epu8(_mm512_set1_epi8(INT8_MIN), _mm512_and_si512(least, _mm512_set1_epi8((char)0xf8)));
        if (_mm512_cmpgt_epu8_mask(next, forth)) {
            __m512i gaps[2];
            __mmask32 may[2];
            UNROLLED for (int h = 0; h < 2; h++) {
                const __m512i words = h ? _mm512_unpackhi_epi8(next, zero) : _mm512_unpacklo_epi8(next, zero);
                may[h] = _mm512_test_epi16_mask(words, words);
                gaps[h] = _mm512_sub_epi16(sixteen, _mm512_srli_epi16(words, 3));
            }
            join_planes(row.held, low, high);
            raise_registers(&row, gaps, may, spare, 0);
            forth = _mm512_max_epu8(forth, next);
            open = _mm512_testn_epi8_mask(forth, forth);
        }
        if (open) lanes |= open_lanes(x, y, open, from, slots);
        UNROLLED for (int k = 0; k < slots; k += 2) {
            const __m512i signs = _mm512_set1_epi16((short)sign[(from + k) / 2]);
            __m512i lower[2], upper[2];
            UNROLLED for (int i = 0; i < 2; i++) {
                const uint8_t *entries = table + at[from + k + i];
                const __m512i own = _mm512_adds_epu8(index[k + i], forth);
                lower[i] = _mm512_permutex2var_epi8(_mm512_load_si512(entries), own, _mm512_load_si512(entries + 64));
                upper[i] = _mm512_permutex2var_epi8(_mm512_load_si512(entries + 128), own, zero);
            }
            UNROLLED for (int h = 0; h < 2; h++) {
                const __m512i both = _mm512_xor_si512(_mm512_load_si512(y->sign[(from + k) / 2][h]), signs);
                const __m512i l = h ? _mm512_unpackhi_epi8(lower[0], lower[1]) : _mm512_unpacklo_epi8(lower[0], lower[1]);
                const __m512i u = h ? _mm512_unpackhi_epi8(upper[0], upper[1]) : _mm512_unpacklo_epi8(upper[0], upper[1]);
                low[h] = _mm512_add_epi16(low[h], _mm512_maddubs_epi16(l, both));
                high[h] = _mm512_add_epi16(high[h], _mm512_maddubs_epi16(u, both));
            }
        }
    }
    join_planes(row.held, low, high);
    close_lazy_row(block, m, &row, lanes);
}

#define JOINT_LAZY(slots)                                                                          \
    for (int64_t m = 0; m < count; m++)                                                            \
    add_joint_lazy_row(block, m, (const void *)((const char *)rows + m * size), block->packed, table, slots)

static void add_joint_lazy_rows(struct block *block, const void *rows, int64_t count) {
    const struct task *task = block->task;
    const uint8_t *table = (const uint8_t *)task->table + rows_size(task->fraction_bits, task->entry_bytes);
    const int64_t size = joint_lazy_row_size();
    const int slots = lazy_slots(sum_of(task));
    if (slots == 2) JOINT_LAZY(2);
    else if (slots == 4) JOINT_LAZY(4);
    else if (slots == 8) JOINT_LAZY(8);
    else JOINT_LAZY(16);
}

static int takes_joint_lazy(const struct sum *sum, int fraction_bits) {
    const int is_short = sum->align < FRACTION && fraction_bits <= 3;
    return is_short && sum->terms > 1 && sum->terms <= MOST_LAZY_TERMS && !sum->down;
}

static struct way joint_lazy_way(const struct task *task) {
    return (struct way){
        .deep = (int)joint_lazy_depth(sum_of(task)),
        .row_size = joint_lazy_row_size(),
        .block_size = sizeof(struct joint_columns),
        .pack_row = pack_joint_lazy_row,
        .pack_columns = pack_joint_lazy_columns,
        .add = add_joint_lazy_rows,
        .sums_of = lazy_sums_of,
    };
}

#endif
