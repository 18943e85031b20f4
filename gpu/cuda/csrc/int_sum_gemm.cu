/* Products of 8-bit integers added by a recipe: int8 in W bits of two's complement, which wrap or saturate
 * after each step; MXINT8 {scale, element}, whose steps are a term each.
 *
 * Built with -DRECIPE= and -DTHREADS= as sum_gemm.cu, for -DKIND=INT8 or BLOCKS. k is never split, and its
 * steps begin at 0. A thread has one column and ROWS rows, whose operands lie in shared memory, DEPTH k at a
 * time. The table stays in the cache.
 */
#include "device.cuh"
#include "sum_steps.h"

static constexpr struct sum recipe = {RECIPE};

enum { ROWS = 8, TERMS = recipe.terms, DEPTH = TERMS > 32 ? TERMS : 32 / TERMS * TERMS, TABLE_COLUMNS = 256 };

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

#if KIND == INT8
typedef i64 Register;

__device__ __forceinline__ int product_of(const u16 *table, Code x, Code y) {
    return x == MISSING || y == MISSING ? 0 : (short)__ldg(table + x * TABLE_COLUMNS + y);
}

/* A step whose products have this sum. */
__device__ __forceinline__ void add_step(Register &held, int products, Code, Code) {
    const i64 half = (i64)1 << (recipe.width - 1), value = held + products;
    held = recipe.saturate ? (value < -half ? -half : value > half - 1 ? half - 1 : value)
                           : (i64)((u64)value << (64 - recipe.width)) >> (64 - recipe.width);
}

__device__ __forceinline__ void end_chunk(Register &) {}

__device__ __forceinline__ Sum sum_of(const Register &held) { return (Sum)held; }
#else
typedef struct steps Register;

__device__ __forceinline__ int product_of(const u16 *table, Code x, Code y) {
    return (short)__ldg(table + (x & 255) * TABLE_COLUMNS + (y & 255));
}

/* The same; it has the scales of its first operands. */
__device__ __forceinline__ void add_step(Register &now, int products, Code x, Code y) {
    steps_block(&now, products, x >> 8, y >> 8, &recipe);
}

__device__ __forceinline__ void end_chunk(Register &now) {
    now.outer = __fadd_rn(now.outer, steps_sum(&now, &recipe));
    steps_clear(&now);
}

__device__ __forceinline__ Sum sum_of(const Register &now) {
    return sum_plain(recipe.chunk ? now.outer : steps_sum(&now, &recipe));
}
#endif

extern "C" __global__ void __launch_bounds__(THREADS) int_sum_gemm(const GemmTask task) {
    Shared &shared = *(Shared *)arena;
    const Tile tile = tile_of(task, ROWS, THREADS);
    const u32 column = tile.column + threadIdx.x;
    const Code *b = task.b.codes + tile.group * task.b.group + outer_of(task.b, min(column, task.columns - 1));
    const u16 *table = (const u16 *)task.table;
    Register registers[ROWS] = {};
    for (u32 k0 = 0; k0 < task.depth; k0 += DEPTH) {
        const u32 depth = min((u32)DEPTH, task.depth - k0);
        load_rows(shared, task, tile, k0, depth);
        for (u32 from = 0; from < depth; from += TERMS) {
            const u32 end = min(from + TERMS, depth);
            const bool ends_chunk = recipe.chunk && ((k0 + end) % (u32)recipe.chunk == 0 || k0 + end == task.depth);
            int products[ROWS] = {0};
            for (u32 k = from; k < end; k++) {
                const Code y = __ldg(b + shared.inner[k]);
#pragma unroll
                for (int r = 0; r < ROWS; r++) products[r] += product_of(table, shared.codes[k][r], y);
            }
            const Code first = __ldg(b + shared.inner[from]);
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                add_step(registers[r], products[r], shared.codes[from][r], first);
                if (ends_chunk) end_chunk(registers[r]);
            }
        }
    }
    Sum *c = task.c.sums + tile.group * task.c.group;
    for (int r = 0; r < ROWS; r++)
        if (tile.row + r < task.rows && column < task.columns)
            c[offset_of(task.c.rows, tile.row + r) + offset_of(task.c.columns, column)] = sum_of(registers[r]);
}
