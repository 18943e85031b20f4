/* Products added one by one, exactly, and rounded once: registers float(E,R), N = 1, m <= 7.
 *
 * A byte {carry, fraction} and sign and exponent of b make a bfloat16 number, or with a second byte
 * an FP32 word, as in kernel_vbmi.c; times sign and exponent of a, a power of two, it is exact. One FMA
 * adds it to a sum in FP32, from where it is rounded to R bits. Toward zero that is one rounding.
 * To nearest even it is, too, of products of up to R + 1 bits in up to R = 10 (Figueroa, 1995):
 * an FP32 sum of such numbers is exact, or next to one of them. Others are rounded to odd first.
 *
 * Blocks whose sums might leave the normal numbers of FP32 go to the model, and special values.
 */
enum { SINGLE_DEPTH = 128, SINGLE_ROWS = 4, LEAST_SUM = -95 };

enum rounding { TO_ZERO, TO_FP32, TO_NEAREST, TO_BF16, TO_FP16, BY_ODD, LIMITED };

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
    int low, high;
    uint64_t special;
};

static enum rounding rounding_of(const struct task *task) {
    const struct sum *sum = sum_of(task);
    const int r = sum->register_bits, once = r <= 10 && head_of(task)->product_bits <= r + 1;
    const int is_narrow = task->entry_bytes == 1;
    if (sum->exponent_bits < 8) {
        const int is_half = sum->exponent_bits == 5 && r == 10 && sum->nearest;
        return is_half && once && is_narrow ? TO_FP16 : LIMITED;
    }
    if (!sum->nearest) return TO_ZERO;
    if (r == 23) return TO_FP32;
    if (!once || !is_narrow) return BY_ODD;
#ifdef __AVX512BF16__
    if (r == 7) return TO_BF16;
#endif
    return TO_NEAREST;
}

/* Whether vdpbf16ps adds: it rounds to nearest even alone. */
static int adds_pairs(enum rounding rounding) {
#ifdef __AVX512BF16__
    return rounding == TO_NEAREST || rounding == TO_BF16 || rounding == TO_FP16;
#else
    (void)rounding;
    return 0;
#endif
}

static void pack_single_row(void *packed, const code *codes, int count, const struct task *task) {
    struct single_row *row = packed;
    const int pairs = adds_pairs(rounding_of(task)), bits = task->fraction_bits;
    const uint32_t stride = (uint32_t)plane_row(bits, task->entry_bytes);
    uint16_t low = 255, high = 0, special = 0;
    for (int k = 0; k < count; k++) {
        const uint16_t x = codes[k], e = (uint16_t)exponent_of(x), is = e == 255, there = e && !is;
        special |= is;
        low = there && e < low ? e : low;
        high = there && e > high ? e : high;
        const uint32_t scale = there ? scale_of(x) : 0;
        row->term[k].scale = pairs && k % 2 == 0 ? scale : scale << 16;
        row->term[k].at = index_of(x, bits) * stride;
    }
    row->low = (int16_t)low, row->high = (int16_t)high, row->is_special = (int16_t)special;
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
    const int wide = task->entry_bytes == 2;
    __m512i low = ends, high = zero, even[2] = {zero, zero};
    to->special = 0;
    for (int k = 0; k < (count + 1) / 2 * 2; k++) {
        __m512i index[2], scale[2];
        uint64_t some = 0;
        UNROLLED for (int h = 0; h < 2; h++) {
            const __m512i x = k < count ? _mm512_loadu_si512(codes[k] + 32 * h) : zero, e = exponents_of_codes(x);
            const __mmask32 odd = _mm512_cmpeq_epi16_mask(e, ends), is = _mm512_test_epi16_mask(e, e) & ~odd;
            to->special |= (uint64_t)odd << (32 * h);
            some |= (uint64_t)is << (32 * h);
            low = _mm512_mask_min_epu16(low, is, low, e);
            high = _mm512_mask_max_epu16(high, is, high, e);
            index[h] = _mm512_srl_epi16(_mm512_and_si512(x, _mm512_set1_epi16(127)), drop);
            scale[h] = _mm512_maskz_mov_epi16(is, _mm512_and_si512(x, _mm512_set1_epi16((short)0xff80)));
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
    to->low = smallest_word(low);
    to->high = largest_word(high);
}

/* What rounding takes: masks and constants of a register. */
struct register_form {
    __m512i keep, half;
    __m512 smallest, beyond, last; /* of E < 8, as `struct limits` */
    int r, nearest;
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

/* To nearest even, where a tie is one: half a unit is added, and a last bit that it left alone cleared. */
INLINE __m512 to_nearest(__m512 x, const struct register_form *form) {
    const __m512i up = _mm512_add_epi32(_mm512_castps_si512(x), form->half);
    const __mmask16 tie = _mm512_testn_epi32_mask(up, _mm512_xor_si512(form->keep, _mm512_set1_epi32(-1)));
    const __m512i kept = _mm512_and_si512(up, form->keep);
    return _mm512_castsi512_ps(_mm512_mask_and_epi32(kept, tie, kept, _mm512_slli_epi32(form->keep, 1)));
}

INLINE __m512 to_register(__m512 x, const struct register_form *form, enum rounding rounding) {
    if (rounding == TO_ZERO) return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), form->keep));
#ifdef __AVX512BF16__
    if (rounding == TO_BF16) {
        const __m512i words = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(x));
        return _mm512_castsi512_ps(_mm512_slli_epi32(words, 16));
    }
#endif
    if (rounding == TO_FP16) /* a sum of zero has no sign, unlike one that rounds to it */
        return _mm512_cvtph_ps(_mm512_cvtps_ph(_mm512_add_ps(x, _mm512_setzero_ps()),
                                               _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    return rounding == TO_FP32 ? x : to_nearest(x, form);
}

/* What is below the smallest normal number of E < 8 is rounded to its last place; `over` tells what
 * is beyond its largest. */
INLINE __m512 to_limited(__m512 odd, const struct register_form *form, __mmask16 *over) {
    const __mmask16 some = _mm512_cmp_ps_mask(odd, _mm512_setzero_ps(), _CMP_NEQ_OQ);
    const __m512i sign = _mm512_and_si512(_mm512_castps_si512(odd), _mm512_set1_epi32(INT32_MIN));
    const __m512 size = _mm512_abs_ps(odd);
    const __mmask16 below = _mm512_cmp_ps_mask(size, form->smallest, _CMP_LT_OQ);
    __m512 word = cut_word(odd, form->r, form->nearest);
    __m512 small = form->nearest
                       ? _mm512_add_ps(size, form->last)
                       : _mm512_add_round_ps(size, form->last, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    small = _mm512_sub_ps(small, form->last);
    const __m512i signed_small = _mm512_or_si512(_mm512_castps_si512(small), sign);
    word = _mm512_mask_mov_ps(word, below, _mm512_castsi512_ps(signed_small));
    *over |= _mm512_cmp_ps_mask(_mm512_abs_ps(word), form->beyond, _CMP_GE_OQ);
    return _mm512_maskz_mov_ps(some, word);
}

INLINE __m512 one_added(__m512 c, __m512 x, __m512 y, const struct register_form *form, enum rounding rounding,
                        __mmask16 *over) {
    if (rounding == LIMITED && !form->nearest)
        return to_limited(product_added(c, x, y, TO_ZERO), form, over);
    if (rounding == LIMITED) return to_limited(product_to_odd(c, x, y), form, over);
    if (rounding == BY_ODD) return to_nearest(product_to_odd(c, x, y), form);
    return to_register(product_added(c, x, y, rounding), form, rounding);
}

INLINE __m512 pair_added(__m512 c, __m512i words, uint32_t scale, const struct register_form *form,
                         enum rounding rounding, int i, __mmask16 *over) {
#ifdef __AVX512BF16__
    if (adds_pairs(rounding)) /* the other half of the scale is 0 */
        return to_register(_mm512_dpbf16_ps(c, (__m512bh)words, (__m512bh)_mm512_set1_epi32((int)scale)), form, rounding);
#endif
    const __m512i word = i ? _mm512_and_si512(words, _mm512_set1_epi32((int)0xffff0000)) : _mm512_slli_epi32(words, 16);
    return one_added(c, _mm512_castsi512_ps(word), _mm512_castsi512_ps(_mm512_set1_epi32((int)scale)), form, rounding, over);
}

static struct register_form form_of_register(const struct sum *sum) {
    const int r = sum->register_bits, bias = (1 << (sum->exponent_bits - 1)) - 1;
    return (struct register_form){
        .keep = _mm512_set1_epi32(-(1 << (23 - r))),
        .half = _mm512_set1_epi32(r < 23 ? 1 << (22 - r) : 0),
        .smallest = _mm512_set1_ps((float)power_of_two(1 - bias)),
        .beyond = _mm512_set1_ps((float)power_of_two(bias < 127 ? bias + 1 : 127)),
        .last = _mm512_set1_ps((float)power_of_two(1 - bias - r + 23)),
        .r = r,
        .nearest = sum->nearest,
    };
}

/* Whether a product or a sum might leave the normal numbers of FP32: sums are multiples of the
 * smallest unit of a term, and grow by at most twice a term. */
static int is_single_far(const struct task *task, const struct single_row *x, const struct single_columns *y) {
    if (!x->high || !y->high) return 0;
    const int bits = 64 - __builtin_clzll((uint64_t)task->depth);
    return x->low + y->low - 254 < LEAST_SUM || x->high + y->high - 254 + bits + 4 > 126 || y->high == 254;
}

#define FOR_TILE UNROLLED for (int t = 0; t < SINGLE_ROWS; t++)
#define FOR_QUARTERS_OF_SPAN UNROLLED for (int q = 0; q < 4; q++)

INLINE __m512i looked_up_masked(__mmask64 mask, const uint8_t *row, __m512i index, int registers) {
    return registers == 1 ? _mm512_maskz_permutexvar_epi8(mask, index, _mm512_load_si512(row))
                          : _mm512_maskz_permutex2var_epi8(mask, _mm512_load_si512(row), index,
                                                           _mm512_load_si512(row + 64));
}

/* Terms k and, if there are `both`, k + 1 of a tile, of bytes. */
INLINE void add_two(__m512 (*sums)[4], __mmask16 (*over)[4], const struct single_row *const *x,
                    const struct single_columns *y, int k, int both, const uint8_t *table, int registers,
                    const struct register_form *form, enum rounding rounding) {
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
            UNROLLED for (int i = 0; i < 1 + both; i++)
                sums[t][q] = pair_added(sums[t][q], words, x[t]->term[k + i].scale, form, rounding, i, &over[t][q]);
        }
    }
}

/* Term k of a tile, of two bytes. */
INLINE void add_wide(__m512 (*sums)[4], __mmask16 (*over)[4], const struct single_row *const *x,
                     const struct single_columns *y, int k, const uint8_t *table, int registers,
                     const struct register_form *form, enum rounding rounding) {
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
            sums[t][q] = one_added(sums[t][q], _mm512_castsi512_ps(word), scale, form, rounding, &over[t][q]);
        }
    }
}

INLINE void add_tile_of_rows(struct block *block, int64_t m, int tall, const struct single_row *const *x,
                             const uint8_t *table, const struct register_form *form, int registers, int wide,
                             enum rounding rounding) {
    const struct single_columns *y = block->packed;
    const int count = block->count;
    __m512 sums[SINGLE_ROWS][4];
    __mmask16 over[SINGLE_ROWS][4] = {{0}};
    FOR_TILE FOR_QUARTERS_OF_SPAN sums[t][q] = _mm512_loadu_ps(block->c[m + (t < tall ? t : 0)] + 16 * q);
    if (wide)
        for (int k = 0; k < count; k++) add_wide(sums, over, x, y, k, table, registers, form, rounding);
    else
        for (int k = 0; k + 2 <= count; k += 2) add_two(sums, over, x, y, k, 1, table, registers, form, rounding);
    if (!wide && count % 2) add_two(sums, over, x, y, count - 1, 0, table, registers, form, rounding);
    FOR_TILE if (t < tall) {
        float *c = block->c[m + t], before[SPAN];
        uint64_t lanes = x[t]->is_special || is_single_far(block->task, x[t], y) ? UINT64_MAX : y->special;
        if (rounding == LIMITED) FOR_QUARTERS_OF_SPAN lanes |= (uint64_t)over[t][q] << (16 * q);
        if (block->odd[m + t]) lanes |= odd_lanes(c, block->lowest);
        if (__builtin_expect(lanes != 0, 0)) memcpy(before, c, sizeof before);
        FOR_QUARTERS_OF_SPAN _mm512_storeu_ps(c + 16 * q, sums[t][q]);
        if (__builtin_expect(lanes != 0, 0)) add_lanes(block, m + t, lanes, before);
    }
}

static int64_t single_depth(const struct task *task) {
    const int64_t chunk = sum_of(task)->chunk ? sum_of(task)->chunk : task->depth;
    return min64(SINGLE_DEPTH, min64(chunk, task->depth));
}

static int64_t single_row_size(const struct task *task) {
    return (int64_t)sizeof(struct single_row) + 8 * single_depth(task);
}

#define SINGLE(registers, wide, rounding)                                                          \
    for (int64_t m = 0; m < count; m += SINGLE_ROWS) {                                             \
        const int tall = (int)min64(SINGLE_ROWS, count - m);                                       \
        const struct single_row *x[SINGLE_ROWS];                                                   \
        for (int t = 0; t < SINGLE_ROWS; t++)                                                      \
            x[t] = (const void *)((const char *)rows + (m + (t < tall ? t : 0)) * size);           \
        add_tile_of_rows(block, m, tall, x, table, &form, registers, wide, rounding);              \
    }

static void add_single_rows(struct block *block, const void *rows, int64_t count) {
    const struct task *task = block->task;
    const struct sum *sum = sum_of(task);
    const uint8_t *table = (const uint8_t *)task->table + planes_at(task->fraction_bits);
    const int64_t size = single_row_size(task);
    const struct register_form form = form_of_register(sum);
    const int one = task->fraction_bits < 7, wide = task->entry_bytes == 2;
    const enum rounding rounding = rounding_of(task);
#define SINGLES(rounding)                                                                          \
    if (one && wide) { SINGLE(1, 1, rounding) }                                                    \
    else if (one) { SINGLE(1, 0, rounding) }                                                       \
    else if (wide) { SINGLE(2, 1, rounding) }                                                      \
    else { SINGLE(2, 0, rounding) }
#define NARROW_SINGLES(rounding)                                                                   \
    if (one) { SINGLE(1, 0, rounding) }                                                            \
    else { SINGLE(2, 0, rounding) }
    switch (rounding) {
    case TO_ZERO: SINGLES(TO_ZERO) break;
    case TO_FP32: SINGLES(TO_FP32) break;
    case TO_NEAREST: NARROW_SINGLES(TO_NEAREST) break;
    case TO_BF16: NARROW_SINGLES(TO_BF16) break;
    case TO_FP16: NARROW_SINGLES(TO_FP16) break;
    case BY_ODD: SINGLES(BY_ODD) break;
    case LIMITED: SINGLES(LIMITED) break;
    }
}

static int takes_single(const struct sum *sum) {
    const int r = sum->register_bits, is_exact = sum->kind == SUM_FLOAT && sum->align < 0;
    if (!is_exact || sum->terms != 1 || sum->late) return 0;
    return sum->exponent_bits < 8 ? r <= 21 : r != 22 || !sum->nearest;
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
