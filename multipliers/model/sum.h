/* What adds the products, in C: the model of the Verilog that `axdse.multipliers.sums` names.
 *
 * The text of multipliers/sums/reference.py for one output: terms and a running sum are cut to
 * integers in units of 2^(M - F), M the largest exponent of those that are not zero, added, and
 * rounded once. A term is significand 2^(exponent - fraction_bits), its significand signed and
 * 0 where there is none. FP32 holds every running sum.
 */
#ifndef AXDSE_SUM_H
#define AXDSE_SUM_H

#include <stdint.h>
#include <string.h>

enum { SUM_FLOAT, SUM_LAZY, SUM_FIXED, SUM_INT };
enum { SUM_MOST_TERMS = 64, SUM_NONE = -(1 << 24), SUM_LIMBS = 16, SUM_LOWEST = -512 };

/* `align` -1: exact. `fraction_bits`: of the terms. `random`: bits by which chance rounds up, 0 of other ways. */
struct sum {
    int32_t kind, terms, align, down, late, nearest, chunk, saturate;
    int32_t exponent_bits, register_bits, width, lowest, fraction_bits, random;
};

/* One output: the register, and what is beside it. `special` is NaN or infinity once there is one. */
struct running {
    float c, outer, special;
    int32_t exponent;
    uint16_t state; /* of its generator */
    __int128 held;
};

/* multipliers/sums/random_bits.py says why. */
static inline uint16_t sum_first_state(uint64_t seed, int64_t place) {
    uint64_t x = seed + ((uint64_t)place + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    const uint16_t state = (uint16_t)((x ^ x >> 31) >> 48);
    return state ? state : 1;
}

static inline uint16_t sum_next_state(uint16_t x) {
    x ^= (uint16_t)(x << 7);
    x ^= (uint16_t)(x >> 9);
    return x ^ (uint16_t)(x << 8);
}

static inline uint32_t sum_word(float x) {
    uint32_t word;
    memcpy(&word, &x, sizeof word);
    return word;
}

static inline float sum_float(uint32_t word) {
    float x;
    memcpy(&x, &word, sizeof x);
    return x;
}

static inline int sum_finite(float x) { return (sum_word(x) >> 23 & 255) != 255; }

/* NaN is the quiet NaN of sign 0. */
static inline float sum_plain(float x) { return x == x ? x : sum_float(0x7fc00000); }

/* value 2^up; what falls below 1 is cut toward zero, or down. */
static inline __int128 sum_shifted(__int128 value, int64_t up, int down) {
    if (up >= 0) return up > 126 ? 0 : (__int128)((unsigned __int128)value << up);
    const int right = up < -126 ? 126 : (int)-up;
    return value < 0 && !down ? -(-value >> right) : value >> right;
}

static inline int64_t sum_cut(int64_t value, int64_t up, int down) {
    if (up >= 0) return value << up;
    const int right = up < -63 ? 63 : (int)-up;
    return value < 0 && !down ? -(-value >> right) : value >> right;
}

static inline __int128 sum_held(__int128 value, int width, int saturate) {
    const __int128 half = (__int128)1 << (width - 1);
    if (saturate) return value < -half ? -half : value > half - 1 ? half - 1 : value;
    return ((value + half) & (2 * half - 1)) - half;
}

static inline int sum_bits(unsigned __int128 size) {
    const uint64_t high = (uint64_t)(size >> 64), low = (uint64_t)size;
    return high ? 128 - __builtin_clzll(high) : low ? 64 - __builtin_clzll(low) : 0;
}

/* Toward zero, to nearest even, or up if the first `random` bits that are cut off and `added` carry. */
struct sum_round {
    int nearest, random;
    uint32_t added;
};

static inline struct sum_round sum_round_of(const struct sum *sum, uint16_t state) {
    const struct sum_round how = {sum->nearest, sum->random, state & ((1u << sum->random) - 1)};
    return how;
}

/* (size + what `sticky` says is beyond) 2^unit, rounded once to float(e, r). */
static inline float sum_rounded(int negative, unsigned __int128 size, int sticky, int64_t unit, int e,
                                int r, struct sum_round how) {
    const int bias = (1 << (e - 1)) - 1;
    const uint32_t sign = (uint32_t)negative << 31;
    if (!size) return sum_float(sticky ? sign : 0);
    int64_t top = sum_bits(size) - 1 + unit;
    if (top < 1 - bias) top = 1 - bias;
    const int64_t drop = top - r - unit;
    uint64_t kept = 0;
    if (drop <= 0) {
        kept = (uint64_t)(size << -drop);
    } else {
        if (drop < 128) kept = (uint64_t)(size >> drop);
        const unsigned __int128 rest = drop < 128 ? size & (((unsigned __int128)1 << drop) - 1) : size;
        if (how.nearest && drop <= 128) {
            const unsigned __int128 half = (unsigned __int128)1 << (drop - 1);
            kept += rest > half || (rest == half && (sticky || (kept & 1)));
        }
        if (how.random) {
            const int64_t down = drop - how.random;
            const uint32_t first = (uint32_t)(down <= 0 ? rest << -down : down < 128 ? rest >> down : 0);
            kept += (first + how.added) >> how.random;
        }
    }
    if (kept >> (r + 1)) kept >>= 1, top++;
    if (top > bias) return sum_float(sign | 0x7f800000);
    /* To FP32: a number below the smallest of E < 8 is a normal one there. */
    if (!kept) return sum_float(sign);
    const int above = 63 - __builtin_clzll(kept);
    int64_t exponent = top - r + above + 127;
    if (exponent >= 1) return sum_float(sign | (uint32_t)((exponent << 23) + ((kept << (23 - above)) - (1 << 23))));
    return sum_float(sign | (uint32_t)(kept << (23 - r)));
}

static inline float sum_of_integer(__int128 value, int64_t unit, int e, int r, struct sum_round how) {
    const int negative = value < 0;
    return sum_rounded(negative, (unsigned __int128)(negative ? -value : value), 0, unit, e, r, how);
}

/* A finite FP32 number as significand 2^(exponent - 23). */
static inline int64_t sum_split(float x, int32_t *exponent) {
    const uint32_t word = sum_word(x), field = word >> 23 & 255;
    const int64_t size = (word & 0x7fffff) | (field ? 0x800000 : 0);
    *exponent = (int32_t)(field ? field : 1) - 127;
    return word >> 31 ? -size : size;
}

/* x 2^(p - f) + y 2^(q - g), exactly, rounded once. */
static inline float sum_of_two(int64_t x, int32_t p, int f, int64_t y, int32_t q, int g,
                               const struct sum *sum, struct sum_round how) {
    const int e = sum->exponent_bits, r = sum->register_bits;
    if (!x) return sum_of_integer(y, (int64_t)q - g, e, r, how);
    if (!y) return sum_of_integer(x, (int64_t)p - f, e, r, how);
    int64_t high = (int64_t)p - f, low = (int64_t)q - g;
    /* To 62 bits each, so that of the smaller one at most a sticky bit is lost. */
    const int up_x = 61 - sum_bits((unsigned __int128)(x < 0 ? -x : x));
    const int up_y = 61 - sum_bits((unsigned __int128)(y < 0 ? -y : y));
    __int128 a = (__int128)x * ((int64_t)1 << up_x), b = (__int128)y * ((int64_t)1 << up_y);
    high -= up_x, low -= up_y;
    if (high < low) {
        const __int128 other = a;
        const int64_t place = high;
        a = b, b = other, high = low, low = place;
    }
    a *= (__int128)1 << 62, b *= (__int128)1 << 62;
    high -= 62, low -= 62;
    const int64_t gap = high - low;
    const __int128 size = b < 0 ? -b : b;
    __int128 cut = gap > 126 ? 0 : size >> gap;
    if (gap > 126 || cut << gap != size) cut |= 1; /* odd: neither half nor whole */
    return sum_of_integer(a + (b < 0 ? -cut : cut), high, e, r, how);
}

/* Terms and c, exactly, rounded once: all of them in one wide integer. */
static inline float sum_of_many(const struct sum *sum, const int32_t *exponent, const int64_t *significand,
                                int count, float c, struct sum_round how) {
    uint64_t limbs[SUM_LIMBS] = {0};
    for (int i = 0; i <= count; i++) {
        int32_t e;
        int64_t s = i < count ? significand[i] : sum_split(c, &e);
        if (!s) continue;
        const int at = i < count ? exponent[i] - sum->fraction_bits - SUM_LOWEST
                                 : e - 23 - SUM_LOWEST;
        /* 128 bits of it at its place, then its sign to the top. */
        const __int128 wide = (__int128)((unsigned __int128)(__int128)s << (at & 63));
        unsigned __int128 carry = 0;
        for (int limb = at >> 6, k = 0; limb < SUM_LIMBS; limb++, k++) {
            const uint64_t part = k == 0 ? (uint64_t)wide : k == 1 ? (uint64_t)(wide >> 64) : s < 0 ? ~0ull : 0;
            carry += (unsigned __int128)limbs[limb] + part;
            limbs[limb] = (uint64_t)carry;
            carry >>= 64;
        }
    }
    const int negative = limbs[SUM_LIMBS - 1] >> 63;
    unsigned __int128 carry = (unsigned)negative;
    int top = 0;
    for (int limb = 0; limb < SUM_LIMBS; limb++) {
        if (negative) {
            carry += (uint64_t)~limbs[limb];
            limbs[limb] = (uint64_t)carry;
            carry >>= 64;
        }
        if (limbs[limb]) top = limb;
    }
    /* The upper two limbs hold 65 bits or more, or all there is. */
    const int low = top ? top - 1 : 0;
    int sticky = 0;
    for (int limb = 0; limb < low; limb++) sticky |= limbs[limb] != 0;
    const unsigned __int128 size = (unsigned __int128)limbs[low + 1] << 64 | limbs[low];
    return sum_rounded(negative, size, sticky, SUM_LOWEST + 64 * low, sum->exponent_bits, sum->register_bits, how);
}

static inline int32_t sum_largest(const int32_t *exponent, const int64_t *significand, int count,
                                  int32_t least) {
    for (int i = 0; i < count; i++)
        if (significand[i] && exponent[i] > least) least = exponent[i];
    return least;
}

static inline float sum_aligned(const struct sum *sum, const int32_t *exponent, const int64_t *significand,
                                int count, float c, uint16_t state) {
    const struct sum_round how = sum_round_of(sum, state);
    int32_t own;
    const int64_t s = sum_split(c, &own);
    if (sum->align < 0 && count == 1)
        return sum_of_two(significand[0], exponent[0], sum->fraction_bits, s, own, 23, sum, how);
    if (sum->align < 0) return sum_of_many(sum, exponent, significand, count, c, how);
    /* A subnormal number has the exponent of the smallest normal one of its register. */
    const int32_t smallest = 2 - (1 << (sum->exponent_bits - 1)), least = own > smallest ? own : smallest;
    const int32_t largest = sum_largest(exponent, significand, count, s ? least : SUM_NONE);
    int64_t total = s ? sum_cut(s, (int64_t)own - largest + sum->align - 23, sum->down) : 0;
    const int64_t up = (int64_t)sum->align - sum->fraction_bits - largest;
    for (int i = 0; i < count; i++)
        if (significand[i]) total += sum_cut(significand[i], exponent[i] + up, sum->down);
    if (!total) return 0;
    return sum_of_integer(total, (int64_t)largest - sum->align, sum->exponent_bits, sum->register_bits, how);
}

/* value 2^up in a fixed window; what saturates does so before it is added, too. */
static inline __int128 sum_in_window(const struct sum *sum, int64_t value, int64_t up) {
    const int bits = sum_bits((unsigned __int128)(value < 0 ? -value : value));
    if (sum->saturate && bits + up > sum->width)
        return sum_held(value < 0 ? -((__int128)1 << 110) : (__int128)1 << 110, sum->width, 1);
    const __int128 shifted = sum_shifted(value, up, sum->down);
    return sum->saturate ? sum_held(shifted, sum->width, 1) : shifted;
}

/* products + c as IEEE 754 has it, to nearest even. */
static inline float sum_late(const struct sum *sum, float products, float c) {
    const float native = products + c;
    if (!sum_finite(products) || !sum_finite(c) || native == 0) return native;
    int32_t p, q;
    const int64_t x = sum_split(products, &p), y = sum_split(c, &q);
    const struct sum_round nearest = {1, 0, 0};
    return sum_of_two(x, p, 23, y, q, 23, sum, nearest);
}

/* All but the generator, which outlasts a chunk. */
static inline void sum_clear(const struct sum *sum, struct running *now, float start) {
    now->c = sum_finite(start) ? start : 0;
    now->special = sum_finite(start) ? 0 : start;
    now->exponent = SUM_NONE;
    now->held = 0;
    int32_t exponent;
    const int64_t s = sum_split(now->c, &exponent);
    if (s && sum->kind == SUM_LAZY) {
        now->exponent = exponent;
        now->held = sum_cut(s, sum->align - 23, sum->down);
    } else if (s && sum->kind == SUM_FIXED) {
        now->held = sum_in_window(sum, s, (int64_t)exponent - 23 - sum->lowest);
        now->held = sum_held(now->held, sum->width, sum->saturate);
    }
}

/* At most `terms` of them, of which `special` is the sum of infinities and NaN, else 0. */
static inline void sum_step(const struct sum *sum, struct running *now, const int32_t *exponent,
                            const int64_t *significand, int count, float special) {
    const uint16_t state = now->state;
    now->state = sum_next_state(state);
    if (sum->late) {
        const float products = special != 0 ? special : sum_aligned(sum, exponent, significand, count, 0, state);
        now->c = sum_late(sum, products, now->special != 0 ? now->special : now->c);
        now->special = sum_finite(now->c) ? 0 : now->c;
        return;
    }
    now->special += special;
    if (sum->kind == SUM_FLOAT && now->special != 0) return;
    if (sum->kind == SUM_LAZY) {
        const int32_t risen = sum_largest(exponent, significand, count, now->exponent);
        const int64_t up = (int64_t)sum->align - sum->fraction_bits - risen;
        int64_t total = sum_cut((int64_t)now->held, (int64_t)now->exponent - risen, sum->down);
        for (int i = 0; i < count; i++)
            if (significand[i]) total += sum_cut(significand[i], exponent[i] + up, sum->down);
        now->held = sum_held(total, sum->width, 0);
        now->exponent = risen;
    } else if (sum->kind == SUM_FIXED) {
        const int64_t unit = (int64_t)sum->fraction_bits + sum->lowest;
        for (int i = 0; i < count; i++)
            if (significand[i]) now->held += sum_in_window(sum, significand[i], exponent[i] - unit);
        now->held = sum_held(now->held, sum->width, sum->saturate);
    } else {
        now->c = sum_aligned(sum, exponent, significand, count, now->c, state);
    }
    if (!sum_finite(now->c)) now->special = now->c;
}

static inline float sum_end(const struct sum *sum, const struct running *now) {
    if (now->special != 0) return sum_plain(now->special);
    if (sum->kind == SUM_FLOAT) return now->c;
    const int64_t unit = sum->kind == SUM_LAZY ? (int64_t)now->exponent - sum->align : sum->lowest;
    return sum_of_integer(now->held, unit, 8, 23, sum_round_of(sum, 0));
}

#endif
