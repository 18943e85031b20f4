/* FP32 to float(e < 8, m) in two passes, the first for the scale: `axdse.gpu.operands.encode` states it.
 *
 * `out` has the order of `x`, both without gaps. Where x has an infinity or NaN the scale is NaN, and so
 * are all codes; with is_scaled = 0 there is no scale, and these stay.
 */
#include "fp32_words.h"

struct encoding {
    int64_t count;
    int32_t fraction_bits, bias, nearest, is_scaled, has_largest, threads;
    float largest; /* magnitude that the scale is made for */
};

enum { INFINITE = 0x7f800000, QUIET_NAN = 0x7fc00000, SIZE = 0x7fffffff, AT_ONCE = 1 << 12 };

static int32_t largest_size(const float *x, int64_t count, int threads) {
    int32_t most = 0;
#pragma omp parallel for num_threads(threads) reduction(max : most) if (threads > 1)
    for (int64_t i = 0; i < count; i++) {
        const int32_t size = (int32_t)(word_of(x[i]) & SIZE);
        most = size > most ? size : most;
    }
    return most;
}

/* The power of two that the tensor is divided by; any rounding of it stays in range. */
static float scale_for(int32_t size, const struct encoding *how) {
    if (size >= INFINITE) return float_of(QUIET_NAN);
    const uint32_t most = how->has_largest ? word_of(how->largest) : (uint32_t)size;
    const uint32_t up = most + (1u << (23 - how->fraction_bits)) - 1;
    const int32_t exponent = (int32_t)(up & INFINITE) - (how->bias << 23);
    return float_of((uint32_t)(exponent < 1 << 23 ? 1 << 23 : exponent));
}

/* To m bits, and what is then below the smallest normal number to zero. */
static inline float rounded(float x, int drop, uint32_t half, uint32_t tie, uint32_t smallest) {
    const uint32_t word = word_of(x), kept = (word + half + (word >> drop & tie)) & ~0u << drop;
    return float_of((kept & SIZE) < smallest ? 0 : kept);
}

static void encode_span(float *restrict out, const float *restrict x, int64_t count, float inverse,
                        const struct encoding *how) {
    const int drop = 23 - how->fraction_bits, rounds = how->nearest && drop;
    const uint32_t half = rounds ? (1u << (drop - 1)) - 1 : 0, tie = rounds != 0;
    const uint32_t smallest = (uint32_t)(128 - how->bias) << 23;
    const float most = how->is_scaled && how->has_largest ? how->largest : float_of(INFINITE);
    for (int64_t i = 0; i < count; i++) {
        const float below = x[i] < most ? x[i] : most, limited = below > -most ? below : -most;
        out[i] = rounded(limited * inverse, drop, half, tie, smallest);
    }
}

/* As IEEE 754 has it beyond the largest number; infinities and NaN stay. */
static void saturate_span(float *restrict out, const float *restrict x, int64_t count, const struct encoding *how) {
    const uint32_t largest = ((uint32_t)(how->bias + 128) << 23) - (1u << (23 - how->fraction_bits));
    const uint32_t beyond = how->nearest ? INFINITE : largest;
    for (int64_t i = 0; i < count; i++) {
        const uint32_t word = word_of(x[i]), code = word_of(out[i]);
        const uint32_t finite = (code & SIZE) > largest ? beyond | (word & ~(uint32_t)SIZE) : code;
        out[i] = float_of((word & SIZE) >= INFINITE ? word : finite);
    }
}

void encode_tensor(float *out, float *scale, const float *x, const struct encoding *how) {
    const int32_t size = how->is_scaled ? largest_size(x, how->count, how->threads) : 0;
    *scale = how->is_scaled ? scale_for(size, how) : 1;
    const float inverse = 1 / *scale;
#pragma omp parallel for num_threads(how->threads) if (how->threads > 1)
    for (int64_t i = 0; i < how->count; i += AT_ONCE) {
        const int64_t count = how->count - i < AT_ONCE ? how->count - i : AT_ONCE;
        if (size >= INFINITE)
            for (int64_t j = 0; j < count; j++) out[i + j] = float_of(QUIET_NAN);
        else
            encode_span(out + i, x + i, count, inverse, how);
        if (!how->is_scaled) saturate_span(out + i, x + i, count, how);
    }
}
