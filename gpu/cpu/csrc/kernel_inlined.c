/* Host kernel for float(8, m), m <= 23, without a table: the C model is compiled into the loop.
 *
 * The compiler's vectoriser does the rest. Columns run innermost and each meets all ROWS rows, so
 * that what depends on one operand alone is computed once for a row or a column. Sums stay in
 * registers if the model is short; otherwise its own work hides their loads and stores. Measured
 * with gcc 12: six rows of two AVX-512 registers fill 32 registers; unrolling over k, which gcc
 * does by itself (-floop-unroll-and-jam), would spill them.
 */
#include "inlined_product.h"

typedef uint32_t code;
typedef float sum;
enum { LANES = 32, ROWS = 6, DEPTH = 64 };

struct columns {
    _Alignas(64) uint32_t fraction[DEPTH][LANES];
    float scale[DEPTH][LANES];
    int any_zero;
};

#include "gemm.h"

/* The border of a gradient, no operand at all: a subnormal, that rounding never leaves. */
enum { MISSING = 1 };

static inline int smaller(int x, int y) { return x < y ? x : y; }
static inline int larger(int x, int y) { return x > y ? x : y; }

static inline struct bounds bounds_of(const code *codes, int count) {
    int low = 255, high = 0;
    for (int i = 0; i < count; i++) {
        const int exponent = exponent_of(codes[i]);
        low = smaller(low, exponent ? exponent : 255);
        high = larger(high, exponent);
    }
    return (struct bounds){low, high};
}

/* Whether all products, and scales of b on the way there, are normal numbers or zero. */
static inline int is_plain(struct bounds a, struct bounds b) {
    return a.high < 255 && b.low >= LOWEST && b.high <= HIGHEST && a.low + b.low >= 127 + 1 &&
           a.high + b.high + 1 <= 127 + 254;
}

static int is_fast(const struct row *row, const struct block *block) {
    return is_plain(row->bounds, block->bounds);
}

/* Of an exponent outside the two it is zero: zeros, and what is_plain() leaves to
 * multiply_slow(). */
static inline uint32_t scale_of(code x, int lowest, int highest, int point) {
    const int exponent = exponent_of(x);
    const uint32_t scale = (x & 0xff800000u) - ((uint32_t)point << 23);
    return exponent >= lowest && exponent <= highest ? scale : 0;
}

static void pack_row(struct row *row, int depth, const struct task *task) {
    (void)task;
    row->bounds = bounds_of(row->codes, depth);
    for (int k = 0; k < depth; k++) {
        row->at[k] = fraction_of(row->codes[k]);
        row->scale[k] = scale_of(row->codes[k], 1, 254, 0);
    }
}

static inline void load_codes(code *codes, const struct block *block, int k) {
    copy_codes(codes, block->b + block->b_inner[k], block->from, block->from_runs);
}

static void pack_columns(struct columns *columns, struct block *block, int depth,
                         const struct task *task) {
    (void)task;
    _Alignas(64) code codes[LANES];
    for (int n = 0; n < LANES; n++) codes[n] = 0x3f800000u; /* one, where the block is narrower */
    int low[LANES], high[LANES], zeros = 0;
    for (int n = 0; n < LANES; n++) low[n] = 255, high[n] = 0;
    for (int k = 0; k < depth; k++) {
        load_codes(codes, block, k);
        for (int n = 0; n < LANES; n++) {
            const int exponent = exponent_of(codes[n]);
            zeros += exponent == 0;
            low[n] = smaller(low[n], exponent ? exponent : 255);
            high[n] = larger(high[n], exponent);
            columns->fraction[k][n] = fraction_of(codes[n]);
            columns->scale[k][n] = float_of(scale_of(codes[n], LOWEST, HIGHEST, POINT));
        }
    }
    for (int n = 0; n < block->width; n++) {
        block->bounds.low = smaller(block->bounds.low, low[n]);
        block->bounds.high = larger(block->bounds.high, high[n]);
    }
    columns->any_zero = zeros != 0;
}

#define INLINE static inline __attribute__((always_inline))
#define FOR_ROWS _Pragma("GCC unroll 8") for (int r = 0; r < count; r++)

INLINE void multiply_count(float *const *c, const struct row *const *rows, int count,
                           const struct columns *restrict columns, int depth, int any_zero) {
    _Alignas(64) float sums[ROWS][LANES];
    FOR_ROWS for (int n = 0; n < LANES; n++) sums[r][n] = 0;
    for (int k = 0; k < depth; k++) {
        uint32_t x[ROWS];
        float scale[ROWS];
        FOR_ROWS x[r] = rows[r]->at[k], scale[r] = float_of(rows[r]->scale[k]);
        for (int n = 0; n < LANES; n++) {
            const uint32_t y = columns->fraction[k][n];
            const float scale_b = columns->scale[k][n];
            FOR_ROWS sums[r][n] += scaled_product(x[r], y, scale_b, any_zero) * scale[r];
        }
    }
    FOR_ROWS for (int n = 0; n < LANES; n++) c[r][n] += sums[r][n];
}

/* A short group of rows is filled up with its last row, whose sums then go nowhere. */
static void multiply(float *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task) {
    (void)block, (void)task;
    float nowhere[LANES] = {0}, *to[ROWS];
    const struct row *from[ROWS];
    for (int r = 0; r < ROWS; r++) {
        to[r] = r < count ? c[r] : nowhere;
        from[r] = rows + smaller(r, count - 1);
    }
    if (count == 1)
        multiply_count(to, from, 1, columns, depth, 1);
    else if (FP_SIGNIFICAND && !columns->any_zero)
        multiply_count(to, from, ROWS, columns, depth, 0);
    else
        multiply_count(to, from, ROWS, columns, depth, 1);
}

static void know_bounds(struct block *block, int depth) {
    code codes[LANES];
    for (int k = 0; k < depth; k++) {
        load_codes(codes, block, k);
        block->bounds_of_k[k] = bounds_of(codes, block->width);
    }
    block->knows_bounds = 1;
}

/* The k in range go the fast way; the others are taken one by one. A zero of a code in its place
 * adds nothing. */
static void multiply_slow(float *c, const struct row *row, const struct columns *columns,
                          struct block *block, int depth, const struct task *task) {
    struct row plain = *row;
    code codes[LANES];
    if (!block->knows_bounds) know_bounds(block, depth);
    for (int k = 0; k < depth; k++) {
        const code a = row->codes[k];
        if (is_plain(bounds_of(&a, 1), block->bounds_of_k[k])) continue;
        plain.codes[k] = 0;
        load_codes(codes, block, k);
        for (int n = 0; n < block->width; n++)
            c[n] += codes[n] == MISSING ? 0.0f : any_product(a, codes[n]);
    }
    pack_row(&plain, depth, task);
    multiply(&c, &plain, 1, columns, block, depth, task);
}
