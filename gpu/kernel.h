/* What the host kernels of axdse::lut_gemm share: operands, packing, the careful path, blocking.
 *
 * A kernel includes this file and defines
 *   struct rows, prepare_rows()   the table in the layout that it looks up in
 *   struct packed, pack_more()    a copy of the packed panel in its own order, if it wants one
 *   add_plain()                   many k at once, none of which can overflow or underflow
 *
 * An operand is rounded to (index, scale): its fraction, m bits, and a signed power of two kept
 * as the upper half of an FP32 word; zero, infinity and NaN are scales too. A table entry is
 * carry << 15 | fraction << (15 - F), so 0x3f800000 + (entry << 8) is 2^carry * (1 + fraction)
 * in FP32, and row * scale_b * scale_a is a product without rounding. c starts at +0 and takes
 * the products in the order of k, so results depend on neither blocking nor threads; zero
 * products leave it as it is, so rows of a zero `a` are skipped.
 *
 * Scratch memory is a static of each thread, taken through a volatile pointer: a compiler that
 * knows it to be one asks for its address again in the innermost loop.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { MAX_INDEX = 128, BLOCK_K = 128, BLOCK_N = 512, PACKED_AT_ONCE = 64 };

typedef union {
    uint32_t bits;
    float value;
} word;

/* One block of b. low and high bound the biased exponents of the non-zero elements of a row. */
struct panel {
    uint8_t index[BLOCK_K][BLOCK_N];
    uint16_t scale[BLOCK_K][BLOCK_N];
    int16_t low[BLOCK_K], high[BLOCK_K];
    int width;
};

/* The k whose products are plain: their row of the panel, table row and scale of `a`. */
struct plain {
    int count;
    uint8_t k[BLOCK_K], row[BLOCK_K];
    float scale[BLOCK_K];
};

struct rows;
struct packed;
static void prepare_rows(struct rows *rows, const uint16_t *entries, int fraction_bits);
static void pack_more(struct packed *packed, const struct panel *panel, int depth);
static void add_plain(float *c, const struct rows *rows, const struct panel *panel,
                      const struct packed *packed, const struct plain *plain);

/* One task: rows m0..m1 and columns n0..n1 of c = a b, all row-major and contiguous; c comes as
 * zeros, and element (row, column) of the table belongs to (a, b). */
struct task {
    const float *a, *b;
    const uint16_t *entries;
    float *c;
    int64_t depth, columns, m0, m1, n0, n1;
    int32_t fraction_bits, nearest;
};

static inline uint32_t round_operand(float x, int fraction_bits, int nearest) {
    const word in = {.value = x};
    const int drop = 23 - fraction_bits;
    const uint32_t sign = in.bits & 0x80000000u, size = in.bits & 0x7fffffffu;
    const uint32_t half = nearest ? (1u << (drop - 1)) - 1 + ((size >> drop) & 1) : 0;
    const uint32_t kept = (size + half) & (0xffffffffu << drop);
    const uint32_t flushed = size < 0x00800000u ? 0 : kept;
    return sign | (size > 0x7f800000u ? 0x7fc00000u : flushed);
}

static inline uint16_t scale_of(uint32_t rounded) {
    const uint32_t nan = (rounded & 0x7fffffffu) > 0x7f800000u ? 0x7fc00000u : 0;
    return (uint16_t)(((rounded & 0xff800000u) | nan) >> 16);
}

static inline float scale_value(uint16_t scale) {
    const word out = {.bits = (uint32_t)scale << 16};
    return out.value;
}

static inline int exponent_of(uint16_t scale) { return (scale >> 7) & 0xff; }

static inline int max_int(int x, int y) { return x > y ? x : y; }
static inline int min_int(int x, int y) { return x < y ? x : y; }

/* Bounds of the biased exponents of non-zero elements. */
struct bounds {
    int low, high;
};

/* Stores of bytes may alias anything: restrict and values let the compiler vectorise this. */
static inline struct bounds pack_span(uint8_t *restrict index, uint16_t *restrict scales,
                                      const float *restrict b, int width, int fraction_bits,
                                      int nearest, struct bounds bounds) {
    const uint32_t mask = (1u << fraction_bits) - 1;
    for (int n = 0; n < width; n++) {
        const uint32_t rounded = round_operand(b[n], fraction_bits, nearest);
        const uint16_t scale = scale_of(rounded);
        const int exponent = exponent_of(scale);
        index[n] = (uint8_t)((rounded >> (23 - fraction_bits)) & mask);
        scales[n] = scale;
        bounds.low = min_int(bounds.low, exponent ? exponent : 255);
        bounds.high = max_int(bounds.high, exponent);
    }
    return bounds;
}

/* Whole vectors first; the rest is padded with zeros to one, since narrow panels are common. */
static void pack_row(struct panel *panel, int k, const float *b, const struct task *task) {
    const int whole = panel->width / PACKED_AT_ONCE * PACKED_AT_ONCE, rest = panel->width - whole;
    uint8_t *index = panel->index[k];
    uint16_t *scale = panel->scale[k];
    struct bounds bounds = {.low = 255, .high = 0};
    bounds = pack_span(index, scale, b, whole, task->fraction_bits, task->nearest, bounds);
    if (rest) {
        float padded[PACKED_AT_ONCE] = {0};
        memcpy(padded, b + whole, (size_t)rest * sizeof *b);
        bounds = pack_span(index + whole, scale + whole, padded, PACKED_AT_ONCE,
                           task->fraction_bits, task->nearest, bounds);
    }
    panel->low[k] = (int16_t)bounds.low;
    panel->high[k] = (int16_t)bounds.high;
}

/* Whether no product of row k with this scale of `a` can leave the range of exponents 1..254,
 * nor can row * scale_b on the way there. */
static inline int is_plain(const struct panel *panel, int k, int exponent) {
    return exponent != 0 && exponent != 255 && panel->high[k] <= 253 &&
           exponent + panel->low[k] >= 127 + 1 && exponent + panel->high[k] + 1 <= 127 + 254;
}

/* Any operands at all: integer exponent arithmetic; zero, infinity and NaN multiply as scales. */
static void add_careful(float *restrict c, const struct panel *panel, int k,
                        const uint16_t *restrict entries, uint16_t scale_a) {
    const uint8_t *restrict index = panel->index[k];
    const uint16_t *restrict scale = panel->scale[k];
    const int exponent_a = exponent_of(scale_a), special_a = exponent_a == 0 || exponent_a == 255;
    const float value_a = scale_value(scale_a);
    for (int n = 0; n < panel->width; n++) {
        const uint32_t entry = entries[index[n]];
        const int exponent_b = exponent_of(scale[n]);
        const int exponent = exponent_a + exponent_b - 127 + (int)(entry >> 15);
        const uint32_t sign = (uint32_t)((scale[n] ^ scale_a) & 0x8000) << 16;
        const uint32_t normal = (uint32_t)exponent << 23 | (entry & 0x7fff) << 8;
        const uint32_t finite = exponent <= 0 ? 0 : normal;
        const word product = {.bits = sign | (exponent >= 255 ? 0x7f800000u : finite)};
        const int special = special_a || exponent_b == 0 || exponent_b == 255;
        c[n] += special ? scale_value(scale[n]) * value_a : product.value;
    }
}

/* One block of k of a row of `a`. */
struct operands {
    uint8_t index[BLOCK_K];
    uint16_t scale[BLOCK_K];
};

static void round_row(struct operands *out, const float *restrict a, int depth,
                      const struct task *task) {
    const int fraction_bits = task->fraction_bits, nearest = task->nearest;
    const uint32_t mask = (1u << fraction_bits) - 1;
    const int drop = 23 - fraction_bits;
    uint8_t *restrict index = out->index;
    uint16_t *restrict scale = out->scale;
    for (int k = 0; k < depth; k++) {
        const uint32_t rounded = round_operand(a[k], fraction_bits, nearest);
        index[k] = (uint8_t)((rounded >> drop) & mask);
        scale[k] = scale_of(rounded);
    }
}

static const uint16_t *entries_of(const struct task *task, int row) {
    return task->entries + ((size_t)row << task->fraction_bits);
}

/* One row of c, one block of k: collect the plain k, keep the order around the others. */
static void multiply_row(float *c, const float *a, int depth, const struct task *task,
                         const struct rows *rows, const struct panel *panel,
                         const struct packed *packed) {
    struct operands operands;
    struct plain plain = {.count = 0};
    round_row(&operands, a, depth, task);
    for (int k = 0; k < depth; k++) {
        const uint16_t scale = operands.scale[k];
        const int exponent = exponent_of(scale), is_plain_k = is_plain(panel, k, exponent);
        plain.k[plain.count] = (uint8_t)k;
        plain.row[plain.count] = operands.index[k];
        plain.scale[plain.count] = scale_value(scale);
        plain.count += is_plain_k;
        if (!is_plain_k && (exponent != 0 || panel->high[k] == 255)) {
            add_plain(c, rows, panel, packed, &plain);
            plain.count = 0;
            add_careful(c, panel, k, entries_of(task, operands.index[k]), scale);
        }
    }
    add_plain(c, rows, panel, packed, &plain);
}

/* The whole task, in blocks of b that stay in the second-level cache. */
static void multiply_blocks(const struct task *task, struct rows *rows, struct panel *panel,
                            struct packed *packed) {
    prepare_rows(rows, task->entries, task->fraction_bits);
    for (int64_t n = task->n0; n < task->n1; n += BLOCK_N) {
        panel->width = (int)(task->n1 - n < BLOCK_N ? task->n1 - n : BLOCK_N);
        for (int64_t k0 = 0; k0 < task->depth; k0 += BLOCK_K) {
            const int depth = (int)(task->depth - k0 < BLOCK_K ? task->depth - k0 : BLOCK_K);
            for (int k = 0; k < depth; k++)
                pack_row(panel, k, task->b + (k0 + k) * task->columns + n, task);
            pack_more(packed, panel, depth);
            for (int64_t m = task->m0; m < task->m1; m++)
                multiply_row(task->c + m * task->columns + n, task->a + m * task->depth + k0,
                             depth, task, rows, panel, packed);
        }
    }
}

/* int8 codes in, int32 sums out (modulo 2^32); codes are indices of a table of 256 x 256. */
struct int_task {
    const uint8_t *a, *b;
    const int16_t *entries;
    uint32_t *c;
    int64_t depth, columns, m0, m1, n0, n1;
};
