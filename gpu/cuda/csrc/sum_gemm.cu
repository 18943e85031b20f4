/* Implicit GEMM whose products are added by a recipe, `struct sum` of sum.h: any table, and C models.
 *
 * Built with -DRECIPE=, the fields of that; with -DKIND= and -DTHREADS= as table_gemm.cu, or after a
 * model's text as inlined_gemm.cu.
 *
 * k is never split, and its steps begin at 0. A thread has one column and ROWS rows; a block has the same
 * rows, whose operands lie in shared memory, DEPTH k at a time. A step meets its terms twice: for the
 * largest exponent, and to be cut and added (sum_steps.h). A word of an operand holds exponent, sign
 * and place in the table, so that one addition gives those of a product. Outputs that have an infinity
 * or NaN among their operands, and sums that sum_steps.h does not take, are sum.h's.
 *
 * By counting, 13 integer instructions a product, of which Hopper starts 64 lanes a clock: 26 times the
 * time of an FP32 FMA. Not yet measured.
 */
#include "device.cuh"
#include "sum_steps.h"

static constexpr struct sum recipe = {RECIPE};

enum {
    ROWS = 8,
    TERMS = recipe.terms,
    DEPTH = TERMS > 32 ? TERMS : 32 / TERMS * TERMS,
    TABLE_ENTRIES = KIND == NARROW || KIND == WIDE ? 128 * 128 : 1,
    EXPONENT_AT = 20,
    SIGN_AT = 18,
    IS_EXACT = recipe.kind == SUM_FLOAT && recipe.align < 0,
    IS_FAST = takes_steps(&recipe)
};

struct Shared {
    Code codes[DEPTH][ROWS];
    int words[DEPTH][ROWS];
    int inner[DEPTH]; /* offsets of b */
    u32 special;      /* rows that have an infinity or NaN */
    u16 table[TABLE_ENTRIES];
};
static_assert(sizeof(Shared) <= SHARED_BYTES, "launch code asks for too little shared memory");

/* What one side gives to a word of both; a table has rows of 128 bytes for each fraction of a. */
__device__ __forceinline__ int word_of_side(Code code, u32 drop, bool is_row) {
    const u32 exponent = exponent_of(code);
    const int place = exponent == 0 || exponent == 255 ? NO_TERM : (int)exponent;
#if KIND == INLINED
    return place * (1 << EXPONENT_AT) + (int)((code >> 31) << SIGN_AT);
#else
    const u32 index = (code & 0x7fu) >> drop;
    return place * (1 << EXPONENT_AT) + (int)((u32)(code >> 15) << SIGN_AT) +
           (int)(is_row ? index << (7 - drop) : index);
#endif
}

__device__ __forceinline__ int exponent_of_word(int word) { return word >> EXPONENT_AT; }

/* The significand of a product that has both operands; codes are looked at if there is no table. */
__device__ __forceinline__ i64 significand_of(int word, Code a, Code b, const u16 *table) {
#if KIND == INLINED
    const u32 x = (a & 0x7fffffu) >> (23 - FRACTION_BITS), y = (b & 0x7fffffu) >> (23 - FRACTION_BITS);
    const u32 core = (u32)AXDSE_CORE(x, y), one = 1u << PRODUCT_BITS;
    const i64 size = (i64)(one | (core & (one - 1))) << (core >> PRODUCT_BITS);
#else
    const i64 size = table[word & ((1 << SIGN_AT) - 1)];
#endif
    return word >> SIGN_AT & 1 ? -size : size;
}

/* Where in the whole result an output lies. */
__device__ __forceinline__ i64 place_of(const GemmTask &task, const Tile &tile, u32 row, u32 column) {
    return task.c.first + tile.group * task.c.group + offset_of(task.c.rows, row) + offset_of(task.c.columns, column);
}

/* What a thread knows of the operands of its block. */
struct Place {
    const GemmTask &task;
    const Tile &tile;
    const Code *a, *b; /* of the group */
    Shared &shared;
};

__device__ __forceinline__ void load_rows(const Place &at, u32 k0, u32 depth) {
    __syncthreads();
    for (u32 i = threadIdx.x; i < depth * ROWS; i += THREADS) {
        const u32 k = i / ROWS, row = at.tile.row + i % ROWS;
        const bool is_inside = row < at.task.rows;
        const Code code = is_inside ? at.a[outer_of(at.task.a, row) + inner_of(at.task.a, k0 + k)] : (Code)MISSING;
        at.shared.codes[k][i % ROWS] = code;
        at.shared.words[k][i % ROWS] = word_of_side(code, at.task.drop, true);
        if (exponent_of(code) == 255) atomicOr(&at.shared.special, 1u << i % ROWS);
    }
    for (u32 k = threadIdx.x; k < depth; k += THREADS) at.shared.inner[k] = inner_of(at.task.b, k0 + k);
    __syncthreads();
}

/* Terms [from, end) of the loaded k, which are one step, to all registers. */
__device__ __forceinline__ void add_step(struct steps *registers, const Place &at, const Code *b, u32 from, u32 end) {
    int top[ROWS];
    i64 total[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) top[r] = steps_top(registers + r, &recipe);
    for (u32 k = from; k < end && !IS_EXACT; k++) {
        const int y = word_of_side(__ldg(b + at.shared.inner[k]), at.task.drop, false);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const int exponent = exponent_of_word(at.shared.words[k][r] + y);
            top[r] = exponent > top[r] && exponent > 0 ? exponent : top[r];
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) total[r] = IS_EXACT ? 0 : steps_begin(registers + r, top[r], &recipe);
    for (u32 k = from; k < end; k++) {
        const Code code = __ldg(b + at.shared.inner[k]);
        const int y = word_of_side(code, at.task.drop, false);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            const int word = at.shared.words[k][r] + y, exponent = exponent_of_word(word);
            const i64 significand =
                exponent > 0 ? significand_of(word, at.shared.codes[k][r], code, at.shared.table) : 0;
            if (IS_EXACT) steps_exact(registers + r, significand, exponent, &recipe);
            else if (exponent > 0) total[r] += steps_aligned(significand, exponent, recipe.fraction_bits, top[r], &recipe);
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS && !IS_EXACT; r++) steps_end(registers + r, total[r], top[r], &recipe);
}

/* One output, at that place of the whole result, by the model of the sum. */
__device__ __noinline__ float modelled(const GemmTask &task, const Code *a, const Code *b, const u16 *table, i64 place) {
    const u32 chunk = recipe.chunk ? recipe.chunk : task.depth;
    const struct sum sum = recipe;
    struct running now = {};
    now.state = sum_first_state(task.seed, place);
    float outer = 0;
    for (u32 from = 0; from < task.depth; from += chunk) {
        const u32 end = min(from + chunk, task.depth);
        sum_clear(&sum, &now, 0);
        for (u32 k = from; k < end; k += TERMS) {
            const u32 count = min((u32)TERMS, end - k);
            int32_t exponents[TERMS];
            int64_t significands[TERMS];
            float special = 0;
            for (u32 i = 0; i < count; i++) {
                const Code x = a[inner_of(task.a, k + i)], y = b[inner_of(task.b, k + i)];
                const int word = word_of_side(x, task.drop, true) + word_of_side(y, task.drop, false);
                const bool odd = x != MISSING && y != MISSING && (exponent_of(x) == 255 || exponent_of(y) == 255);
                const bool none = exponent_of_word(word) <= 0;
                if (odd) special = __fadd_rn(special, __fmul_rn(__uint_as_float(word_of(x)), __uint_as_float(word_of(y))));
                exponents[i] = none ? 0 : exponent_of_word(word) - BOTH_BIASES;
                significands[i] = none ? 0 : significand_of(word, x, y, table);
            }
            sum_step(&sum, &now, exponents, significands, (int)count, special);
        }
        outer = recipe.chunk ? __fadd_rn(outer, sum_end(&sum, &now)) : sum_end(&sum, &now);
    }
    return outer;
}

extern "C" __global__ void __launch_bounds__(THREADS) sum_gemm(const GemmTask task) {
    Shared &shared = *(Shared *)arena;
    const Tile tile = tile_of(task, ROWS, THREADS);
    const Place at = {task, tile, task.a.codes + tile.group * task.a.group,
                      task.b.codes + tile.group * task.b.group, shared};
    const u32 column = tile.column + threadIdx.x;
    const Code *b = at.b + outer_of(task.b, min(column, task.columns - 1));
    if (threadIdx.x == 0) shared.special = 0;
    const u32 entries = KIND == INLINED ? 0 : 16384u >> 2 * task.drop;
    for (u32 i = threadIdx.x; i < entries; i += THREADS) shared.table[i] = __ldg((const u16 *)task.table + i);
    struct steps registers[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        registers[r].outer = 0;
        registers[r].state = sum_first_state(task.seed, place_of(task, tile, tile.row + r, column));
        steps_clear(registers + r);
    }
    bool special = false;
    for (u32 k0 = 0; k0 < task.depth; k0 += DEPTH) {
        const u32 depth = min((u32)DEPTH, task.depth - k0);
        load_rows(at, k0, depth);
        for (u32 k = 0; k < depth; k++) special |= exponent_of(__ldg(b + shared.inner[k])) == 255;
        for (u32 from = 0; from < depth && IS_FAST; from += TERMS) {
            const u32 end = min(from + TERMS, depth);
            add_step(registers, at, b, from, end);
            if (recipe.chunk && ((k0 + end) % (u32)recipe.chunk == 0 || k0 + end == task.depth))
#pragma unroll
                for (int r = 0; r < ROWS; r++) {
                    registers[r].outer = __fadd_rn(registers[r].outer, steps_sum(registers + r, &recipe));
                    steps_clear(registers + r);
                }
        }
    }
    __syncthreads();
    for (int r = 0; r < ROWS; r++) {
        const u32 row = tile.row + r;
        if (row >= task.rows || column >= task.columns) continue;
        const i64 place = place_of(task, tile, row, column);
        float sum = recipe.chunk ? registers[r].outer : steps_sum(registers + r, &recipe);
        if (!IS_FAST || special || shared.special >> r & 1)
            sum = modelled(task, at.a + outer_of(task.a, row), b, shared.table, place);
        task.c.sums[place - task.c.first] = sum_plain(sum);
    }
}
