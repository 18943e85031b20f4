/* Float products added by a recipe of multipliers/sums: every operator, any table of m <= 7.
 *
 * LANES columns at a time; k is never split. Where no product and no sum can leave the normal
 * numbers of FP32, steps are vectors of integers (`fast_*`); anything else, and any sum that has
 * no such form, goes through sum.h, one output at a time (`careful`). Both give the same
 * bits. With AXDSE_CAREFUL all is careful.
 */
#include "sums_task.h"
#if defined(__AVX512BW__) && !defined(AXDSE_CAREFUL)
#include <immintrin.h>
#define AXDSE_PERMUTES 1
#else
#define AXDSE_PERMUTES 0
#endif
#if defined(__AVX2__) && !AXDSE_PERMUTES && !defined(AXDSE_CAREFUL)
#include <immintrin.h>
#define AXDSE_SHUFFLES 1
typedef uint8_t place;
#else
#define AXDSE_SHUFFLES 0
typedef uint16_t place;
#endif

enum {
    LANES = 32,
    ABSENT = -9000, /* exponent of a zero */
    LOWEST = -8000, /* below the exponents of all products, above those with a zero */
    MOST_SHIFT = 31,
    FEW_BITS = AXDSE_SHUFFLES ? 4 : 5, /* of a table row in one register */
};

/* What k of a row of a is: exponent, place of its table row, sign as a mask. */
struct left {
    int16_t exponent;
    uint16_t at, sign, code;
};

/* LANES columns of b at one k. */
struct right {
    int16_t exponent[LANES];
    uint16_t sign[LANES], code[LANES];
    place index[LANES]; /* in the order of look_up() */
};

/* Bounds of the exponents of what is not zero, infinities and NaN being the highest. */
struct reach {
    int low, high;
};

static struct reach with(struct reach reach, int exponent) {
    if (!exponent) return reach;
    return (struct reach){exponent < reach.low ? exponent : reach.low,
                          exponent > reach.high ? exponent : reach.high};
}

static struct reach pack_row(struct left *row, const struct task *task, const code *a) {
    struct reach reach = {255, 0};
    const int stride = row_stride(task->fraction_bits);
    for (int64_t k = 0; k < task->depth; k++) {
        const code x = a[task->a.inner[k]];
        row[k].exponent = (int16_t)(exponent_of(x) ? exponent_of(x) - 127 : ABSENT);
        row[k].at = (uint16_t)(index_of(x, task->fraction_bits) * (uint32_t)stride);
        row[k].sign = x >> 15 ? 0xffff : 0;
        row[k].code = x;
        reach = with(reach, exponent_of(x));
    }
    return reach;
}

/* In-lane unpacks of bytes give words in the order of columns if the middle quarters are swapped. */
static inline void order_for_look_up(place *index) {
#if AXDSE_SHUFFLES
    uint64_t quarters[4];
    memcpy(quarters, index, sizeof quarters);
    const uint64_t second = quarters[1];
    quarters[1] = quarters[2], quarters[2] = second;
    memcpy(index, quarters, sizeof quarters);
#else
    (void)index;
#endif
}

static struct reach pack_columns(struct right *panel, const struct task *task, const code *b,
                        const int64_t *outer, int width) {
    struct run runs[LANES];
    uint16_t low = 255, high = 0;
    const int count = find_runs(runs, outer, width);
    for (int64_t k = 0; k < task->depth; k++) {
        struct right *at = panel + k;
        memset(at->code, 0, sizeof at->code);
        copy_codes(at->code, b + task->b.inner[k], runs, count);
        for (int n = 0; n < LANES; n++) {
            const code x = at->code[n];
            const uint16_t exponent = (uint16_t)exponent_of(x), there = exponent ? exponent : 255;
            low = there < low ? there : low;
            high = exponent > high ? exponent : high;
            at->exponent[n] = (int16_t)(exponent ? (int)exponent - 127 : ABSENT);
            at->index[n] = (place)index_of(x, task->fraction_bits);
            at->sign[n] = (uint16_t)((int16_t)x >> 15);
        }
        order_for_look_up(at->index);
    }
    return (struct reach){low, high};
}

/* Whether all operands are finite and, for sums in FP32 itself (form 1), neither a product nor a
 * sum leaves its normal numbers: sums are multiples of the smallest unit of a term, and grow by at
 * most twice a term. The other forms find out by themselves. */
static int is_in_reach(const struct task *task, struct reach a, struct reach b, int form) {
    if (a.high == 255 || b.high == 255) return 0;
    const int low = a.low + b.low - 254, high = a.high + b.high - 254;
    const int bits = 64 - __builtin_clzll((uint64_t)task->depth);
    return form != 1 || ((low >= -95 || !a.high || !b.high) && high + bits + 4 <= 126);
}

/* One output by the model of the sum. */
static float careful(const struct task *task, const struct left *row, const struct right *panel,
                     int lane) {
    const struct sum *sum = sum_of(task);
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    float outer = 0;
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t end = min64(from + chunk, depth);
        struct running now;
        sum_clear(sum, &now, 0);
        for (int64_t k = from; k < end; k += sum->terms) {
            struct terms terms;
            const int count = (int)min64(sum->terms, end - k);
            for (int i = 0; i < count; i++)
                set_term(&terms, i, row[k + i].code, panel[k + i].code[lane], task);
            sum_step(sum, &now, terms.exponent, terms.significand, count, terms.special);
        }
        outer = sum->chunk ? outer + sum_end(sum, &now) : sum_end(sum, &now);
    }
    return sum_plain(outer);
}

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

/* Exact doubles rounded to r fraction bits. Returns 1 if one is no normal number of FP32, or 0. */
static inline __attribute__((always_inline)) int round_all(float *restrict c,
                                                           const double *restrict exact, int r,
                                                           int nearest) {
    const uint64_t unit = 1ull << (52 - r), size = UINT64_MAX >> 1;
    uint64_t beyond = 0;
    for (int n = 0; n < LANES; n++) {
        uint64_t bits;
        memcpy(&bits, exact + n, sizeof bits);
        if (nearest) bits += (unit >> 1) - 1 + (bits >> (52 - r) & 1);
        bits &= ~(unit - 1);
        /* 2^-126 and 2^128 as doubles */
        beyond |= (bits & size) && (bits & size) - (897ull << 52) >= 254ull << 52;
        double x;
        memcpy(&x, &bits, sizeof x);
        c[n] = (float)x;
    }
    return beyond != 0;
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

/* A step begins: the exponent of c, 0 having none, and after `top` is known c in its units. */
static inline __attribute__((always_inline)) void exponents_of_sums(int16_t *restrict top,
                                                                    const float *restrict c) {
    for (int n = 0; n < LANES; n++) {
        const int field = sum_word(c[n]) >> 23 & 255;
        top[n] = (int16_t)(field ? field - 127 : LOWEST);
    }
}

static inline __attribute__((always_inline)) void cut_sums(int32_t *restrict t,
                                                           const float *restrict c,
                                                           const int16_t *restrict top, int align,
                                                           int down) {
    for (int n = 0; n < LANES; n++) {
        const uint32_t word = sum_word(c[n]);
        const int field = word >> 23 & 255, far = top[n] - field + 127;
        const int gap = far < MOST_SHIFT ? far : MOST_SHIFT;
        const int32_t size = field ? (int32_t)((word & 0x7fffff) | 0x800000) : 0;
        const int32_t sign = (int32_t)word >> 31;
        const int32_t value = down ? (size ^ sign) - sign : size;
        const int32_t cut = (align >= 23 ? value << (align - 23) : value >> (23 - align)) >> gap;
        t[n] = down ? cut : (cut ^ sign) - sign;
    }
}

/* t + more; 1 if that takes more than 32 bits. */
static inline __attribute__((always_inline)) int add_all(int32_t *restrict t,
                                                         const int32_t *restrict more) {
    int32_t over = 0;
    for (int n = 0; n < LANES; n++) {
        const int32_t sum = (int32_t)((uint32_t)t[n] + (uint32_t)more[n]);
        over |= (sum ^ t[n]) & (sum ^ more[n]);
        t[n] = sum;
    }
    return over < 0;
}

/* t 2^(top - align) rounded. Returns 1 if one is no normal number of FP32, or near 2^31. */
static inline __attribute__((always_inline)) int close_step(float *restrict c,
                                                            const int32_t *restrict t,
                                                            const int16_t *restrict top, int align,
                                                            int r, int nearest) {
    if (nearest && r == 22) {
        double total[LANES];
        for (int n = 0; n < LANES; n++)
            total[n] = t[n] * power_of_two((top[n] == LOWEST ? 0 : top[n]) - align);
        return round_all(c, total, r, 1);
    }
    const uint32_t keep = ~0u << (23 - r), half = r < 23 ? 1u << (22 - r) : 0;
    uint32_t beyond = 0;
    for (int n = 0; n < LANES; n++) {
        const int32_t whole = t[n], unit = top[n] - align;
        const float near = (float)whole;
        uint32_t word = sum_word(near);
        if (!nearest || r < 23) { /* cut, or to odd first */
            const int32_t back = (int32_t)(near < 0x1p31f ? near : 0);
            const uint32_t is_lost = back != whole, outward = (uint32_t)((whole - back) ^ whole) >> 31;
            word = (word - (is_lost & outward)) | (nearest ? is_lost : 0);
        }
        if (nearest && r < 23) {
            const uint32_t up = word + half, tie = (up & ~keep) == 0;
            word = up & keep & ~(tie << (23 - r));
        } else if (!nearest) {
            word &= keep;
        }
        const uint32_t some = whole != 0, above = (word >> 23 & 255) + (uint32_t)unit - 1;
        beyond |= (some & (above > 253)) | (near >= 0x1p31f);
        c[n] = sum_float(some ? word + ((uint32_t)unit << 23) : 0);
    }
    return beyond != 0;
}

/* A register float(8, R), its terms aligned. Returns 1 if `careful` must do it again. */
static inline __attribute__((always_inline)) int fast_aligned(
    float *restrict result, const struct task *task, const struct left *row,
    const struct right *panel, int bits, int down, int nearest, int late) {
    const struct sum *sum = sum_of(task);
    const uint16_t *table = looked_table(task);
    const int align = sum->align, r = sum->register_bits;
    /* So many terms stay below 2^30. */
    const int flush = 1 << (28 - align);
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    float c[LANES] = {0}, outer[LANES] = {0};
    int over = 0;
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        for (int64_t k = from; k < last; k += sum->terms) {
            const int64_t end = min64(k + sum->terms, last);
            int16_t top[LANES];
            int32_t t[LANES] = {0};
            if (late)
                for (int n = 0; n < LANES; n++) top[n] = LOWEST;
            else
                exponents_of_sums(top, c);
            raise_top(top, row + k, panel + k, end - k);
            if (!late) cut_sums(t, c, top, align, down);
            add_terms(t, top, row + k, panel + k, min64(flush, end - k), table, bits, align, down);
            for (int64_t i = k + flush; i < end; i += flush) {
                int32_t more[LANES] = {0};
                const int64_t some = min64(flush, end - i);
                add_terms(more, top, row + i, panel + i, some, table, bits, align, down);
                over |= add_all(t, more);
            }
            float next[LANES];
            over |= close_step(next, t, top, align, r, nearest);
            for (int n = 0; n < LANES; n++) c[n] = late ? next[n] + c[n] : next[n];
        }
        if (sum->chunk)
            for (int n = 0; n < LANES; n++) outer[n] += c[n], c[n] = 0;
    }
    for (int n = 0; n < LANES; n++) result[n] = sum->chunk ? outer[n] : c[n];
    return over;
}

/* One product to each of c. Its rounding error says, unless it is `once`, in which direction a sum in
 * FP32 has been rounded: so it is cut, or rounded to odd, and then to r bits, r = 23 or up to 21. */
static inline __attribute__((always_inline)) void add_product(float *restrict c,
                                                              const struct left *x,
                                                              const struct right *y,
                                                              const uint16_t *table, int bits,
                                                              int r, int nearest, int once) {
    uint16_t found[LANES];
    look_up(found, table + x->at, y->index, bits);
    const uint32_t keep = ~0u << (23 - r), half = r < 23 ? 1u << (22 - r) : 0;
    for (int n = 0; n < LANES; n++) {
        const int16_t exponent = (int16_t)(x->exponent + y->exponent[n]);
        const int16_t field = exponent > LOWEST ? (int16_t)(exponent - FRACTION + 127) : 0;
        const uint16_t minus = (uint16_t)(x->sign ^ y->sign[n]) & 0x8000;
        /* a zero's scale is zero */
        const float scale = sum_float((uint32_t)(uint16_t)((field << 7) | minus) << 16);
        const float p = (float)found[n] * scale, s = c[n] + p;
        uint32_t word = sum_word(s);
        if (!once) {
            const float part = s - c[n], lost = (c[n] - (s - part)) + (p - part);
            const uint32_t is_lost = lost != 0, inward = (sum_word(lost) ^ word) >> 31;
            word = (word - (is_lost & inward)) | (nearest ? is_lost : 0);
        }
        if (nearest && r < 23) {
            const uint32_t up = word + half, tie = (up & ~keep) == 0;
            word = up & keep & ~(tie << (23 - r));
        } else if (!nearest) {
            word &= keep;
        }
        c[n] = sum_float(word);
    }
}

/* The same by way of FP64, for r = 22. */
static inline __attribute__((always_inline)) void add_product_by_odd(float *restrict c,
                                                              const struct left *x,
                                                              const struct right *y,
                                                              const uint16_t *table, int bits,
                                                              int r, int nearest) {
    uint16_t found[LANES];
    double exact[LANES];
    look_up(found, table + x->at, y->index, bits);
    for (int n = 0; n < LANES; n++) {
        const int exponent = x->exponent + y->exponent[n];
        const double size = exponent > LOWEST ? (double)found[n] : 0.0;
        const double scale = power_of_two(exponent > LOWEST ? exponent - FRACTION : 0);
        const double y_n = ((x->sign ^ y->sign[n]) & 1 ? -size : size) * scale;
        const double x_n = c[n], s = x_n + y_n, part = s - x_n;
        const double lost = (x_n - (s - part)) + (y_n - part);
        uint64_t word;
        memcpy(&word, &s, sizeof word);
        const uint64_t outward = (lost > 0) == (s > 0);
        word += lost != 0 && !(word & 1) ? (outward ? 1 : -1) : 0;
        memcpy(exact + n, &word, sizeof word);
    }
    round_all(c, exact, r, nearest);
}

/* A register float(8, R) that products are added to exactly, one by one. */
static inline __attribute__((always_inline)) int fast_exact(float *restrict result,
                                                            const struct task *task,
                                                            const struct left *row,
                                                            const struct right *panel, int bits,
                                                            int nearest) {
    const struct sum *sum = sum_of(task);
    const uint16_t *table = looked_table(task);
    const int r = sum->register_bits, bits_of_products = ((const struct head *)task->table)->product_bits;
    /* kernel_sums_single.c says why */
    const int once = nearest && (r == 23 || (r <= 10 && bits_of_products <= r + 1));
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    float c[LANES] = {0}, outer[LANES] = {0};
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        for (int64_t k = from; k < last; k++)
            if (nearest && r == 22) add_product_by_odd(c, row + k, panel + k, table, bits, r, 1);
            else if (once) add_product(c, row + k, panel + k, table, bits, r, nearest, 1);
            else add_product(c, row + k, panel + k, table, bits, r, nearest, 0);
        if (sum->chunk)
            for (int n = 0; n < LANES; n++) outer[n] += c[n], c[n] = 0;
    }
    for (int n = 0; n < LANES; n++) result[n] = sum->chunk ? outer[n] : c[n];
    return 0;
}

/* A lazy register of at most 30 bits. */
static inline __attribute__((always_inline)) int fast_lazy(float *restrict result,
                                                           const struct task *task,
                                                           const struct left *row,
                                                           const struct right *panel, int bits,
                                                           int down, int nearest) {
    const struct sum *sum = sum_of(task);
    const uint16_t *table = looked_table(task);
    const int align = sum->align, spare = 32 - sum->width;
    const int64_t depth = task->depth, chunk = sum->chunk ? sum->chunk : depth;
    float c[LANES] = {0}, outer[LANES] = {0};
    int over = 0;
    for (int64_t from = 0; from < depth; from += chunk) {
        const int64_t last = min64(from + chunk, depth);
        int16_t top[LANES], before[LANES];
        int32_t t[LANES] = {0};
        for (int n = 0; n < LANES; n++) top[n] = LOWEST;
        for (int64_t k = from; k < last; k += sum->terms) {
            const int64_t end = min64(k + sum->terms, last);
            memcpy(before, top, sizeof top);
            raise_top(top, row + k, panel + k, end - k);
            for (int n = 0; n < LANES; n++) {
                const int far = top[n] - before[n], gap = far < MOST_SHIFT ? far : MOST_SHIFT;
                const int32_t back = down ? 0 : t[n] >> 31 & (int32_t)((1u << gap) - 1);
                t[n] = (t[n] + back) >> gap;
            }
            add_terms(t, top, row + k, panel + k, end - k, table, bits, align, down);
            for (int n = 0; n < LANES; n++) t[n] = (int32_t)((uint32_t)t[n] << spare) >> spare;
        }
        over |= close_step(c, t, top, align, 23, nearest);
        if (sum->chunk)
            for (int n = 0; n < LANES; n++) outer[n] += c[n], c[n] = 0;
    }
    for (int n = 0; n < LANES; n++) result[n] = sum->chunk ? outer[n] : c[n];
    return over;
}

/* Which of them computes a sum, as a number; 0: none. */
static int form_of(const struct sum *sum) {
#ifdef AXDSE_CAREFUL
    (void)sum;
    return 0;
#else
    const int is_float = sum->kind == SUM_FLOAT && sum->exponent_bits == 8;
    if (is_float && sum->align < 0 && sum->terms == 1 && !sum->late) return 1;
    if (is_float && sum->align >= 0 && sum->align <= 28 && (!sum->late || sum->register_bits == 23))
        return 2;
    if (sum->kind == SUM_LAZY && sum->width <= 30) return 3; /* so align <= 27 */
    return 0;
#endif
}

#define FORMS(bits)                                                                            \
    if (form == 1)                                                                             \
        return nearest ? fast_exact(c, task, row, panel, bits, 1)                              \
                       : fast_exact(c, task, row, panel, bits, 0);                             \
    if (form == 3)                                                                             \
        return down ? fast_lazy(c, task, row, panel, bits, 1, nearest)                         \
                    : fast_lazy(c, task, row, panel, bits, 0, nearest);                        \
    if (late) return fast_aligned(c, task, row, panel, bits, down, nearest, 1);                \
    return down      ? fast_aligned(c, task, row, panel, bits, 1, nearest, 0)                  \
           : nearest ? fast_aligned(c, task, row, panel, bits, 0, 1, 0)                        \
                     : fast_aligned(c, task, row, panel, bits, 0, 0, 0)

static int fast(float *c, const struct task *task, const struct left *row,
                const struct right *panel, int form) {
    const struct sum *sum = sum_of(task);
    const int down = sum->down, nearest = sum->nearest, late = sum->late;
    if (task->fraction_bits <= FEW_BITS) {
        FORMS(FEW_BITS);
    }
    FORMS(7);
}

/* Rows [first, last) of one panel. */
static void multiply_rows(const struct task *task, const struct left *rows,
                          const struct reach *reaches, const struct right *panel,
                          struct reach reach, sum *c, const int64_t *columns, int width,
                          int64_t first, int64_t last) {
    const int form = form_of(sum_of(task));
    for (int64_t m = first; m < last; m++) {
        const struct left *row = rows + m * task->depth;
        float result[LANES];
        int again = !form || !is_in_reach(task, reaches[m], reach, form) ||
                    fast(result, task, row, panel, form);
        /* Also where an FP32 sum outside the register has overflowed. */
        for (int n = 0; n < width && !again; n++) again = !sum_finite(result[n]);
        if (again)
            for (int n = 0; n < width; n++) result[n] = careful(task, row, panel, n);
        for (int n = 0; n < width; n++) c[task->c_row[m] + columns[n]] = result[n];
    }
}

int64_t table_size(int fraction_bits, int entry_bytes) {
    const int64_t slices = (int64_t)row_stride(fraction_bits) * (int64_t)sizeof(uint16_t) << fraction_bits;
    return rows_size(fraction_bits, entry_bytes) + (AXDSE_SHUFFLES ? slices : 0);
}

void prepare_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    prepare_rows(table, entries, fraction_bits, entry_bytes);
    if (!AXDSE_SHUFFLES) return;
    const int stride = row_stride(fraction_bits);
    const uint16_t *from = (const uint16_t *)(table + TABLE_AT);
    uint8_t *plane = table + rows_size(fraction_bits, entry_bytes);
    for (int x = 0; x < 1 << fraction_bits; x++, from += stride, plane += 2 * stride)
        for (int y = 0; y < 1 << fraction_bits; y++) {
            const int change = from[y] ^ (y < 16 ? 0 : from[y - 16]);
            plane[y] = (uint8_t)change;
            plane[stride + y] = (uint8_t)(change >> 8);
        }
}

enum { SERIAL_PRODUCTS = 1 << 15 };

/* Returns 0, or 1 if there is no memory. */
int multiply_task(const struct task *task) {
    const int64_t panels = (task->columns + LANES - 1) / LANES;
    const double products = (double)task->rows * task->depth * task->columns * task->problems;
    const int threads = products < SERIAL_PRODUCTS ? 1 : task->threads;
    const int64_t parts = panels >= 2 * threads ? 1 : min64(threads, task->rows);
    struct left *rows = malloc((size_t)(task->rows * task->depth) * sizeof *rows);
    struct reach *reaches = malloc((size_t)task->rows * sizeof *reaches);
    int failed = !rows || !reaches;
    for (int64_t problem = 0; problem < task->problems && !failed; problem++) {
        const code *a = task->a.codes + task->a_base[problem];
        const code *b = task->b.codes + task->b_base[problem];
        sum *c = task->c + task->c_base[problem];
#pragma omp parallel num_threads(threads) reduction(| : failed)
        {
            struct right *panel = aligned_alloc(64, (size_t)task->depth * sizeof *panel);
            failed |= !panel;
#pragma omp for schedule(static)
            for (int64_t m = 0; m < task->rows; m++)
                reaches[m] = pack_row(rows + m * task->depth, task, a + task->a.outer[m]);
#pragma omp for schedule(dynamic, 1)
            for (int64_t at = 0; at < panels * parts; at++) {
                if (!panel) continue;
                const int64_t n = at / parts * LANES, part = at % parts;
                const int width = (int)min64(LANES, task->columns - n);
                const struct reach reach = pack_columns(panel, task, b, task->b.outer + n, width);
                multiply_rows(task, rows, reaches, panel, reach, c, task->c_column + n, width,
                              task->rows * part / parts, task->rows * (part + 1) / parts);
            }
            free(panel);
        }
    }
    free(rows);
    free(reaches);
    return failed;
}
