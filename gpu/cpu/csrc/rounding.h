/* FP32 tensors to the codes of the host kernels, in any order, into a padded image. What includes
 * this file defines `code` and code_of(), which takes a rounded FP32 word.
 *
 * The caller orders the four dimensions so that the last is the one along which x is densest. It
 * may be split by residues: element j becomes (j + first) / split of residue (j + first) % split,
 * and residues are `residue` apart.
 */
#include <stdint.h>

struct shape {
    int64_t size[4], from[4], to[4], residue; /* strides in elements */
    int32_t first, split, fraction_bits, nearest, threads;
};

enum { AT_ONCE = 256, TILE = 32 };

/* The rounded FP32 word: truncated or nearest-even, subnormals
 * zero of their sign, one quiet NaN. */
static inline uint32_t round_word(uint32_t bits, int fraction_bits, int nearest) {
    const int drop = 23 - fraction_bits;
    const uint32_t sign = bits & 0x80000000u, size = bits & 0x7fffffffu;
    const uint32_t half = nearest && drop ? (1u << (drop - 1)) - 1 + ((size >> drop) & 1) : 0;
    const uint32_t kept = (size + half) & (0xffffffffu << drop);
    const uint32_t flushed = size < 0x00800000u ? 0 : kept;
    return sign | (size > 0x7f800000u ? 0x7fc00000u : flushed);
}

static void round_span(code *restrict out, const uint32_t *restrict x, int64_t step, int count,
                       int fraction_bits, int nearest) {
    if (step == 1)
        for (int i = 0; i < count; i++)
            out[i] = code_of(round_word(x[i], fraction_bits, nearest));
    else
        for (int i = 0; i < count; i++)
            out[i] = code_of(round_word(x[i * step], fraction_bits, nearest));
}

/* `count` codes from index i of the line on to where they belong. */
static void scatter(code *restrict out, const code *restrict part, int64_t i, int count,
                    const struct shape *s) {
    const int64_t at = i + s->first, step = s->to[3];
    const int split = s->split;
    for (int residue = 0; residue < split; residue++) {
        const int skip = (int)((residue - at % split + split) % split);
        code *to = out + residue * s->residue + (at + skip) / split * step;
        const code *from = part + skip;
        const int n = (count - skip + split - 1) / split;
        if (step == 1 && split == 1)
            for (int j = 0; j < n; j++) to[j] = from[j];
        else if (step == 1 && split == 2)
            for (int j = 0; j < n; j++) to[j] = from[2 * j];
        else
            for (int j = 0; j < n; j++) to[j * step] = from[j * split];
    }
}

static void round_line(code *out, const uint32_t *x, const struct shape *s) {
    code part[AT_ONCE];
    for (int64_t i = 0; i < s->size[3]; i += AT_ONCE) {
        const int count = (int)(s->size[3] - i < AT_ONCE ? s->size[3] - i : AT_ONCE);
        round_span(part, x + i * s->from[3], s->from[3], count, s->fraction_bits, s->nearest);
        scatter(out, part, i, count, s);
    }
}

static void widen_line(code *out, const uint8_t *x, const struct shape *s) {
    code part[AT_ONCE];
    for (int64_t i = 0; i < s->size[3]; i += AT_ONCE) {
        const int count = (int)(s->size[3] - i < AT_ONCE ? s->size[3] - i : AT_ONCE);
        for (int j = 0; j < count; j++) part[j] = x[(i + j) * s->from[3]];
        scatter(out, part, i, count, s);
    }
}

/* A tile of codes with its sides exchanged: to[j * step + i] = tile[i][j]. */
static void store_transposed(code *restrict to, int64_t step, code (*restrict tile)[TILE],
                             int lines, int count) {
    for (int j = 0; j < count; j++)
        for (int i = 0; i < lines; i++) to[j * step + i] = tile[i][j];
}

/* Lines [line, line + lines) of dimension 2, which is the dense one of the codes. */
static void round_tiles(code *out, const uint32_t *x, int lines, const struct shape *s) {
    code tile[TILE][TILE];
    for (int64_t i = 0; i < s->size[3]; i += TILE) {
        const int count = (int)(s->size[3] - i < TILE ? s->size[3] - i : TILE);
        for (int line = 0; line < lines; line++)
            round_span(tile[line], x + line * s->from[2] + i * s->from[3], s->from[3], count,
                       s->fraction_bits, s->nearest);
        store_transposed(out + i * s->to[3], s->to[3], tile, lines, count);
    }
}

static void round_transposed(code *out, const uint32_t *x, const struct shape *s) {
    const int64_t bands = (s->size[2] + TILE - 1) / TILE, planes = s->size[0] * s->size[1];
#pragma omp parallel for num_threads(s->threads)
    for (int64_t band = 0; band < planes * bands; band++) {
        const int64_t plane = band / bands, line = band % bands * TILE;
        const int64_t u = plane / s->size[1], v = plane % s->size[1];
        const int lines = (int)(s->size[2] - line < TILE ? s->size[2] - line : TILE);
        round_tiles(out + u * s->to[0] + v * s->to[1] + line,
                    x + u * s->from[0] + v * s->from[1] + line * s->from[2], lines, s);
    }
}

/* Where line `line` of the first three dimensions starts. */
static int64_t start_of(int64_t line, const int64_t *size, const int64_t *stride) {
    return line % size[2] * stride[2] + line / size[2] % size[1] * stride[1] +
           line / size[2] / size[1] * stride[0];
}

void round_tensor(code *out, const uint32_t *x, const struct shape *s) {
    const int64_t lines = s->size[0] * s->size[1] * s->size[2];
    if (s->to[3] != 1 && s->to[2] == 1 && s->split == 1) {
        round_transposed(out, x, s);
        return;
    }
#pragma omp parallel for num_threads(s->threads)
    for (int64_t line = 0; line < lines; line++)
        round_line(out + start_of(line, s->size, s->to), x + start_of(line, s->size, s->from), s);
}

/* int8 codes to words. */
void widen_tensor(code *out, const uint8_t *x, const struct shape *s) {
    const int64_t lines = s->size[0] * s->size[1] * s->size[2];
#pragma omp parallel for num_threads(s->threads)
    for (int64_t line = 0; line < lines; line++)
        widen_line(out + start_of(line, s->size, s->to), x + start_of(line, s->size, s->from), s);
}
