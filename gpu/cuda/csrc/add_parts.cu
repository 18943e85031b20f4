/* Second pass of a split sum: adds the parts of each element in their order, from +0. */
#include "device.cuh"

struct PartsTask {
    const Sum *parts;
    Sum *sums;
    i64 count;
    u32 number;
};

extern "C" __global__ void __launch_bounds__(256) add_parts(const PartsTask task) {
    const i64 i = (i64)blockIdx.x * 256 + threadIdx.x;
    if (i >= task.count) return;
    Sum sum = 0;
    for (u32 part = 0; part < task.number; part++) sum += task.parts[part * task.count + i];
    task.sums[i] = sum;
}
