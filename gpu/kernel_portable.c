/* Portable host kernel of axdse::lut_gemm: one look-up at a time in FP32 (or int16) rows.
 *
 * The compiler vectorises all but the look-up itself, which runs at a load or two a cycle.
 */
#include "kernel.h"

struct rows {
    float of[MAX_INDEX][MAX_INDEX];
};

struct packed {
    char none;
};

static void prepare_rows(struct rows *rows, const uint16_t *entries, int fraction_bits) {
    const int size = 1 << fraction_bits;
    for (int x = 0; x < size; x++)
        for (int y = 0; y < size; y++) {
            const word value = {.bits = 0x3f800000u + ((uint32_t)entries[x * size + y] << 8)};
            rows->of[x][y] = value.value;
        }
}

static void pack_more(struct packed *packed, const struct panel *panel, int depth) {
    (void)packed, (void)panel, (void)depth;
}

static void add_row(float *restrict c, int width, const float *restrict row,
                    const uint8_t *restrict index, const uint16_t *restrict scale,
                    float scale_a) {
    for (int n = 0; n < width; n++)
        c[n] += row[index[n]] * scale_value(scale[n]) * scale_a;
}

static void add_plain(float *c, const struct rows *rows, const struct panel *panel,
                      const struct packed *packed, const struct plain *plain) {
    (void)packed;
    for (int i = 0; i < plain->count; i++) {
        const int k = plain->k[i];
        add_row(c, panel->width, rows->of[plain->row[i]], panel->index[k], panel->scale[k],
                plain->scale[i]);
    }
}

struct scratch {
    struct rows rows;
    struct panel panel;
};

void lut_gemm_float(const struct task *task) {
    static _Thread_local struct scratch own;
    struct scratch *volatile scratch = &own; /* volatile: see kernel.h */
    struct scratch *const s = scratch;
    multiply_blocks(task, &s->rows, &s->panel, NULL);
}

static void add_int_row(uint32_t *restrict c, int width, const int16_t *restrict row,
                        const uint8_t *restrict index) {
    for (int n = 0; n < width; n++) c[n] += (uint32_t)row[index[n]];
}

void lut_gemm_int8(const struct int_task *task) {
    for (int64_t n = task->n0; n < task->n1; n += BLOCK_N) {
        const int width = (int)(task->n1 - n < BLOCK_N ? task->n1 - n : BLOCK_N);
        for (int64_t k0 = 0; k0 < task->depth; k0 += BLOCK_K) {
            const int64_t k1 = task->depth - k0 < BLOCK_K ? task->depth : k0 + BLOCK_K;
            for (int64_t m = task->m0; m < task->m1; m++)
                for (int64_t k = k0; k < k1; k++)
                    add_int_row(task->c + m * task->columns + n, width,
                                task->entries + 256 * task->a[m * task->depth + k],
                                task->b + k * task->columns + n);
        }
    }
}
