/* Implicit GEMM with a C model compiled into it, for float(8, m <= 23).
 *
 * Built after the model's text, which defines AXDSE_CORE(x, y): fractions in, {carry, fraction}
 * of F bits out; with -DKIND=INLINED, -DFRACTION_BITS= m, -DPRODUCT_BITS= F and as table_gemm.cu.
 *
 * A tile of 128 x 128 in 256 threads, 8 x 8 each, as in any FP32 GEMM. A carry lands on the
 * exponent by itself where a core is added to the FP32 word of a power of two. Where one operand
 * has no zeros, that is its own, and a product is core, addition and FFMA: Mitchell's core is an
 * addition that goes with the other, so sm_90 code has 159 instructions for 64 products, 2.7 each
 * with loading; issue then allows 47 products a clock and multiprocessor, a factor of 2.7 against
 * 128 FP32 FMA. With zeros on both sides it takes one FMUL more: 255 instructions, a factor of 4.2.
 */
#include "device.cuh"

enum {
    DEPTH = 8,
    SIDE = THREADS == 256 ? 128 : 32, /* rows and columns of a tile */
    OWN = THREADS == 256 ? 8 : 4,     /* of a thread, each way */
    ACROSS = SIDE / OWN,
    LOADS = DEPTH * SIDE / THREADS,
    DROP = 23 - FRACTION_BITS
};

struct Operands {
    Code a[DEPTH][SIDE], b[DEPTH][SIDE];
};

struct Shared {
    Operands operands[2];
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "launch code asks for too little shared memory");

/* carry << 23 | fraction << (23 - F) */
__device__ __forceinline__ u32 core_of(u32 x, u32 y) {
    return (u32)AXDSE_CORE(x, y) << (23 - PRODUCT_BITS);
}

struct Fetched {
    Code a[LOADS], b[LOADS];
};

/* Neighbours load neighbouring columns; where b lies along k instead, the cache helps. */
__device__ __forceinline__ Fetched fetch(const GemmTask &task, const Tile &tile, const Code *a,
                                         const Code *b, int outer_a, int outer_b, u32 k0) {
    Fetched fetched;
#pragma unroll
    for (u32 i = 0; i < LOADS; i++) {
        const u32 k = k0 + threadIdx.x / SIDE + i * (THREADS / SIDE);
        const bool inside = k < tile.end;
        fetched.a[i] = inside ? a[outer_a + inner_of(task.a, k)] : MISSING;
        fetched.b[i] = inside ? b[outer_b + inner_of(task.b, k)] : MISSING;
    }
    return fetched;
}

__device__ __forceinline__ void keep(Operands &operands, const Fetched &fetched) {
#pragma unroll
    for (u32 i = 0; i < LOADS; i++) {
        const u32 k = threadIdx.x / SIDE + i * (THREADS / SIDE);
        operands.a[k][threadIdx.x % SIDE] = fetched.a[i];
        operands.b[k][threadIdx.x % SIDE] = fetched.b[i];
    }
}

struct Sums {
    float of[OWN][OWN];
};

/* Own rows and columns come in fours, ACROSS fours apart: 128-bit loads without conflicts. */
__device__ __forceinline__ u32 place_of(u32 first, u32 i) {
    return first * 4 + i / 4 * (ACROSS * 4) + i % 4;
}

__device__ __forceinline__ void load_own(Code *own, const Code *side, u32 first) {
#pragma unroll
    for (int i = 0; i < OWN; i += 4) {
        const uint4 four = *(const uint4 *)(side + place_of(first, i));
        own[i] = four.x, own[i + 1] = four.y, own[i + 2] = four.z, own[i + 3] = four.w;
    }
}

__device__ __forceinline__ u32 fraction_of(Code code) { return (code & 0x7fffffu) >> DROP; }

/* The operand that a core's bits are added to as they are, which must not be zero. */
enum Base { NONE, BASE_A, BASE_B };

template <Base base>
__device__ __forceinline__ float plain_sum(float sum, Code a, Code b) {
    const u32 core = core_of(fraction_of(a), fraction_of(b));
    if (base == NONE) {
        const float twice = __uint_as_float(0x40000000u + core);
        return add_scaled(sum, __fmul_rn(twice, scale_of(b)), 0.5f * scale_of(a));
    }
    const u32 scale = __float_as_uint(scale_of(base == BASE_A ? a : b));
    return add_scaled(sum, __uint_as_float(scale + core), scale_of(base == BASE_A ? b : a));
}

template <Base base>
__device__ __forceinline__ void add_plain(Sums &sums, const Code *a, const Code *b) {
#pragma unroll
    for (int i = 0; i < OWN; i++)
#pragma unroll
        for (int j = 0; j < OWN; j++)
            sums.of[i][j] = plain_sum<base>(sums.of[i][j], a[i], b[j]);
}

__device__ __forceinline__ void add_careful(Sums &sums, const Code *a, const Code *b) {
#pragma unroll
    for (int i = 0; i < OWN; i++)
#pragma unroll
        for (int j = 0; j < OWN; j++) {
            if (a[i] == MISSING || b[j] == MISSING) continue;
            const u32 core = core_of(fraction_of(a[i]), fraction_of(b[j]));
            sums.of[i][j] = add(sums.of[i][j], careful_product(a[i], b[j], core));
        }
}

struct Own {
    Code a[OWN], b[OWN];
};

__device__ __forceinline__ Own load_both(const Operands &operands, int k, u32 row, u32 column) {
    Own own;
    load_own(own.a, operands.a[k], row);
    load_own(own.b, operands.b[k], column);
    return own;
}

template <Base base>
__device__ __forceinline__ void add_all_plain(Sums &sums, const Operands &operands, u32 row,
                                              u32 column) {
#pragma unroll 1
    for (int k = 0; k < DEPTH; k++) {
        const Own own = load_both(operands, k, row, column);
        add_plain<base>(sums, own.a, own.b);
    }
}

__device__ __forceinline__ void add_any(Sums &sums, const Operands &operands, u32 row,
                                        u32 column) {
#pragma unroll 1
    for (int k = 0; k < DEPTH; k++) {
        const Own own = load_both(operands, k, row, column);
        Range range_a = {255, 0}, range_b = {255, 0};
        for (int i = 0; i < OWN; i++)
            range_a = include(range_a, own.a[i]), range_b = include(range_b, own.b[i]);
        if (fits(range_a, range_b))
            add_plain<NONE>(sums, own.a, own.b);
        else
            add_careful(sums, own.a, own.b);
    }
}

__device__ __forceinline__ void add_products(Sums &sums, const Operands &operands, u32 row,
                                             u32 column, bool all_plain, Base base) {
    if (!all_plain)
        add_any(sums, operands, row, column);
    else if (base == BASE_A)
        add_all_plain<BASE_A>(sums, operands, row, column);
    else if (base == BASE_B)
        add_all_plain<BASE_B>(sums, operands, row, column);
    else
        add_all_plain<NONE>(sums, operands, row, column);
}

__device__ __forceinline__ void store(const GemmTask &task, const Tile &tile, const Sums &sums,
                                      u32 row, u32 column) {
    float *c = task.c.sums + tile.part * task.c.part + tile.group * task.c.group;
#pragma unroll
    for (int j = 0; j < OWN; j++) {
        const u32 n = tile.column + place_of(column, j);
        if (n >= task.columns) continue;
        float *out = c + offset_of(task.c.columns, n);
#pragma unroll
        for (int i = 0; i < OWN; i++) {
            const u32 m = tile.row + place_of(row, i);
            if (m < task.rows) out[offset_of(task.c.rows, m)] = sums.of[i][j];
        }
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, SUM == SUM_FP32 ? 512 / THREADS : 1)
    inlined_gemm(const GemmTask task) {
    Shared &shared = *(Shared *)arena;
    const Tile tile = tile_of(task, SIDE, SIDE);
    const u32 lane = threadIdx.x % SIDE;
    const u32 row = threadIdx.x / ACROSS, column = threadIdx.x % ACROSS;
    const Code *a = task.a.codes + tile.group * task.a.group;
    const Code *b = task.b.codes + tile.group * task.b.group;
    const int outer_a = outer_of(task.a, min(tile.row + lane, task.rows - 1));
    const int outer_b = outer_of(task.b, min(tile.column + lane, task.columns - 1));
    const bool all_plain = fits(range_of(task.a), range_of(task.b));
    const Base base = !task.a.range[2] ? BASE_A : !task.b.range[2] ? BASE_B : NONE;
    Sums sums;
    for (int i = 0; i < OWN; i++)
        for (int j = 0; j < OWN; j++) sums.of[i][j] = 0;
    Fetched fetched = fetch(task, tile, a, b, outer_a, outer_b, tile.begin);
    for (u32 k0 = tile.begin, s = 0; k0 < tile.end; k0 += DEPTH, s ^= 1) {
        keep(shared.operands[s], fetched);
        __syncthreads();
        fetched = fetch(task, tile, a, b, outer_a, outer_b, k0 + DEPTH);
        add_products(sums, shared.operands[s], row, column, all_plain, base);
    }
    store(task, tile, sums, row, column);
}
