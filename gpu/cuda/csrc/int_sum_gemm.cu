/* int8 products added by a recipe: W bits of two's complement, wrapping or saturating after each step.
 *
 * Built with -DRECIPE= and -DTHREADS= as sum_gemm.cu, for -DKIND=INT8. The table stays in the cache.
 */
#include "device.cuh"
#include "sum_steps.h"

static constexpr struct sum recipe = {RECIPE};

enum { ROWS = 8, DEPTH = 32, TABLE_COLUMNS = 256 };

struct Shared {
    Code codes[DEPTH][ROWS];
    int inner[DEPTH]; /* offsets of b */
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "launch code asks for too little shared memory");

__device__ __forceinline__ void load_rows(Shared &shared, const GemmTask &task, const Tile &tile, u32 k0, u32 depth) {
    const Code *a = task.a.codes + tile.group * task.a.group;
    __syncthreads();
    for (u32 i = threadIdx.x; i < depth * ROWS; i += THREADS) {
        const u32 row = min(tile.row + i % ROWS, task.rows - 1);
        shared.codes[i / ROWS][i % ROWS] = a[outer_of(task.a, row) + inner_of(task.a, k0 + i / ROWS)];
    }
    for (u32 k = threadIdx.x; k < depth; k += THREADS) shared.inner[k] = inner_of(task.b, k0 + k);
    __syncthreads();
}

/* A step's sum in the register. */
__device__ __forceinline__ i64 held(i64 value) {
    const i64 half = (i64)1 << (recipe.width - 1);
    if (recipe.saturate) return value < -half ? -half : value > half - 1 ? half - 1 : value;
    return (i64)((u64)value << (64 - recipe.width)) >> (64 - recipe.width);
}

extern "C" __global__ void __launch_bounds__(THREADS) int_sum_gemm(const GemmTask task) {
    Shared &shared = *(Shared *)arena;
    const Tile tile = tile_of(task, ROWS, THREADS);
    const u32 column = tile.column + threadIdx.x;
    const Code *b = task.b.codes + tile.group * task.b.group + outer_of(task.b, min(column, task.columns - 1));
    i64 registers[ROWS] = {0};
    for (u32 k0 = 0; k0 < task.depth; k0 += DEPTH) {
        const u32 depth = min((u32)DEPTH, task.depth - k0);
        load_rows(shared, task, tile, k0, depth);
        for (u32 k = 0; k < depth; k++) {
            const Code y = __ldg(b + shared.inner[k]);
            const bool ends = (k0 + k + 1) % (u32)recipe.terms == 0 || k0 + k + 1 == task.depth;
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const Code x = shared.codes[k][r];
                const bool none = x == MISSING || y == MISSING;
                registers[r] += none ? 0 : (short)__ldg((const u16 *)task.table + x * TABLE_COLUMNS + y);
                if (ends) registers[r] = held(registers[r]);
            }
        }
    }
    int *c = task.c.sums + tile.group * task.c.group;
    for (int r = 0; r < ROWS; r++)
        if (tile.row + r < task.rows && column < task.columns)
            c[offset_of(task.c.rows, tile.row + r) + offset_of(task.c.columns, column)] = (int)registers[r];
}
