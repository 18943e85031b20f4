/* FP32 to elements of OCP MX times the scales of their blocks: `axdse.gpu.operands.encode` states it.
 *
 * x is [outer, depth, inner] without gaps, `out` likewise; 32 numbers along depth are a block.
 */
#include "fp32_words.h"

struct blocks {
    int64_t outer, depth, inner;
    int32_t fraction_bits, bias, threads;
    float highest; /* number of an element */
};

enum { INFINITE = 0x7f800000, QUIET_NAN = 0x7fc00000, SIZE = 0x7fffffff, BLOCK = 32, SPAN = 64 };

/* Elements lie on a grid: m bits of normal numbers, below those steps of the smallest. */
struct grid {
    int drop;
    uint32_t half, normal;
    float magic, highest;
};

static struct grid grid_of(const struct blocks *how) {
    const int drop = 23 - how->fraction_bits, least = 1 - how->bias;
    return (struct grid){
        .drop = drop,
        .half = (1u << (drop - 1)) - 1,
        .normal = (uint32_t)(least + 127) << 23,
        /* Added to a number it leaves steps of the smallest alone. */
        .magic = 1.5f * float_of((uint32_t)(least + drop + 127) << 23),
        .highest = how->highest,
    };
}

static inline float rounded(float x, float inverse, float scale, const struct grid *grid) {
    const uint32_t word = word_of(x), sign = word & ~(uint32_t)SIZE;
    const float size = float_of(word & SIZE) * inverse;
    const uint32_t own = word_of(size);
    const float above = float_of((own + grid->half + (own >> grid->drop & 1)) & ~0u << grid->drop);
    const float near = own < grid->normal ? size + grid->magic - grid->magic : above;
    const uint32_t found = word_of((near < grid->highest ? near : grid->highest) * scale);
    return float_of(found < 0x800000 ? 0 : (found & SIZE) > INFINITE ? QUIET_NAN : found | sign);
}

/* `width` columns of a block, `stride` apart along depth. */
static void encode_block(float *restrict out, const float *restrict x, int64_t stride, int width,
                         const struct grid *grid) {
    float inverse[SPAN], scale[SPAN];
    uint32_t most[SPAN] = {0};
    const int top = (int)(word_of(grid->highest) >> 23);
    for (int k = 0; k < BLOCK; k++)
        for (int n = 0; n < width; n++) {
            const uint32_t size = word_of(x[k * stride + n]) & SIZE;
            most[n] = size > most[n] ? size : most[n];
        }
    for (int n = 0; n < width; n++) {
        const int own = (int)(most[n] >> 23) - top, power = own < -126 ? -126 : own;
        inverse[n] = float_of((uint32_t)(127 - power) << 23);
        scale[n] = most[n] >= INFINITE ? float_of(QUIET_NAN) : float_of((uint32_t)(127 + power) << 23);
        if (most[n] >= INFINITE) inverse[n] = scale[n];
    }
    for (int k = 0; k < BLOCK; k++)
        for (int n = 0; n < width; n++)
            out[k * stride + n] = rounded(x[k * stride + n], inverse[n], scale[n], grid);
}

/* A block whose numbers lie side by side. */
static void encode_run(float *restrict out, const float *restrict x, const struct grid *grid) {
    uint32_t most = 0;
    for (int k = 0; k < BLOCK; k++) {
        const uint32_t size = word_of(x[k]) & SIZE;
        most = size > most ? size : most;
    }
    const int own = (int)(most >> 23) - (int)(word_of(grid->highest) >> 23), power = own < -126 ? -126 : own;
    const int is_odd = most >= INFINITE;
    const float scale = is_odd ? float_of(QUIET_NAN) : float_of((uint32_t)(127 + power) << 23);
    const float inverse = is_odd ? scale : float_of((uint32_t)(127 - power) << 23);
    for (int k = 0; k < BLOCK; k++) out[k] = rounded(x[k], inverse, scale, grid);
}

void encode_blocks(float *out, const float *x, const struct blocks *how) {
    const struct grid grid = grid_of(how);
    const int64_t rows = how->depth / BLOCK, stride = how->inner;
#pragma omp parallel for num_threads(how->threads) if (how->threads > 1)
    for (int64_t i = 0; i < how->outer * rows; i++) {
        const int64_t at = i * BLOCK * stride;
        if (stride == 1) {
            encode_run(out + at, x + at, &grid);
            continue;
        }
        for (int64_t n = 0; n < stride; n += SPAN) {
            const int width = (int)(stride - n < SPAN ? stride - n : SPAN);
            encode_block(out + at + n, x + at + n, stride, width, &grid);
        }
    }
}
