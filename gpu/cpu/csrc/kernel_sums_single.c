/* Products added one by one, exactly, and rounded once: registers float(E,R), N = 1, m <= 7.
 *
 * A byte {carry, fraction} and sign and exponent of b make a bfloat16 number, or with a second byte
 * an FP32 word, as in kernel_vbmi.c; times sign and exponent of a, a power of two, it is exact. One FMA
 * adds it to a sum in FP32, from where it is rounded to R bits. Toward zero that is one rounding.
 * To nearest even it is, too, of products of up to R + 1 bits in up to R = 10 (Figueroa, 1995):
 * an FP32 sum of such numbers is exact, or next to one of them. Others are rounded to odd first.
 *
 * A register of E < 8 is held 2^shift times smaller, so that its subnormals are those of FP32: then
 * their last place is a bit of the word, too. What exceeds it is noticed by the largest word of a tile.
 *
 * Blocks whose sums might leave the normal numbers of FP32 go to the model, and special values.
 * Without AVX-512 VBMI it is kernel_sums.c.
 */
#ifndef __AVX512VBMI__
#include "kernel_sums.c"
#else
#include "sums_single_columns.h"

/* What rounding takes; `beyond` is what a register of E < 8 does not hold. */
struct register_form {
    __m512i keep, half, beyond;
    __m512 down, up; /* to its scale and back */
};

INLINE __m512 product_added(__m512 c, __m512 x, __m512 y, int mode) {
    return mode == TO_ZERO ? _mm512_fmadd_round_ps(x, y, c, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC)
                           : _mm512_fmadd_ps(x, y, c);
}

/* c + x y to odd: of the numbers on both sides of it the odd one. */
INLINE __m512 product_to_odd(__m512 c, __m512 x, __m512 y) {
    const __m512 below = _mm512_fmadd_round_ps(x, y, c, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    const __m512 above = _mm512_fmadd_round_ps(x, y, c, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
    const __mmask16 is_odd = _mm512_test_epi32_mask(_mm512_castps_si512(below), _mm512_set1_epi32(1));
    return _mm512_mask_mov_ps(above, is_odd, below);
}

INLINE __m512 to_register(__m512 x, const struct register_form *form, enum rounding rounding) {
    if (rounding == TO_ZERO) return to_zero(x, form->keep);
#ifdef __AVX512BF16__
    if (rounding == TO_BF16) {
        static const uint16_t up[32] = {0, 0, 0, 1, 0, 2,  0, 3,  0, 4,  0, 5,  0, 6,  0, 7,
                                        0, 8, 0, 9, 0, 10, 0, 11, 0, 12, 0, 13, 0, 14, 0, 15};
        const __m512i words = _mm512_castsi256_si512((__m256i)_mm512_cvtneps_pbh(x));
        return _mm512_castsi512_ps(_mm512_maskz_permutexvar_epi16(0xaaaaaaaa, _mm512_loadu_si512(up), words));
    }
#endif
    if (rounding == TO_FP16)
        return _mm512_cvtph_ps(_mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    return rounding == TO_FP32 ? x : to_nearest(x, form->keep, form->half);
}

INLINE __m512 one_added(__m512 c, __m512 x, __m512 y, const struct register_form *form, enum rounding rounding) {
    if (rounding == BY_ODD) return to_nearest(product_to_odd(c, x, y), form->keep, form->half);
    return to_register(product_added(c, x, y, rounding), form, rounding);
}

INLINE __m512 pair_added(__m512 c, __m512i words, uint32_t scale, const struct register_form *form,
                         enum rounding rounding, int limited, int i) {
#ifdef __AVX512BF16__
    if (adds_pairs(rounding, limited)) { /* the other half of the scale is 0 */
        const __m512i scales = _mm512_set1_epi32((int)scale);
        return to_register(_mm512_dpbf16_ps(c, (__m512bh)words, (__m512bh)scales), form, rounding);
    }
#endif
    const __m512i word = i ? _mm512_and_si512(words, _mm512_set1_epi32((int)0xffff0000)) : _mm512_slli_epi32(words, 16);
    return one_added(c, _mm512_castsi512_ps(word), _mm512_castsi512_ps(_mm512_set1_epi32((int)scale)), form, rounding);
}

static struct register_form form_of_register(const struct task *task) {
    const struct sum *sum = sum_of(task);
    const struct shifts shifts = shifts_of(task);
    const int r = sum->register_bits, bias = (1 << (sum->exponent_bits - 1)) - 1;
    return (struct register_form){
        .keep = kept_bits(r),
        .half = half_of(r),
        .beyond = _mm512_set1_epi32((bias + 128 - shifts.a - shifts.b) << 23),
        .down = _mm512_set1_ps((float)power_of_two(-shifts.a - shifts.b)),
        .up = _mm512_set1_ps((float)power_of_two(shifts.a + shifts.b)),
    };
}

/* Whether an operand is too small to be scaled, or a product or a sum might leave the normal numbers of
 * FP32, which those that are scaled may: sums are multiples of the smallest unit of a term, and
 * grow by at most twice a term. */
static int are_far(const struct task *task, const struct single_row *x, int y_low, int y_high) {
    if (!x->high || !y_high) return 0;
    const struct shifts shifts = shifts_of(task);
    const int bits = 64 - __builtin_clzll((uint64_t)task->depth);
    const int low = x->low + y_low - 254, high = x->high + y_high - 254;
    const int is_small = shifts.b ? x->low <= shifts.a || y_low <= shifts.b : low < LEAST_SUM;
    return is_small || high + bits + 4 > 126 || y_high == 254;
}

static __attribute__((noinline)) uint64_t far_lanes(const struct task *task, const struct single_row *x,
                                                    const struct single_columns *y) {
    uint64_t lanes = 0;
    for (int n = 0; n < SPAN; n++)
        lanes |= (uint64_t)are_far(task, x, y->lows[n], y->highs[n]) << n;
    return lanes;
}

#define FOR_TILE UNROLLED for (int t = 0; t < SINGLE_ROWS; t++)
#define FOR_QUARTERS_OF_SPAN UNROLLED for (int q = 0; q < 4; q++)

/* The larger magnitude. */
INLINE __m512i peak_of(__m512i peak, __m512 x) {
    return _mm512_castps_si512(_mm512_range_ps(_mm512_castsi512_ps(peak), x, 0xb));
}

/* Terms k and, if there are `both`, k + 1 of a tile, of bytes. */
INLINE void add_two(__m512 (*sums)[4], __m512i *peaks, const struct single_row *const *x,
                    const struct single_columns *y, int k, int both, const uint8_t *table, int registers,
                    const struct register_form *form, enum rounding rounding, int limited) {
    const __m512i zero = _mm512_setzero_si512();
    const __m512i index[2] = {_mm512_load_si512(y->index[k]), _mm512_load_si512(y->index[k + 1])};
    FOR_TILE {
        __m512i bytes[2] = {zero, zero};
        UNROLLED for (int i = 0; i < 1 + both; i++)
            bytes[i] = looked_up_masked(y->some[k + i], table + x[t]->term[k + i].at, index[i], registers);
        const __m512i lower = _mm512_unpacklo_epi8(bytes[0], bytes[1]), upper = _mm512_unpackhi_epi8(bytes[0], bytes[1]);
        FOR_QUARTERS_OF_SPAN {
            const __m512i half = q / 2 ? upper : lower;
            const __m512i pair = q % 2 ? _mm512_unpackhi_epi8(half, zero) : _mm512_unpacklo_epi8(half, zero);
            const __m512i words = _mm512_add_epi16(pair, _mm512_load_si512(y->scale[k / 2][q]));
            UNROLLED for (int i = 0; i < 1 + both; i++) {
                sums[t][q] = pair_added(sums[t][q], words, x[t]->term[k + i].scale, form, rounding, limited, i);
                if (limited) peaks[q] = peak_of(peaks[q], sums[t][q]);
            }
        }
    }
}

/* Term k of a tile, of two bytes. */
INLINE void add_wide(__m512 (*sums)[4], __m512i *peaks, const struct single_row *const *x,
                     const struct single_columns *y, int k, const uint8_t *table, int registers,
                     const struct register_form *form, enum rounding rounding, int limited) {
    const __m512i zero = _mm512_setzero_si512(), index = _mm512_load_si512(y->index[k]);
    FOR_TILE {
        const uint8_t *row = table + x[t]->term[k].at;
        const __m512i upper = looked_up_masked(y->some[k], row, index, registers);
        const __m512i lower = looked_up_masked(y->some[k], row + 64 * registers, index, registers);
        const __m512 scale = _mm512_castsi512_ps(_mm512_set1_epi32((int)x[t]->term[k].scale));
        FOR_QUARTERS_OF_SPAN {
            const __m512i bytes = q / 2 ? _mm512_unpackhi_epi8(upper, zero) : _mm512_unpacklo_epi8(upper, zero);
            const __m512i rest = q / 2 ? _mm512_unpackhi_epi8(zero, lower) : _mm512_unpacklo_epi8(zero, lower);
            const __m512i place = _mm512_load_si512(y->scale[k / 2][2 * (k % 2) + q / 2]);
            const __m512i words = _mm512_add_epi16(bytes, place);
            const __m512i word = q % 2 ? _mm512_unpackhi_epi16(rest, words) : _mm512_unpacklo_epi16(rest, words);
            sums[t][q] = one_added(sums[t][q], _mm512_castsi512_ps(word), scale, form, rounding);
            if (limited) peaks[q] = peak_of(peaks[q], sums[t][q]);
        }
    }
}

/* The sums of a tile to their rows, and to the model what it must do: `beyond` are lanes that any row of
 * it has left, `has_minus` says that -0 is either what has rounded to it or that plus -0, which is +0. */
static __attribute__((noinline)) void close_tile(struct block *block, int64_t m, int tall,
                                                 const struct single_row *const *x, const float (*tile)[SPAN],
                                                 uint64_t beyond, int has_minus) {
    const struct single_columns *y = block->packed;
    for (int t = 0; t < tall; t++) {
        float *c = block->c[m + t], before[SPAN];
        uint64_t lanes = x[t]->is_special ? UINT64_MAX : y->special | beyond;
        if (are_far(block->task, x[t], y->low, y->high)) lanes |= far_lanes(block->task, x[t], y);
        if (block->odd[m + t]) lanes |= odd_lanes(c, block->lowest);
        if (has_minus)
            for (int q = 0; q < 4; q++) {
                const __m512i words = _mm512_loadu_si512(tile[t] + 16 * q), minus = _mm512_set1_epi32(INT32_MIN);
                lanes |= (uint64_t)_mm512_cmpeq_epi32_mask(words, minus) << (16 * q);
            }
        if (lanes) memcpy(before, c, sizeof before);
        memcpy(c, tile[t], sizeof tile[t]);
        if (lanes) add_lanes(block, m + t, lanes, before);
    }
}

INLINE void add_tile_of_rows(struct block *block, int64_t m, int tall, const struct single_row *const *x,
                             const uint8_t *table, const struct register_form *form, int registers, int wide,
                             enum rounding rounding, int limited) {
    const struct single_columns *y = block->packed;
    /* Registers of E < 8 round to -0, which another zero would make +0: k is not padded then. */
    const int has_minus = limited || rounding == TO_FP16, count = block->count;
    const int paired = has_minus ? count / 2 * 2 : count;
    const __m512i zero = _mm512_setzero_si512();
    __m512i peaks[4] = {zero, zero, zero, zero};
    __m512 sums[SINGLE_ROWS][4];
    float tile[SINGLE_ROWS][SPAN];
    FOR_TILE FOR_QUARTERS_OF_SPAN {
        sums[t][q] = _mm512_loadu_ps(block->c[m + (t < tall ? t : 0)] + 16 * q);
        if (limited) sums[t][q] = _mm512_mul_ps(sums[t][q], form->down);
    }
    if (wide)
        for (int k = 0; k < count; k++) add_wide(sums, peaks, x, y, k, table, registers, form, rounding, limited);
    else
        for (int k = 0; k < paired; k += 2)
            add_two(sums, peaks, x, y, k, 1, table, registers, form, rounding, limited);
    if (!wide && has_minus && count % 2)
        add_two(sums, peaks, x, y, count - 1, 0, table, registers, form, rounding, limited);
    uint64_t beyond = 0;
    if (limited)
        FOR_QUARTERS_OF_SPAN beyond |= (uint64_t)_mm512_cmpge_epu32_mask(peaks[q], form->beyond) << (16 * q);
    FOR_TILE FOR_QUARTERS_OF_SPAN _mm512_storeu_ps(tile[t] + 16 * q, limited ? _mm512_mul_ps(sums[t][q], form->up)
                                                                             : sums[t][q]);
    close_tile(block, m, tall, x, (const float(*)[SPAN])tile, beyond, has_minus);
}

static int64_t single_depth(const struct task *task) {
    const int64_t chunk = sum_of(task)->chunk ? sum_of(task)->chunk : task->depth;
    return min64(SINGLE_DEPTH, min64(chunk, task->depth));
}

static int64_t single_row_size(const struct task *task) {
    return (int64_t)sizeof(struct single_row) + 8 * ((single_depth(task) + 15) / 16 * 16);
}

#define SINGLE(registers, wide, rounding, limited)                                                         \
    for (int64_t m = 0; m < count; m += SINGLE_ROWS) {                                             \
        const int tall = (int)min64(SINGLE_ROWS, count - m);                                       \
        const struct single_row *x[SINGLE_ROWS];                                                   \
        for (int t = 0; t < SINGLE_ROWS; t++)                                                      \
            x[t] = (const void *)((const char *)rows + (m + (t < tall ? t : 0)) * size);           \
        add_tile_of_rows(block, m, tall, x, table, &form, registers, wide, rounding, limited);     \
    }

static void add_single_rows(struct block *block, const void *rows, int64_t count) {
    const struct task *task = block->task;
    const uint8_t *table = (const uint8_t *)task->table + planes_at(task->fraction_bits);
    const int64_t size = single_row_size(task);
    const struct register_form form = form_of_register(task);
    const int one = task->fraction_bits < 7, wide = task->entry_bytes == 2, limited = is_limited(task);
    const enum rounding rounding = rounding_of(task);
#define SINGLES(rounding, limited)                                                                 \
    if (one && wide) { SINGLE(1, 1, rounding, limited) }                                           \
    else if (one) { SINGLE(1, 0, rounding, limited) }                                              \
    else if (wide) { SINGLE(2, 1, rounding, limited) }                                             \
    else { SINGLE(2, 0, rounding, limited) }
#define NARROW_SINGLES(rounding, limited)                                                          \
    if (one) { SINGLE(1, 0, rounding, limited) }                                                   \
    else { SINGLE(2, 0, rounding, limited) }
    if (rounding == TO_ZERO && limited) { SINGLES(TO_ZERO, 1) }
    else if (rounding == TO_ZERO) { SINGLES(TO_ZERO, 0) }
    else if (rounding == BY_ODD && limited) { SINGLES(BY_ODD, 1) }
    else if (rounding == BY_ODD) { SINGLES(BY_ODD, 0) }
    else if (rounding == TO_NEAREST && limited) { NARROW_SINGLES(TO_NEAREST, 1) }
    else if (rounding == TO_NEAREST) { NARROW_SINGLES(TO_NEAREST, 0) }
    else if (rounding == TO_FP32) { SINGLES(TO_FP32, 0) }
    else if (rounding == TO_FP16) { NARROW_SINGLES(TO_FP16, 0) }
    else { NARROW_SINGLES(TO_BF16, 0) }
}

static struct way single_way(const struct task *task) {
    return (struct way){
        .deep = (int)single_depth(task),
        .lowest = LEAST_SUM + 127,
        .row_size = single_row_size(task),
        .block_size = sizeof(struct single_columns),
        .pack_row = pack_single_row,
        .pack_columns = pack_single_columns,
        .add = add_single_rows,
    };
}

int64_t table_size(int fraction_bits, int entry_bytes) { return rows_size(fraction_bits, entry_bytes); }

void prepare_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    prepare_rows(table, entries, fraction_bits, entry_bytes);
}

/* Returns 0, or 1 if there is no memory. */
int multiply_task(const struct task *task) {
    const struct way way = single_way(task);
    return multiply_by(&way, task);
}
#endif
