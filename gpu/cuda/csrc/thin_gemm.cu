/* The same products for few rows: depthwise convolutions, their input gradients, single rows.
 *
 * A block has one row of one group, so `a` is the same for all its threads: it keeps the rows of
 * the table that its operands of `a` pick (of 128 bytes for NARROW: they span the banks once, so
 * the look-ups of a warp never collide) and every thread looks one product up at a time.
 * Built as table_gemm.cu.
 */
#include "device.cuh"

enum {
    DEPTH = 32,
    TABLE_COLUMNS = KIND == INT8 ? 256 : 128,
    ROW_WORDS = TABLE_COLUMNS * sizeof(Entry) / 4,
    COLUMNS = THREADS * COLUMNS_OF_THREAD
};

struct Shared {
    Entry rows[DEPTH][TABLE_COLUMNS];
    int inner[DEPTH];
    Code codes[DEPTH];
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "launch code asks for too little shared memory");

__device__ __forceinline__ void load_rows(Shared &shared, const GemmTask &task, const Code *a,
                                          u32 k0, u32 depth) {
    __syncthreads();
    for (u32 k = threadIdx.x; k < depth; k += THREADS) {
        shared.codes[k] = a[inner_of(task.a, k0 + k)];
        shared.inner[k] = inner_of(task.b, k0 + k);
    }
    __syncthreads();
    u32 *rows = (u32 *)shared.rows;
    for (u32 i = threadIdx.x; i < depth * ROW_WORDS; i += THREADS) {
        const Code code = shared.codes[i / ROW_WORDS];
        const u32 row = KIND == INT8 ? code : (code & 0x7fu) >> task.drop;
        rows[i] = __ldg((const u32 *)task.table + row * ROW_WORDS + i % ROW_WORDS);
    }
    __syncthreads();
}

#if KIND == INT8
__device__ __forceinline__ int add_product(int sum, const Entry *row, Code, Code b, u32, bool) {
    return b == MISSING ? sum : sum + (short)row[b];
}
#else
__device__ __forceinline__ float add_product(float sum, const Entry *row, Code a, Code b,
                                             u32 drop, bool plain) {
    const u32 core = (u32)row[(b & 0x7fu) >> drop] << (KIND == NARROW ? 16 : 8);
    if (!plain) return b == MISSING ? sum : add(sum, careful_product(a, b, core));
    const float twice = __uint_as_float(0x40000000u + core);
    return add_scaled(sum, __fmul_rn(twice, scale_of(b)), 0.5f * scale_of(a));
}
#endif

extern "C" __global__ void __launch_bounds__(THREADS, 1024 / THREADS)
    thin_gemm(const GemmTask task) {
    Shared &shared = *(Shared *)arena;
    const Tile tile = tile_of(task, 1, COLUMNS);
    const Code *a =
        task.a.codes + tile.group * task.a.group + outer_of(task.a, tile.row);
    const Code *b = task.b.codes + tile.group * task.b.group;
    int outer[COLUMNS_OF_THREAD];
    Sum sums[COLUMNS_OF_THREAD];
    for (int j = 0; j < COLUMNS_OF_THREAD; j++) {
        const u32 column = min(tile.column + threadIdx.x + j * THREADS, task.columns - 1);
        outer[j] = outer_of(task.b, column);
        sums[j] = 0;
    }
    const bool plain = KIND == INT8 || fits(range_of(task.a), range_of(task.b));
    for (u32 k0 = tile.begin; k0 < tile.end; k0 += DEPTH) {
        const u32 depth = min((u32)DEPTH, tile.end - k0);
        load_rows(shared, task, a, k0, depth);
        for (u32 k = 0; k < depth; k++)
#pragma unroll
            for (int j = 0; j < COLUMNS_OF_THREAD; j++)
                sums[j] = add_product(sums[j], shared.rows[k], shared.codes[k],
                                      __ldg(b + (outer[j] + shared.inner[k])), task.drop, plain);
    }
    Sum *c = task.c.sums + tile.part * task.c.part + tile.group * task.c.group +
             offset_of(task.c.rows, tile.row);
    for (int j = 0; j < COLUMNS_OF_THREAD; j++) {
        const u32 column = tile.column + threadIdx.x + j * THREADS;
        if (column < task.columns) c[offset_of(task.c.columns, column)] = sums[j];
    }
}
