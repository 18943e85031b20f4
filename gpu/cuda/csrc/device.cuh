/* What the device kernels share: codes of operands, additive addresses, products that may leave
 * the range of exponents, sums.
 *
 * A code is an operand rounded to its format: the upper half of an FP32 word where m <= 7, the
 * whole word where a C model is inlined, the two's complement byte for int8; {scale, element} of
 * integers in blocks are codes as they come. MISSING is no operand at all (the border of an output
 * gradient, the end of the last block of k): it multiplies to nothing, also with infinity.
 * Subnormals are flushed, so no float has that code.
 *
 * Bit patterns and rounding are written out with intrinsics: no flag of a compiler may contract
 * or flush any of it, and the same text compiled for a host computes the same bits.
 */
#ifndef AXDSE_DEVICE_CUH
#define AXDSE_DEVICE_CUH

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

#define NARROW 0 /* one byte an entry: carry, 7 fraction bits */
#define WIDE 1   /* two bytes: carry, 15 fraction bits */
#define INT8 2   /* two bytes: the product */
#define INLINED 3
#define BLOCKS 4 /* as INT8; codes are {scale, element} */

#define SUM_FP32 0
#define SUM_BF16 1
#define SUM_FP16 2

#ifndef KIND
#define KIND NARROW
#endif
#ifndef SUM
#define SUM SUM_FP32
#endif

#if KIND == INT8
typedef int Sum;
#else
typedef float Sum;
#endif
#if KIND == INLINED
typedef u32 Code;
#else
typedef u16 Code;
#endif
#if KIND == NARROW
typedef u8 Entry;
#else
typedef u16 Entry;
#endif

/* All dynamic shared memory of a block. */
extern __shared__ uint4 arena[];

enum { MISSING = KIND == INT8 ? 0x100 : 1 };

/* The same pointer, of unknown origin: else the address of every element is computed from the task
 * again, in 64 bits. */
template <class T> __device__ __forceinline__ T *settled(T *pointer) {
#ifdef __CUDACC__
    asm("" : "+l"(pointer));
#endif
    return pointer;
}

/* An index of up to three digits, the last varying fastest; each has a stride in elements. */
struct Digits {
    u32 middle, low;
    i64 high_stride, middle_stride, low_stride;
};

__device__ __forceinline__ i64 offset_of(const Digits &digits, u32 index) {
    if (digits.low == 1 && digits.middle == 1) return index * digits.high_stride;
    const u32 rest = index / digits.low, high = rest / digits.middle;
    return high * digits.high_stride + (rest - high * digits.middle) * digits.middle_stride +
           (index - rest * digits.low) * digits.low_stride;
}

/* Element (outer, inner) of group g is at g * group + outer_offset + inner_offset. Within a group
 * offsets are below 2^31; they may be negative. `range` holds what encode() saw: the largest
 * exponent, 255 - the smallest of the non-zero elements, and whether there are zeros. */
struct Side {
    const Code *codes;
    const u32 *range;
    i64 group;
    Digits outer, inner;
};

__device__ __forceinline__ int outer_of(const Side &side, u32 index) {
    return (int)offset_of(side.outer, index);
}

__device__ __forceinline__ int inner_of(const Side &side, u32 index) {
    return (int)offset_of(side.inner, index);
}

struct Result {
    Sum *sums;
    i64 first;       /* place of `sums` in the whole result */
    i64 group, part; /* stride from one part of a split sum to the next */
    Digits rows, columns;
};

/* c[g, m, n] = sum over k of T(a[g, m, k], b[g, k, n]). Rows m share look-ups of a row of the
 * table, columns n are looked up side by side. A block owns a tile of a part of k. */
struct GemmTask {
    Side a, b;
    Result c;
    const void *table; /* laid out for the kernel; INT8 has a row of zeros at the end */
    u64 seed;          /* of sums that are rounded by chance */
    u32 rows, depth, columns, row_tiles, column_tiles, parts, depth_of_part;
    u32 drop; /* 7 - m */
    u32 top;  /* 0x40; were it a constant, it and not the selector would be an immediate of PRMT */
};

struct Tile {
    u32 row, column, group, part, begin, end;
};

/* Row tiles vary fastest, so that blocks that run together read the same columns of b. */
__device__ __forceinline__ Tile tile_of(const GemmTask &task, u32 height, u32 width) {
    Tile tile;
    u32 block = blockIdx.x;
    tile.row = block % task.row_tiles * height;
    block /= task.row_tiles;
    tile.column = block % task.column_tiles * width;
    block /= task.column_tiles;
    tile.part = block % task.parts;
    tile.group = block / task.parts;
    tile.begin = min(tile.part * task.depth_of_part, task.depth);
    tile.end = min(tile.begin + task.depth_of_part, task.depth);
    return tile;
}

/* Rounded FP32 word: truncated or nearest-even, subnormals zero of their sign, one quiet NaN. */
__device__ __forceinline__ u32 round_word(u32 word, u32 fraction_bits, bool nearest) {
    const u32 drop = 23 - fraction_bits, sign = word & 0x80000000u, size = word & 0x7fffffffu;
    const u32 half = nearest && drop ? (1u << (drop - 1)) - 1 + (size >> drop & 1) : 0;
    const u32 kept = (size + half) & 0xffffffffu << drop;
    return sign | (size > 0x7f800000u ? 0x7fc00000u : size < 0x00800000u ? 0 : kept);
}

__device__ __forceinline__ u32 word_of(Code code) {
    return KIND == INLINED ? code : (u32)code << 16;
}

/* The signed power of two of an operand; zero, infinity and NaN stand for themselves. */
__device__ __forceinline__ float scale_of(Code code) {
    return __uint_as_float(word_of(code) & 0xff800000u);
}

__device__ __forceinline__ u32 exponent_of(Code code) { return word_of(code) >> 23 & 0xff; }

/* Whether the product of every pair is v * scale_b * scale_a without rounding, where v in [2, 8)
 * is twice 2^carry * (1 + fraction) and scale_a half the scale of a. */
struct Range {
    u32 low, high; /* biased exponents of the non-zero elements */
};

__device__ __forceinline__ Range range_of(const Side &side) {
    Range range = {255 - side.range[1], side.range[0]};
    return range;
}

__device__ __forceinline__ bool fits(Range a, Range b) {
    return a.low >= 2 && a.high <= 254 && b.high <= 252 && a.low + b.low >= 127 + 1 &&
           a.high + b.high + 1 <= 127 + 254;
}

__device__ __forceinline__ Range include(Range range, Code code) {
    const u32 exponent = exponent_of(code);
    range.low = min(range.low, exponent ? exponent : 255u);
    range.high = max(range.high, exponent);
    return range;
}

/* The product for any operands; core is carry << 23 | fraction << (23 - F). */
__device__ __forceinline__ float careful_product(Code code_a, Code code_b, u32 core) {
    const u32 a = word_of(code_a), b = word_of(code_b);
    const u32 exponent_a = a >> 23 & 0xff, exponent_b = b >> 23 & 0xff;
    const u32 sign = (a ^ b) & 0x80000000u;
    const bool full_a = exponent_a == 255, full_b = exponent_b == 255;
    if ((full_a && (a & 0x7fffff)) || (full_b && (b & 0x7fffff)) || (full_a && !exponent_b) ||
        (full_b && !exponent_a))
        return __uint_as_float(0x7fc00000u);
    const int exponent = (int)(exponent_a + exponent_b + (core >> 23)) - 127;
    if (full_a || full_b || (exponent_a && exponent_b && exponent >= 255))
        return __uint_as_float(sign | 0x7f800000u);
    if (!exponent_a || !exponent_b || exponent <= 0) return __uint_as_float(sign);
    return __uint_as_float(sign | (u32)exponent << 23 | (core & 0x7fffff));
}

__device__ __forceinline__ float round_to_half(float x) {
    const u32 word = __float_as_uint(x), sign = word & 0x80000000u, size = word & 0x7fffffffu;
    if (size > 0x7f800000u) return __uint_as_float(0x7fc00000u);
    /* Below 2^-14 halves are multiples of 2^-24, as FP32 numbers around 0.5 are. */
    const float shifted = __fadd_rn(__fadd_rn(__uint_as_float(size), 0.5f), -0.5f);
    const u32 normal = (size + 0xfff + (size >> 13 & 1)) & 0xffffe000u;
    const u32 finite = size < 0x38800000u ? __float_as_uint(shifted) : normal;
    return __uint_as_float(sign | (finite >= 0x47800000u ? 0x7f800000u : finite));
}

/* Sums narrower than FP32 are rounded after each addition, ties to even. */
__device__ __forceinline__ float narrowed(float sum) {
#if SUM == SUM_BF16
    const u32 word = __float_as_uint(sum);
    if ((word & 0x7fffffffu) > 0x7f800000u) return __uint_as_float(0x7fc00000u);
    return __uint_as_float((word + 0x7fff + (word >> 16 & 1)) & 0xffff0000u);
#elif SUM == SUM_FP16
    return round_to_half(sum);
#else
    return sum;
#endif
}

__device__ __forceinline__ float add(float sum, float product) {
    return narrowed(__fadd_rn(sum, product));
}

/* sum + x * scale, where the product is exact. */
__device__ __forceinline__ float add_scaled(float sum, float x, float scale) {
    return SUM == SUM_FP32 ? __fmaf_rn(x, scale, sum) : add(sum, __fmul_rn(x, scale));
}

#endif
