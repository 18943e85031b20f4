/* Tensors to codes, in any order of dimensions and with a border: the operands of all kernels.
 *
 * Built with -DKIND=: NARROW and WIDE round FP32 to m <= 7 bits, INLINED to m <= 23, INT8 widens
 * codes so that MISSING has one of its own, BLOCKS takes them as they are. Also finds the range of the exponents, which lets
 * the other kernels do without any test of them; maxima are the same in any order.
 */
#include "device.cuh"

enum { RANK = 4, FOUND = 3 };

struct EncodeTask {
    const void *input;
    Code *codes;
    u32 *range;       /* as in Side: maxima, zero to begin with */
    u32 size[RANK];   /* of the codes, contiguous, the last varying fastest */
    u32 inside[RANK]; /* size of the input, and where it begins in the codes */
    int before[RANK];
    i64 stride[RANK]; /* of the input, in elements */
    i64 count;
    u32 border; /* code of what lies outside */
    u32 fraction_bits, nearest;
};

__device__ __forceinline__ Code code_of(const EncodeTask &task, i64 offset) {
#if KIND == INT8
    return ((const u8 *)task.input)[offset];
#elif KIND == BLOCKS
    return ((const Code *)task.input)[offset];
#else
    const u32 word = ((const u32 *)task.input)[offset];
    const u32 rounded = round_word(word, task.fraction_bits, task.nearest);
    return (Code)(KIND == INLINED ? rounded : rounded >> 16);
#endif
}

__device__ __forceinline__ Code code_at(const EncodeTask &task, i64 place) {
    i64 offset = 0, rest = place;
    bool inside = true;
#pragma unroll
    for (int i = RANK - 1; i >= 0; i--) {
        const i64 above = i ? rest / task.size[i] : 0;
        const int index = (int)(rest - above * task.size[i]) - task.before[i];
        inside = inside && index >= 0 && (u32)index < task.inside[i];
        offset += index * task.stride[i];
        rest = above;
    }
    return inside ? code_of(task, offset) : (Code)task.border;
}

extern "C" __global__ void __launch_bounds__(256) encode(const EncodeTask task) {
    u32 *found = (u32 *)arena;
    if (threadIdx.x < FOUND) found[threadIdx.x] = 0;
    __syncthreads();
    Range range = {255, 0};
    bool has_zero = false;
    for (i64 i = (i64)blockIdx.x * 256 + threadIdx.x; i < task.count; i += (i64)gridDim.x * 256) {
        const Code code = code_at(task, i);
        task.codes[i] = code;
        range = include(range, code);
        has_zero = has_zero || !exponent_of(code);
    }
    if (KIND == INT8 || KIND == BLOCKS) return;
    atomicMax(found, range.high);
    atomicMax(found + 1, 255 - range.low);
    atomicMax(found + 2, has_zero);
    __syncthreads();
    if (threadIdx.x < FOUND) atomicMax(task.range + threadIdx.x, found[threadIdx.x]);
}
