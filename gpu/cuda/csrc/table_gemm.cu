/* Implicit GEMM by look-up, for tables of float(8, m <= 7) and of int8.
 *
 * Built with -DKIND= (NARROW, WIDE, INT8), -DSUM=, -DTHREADS= and -DCOLUMNS_OF_THREAD=.
 *
 * What the hardware allows. A look-up that brings one product a lane is bound by shared memory:
 * 32 banks, so 32 products a clock and multiprocessor if the lanes share `a` and its row is 128
 * bytes, 10 if the row is 512 (int8). So for each k the block first builds a table of its own: the
 * rows of its 16 operands of `a` side by side, 16 products of one b in 16 bytes (NARROW) or twice
 * 16. One 128-bit load then brings 16 (8) products. A quarter of a warp loads from 8 groups of 4
 * banks; 8 random columns meet 2.5 deep on average, so 512 (256) products take about 10 clocks:
 * 51 (26) a clock. Building takes 4 KB through shared memory and L1 for 16 x 1024 products (8 KB
 * WIDE, 16 KB INT8), which leaves 46 (NARROW), 23 (WIDE), 21 (INT8).
 *
 * The other wall is issue, 4 warp instructions a clock. A float product takes three: PRMT puts
 * the entry below 0x40, which is the FP32 word of 2 * 2^carry * (1 + fraction); FMUL by the power
 * of two of b, zero included; FFMA by half that of a into the sum, the only rounding. sm_90 code
 * has 255 instructions for the 64 products of a k and a sixteenth of that for building: 4.2 a
 * product, 30 products a clock. An int8 product takes one, IDP.2A ({lo, hi} by {1, 0}, added), and
 * 1.9 in all. Against 128 FP32 FMA a clock that is a factor of 4.2 (NARROW, issue), 5.6 (WIDE,
 * look-up) and 6 (INT8, look-up) at best; an H200 (132 at 1.9 GHz) makes 7.5, 5.8 and 5.3 T
 * products a second so. cuBLAS reaches some 80 % of its own peak. Counted, not yet measured.
 *
 * Tensor cores could add the products (bf16 pairs by a diagonal of powers of two), in half the
 * instructions; but they cut what they shift out, so sums would leave the bound of FP32.
 */
#include "device.cuh"

enum {
    ROWS = 16,
    DEPTH = KIND == NARROW ? 8 : KIND == WIDE ? 4 : 2, /* k built at once */
    PLANES = sizeof(Entry),
    LANES_OF_WORD = 4 / PLANES,
    TABLE_COLUMNS = KIND == INT8 ? 256 : 128,
    ROW_WORDS = TABLE_COLUMNS / LANES_OF_WORD,
    BUILT_COLUMNS = TABLE_COLUMNS + (KIND == INT8), /* the last is that of MISSING: zero */
    CHUNKS = ROW_WORDS / 32,
    BUILT_ROWS = ROWS / PLANES,
    COLUMNS = THREADS * COLUMNS_OF_THREAD,
    LOADS = (DEPTH * ROWS + THREADS - 1) / THREADS
};

struct alignas(16) Operands {
    float scales[DEPTH][ROWS];
    u32 table_rows[DEPTH][ROWS]; /* their first words */
    int inner[DEPTH];            /* offsets of b */
    Range ranges[DEPTH];
    Code codes[DEPTH][ROWS];
};

/* Step s computes from built[s % 2] and operands[s % 3], builds step s + 1, loads step s + 2. */
struct Shared {
    uint4 built[2][DEPTH][PLANES][BUILT_COLUMNS];
    Operands operands[3];
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "launch code asks for too little shared memory");

__device__ __forceinline__ u32 index_of(u32 code, u32 drop) {
    return KIND == INT8 ? code : (code & 0x7fu) >> drop;
}

/* The codes of one step, in registers while they travel. */
struct Fetched {
    Code codes[LOADS];
};

__device__ __forceinline__ Fetched fetch(const GemmTask &task, const Tile &tile, u32 k0) {
    const Code *a = task.a.codes + tile.group * task.a.group;
    Fetched fetched;
#pragma unroll
    for (u32 i = 0; i < LOADS; i++) {
        const u32 item = threadIdx.x + i * THREADS, k = k0 + item / ROWS;
        const u32 row = min(tile.row + item % ROWS, task.rows - 1);
        const bool inside = item < DEPTH * ROWS && k < tile.end;
        fetched.codes[i] =
            inside ? a[outer_of(task.a, row) + inner_of(task.a, k)] : (Code)MISSING;
    }
    return fetched;
}

__device__ __forceinline__ void keep(Operands &operands, const Fetched &fetched,
                                     const GemmTask &task, const Tile &tile, u32 k0) {
#pragma unroll
    for (u32 i = 0; i < LOADS; i++) {
        const u32 item = threadIdx.x + i * THREADS;
        if (item >= DEPTH * ROWS) break;
        const u32 k = item / ROWS, row = item % ROWS;
        operands.codes[k][row] = fetched.codes[i];
        operands.scales[k][row] = 0.5f * scale_of(fetched.codes[i]);
        operands.table_rows[k][row] = index_of(fetched.codes[i], task.drop) * ROW_WORDS;
    }
    if (threadIdx.x < DEPTH)
        operands.inner[threadIdx.x] =
            inner_of(task.b, min(k0 + threadIdx.x, tile.end - 1));
}

/* A lane's word of BUILT_ROWS rows of the table, turned: row i of column j is element i of word
 * group j. */
__device__ __forceinline__ void turn(uint4 *turned, const u32 *words) {
#if KIND == NARROW
    u32 out[4][4];
#pragma unroll
    for (int q = 0; q < 4; q++) {
        const u32 *in = words + 4 * q;
        const u32 low01 = __byte_perm(in[0], in[1], 0x5140);
        const u32 low23 = __byte_perm(in[2], in[3], 0x5140);
        const u32 high01 = __byte_perm(in[0], in[1], 0x7362);
        const u32 high23 = __byte_perm(in[2], in[3], 0x7362);
        out[0][q] = __byte_perm(low01, low23, 0x5410);
        out[1][q] = __byte_perm(low01, low23, 0x7632);
        out[2][q] = __byte_perm(high01, high23, 0x5410);
        out[3][q] = __byte_perm(high01, high23, 0x7632);
    }
#else
    u32 out[2][4];
#pragma unroll
    for (int q = 0; q < 4; q++) {
        out[0][q] = __byte_perm(words[2 * q], words[2 * q + 1], 0x5410);
        out[1][q] = __byte_perm(words[2 * q], words[2 * q + 1], 0x7632);
    }
#endif
#pragma unroll
    for (int j = 0; j < LANES_OF_WORD; j++)
        turned[j] = make_uint4(out[j][0], out[j][1], out[j][2], out[j][3]);
}

__device__ __forceinline__ void build(uint4 (*built)[PLANES][BUILT_COLUMNS], Operands &operands,
                                      const GemmTask &task) {
    const u32 lane = threadIdx.x % 32;
    for (u32 item = threadIdx.x / 32; item < DEPTH * PLANES * CHUNKS; item += THREADS / 32) {
        const u32 k = item / (PLANES * CHUNKS), plane = item / CHUNKS % PLANES;
        const u32 word = item % CHUNKS * 32 + lane;
        const u32 *rows = operands.table_rows[k] + plane * BUILT_ROWS;
        u32 words[BUILT_ROWS];
#pragma unroll
        for (u32 i = 0; i < BUILT_ROWS; i += 4) {
            const uint4 four = *(const uint4 *)(rows + i);
            words[i] = four.x, words[i + 1] = four.y, words[i + 2] = four.z, words[i + 3] = four.w;
        }
#pragma unroll
        for (u32 i = 0; i < BUILT_ROWS; i++)
            words[i] = __ldg((const u32 *)task.table + (words[i] + word));
        uint4 turned[LANES_OF_WORD];
        turn(turned, words);
#pragma unroll
        for (u32 j = 0; j < LANES_OF_WORD; j++)
            built[k][plane][word + j * ROW_WORDS] = turned[j];
    }
}

__device__ __forceinline__ void bound(Operands &operands) {
    if (threadIdx.x >= DEPTH) return;
    Range range = {255, 0};
    for (u32 i = 0; i < ROWS; i++) range = include(range, operands.codes[threadIdx.x][i]);
    operands.ranges[threadIdx.x] = range;
}

struct Sums {
    Sum of[ROWS][COLUMNS_OF_THREAD];
};

/* Codes of b, in whole registers. */
struct Columns {
    u32 codes[COLUMNS_OF_THREAD];
};

/* Twice 2^carry * (1 + fraction) of element i of a plane. */
__device__ __forceinline__ float twice(const u32 *words, int i, u32 top) {
    return __uint_as_float(KIND == NARROW
                               ? __byte_perm(words[i / 4], top, 0x4055 | i % 4 << 8)
                               : __byte_perm(words[i / 2], top, i % 2 ? 0x4325 : 0x4105));
}

#if KIND == INT8
__device__ __forceinline__ int add_entry(int sum, const u32 *words, int i, float, float,
                                         u32) {
    return __dp2a_lo((int)words[i / 2], i % 2 ? 0x100 : 0x1, sum);
}
#else
__device__ __forceinline__ float add_entry(float sum, const u32 *words, int i, float scale_a,
                                           float scale_b, u32 top) {
    return add_scaled(sum, __fmul_rn(twice(words, i, top), scale_b), scale_a);
}
#endif

/* 16 rows by the thread's columns, all of whose products are exact as v * scale_b * scale_a. */
__device__ __forceinline__ void add_plain(Sums &sums, const uint4 (*built)[BUILT_COLUMNS],
                                          const float *scales, const Columns &columns,
                                          const GemmTask &task) {
#pragma unroll
    for (int plane = 0; plane < PLANES; plane++) {
        float scale_a[BUILT_ROWS];
#pragma unroll
        for (int i = 0; i < BUILT_ROWS; i += 4) {
            const float4 four = *(const float4 *)(scales + plane * BUILT_ROWS + i);
            scale_a[i] = four.x, scale_a[i + 1] = four.y;
            scale_a[i + 2] = four.z, scale_a[i + 3] = four.w;
        }
#pragma unroll
        for (int j = 0; j < COLUMNS_OF_THREAD; j++) {
            const uint4 entries = built[plane][index_of(columns.codes[j], task.drop)];
            const u32 words[4] = {entries.x, entries.y, entries.z, entries.w};
            const float scale_b = scale_of((Code)columns.codes[j]);
#pragma unroll
            for (int i = 0; i < BUILT_ROWS; i++) {
                Sum &sum = sums.of[plane * BUILT_ROWS + i][j];
                sum = add_entry(sum, words, i, scale_a[i], scale_b, task.top);
            }
        }
    }
}

#if KIND != INT8
__device__ __forceinline__ void add_careful(Sums &sums, const uint4 (*built)[BUILT_COLUMNS],
                                            const Code *codes, const Columns &columns,
                                            const GemmTask &task) {
#pragma unroll
    for (int j = 0; j < COLUMNS_OF_THREAD; j++) {
        const Code code_b = (Code)columns.codes[j];
        if (code_b == MISSING) continue;
#pragma unroll
        for (int row = 0; row < ROWS; row++) {
            const uint4 entries = built[row / BUILT_ROWS][index_of(code_b, task.drop)];
            const u32 words[4] = {entries.x, entries.y, entries.z, entries.w};
            const float value = twice(words, row % BUILT_ROWS, task.top);
            const u32 core = __float_as_uint(value) - 0x40000000u;
            const float product = careful_product(codes[row], code_b, core);
            if (codes[row] != MISSING) sums.of[row][j] = add(sums.of[row][j], product);
        }
    }
}
#endif

__device__ __forceinline__ Columns load_columns(const Code *b, const int *outer, int inner) {
    Columns columns;
#pragma unroll
    for (int j = 0; j < COLUMNS_OF_THREAD; j++) columns.codes[j] = __ldg(b + (outer[j] + inner));
    return columns;
}

__device__ __forceinline__ void store(const GemmTask &task, const Sums &sums) {
    const Tile tile = tile_of(task, ROWS, COLUMNS);
    Sum *c = task.c.sums + tile.part * task.c.part + tile.group * task.c.group;
#pragma unroll
    for (int j = 0; j < COLUMNS_OF_THREAD; j++) {
        const u32 column = tile.column + threadIdx.x + j * THREADS;
        if (column >= task.columns) break;
        Sum *out = c + offset_of(task.c.columns, column);
#pragma unroll
        for (int row = 0; row < ROWS; row++)
            if (tile.row + row < task.rows)
                out[offset_of(task.c.rows, tile.row + row)] = sums.of[row][j];
    }
}

extern "C" __global__ void __launch_bounds__(THREADS, 512 / THREADS)
    table_gemm(const GemmTask task) {
    Shared &shared = *(Shared *)arena;
    const Tile tile = tile_of(task, ROWS, COLUMNS);
    const Code *b = settled(task.b.codes + tile.group * task.b.group);
    int outer[COLUMNS_OF_THREAD];
    for (int j = 0; j < COLUMNS_OF_THREAD; j++)
        outer[j] = outer_of(task.b, min(tile.column + threadIdx.x + j * THREADS, task.columns - 1));
    Sums sums;
    for (int row = 0; row < ROWS; row++)
        for (int j = 0; j < COLUMNS_OF_THREAD; j++) sums.of[row][j] = 0;
    if (tile.begin >= tile.end) return store(task, sums);

#if KIND == INT8
    const uint4 zero = make_uint4(0, 0, 0, 0);
    if (threadIdx.x < 2 * DEPTH * PLANES)
        shared.built[threadIdx.x / (DEPTH * PLANES)][threadIdx.x / PLANES % DEPTH]
                    [threadIdx.x % PLANES][TABLE_COLUMNS] = zero;
#else
    const bool all_plain = fits(range_of(task.a), range_of(task.b));
#endif
    const u32 steps = (tile.end - tile.begin + DEPTH - 1) / DEPTH;
    for (u32 s = 0; s < 2; s++) {
        const u32 k0 = tile.begin + s * DEPTH;
        keep(shared.operands[s], fetch(task, tile, k0), task, tile, k0);
    }
    __syncthreads();
    build(shared.built[0], shared.operands[0], task);
    bound(shared.operands[0]);
    Columns next = load_columns(b, outer, shared.operands[0].inner[0]);
    for (u32 s = 0; s < steps; s++) {
        __syncthreads();
        const Operands &now = shared.operands[s % 3];
        Operands &soon = shared.operands[(s + 1) % 3];
        const u32 k0 = tile.begin + (s + 2) * DEPTH;
        const Fetched fetched = fetch(task, tile, k0);
        build(shared.built[(s + 1) % 2], soon, task);
#if KIND != INT8
        if (!all_plain) bound(soon);
#endif
#pragma unroll 1
        for (u32 k = 0; k < DEPTH; k++) {
            const Columns columns = next;
            next = load_columns(b, outer, k + 1 < DEPTH ? now.inner[k + 1] : soon.inner[0]);
#if KIND != INT8
            Range range = {255, 0};
            if (!all_plain)
                for (int j = 0; j < COLUMNS_OF_THREAD; j++)
                    range = include(range, columns.codes[j]);
            if (!all_plain && !fits(now.ranges[k], range))
                add_careful(sums, shared.built[s % 2][k], now.codes[k], columns, task);
            else
#endif
                add_plain(sums, shared.built[s % 2][k], now.scales[k], columns, task);
        }
        keep(shared.operands[(s + 2) % 3], fetched, task, tile, k0);
    }
    store(task, sums);
}
