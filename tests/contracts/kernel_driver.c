/* One matrix product by the kernel KERNEL, a program of its own: for other CPUs and other flags.
 *
 * usage: driver IN OUT, where IN holds int64 rows, depth, columns, fraction_bits, entry_bytes, the
 * number of entries, and of bytes of a recipe; then uint16 codes a [rows, depth], b [depth, columns],
 * the entries, and the recipe, with which the table of a kernel of sums begins.
 * OUT gets the sums [rows, columns], 4 bytes each.
 */
#include KERNEL

#include <stdio.h>

struct header {
    int64_t rows, depth, columns, fraction_bits, entry_bytes, entries, recipe;
};

static void *allocate(int64_t bytes) {
    const size_t size = (size_t)(bytes + 127) / 64 * 64;
    void *memory = aligned_alloc(64, size);
    if (!memory) exit(2);
    return memset(memory, 0, size);
}

static uint16_t *read_codes(FILE *file, int64_t count) {
    uint16_t *codes = allocate(count * 2);
    if (fread(codes, 2, (size_t)count, file) != (size_t)count) exit(2);
    return codes;
}

static int64_t *offsets(int64_t count, int64_t step) {
    int64_t *list = allocate(count * 8);
    for (int64_t i = 0; i < count; i++) list[i] = i * step;
    return list;
}

int main(int count, char **arguments) {
    struct header is;
    FILE *in = count == 3 ? fopen(arguments[1], "rb") : NULL;
    if (!in || fread(&is, sizeof is, 1, in) != 1) return 2;
    const int fraction_bits = (int)is.fraction_bits, entry_bytes = (int)is.entry_bytes;
    const code *a = read_codes(in, is.rows * is.depth), *b = read_codes(in, is.depth * is.columns);
    const uint16_t *entries = read_codes(in, is.entries);
    void *table = allocate(table_size(fraction_bits, entry_bytes));
    if (fread(table, 1, (size_t)is.recipe, in) != (size_t)is.recipe) return 2;
    prepare_table(table, entries, fraction_bits, entry_bytes);
    const int64_t none = 0;
    const struct task task = {
        .a = {a, offsets(is.rows, is.depth), offsets(is.depth, 1)},
        .b = {b, offsets(is.columns, 1), offsets(is.depth, is.columns)},
        .c = allocate(is.rows * is.columns * (int64_t)sizeof(sum)),
        .c_row = offsets(is.rows, is.columns),
        .c_column = offsets(is.columns, 1),
        .a_base = &none,
        .b_base = &none,
        .c_base = &none,
        .table = table,
        .entries = entries,
        .problems = 1,
        .rows = is.rows,
        .depth = is.depth,
        .columns = is.columns,
        .fraction_bits = fraction_bits,
        .entry_bytes = entry_bytes,
        .threads = 1,
    };
    if (multiply_task(&task)) return 2;
    FILE *out = fopen(arguments[2], "wb");
    if (!out) return 2;
    fwrite(task.c, sizeof(sum), (size_t)(is.rows * is.columns), out);
    return fclose(out) != 0;
}
