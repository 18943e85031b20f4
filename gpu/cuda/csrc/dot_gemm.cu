/* The same products for few rows and columns but long sums: depthwise weight gradients.
 *
 * A block has one row and up to COLUMNS_OF_THREAD columns of one group; its threads share out k
 * and their sums are added in a tree of fixed shape. Neighbours have different `a` and different
 * b, so look-ups meet in the banks, 3 to 4 deep on average.
 * Built as table_gemm.cu, but with KIND INT8 the table, 128 KB, stays in the cache.
 */
#include "device.cuh"

enum { TABLE_COLUMNS = KIND == INT8 ? 256 : 128, TABLE_ROWS = KIND == INT8 ? 0 : 128 };

struct Shared {
    Sum sums[COLUMNS_OF_THREAD][THREADS];
    Entry table[TABLE_ROWS + 1][TABLE_COLUMNS];
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "launch code asks for too little shared memory");

#if KIND == INT8
__device__ __forceinline__ int add_product(int sum, const Entry *table, Code a, Code b, u32) {
    if (a == MISSING || b == MISSING) return sum;
    return sum + (short)__ldg(table + a * TABLE_COLUMNS + b);
}
#else
__device__ __forceinline__ float add_product(float sum, const Entry *table, Code a, Code b,
                                             u32 drop) {
    if (a == MISSING || b == MISSING) return sum;
    const u32 row = (a & 0x7fu) >> drop, column = (b & 0x7fu) >> drop;
    const u32 core = (u32)table[row * TABLE_COLUMNS + column] << (KIND == NARROW ? 16 : 8);
    return add(sum, careful_product(a, b, core));
}
#endif

__device__ __forceinline__ const Entry *load_table(Shared &shared, const GemmTask &task) {
    if (KIND == INT8) return (const Entry *)task.table;
    const u32 words = (128u >> task.drop) * TABLE_COLUMNS * sizeof(Entry) / 4;
    for (u32 i = threadIdx.x; i < words; i += THREADS)
        ((u32 *)shared.table)[i] = __ldg((const u32 *)task.table + i);
    __syncthreads();
    return &shared.table[0][0];
}

extern "C" __global__ void __launch_bounds__(THREADS, 1024 / THREADS)
    dot_gemm(const GemmTask task) {
    Shared &shared = *(Shared *)arena;
    const Tile tile = tile_of(task, 1, COLUMNS_OF_THREAD);
    const Entry *table = load_table(shared, task);
    const Code *a =
        task.a.codes + tile.group * task.a.group + outer_of(task.a, tile.row);
    const Code *b = task.b.codes + tile.group * task.b.group;
    int outer[COLUMNS_OF_THREAD];
    Sum sums[COLUMNS_OF_THREAD];
    for (int j = 0; j < COLUMNS_OF_THREAD; j++) {
        const u32 column = min(tile.column + j, task.columns - 1);
        outer[j] = outer_of(task.b, column);
        sums[j] = 0;
    }
    for (u32 k = tile.begin + threadIdx.x; k < tile.end; k += THREADS) {
        const Code code_a = a[inner_of(task.a, k)];
        const int inner = inner_of(task.b, k);
#pragma unroll
        for (int j = 0; j < COLUMNS_OF_THREAD; j++)
            sums[j] = add_product(sums[j], table, code_a, __ldg(b + (outer[j] + inner)), task.drop);
    }
    for (int j = 0; j < COLUMNS_OF_THREAD; j++) shared.sums[j][threadIdx.x] = sums[j];
    for (u32 half = THREADS / 2; half; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            for (int j = 0; j < COLUMNS_OF_THREAD; j++)
                shared.sums[j][threadIdx.x] += shared.sums[j][threadIdx.x + half];
    }
    __syncthreads();
    if (threadIdx.x < COLUMNS_OF_THREAD && tile.column + threadIdx.x < task.columns)
        task.c.sums[tile.part * task.c.part + tile.group * task.c.group +
                    offset_of(task.c.rows, tile.row) +
                    offset_of(task.c.columns, tile.column + threadIdx.x)] =
            shared.sums[threadIdx.x][0];
}
