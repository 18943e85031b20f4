/* Sums whose register is lazy(F,V), V <= 32, of tables of m <= 7. Without AVX-512 VBMI it is kernel_sums.c. */
#ifdef __AVX512VBMI__
#include "sums_lazy_joint.h"

int64_t table_size(int fraction_bits, int entry_bytes) { return joint_table_size(fraction_bits, entry_bytes); }

void prepare_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    const int is_joint = takes_joint_lazy((const struct sum *)table, fraction_bits);
    prepare_joint_table(table, entries, fraction_bits, entry_bytes, is_joint);
}

/* Returns 0, or 1 if there is no memory. */
int multiply_task(const struct task *task) {
    const int is_joint = takes_joint_lazy(sum_of(task), task->fraction_bits);
    const struct way way = is_joint ? joint_lazy_way(task) : lazy_way(task);
    return multiply_by(&way, task);
}
#else
#include "kernel_sums.c"
#endif
