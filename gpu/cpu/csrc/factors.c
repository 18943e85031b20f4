/* Operands to their factors (axdse.gpu.factors): x[outer][inner] -> out[outer][rank][inner].
 *
 * A float operand becomes its sign and power of two times a factor of its fraction, which is
 * exact. An int8 operand is an index; map_codes() wants all of it as one row.
 */
#include <stdint.h>
#include <string.h>
#ifdef __AVX512VBMI__
#include <immintrin.h>
#endif

enum { AT_ONCE = 512 };

struct operand {
    const void *x;
    const void *factors; /* [rank][size] */
    void *out;
    int64_t outer, inner;
    int32_t rank, fraction_bits, nearest, threads;
    int32_t lowest, highest; /* biased exponents of the operands other than zero; out */
};

static inline uint32_t round_word(uint32_t bits, int fraction_bits, int nearest) {
    const int drop = 23 - fraction_bits;
    const uint32_t sign = bits & 0x80000000u, size = bits & 0x7fffffffu;
    const uint32_t half = nearest && drop ? (1u << (drop - 1)) - 1 + ((size >> drop) & 1) : 0;
    const uint32_t kept = (size + half) & (0xffffffffu << drop);
    return sign | (size < 0x00800000u ? 0 : size > 0x7f800000u ? 0x7fc00000u : kept);
}

static inline float as_float(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Splits up to AT_ONCE words into power of two and fraction. */
static void split(float *restrict power, int32_t *restrict fraction, int32_t *restrict range,
                  const uint32_t *restrict x, int count, const struct operand *o) {
    const int m = o->fraction_bits, nearest = o->nearest;
    int32_t low = range[0], high = range[1];
    for (int i = 0; i < count; i++) {
        const uint32_t word = round_word(x[i], m, nearest);
        const int32_t exponent = word >> 23 & 0xff;
        const int32_t lower = exponent ? exponent : 255;
        low = lower < low ? lower : low;
        high = exponent > high ? exponent : high;
        power[i] = as_float(word & 0xff800000u);
        fraction[i] = word >> (23 - m) & ((1 << m) - 1);
    }
    range[0] = low, range[1] = high;
}

static void map_part(float *restrict out, const uint32_t *restrict x, int count,
                     const struct operand *o, int32_t *range) {
    float power[AT_ONCE];
    int32_t fraction[AT_ONCE];
    split(power, fraction, range, x, count, o);
    const int64_t size = (int64_t)1 << o->fraction_bits;
    for (int r = 0; r < o->rank; r++) {
        const float *restrict factors = (const float *)o->factors + r * size;
        float *restrict to = out + r * o->inner;
        for (int i = 0; i < count; i++) to[i] = power[i] * factors[fraction[i]];
    }
}

void map_float(struct operand *o) {
    int32_t lowest = 255, highest = 0;
    const int64_t parts = (o->inner + AT_ONCE - 1) / AT_ONCE;
#pragma omp parallel for num_threads(o->threads) reduction(min : lowest) reduction(max : highest)
    for (int64_t p = 0; p < o->outer * parts; p++) {
        const int64_t row = p / parts, first = p % parts * AT_ONCE;
        const int count = (int)(o->inner - first < AT_ONCE ? o->inner - first : AT_ONCE);
        int32_t range[2] = {lowest, highest};
        map_part((float *)o->out + row * o->rank * o->inner + first,
                 (const uint32_t *)o->x + row * o->inner + first, count, o, range);
        lowest = range[0], highest = range[1];
    }
    o->lowest = lowest, o->highest = highest;
}

static void look_up(int8_t *restrict to, const uint8_t *restrict x, int64_t count,
                    const int8_t *restrict factors) {
    int64_t i = 0;
#ifdef __AVX512VBMI__
    const __m512i part[4] = {_mm512_loadu_si512(factors), _mm512_loadu_si512(factors + 64),
                             _mm512_loadu_si512(factors + 128), _mm512_loadu_si512(factors + 192)};
    for (; i + 64 <= count; i += 64) {
        const __m512i index = _mm512_loadu_si512(x + i);
        const __m512i low = _mm512_permutex2var_epi8(part[0], index, part[1]);
        const __m512i high = _mm512_permutex2var_epi8(part[2], index, part[3]);
        const __mmask64 upper = _mm512_movepi8_mask(index);
        _mm512_storeu_si512(to + i, _mm512_mask_mov_epi8(low, upper, high));
    }
#endif
    for (; i < count; i++) to[i] = factors[x[i]];
}

void map_int8(struct operand *o) {
    const int64_t span = 1 << 14, spans = (o->inner + span - 1) / span;
#pragma omp parallel for num_threads(o->threads)
    for (int64_t part = 0; part < o->outer * spans; part++) {
        const int64_t row = part / spans, first = part % spans * span;
        const int64_t count = o->inner - first < span ? o->inner - first : span;
        for (int r = 0; r < o->rank; r++)
            look_up((int8_t *)o->out + (row * o->rank + r) * o->inner + first,
                    (const uint8_t *)o->x + row * o->inner + first, count,
                    (const int8_t *)o->factors + 256 * r);
    }
}

void map_codes(struct operand *o) {
    const int64_t count = o->outer * o->inner;
#pragma omp parallel for num_threads(o->threads)
    for (int r = 0; r < o->rank; r++) {
        const float *restrict factors = (const float *)o->factors + 256 * r;
        const uint8_t *restrict x = o->x;
        float *restrict to = (float *)o->out + r * count;
        for (int64_t i = 0; i < count; i++) to[i] = factors[x[i]];
    }
}
