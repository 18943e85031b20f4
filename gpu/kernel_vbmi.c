/* AVX-512 VBMI host kernel of axdse::lut_gemm: vpermi2b looks up 64 products at once.
 *
 * A row of a table is 128 bytes, two registers, for each byte of an entry. Look-ups run over 64
 * columns of b in an order such that the in-lane unpacks to 16 and 32 bits end up in the order
 * of the columns: byte 16 l + 4 q + r of the registers is column 16 q + 4 l + r.
 */
#include "kernel.h"

#include <immintrin.h>

enum { LANES = 64, BLOCKS = BLOCK_N / LANES };

/* The bytes carry:fraction[14:8] and fraction[7:0] of the entries; the latter may be all zero. */
struct rows {
    _Alignas(64) uint8_t upper[MAX_INDEX][MAX_INDEX], lower[MAX_INDEX][MAX_INDEX];
    int has_lower;
};

/* The panel in the order of the look-ups; not_zero masks entries, since a zero has no hidden one. */
struct packed {
    _Alignas(64) uint8_t index[BLOCKS][BLOCK_K][LANES];
    _Alignas(64) uint16_t scale[BLOCKS][BLOCK_K][LANES];
    uint64_t not_zero[BLOCKS][BLOCK_K];
};

static void prepare_rows(struct rows *rows, const uint16_t *entries, int fraction_bits) {
    const int size = 1 << fraction_bits;
    rows->has_lower = 0;
    for (int x = 0; x < size; x++)
        for (int y = 0; y < size; y++) {
            const uint16_t entry = entries[x * size + y];
            rows->upper[x][y] = (uint8_t)(entry >> 8);
            rows->lower[x][y] = (uint8_t)entry;
            rows->has_lower |= entry & 0xff;
        }
}

static inline __m512i in_lookup_order(__m512i bytes) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_epi32(order, bytes);
}

static inline __m512i words_in_lookup_order(__m512i words) {
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), words);
}

static void pack_more(struct packed *packed, const struct panel *panel, int depth) {
    const __m512i size = _mm512_set1_epi16(0x7fff);
    for (int k = 0; k < depth; k++)
        for (int block = 0; block * LANES < panel->width; block++) {
            const uint16_t *natural = panel->scale[k] + block * LANES;
            const __m512i scale0 = words_in_lookup_order(_mm512_loadu_si512(natural));
            const __m512i scale1 = words_in_lookup_order(_mm512_loadu_si512(natural + 32));
            const __m512i index = _mm512_loadu_si512(panel->index[k] + block * LANES);
            _mm512_store_si512(packed->index[block][k], in_lookup_order(index));
            _mm512_store_si512(packed->scale[block][k], scale0);
            _mm512_store_si512(packed->scale[block][k] + 32, scale1);
            /* Packing keeps the lanes of the two registers that unpacking made of one. */
            const __m512i flag0 = _mm512_movm_epi16(_mm512_test_epi16_mask(scale0, size));
            const __m512i flag1 = _mm512_movm_epi16(_mm512_test_epi16_mask(scale1, size));
            packed->not_zero[block][k] = _mm512_movepi8_mask(_mm512_packs_epi16(flag0, flag1));
        }
}

static inline __m512i look_up(const uint8_t *row, __m512i index, __mmask64 not_zero) {
    return _mm512_maskz_permutex2var_epi8(not_zero, _mm512_load_si512(row), index,
                                          _mm512_load_si512(row + 64));
}

/* 64 sums of c, FP32 or (as bits) int32; named, since arrays would go through memory. */
struct sums {
    __m512i q0, q1, q2, q3;
};

static inline __mmask16 quarter(int width, int q) {
    return (__mmask16)((1u << min_int(max_int(width - 16 * q, 0), 16)) - 1);
}

static inline struct sums load_sums(const void *c, int width) {
    const int32_t *from = c;
    return (struct sums){_mm512_maskz_loadu_epi32(quarter(width, 0), from),
                         _mm512_maskz_loadu_epi32(quarter(width, 1), from + 16),
                         _mm512_maskz_loadu_epi32(quarter(width, 2), from + 32),
                         _mm512_maskz_loadu_epi32(quarter(width, 3), from + 48)};
}

static inline void store_sums(void *c, int width, struct sums sums) {
    int32_t *to = c;
    _mm512_mask_storeu_epi32(to, quarter(width, 0), sums.q0);
    _mm512_mask_storeu_epi32(to + 16, quarter(width, 1), sums.q1);
    _mm512_mask_storeu_epi32(to + 32, quarter(width, 2), sums.q2);
    _mm512_mask_storeu_epi32(to + 48, quarter(width, 3), sums.q3);
}

static inline __m512i add_product(__m512i sum, __m512i product, __m512 scale) {
    return _mm512_castps_si512(
        _mm512_fmadd_ps(_mm512_castsi512_ps(product), scale, _mm512_castsi512_ps(sum)));
}

/* 64 columns: entries become FP32 words {scale_b + upper, lower, 0}, times scale_a, into c. */
static inline __attribute__((always_inline)) void add_block(
    float *c, int width, const struct rows *rows, const struct packed *packed, int block,
    const struct plain *plain, int has_lower) {
    const __m512i zero = _mm512_setzero_si512();
    struct sums sums = load_sums(c, width);
    for (int i = 0; i < plain->count; i++) {
        const int k = plain->k[i], row = plain->row[i];
        const __mmask64 not_zero = packed->not_zero[block][k];
        const __m512i index = _mm512_load_si512(packed->index[block][k]);
        const __m512i upper = look_up(rows->upper[row], index, not_zero);
        const __m512i high0 = _mm512_add_epi16(_mm512_unpacklo_epi8(upper, zero),
                                               _mm512_load_si512(packed->scale[block][k]));
        const __m512i high1 = _mm512_add_epi16(_mm512_unpackhi_epi8(upper, zero),
                                               _mm512_load_si512(packed->scale[block][k] + 32));
        const __m512i lower = has_lower ? look_up(rows->lower[row], index, not_zero) : zero;
        const __m512i low0 = has_lower ? _mm512_unpacklo_epi8(zero, lower) : zero;
        const __m512i low1 = has_lower ? _mm512_unpackhi_epi8(zero, lower) : zero;
        const __m512 scale = _mm512_set1_ps(plain->scale[i]);
        sums.q0 = add_product(sums.q0, _mm512_unpacklo_epi16(low0, high0), scale);
        sums.q1 = add_product(sums.q1, _mm512_unpackhi_epi16(low0, high0), scale);
        sums.q2 = add_product(sums.q2, _mm512_unpacklo_epi16(low1, high1), scale);
        sums.q3 = add_product(sums.q3, _mm512_unpackhi_epi16(low1, high1), scale);
    }
    store_sums(c, width, sums);
}

static void add_plain(float *c, const struct rows *rows, const struct panel *panel,
                      const struct packed *packed, const struct plain *plain) {
    for (int block = 0; block * LANES < panel->width; block++) {
        const int width = panel->width - block * LANES;
        if (rows->has_lower)
            add_block(c + block * LANES, width, rows, packed, block, plain, 1);
        else
            add_block(c + block * LANES, width, rows, packed, block, plain, 0);
    }
}

struct scratch {
    struct rows rows;
    struct packed packed;
    struct panel panel;
};

void lut_gemm_float(const struct task *task) {
    static _Thread_local struct scratch own;
    struct scratch *volatile scratch = &own; /* volatile: see kernel.h */
    struct scratch *const s = scratch;
    multiply_blocks(task, &s->rows, &s->panel, &s->packed);
}

/* The bytes of one plane of 64 products. */
static inline __m512i look_up_plane(const uint8_t *row, __m512i index) {
    const __m512i below = look_up(row, index, ~0ull), above = look_up(row + 128, index, ~0ull);
    return _mm512_mask_mov_epi8(below, _mm512_movepi8_mask(index), above);
}

struct int_rows {
    _Alignas(64) uint8_t planes[257][2][256]; /* the last row is zero */
};

static void split_planes(uint8_t *restrict lower, uint8_t *restrict upper,
                         const int16_t *restrict entries) {
    for (int b = 0; b < 256; b++) {
        lower[b] = (uint8_t)entries[b];
        upper[b] = (uint8_t)((uint16_t)entries[b] >> 8);
    }
}

static void prepare_int_rows(struct int_rows *rows, const int16_t *entries) {
    for (int a = 0; a < 256; a++)
        split_planes(rows->planes[a][0], rows->planes[a][1], entries + 256 * a);
}

/* One row of c, 64 columns, two k at a time; `a` is padded to an even depth with row 256. */
static void add_int_block(uint32_t *c, int width, const struct int_rows *rows, const uint16_t *a,
                          uint8_t (*index)[LANES], int depth) {
    const __m512i ones = _mm512_set1_epi16(1);
    struct sums sums = load_sums(c, width);
    for (int k = 0; k < depth; k += 2) {
        const __m512i index0 = _mm512_load_si512(index[k]), index1 = _mm512_load_si512(index[k + 1]);
        const __m512i lower0 = look_up_plane(rows->planes[a[k]][0], index0);
        const __m512i upper0 = look_up_plane(rows->planes[a[k]][1], index0);
        const __m512i lower1 = look_up_plane(rows->planes[a[k + 1]][0], index1);
        const __m512i upper1 = look_up_plane(rows->planes[a[k + 1]][1], index1);
        const __m512i x0 = _mm512_unpacklo_epi8(lower0, upper0);
        const __m512i x1 = _mm512_unpackhi_epi8(lower0, upper0);
        const __m512i y0 = _mm512_unpacklo_epi8(lower1, upper1);
        const __m512i y1 = _mm512_unpackhi_epi8(lower1, upper1);
        sums.q0 = _mm512_dpwssd_epi32(sums.q0, _mm512_unpacklo_epi16(x0, y0), ones);
        sums.q1 = _mm512_dpwssd_epi32(sums.q1, _mm512_unpackhi_epi16(x0, y0), ones);
        sums.q2 = _mm512_dpwssd_epi32(sums.q2, _mm512_unpacklo_epi16(x1, y1), ones);
        sums.q3 = _mm512_dpwssd_epi32(sums.q3, _mm512_unpackhi_epi16(x1, y1), ones);
    }
    store_sums(c, width, sums);
}

struct int_scratch {
    struct int_rows rows;
    _Alignas(64) uint8_t index[BLOCK_K][LANES];
};

static void pack_codes(uint8_t (*index)[LANES], const uint8_t *b, int64_t columns, int width,
                       int depth) {
    const __mmask64 inside = ~0ull >> (LANES - width);
    for (int k = 0; k < depth; k++) {
        const __m512i codes = _mm512_maskz_loadu_epi8(inside, b + k * columns);
        _mm512_store_si512(index[k], in_lookup_order(codes));
    }
}

void lut_gemm_int8(const struct int_task *task) {
    static _Thread_local struct int_scratch own;
    struct int_scratch *volatile scratch = &own;
    struct int_scratch *const s = scratch;
    uint16_t a[BLOCK_K];
    prepare_int_rows(&s->rows, task->entries);
    for (int64_t n = task->n0; n < task->n1; n += LANES) {
        const int width = (int)(task->n1 - n < LANES ? task->n1 - n : LANES);
        for (int64_t k0 = 0; k0 < task->depth; k0 += BLOCK_K) {
            const int depth = (int)(task->depth - k0 < BLOCK_K ? task->depth - k0 : BLOCK_K);
            pack_codes(s->index, task->b + k0 * task->columns + n, task->columns, width, depth);
            for (int64_t m = task->m0; m < task->m1; m++) {
                for (int k = 0; k < depth; k++) a[k] = task->a[m * task->depth + k0 + k];
                if (depth % 2) a[depth] = 256;
                add_int_block(task->c + m * task->columns + n, width, &s->rows, a, s->index, depth);
            }
        }
    }
}
