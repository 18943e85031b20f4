/* int8 products added in a register of two's complement, by a recipe of multipliers/sums.
 *
 * A register that wraps is the int32 sum modulo 2^W, whatever the order: the int8 kernel of this
 * CPU computes that, and its sums are cut to W bits. One that saturates is the same sum as long as
 * no register can reach its ends: k is taken in pieces, each at most so deep that a sum of less
 * than a quarter of the range stays inside, and where one has left that quarter before a piece, its
 * row of a panel is done again `in_order`, product by product. Narrow registers, which reach their
 * ends all the time, go there at once: with AVX-512 a panel at a time, in 16 bits or in 32.
 *
 * The table begins with `struct head`; what prepare_plain() has written follows HEAD bytes on.
 */
#define multiply_task multiply_plain
#define prepare_table prepare_plain
#define table_size plain_size
#if defined(__AVX512VBMI__)
#include "kernel_vbmi_int8.c"
#elif defined(__AVX2__)
#include "kernel_avx2_int8.c"
#elif defined(__ARM_NEON)
#include "kernel_neon_int8.c"
#else
#include "kernel_portable_int8.c"
#endif
#undef multiply_task
#undef prepare_table
#undef table_size

#include "sum.h"

enum { HEAD = 64, HALVES = 2, PANEL = 64 * HALVES, MOST_PIECE = 256, LEAST_PIECE = 16 };

struct head {
    struct sum sum;
    int32_t largest; /* product */
};

/* Rows of panels that were done in order, of any task; tests look at it. */
int64_t careful_blocks;

int64_t table_size(int fraction_bits, int entry_bytes) {
    return HEAD + plain_size(fraction_bits, entry_bytes);
}

/* `table` is zeroed but for its `struct sum`. */
void prepare_table(uint8_t *table, const uint16_t *entries, int fraction_bits, int entry_bytes) {
    struct head *head = (struct head *)table;
    for (int i = 0; i < 1 << 16; i++) {
        const int32_t product = (int16_t)entries[i], size = product < 0 ? -product : product;
        if (size > head->largest) head->largest = size;
    }
    prepare_plain((void *)(table + HEAD), entries, fraction_bits, entry_bytes);
}

static const struct head *head_of(const struct task *task) { return task->table; }
static struct task plain_task(const struct task *task, int64_t first, int64_t depth) {
    struct task plain = *task;
    plain.table = (const char *)task->table + HEAD;
    plain.a.inner += first, plain.b.inner += first;
    plain.depth = depth;
    return plain;
}
static int64_t panels_of(const struct task *task) { return (task->columns + PANEL - 1) / PANEL; }
static int threads_for(const struct task *task) {
    const double products = (double)task->rows * task->depth * task->columns * task->problems;
    return products < SERIAL_PRODUCTS ? 1 : task->threads;
}

/* The runs of one panel of sums, and where its problem begins. */
struct target {
    sum *c;
    struct run runs[PANEL];
    int count, width;
};

static void aim(struct target *to, const struct task *task, int64_t at) {
    const int64_t problem = at / panels_of(task), n = at % panels_of(task) * PANEL;
    to->c = task->c + task->c_base[problem];
    to->width = (int)min64(PANEL, task->columns - n);
    to->count = find_runs(to->runs, task->c_column + n, to->width);
}

static void cut_sums(const struct task *task, int spare) {
#pragma omp parallel for num_threads(threads_for(task)) schedule(static)
    for (int64_t at = 0; at < panels_of(task) * task->problems; at++) {
        struct target to;
        aim(&to, task, at);
        for (int64_t m = 0; m < task->rows; m++)
            for (int i = 0; i < to.count; i++) {
                sum *c = to.c + task->c_row[m] + to.runs[i].offset + to.runs[i].first;
                for (int n = 0; n < to.runs[i].length; n++)
                    c[n] = (int32_t)((uint32_t)c[n] << spare) >> spare;
            }
    }
}

/* Marks the rows of panels that have a sum beyond `within`. */
static void mark_far(uint8_t *far, const struct task *task, int32_t within) {
#pragma omp parallel for num_threads(threads_for(task)) schedule(static)
    for (int64_t at = 0; at < panels_of(task) * task->problems; at++) {
        struct target to;
        aim(&to, task, at);
        for (int64_t m = 0; m < task->rows; m++) {
            uint32_t beyond = 0;
            for (int i = 0; i < to.count; i++) {
                const sum *c = to.c + task->c_row[m] + to.runs[i].offset + to.runs[i].first;
                for (int n = 0; n < to.runs[i].length; n++) beyond |= c[n] > within || c[n] < -within;
            }
            far[at * task->rows + m] |= (uint8_t)beyond;
        }
    }
}

static inline int32_t most_of(const struct sum *recipe) {
    return (int32_t)(((int64_t)1 << (recipe->width - 1)) - 1);
}

#if defined(__AVX512VBMI__)
/* PANEL columns at one k, each HALF in an order such that unpacked words are in that of the
 * columns; `valid` are those that are not void. */
struct lanes {
    _Alignas(64) uint8_t index[PANEL];
    uint64_t above[HALVES], valid[HALVES];
};

static void pack_lanes(struct lanes *to, const code *codes) {
    const __m512i order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), voids = _mm512_set1_epi16(VOID);
    for (int h = 0; h < HALVES; h++, codes += 64) {
        const __m512i first = _mm512_loadu_si512(codes), second = _mm512_loadu_si512(codes + 32);
        const __m512i bytes = _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(first)),
                                                 _mm512_cvtepi16_epi8(second), 1);
        const uint64_t valid = _mm512_cmplt_epu16_mask(first, voids) |
                               (uint64_t)_mm512_cmplt_epu16_mask(second, voids) << 32;
        const __m512i index = _mm512_permutexvar_epi64(order, bytes);
        _mm512_store_si512(to->index + 64 * h, index);
        to->above[h] = _mm512_movepi8_mask(index);
        to->valid[h] = _mm512_movepi8_mask(_mm512_permutexvar_epi64(order, _mm512_movm_epi8(valid)));
    }
}

/* The products of a code, whose table row is at `row`, with half a panel, as words. */
INLINE void products_at(__m512i *words, const __m512i *row, const struct lanes *lanes, int h) {
    const __m512i index = _mm512_load_si512(lanes->index + 64 * h);
    const __mmask64 above = lanes->above[h], below = ~above;
    const __m512i low = look_up(index, below, above, row);
    const __m512i high = look_up(index, below, above, row + PLANE / 64);
    const __m512i valid = _mm512_xor_si512(high, _mm512_set1_epi8(INT8_MIN));
    words[0] = _mm512_unpacklo_epi8(low, valid);
    words[1] = _mm512_unpackhi_epi8(low, valid);
    if (__builtin_expect(lanes->valid[h] == UINT64_MAX, 1)) return;
    const __m512i there = _mm512_movm_epi8(lanes->valid[h]);
    words[0] = _mm512_and_si512(words[0], _mm512_unpacklo_epi8(there, there));
    words[1] = _mm512_and_si512(words[1], _mm512_unpackhi_epi8(there, there));
}

static const __m512i *row_at(const struct task *task, const code *a, int64_t k) {
    const char *table = (const char *)task->table + HEAD;
    return (const __m512i *)(table + a[task->a.inner[k]] * row_stride());
}

/* In 16 bits, for a register of so many and steps of one product. */
INLINE void add_narrow(sum *total, const struct task *task, const code *a, const struct lanes *panel) {
    __m512i t[2 * HALVES], p[2];
    for (int q = 0; q < 2 * HALVES; q++) t[q] = _mm512_setzero_si512();
    for (int64_t k = 0; k < task->depth; k++) {
        const __m512i *row = row_at(task, a, k);
        for (int q = 0; q < 2 * HALVES; q++) {
            if (q % 2 == 0) products_at(p, row, panel + k, q / 2);
            t[q] = _mm512_adds_epi16(t[q], p[q % 2]);
        }
    }
    for (int q = 0; q < 2 * HALVES; q++, total += 32) {
        _mm512_storeu_si512(total, _mm512_cvtepi16_epi32(_mm512_castsi512_si256(t[q])));
        _mm512_storeu_si512(total + 16, _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(t[q], 1)));
    }
}

INLINE __m512i saturated(__m512i t, __m512i step, __m512i most, int width) {
    __m512i next = _mm512_add_epi32(t, step);
    if (width == 32) { /* alone can overflow: t and step agree in their sign, next does not */
        const __mmask16 over = _mm512_movepi32_mask(_mm512_ternarylogic_epi32(t, step, next, 0x42));
        return _mm512_mask_mov_epi32(next, over, _mm512_xor_si512(_mm512_srai_epi32(t, 31), most));
    }
    next = _mm512_min_epi32(next, most);
    return _mm512_max_epi32(next, _mm512_xor_si512(most, _mm512_set1_epi32(-1)));
}

/* In 32 bits: a step of 64 products has up to 22. */
INLINE void add_wide(sum *total, const struct task *task, const code *a, const struct lanes *panel,
                     int terms, int width) {
    const __m512i most = _mm512_set1_epi32((int32_t)(((int64_t)1 << (width - 1)) - 1));
    const __m512i zero = _mm512_setzero_si512();
    __m512i t[4 * HALVES], step[4 * HALVES], p[2];
    for (int q = 0; q < 4 * HALVES; q++) t[q] = zero;
    for (int64_t k = 0; k < task->depth; k += terms) {
        const int64_t end = min64(k + terms, task->depth);
        for (int q = 0; q < 4 * HALVES; q++) step[q] = zero;
        for (int64_t i = k; i < end; i++) {
            const __m512i *row = row_at(task, a, i);
            for (int q = 0; q < 4 * HALVES; q += 2) {
                if (q % 4 == 0) products_at(p, row, panel + i, q / 4);
                const __m512i words = p[q / 2 % 2];
                const __m512i low = _mm512_cvtepi16_epi32(_mm512_castsi512_si256(words));
                const __m512i high = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(words, 1));
                step[q] = _mm512_add_epi32(step[q], low);
                step[q + 1] = _mm512_add_epi32(step[q + 1], high);
            }
        }
        for (int q = 0; q < 4 * HALVES; q++) t[q] = saturated(t[q], step[q], most, width);
    }
    for (int q = 0; q < 4 * HALVES; q++) _mm512_storeu_si512(total + 16 * q, t[q]);
}

static void in_order(sum *total, const struct task *task, const code *a, const struct lanes *panel) {
    const int width = head_of(task)->sum.width, terms = head_of(task)->sum.terms;
    if (width == 16) add_narrow(total, task, a, panel);
    else if (width == 32) add_wide(total, task, a, panel, terms, 32);
    else if (terms == 1) add_wide(total, task, a, panel, 1, width);
    else add_wide(total, task, a, panel, terms, width);
}
#else
struct lanes {
    code codes[PANEL];
};

static void pack_lanes(struct lanes *to, const code *codes) { memcpy(to->codes, codes, sizeof to->codes); }

static void in_order(sum *total, const struct task *task, const code *a, const struct lanes *panel) {
    const struct sum *recipe = &head_of(task)->sum;
    const int64_t most = most_of(recipe);
    const int16_t *entries = (const int16_t *)task->entries;
    int32_t t[PANEL] = {0};
    for (int64_t k = 0; k < task->depth; k += recipe->terms) {
        const int64_t end = min64(k + recipe->terms, task->depth);
        int32_t step[PANEL] = {0};
        for (int64_t i = k; i < end; i++) {
            const int16_t *row = entries + 256 * a[task->a.inner[i]];
            for (int n = 0; n < PANEL; n++) {
                const code y = panel[i].codes[n];
                step[n] += y < VOID ? row[y] : 0;
            }
        }
        for (int n = 0; n < PANEL; n++) {
            const int64_t next = (int64_t)t[n] + step[n], high = next > most ? most : next;
            t[n] = (int32_t)(high < -most - 1 ? -most - 1 : high);
        }
    }
    memcpy(total, t, sizeof t);
}
#endif

static void pack_panel(struct lanes *panel, const struct task *task, int64_t at) {
    const int64_t problem = at / panels_of(task), n = at % panels_of(task) * PANEL;
    const code *b = task->b.codes + task->b_base[problem];
    struct run runs[PANEL];
    const int count = find_runs(runs, task->b.outer + n, (int)min64(PANEL, task->columns - n));
    code codes[PANEL] = {0};
    for (int64_t k = 0; k < task->depth; k++) {
        copy_codes(codes, b + task->b.inner[k], runs, count);
        pack_lanes(panel + k, codes);
    }
}

/* Rows of panels that are marked, or all. Returns 0, or 1 if there is no memory. */
static int add_in_order(const struct task *task, const uint8_t *marked) {
    int failed = 0;
#pragma omp parallel num_threads(threads_for(task)) reduction(| : failed)
    {
        struct lanes *panel = aligned_alloc(64, (size_t)(task->depth * (int64_t)sizeof *panel + 63) / 64 * 64);
        failed |= !panel;
#pragma omp for schedule(dynamic, 1)
        for (int64_t at = 0; at < panels_of(task) * task->problems; at++) {
            const uint8_t *own = marked ? marked + at * task->rows : 0;
            if (!panel || (own && !memchr(own, 1, (size_t)task->rows))) continue;
            const code *a = task->a.codes + task->a_base[at / panels_of(task)];
            struct target to;
            aim(&to, task, at);
            pack_panel(panel, task, at);
            for (int64_t m = 0; m < task->rows; m++) {
                if (own && !own[m]) continue;
                sum total[PANEL];
                in_order(total, task, a + task->a.outer[m], panel);
                for (int i = 0; i < to.count; i++)
                    memcpy(to.c + task->c_row[m] + to.runs[i].offset + to.runs[i].first,
                           total + to.runs[i].first, (size_t)to.runs[i].length * sizeof *total);
#pragma omp atomic
                careful_blocks++;
            }
        }
        free(panel);
    }
    return failed;
}

static int multiply_saturating(const struct task *task) {
    const struct head *head = head_of(task);
    const int64_t most = most_of(&head->sum), largest = head->largest ? head->largest : 1;
    const int64_t deepest = (most - most / 4) / largest, piece = min64(deepest, MOST_PIECE);
    if (piece < LEAST_PIECE && piece < task->depth) return add_in_order(task, 0);
    const int64_t size = panels_of(task) * task->problems * task->rows;
    uint8_t *far = calloc((size_t)size, 1);
    int failed = !far;
    for (int64_t k = 0; k < task->depth && !failed; k += piece) {
        const struct task part = plain_task(task, k, min64(piece, task->depth - k));
        if (k) mark_far(far, task, (int32_t)(most - piece * largest));
        failed |= multiply_plain(&part);
    }
    if (!failed && memchr(far, 1, (size_t)size)) failed = add_in_order(task, far);
    free(far);
    return failed;
}

/* c comes as zeros. Returns 0, or 1 if there is no memory. */
int multiply_task(const struct task *task) {
    const struct sum *recipe = &head_of(task)->sum;
    if (recipe->saturate) return multiply_saturating(task);
    const struct task plain = plain_task(task, 0, task->depth);
    if (multiply_plain(&plain)) return 1;
    if (recipe->width < 32) cut_sums(task, 32 - recipe->width);
    return 0;
}
