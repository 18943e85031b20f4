/* NEON float kernel: tbl looks 16 products up at once, in a table row of eight registers.
 *
 * tbl gives 0 for an index beyond its 64 bytes and tbx leaves what is there: so the upper half of
 * a row is looked up on top of the lower, by the index less 64, and zeros of b have the index 255.
 *
 * A byte {carry, fraction} is added to sign and exponent of b: the carry lands on the exponent,
 * and the sum is the upper half of an FP32 word, which is multiplied by the scale of a, a power of
 * two, and added to an FP32 sum. Lower bytes of entries of two bytes are the next eight bits.
 *
 * Operations per 16 columns, k and row, for m = 7 and entries of a byte: 2 look-ups, 1 subtraction,
 * 2 additions, 4 to words, 4 products.
 */
#include <arm_neon.h>
#include <stdint.h>

enum { LANES = 64, ROWS = 1, DEPTH = 128, HALF = 64, NOTHING = 255 };

struct columns {
    _Alignas(64) uint8_t index[DEPTH][LANES];
    _Alignas(64) uint16_t scale[DEPTH][LANES];
};

#include "gemm_float.h"

/* Upper bytes first, then the lower ones. */
static uint32_t plane_stride(int fraction_bits) { return fraction_bits < 7 ? HALF : 2 * HALF; }
static uint32_t row_stride(const struct task *task) {
    return plane_stride(task->fraction_bits) * (uint32_t)task->entry_bytes;
}

int64_t table_size(int fraction_bits, int entry_bytes) {
    return ((int64_t)plane_stride(fraction_bits) * entry_bytes) << fraction_bits;
}

/* Lay entries (see float_codes.h) out as table rows; `table` is 64-byte aligned and zeroed. */
void prepare_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    const int size = 1 << fraction_bits;
    const uint32_t plane = plane_stride(fraction_bits);
    for (int x = 0; x < size; x++)
        for (int y = 0; y < size; y++) {
            uint8_t *row = table + (size_t)x * plane * (uint32_t)entry_bytes;
            row[y] = (uint8_t)(entries[x * size + y] >> 8);
            if (entry_bytes == 2) row[plane + (uint32_t)y] = (uint8_t)entries[x * size + y];
        }
}

static void pack_scales(struct row *row, int depth, const struct task *task) {
    (void)task;
    for (int k = 0; k < depth; k++) row->scale[k] = (uint32_t)scale_of(row->codes[k]) << 16;
}

static void pack_columns(struct columns *columns, struct block *block, int depth,
                         const struct task *task) {
    const int drop = 7 - task->fraction_bits;
    code codes[LANES] = {0};
    for (int k = 0; k < depth; k++) {
        load_codes(codes, block, k);
        const struct bounds bounds = bounds_of(codes, LANES);
        block->bounds.low = bounds.low < block->bounds.low ? bounds.low : block->bounds.low;
        block->bounds.high = bounds.high > block->bounds.high ? bounds.high : block->bounds.high;
        for (int n = 0; n < LANES; n++) {
            const int exponent = exponent_of(codes[n]), kept = exponent != 0 && exponent <= 253;
            columns->scale[k][n] = kept ? scale_of(codes[n]) : 0;
            columns->index[k][n] = kept ? (uint8_t)((codes[n] & 0x7f) >> drop) : NOTHING;
        }
    }
}

#define INLINE static inline __attribute__((always_inline))
#define FOR_SIXTEENS _Pragma("GCC unroll 4") for (int j = 0; j < LANES / 16; j++)

/* The entries of a row in one plane of one or two halves, 64 columns. */
INLINE void look_up(uint8x16_t *bytes, const uint8_t *row, const uint8_t *index, int halves) {
    const uint8x16x4_t low = vld1q_u8_x4(row);
    FOR_SIXTEENS bytes[j] = vqtbl4q_u8(low, vld1q_u8(index + 16 * j));
    if (halves == 1) return;
    const uint8x16x4_t high = vld1q_u8_x4(row + HALF);
    FOR_SIXTEENS bytes[j] =
        vqtbx4q_u8(bytes[j], high, vsubq_u8(vld1q_u8(index + 16 * j), vdupq_n_u8(HALF)));
}

INLINE float32x4_t to_floats(uint16x8_t zipped) { return vreinterpretq_f32_u16(zipped); }

/* Adds the products of 16 columns, from upper and lower bytes. */
INLINE void add_products(float32x4_t *sums, uint8x16_t upper, uint8x16_t lower,
                         const uint16_t *scale_b, float32x4_t scale) {
    const uint8x16_t zero = vdupq_n_u8(0);
    const uint16x8_t words0 = vaddw_u8(vld1q_u16(scale_b), vget_low_u8(upper));
    const uint16x8_t words1 = vaddw_high_u8(vld1q_u16(scale_b + 8), upper);
    const uint16x8_t low0 = vreinterpretq_u16_u8(vzip1q_u8(zero, lower));
    const uint16x8_t low1 = vreinterpretq_u16_u8(vzip2q_u8(zero, lower));
    sums[0] = vfmaq_f32(sums[0], to_floats(vzip1q_u16(low0, words0)), scale);
    sums[1] = vfmaq_f32(sums[1], to_floats(vzip2q_u16(low0, words0)), scale);
    sums[2] = vfmaq_f32(sums[2], to_floats(vzip1q_u16(low1, words1)), scale);
    sums[3] = vfmaq_f32(sums[3], to_floats(vzip2q_u16(low1, words1)), scale);
}

INLINE void multiply_row(float *c, const struct row *row, const struct columns *columns, int depth,
                         const uint8_t *table, int halves, int planes) {
    float32x4_t sums[LANES / 4];
    _Pragma("GCC unroll 16") for (int q = 0; q < LANES / 4; q++) sums[q] = vdupq_n_f32(0.0f);
    for (int k = 0; k < depth; k++) {
        const float32x4_t scale = vld1q_dup_f32((const float *)&row->scale[k]);
        const uint8_t *entries = table + row->at[k];
        uint8x16_t upper[LANES / 16], lower[LANES / 16];
        look_up(upper, entries, columns->index[k], halves);
        FOR_SIXTEENS lower[j] = vdupq_n_u8(0);
        if (planes == 2) look_up(lower, entries + HALF * halves, columns->index[k], halves);
        FOR_SIXTEENS add_products(sums + 4 * j, upper[j], lower[j], columns->scale[k] + 16 * j,
                                  scale);
    }
    _Pragma("GCC unroll 16") for (int q = 0; q < LANES / 4; q++)
        vst1q_f32(c + 4 * q, vaddq_f32(vld1q_f32(c + 4 * q), sums[q]));
}

static void multiply(float *const *c, const struct row *rows, int count,
                     const struct columns *columns, const struct block *block, int depth,
                     const struct task *task) {
    const uint8_t *table = task->table;
    const int halves = task->fraction_bits < 7 ? 1 : 2, planes = task->entry_bytes;
    (void)count, (void)block;
    if (planes == 2 && halves == 2) multiply_row(*c, rows, columns, depth, table, 2, 2);
    else if (planes == 2) multiply_row(*c, rows, columns, depth, table, 1, 2);
    else if (halves == 2) multiply_row(*c, rows, columns, depth, table, 2, 1);
    else multiply_row(*c, rows, columns, depth, table, 1, 1);
}
