/* Compares a model with gates on a run of operand pairs, a outermost.
 *
 *   gate_harness SECONDS A_BITS B_BITS PRODUCT_BITS FIRST COUNT
 * The gates, an and-inverter graph as `axdse.flows.formal.aig` numbers it, come from stdin as uint32: the
 * number of ands, both literals of each, the literals of the product. An axdse_result goes to
 * stdout. Gates are evaluated bit-sliced: one operation for each 512 pairs. AXDSE_REFUSED as in
 * harness.c.
 */
#define main axdse_tabulate
#include "harness.c"
#undef main

enum { AXDSE_VECTORS = 8, AXDSE_GROUP = AXDSE_RUN, AXDSE_BLOCK = AXDSE_VECTORS * AXDSE_GROUP };
enum { AXDSE_EXAMPLES = 8, AXDSE_MOST_ANDS = 1 << 20 };

typedef uint64_t axdse_vector __attribute__((vector_size(64)));
typedef struct {
    axdse_vector v[AXDSE_VECTORS];
} axdse_plane;

typedef struct {
    uint64_t compared, mismatches;
    uint64_t smallest, largest;             /* of the model's products, unsigned ... */
    int64_t smallest_signed, largest_signed; /* ... and signed */
    uint64_t examples[AXDSE_EXAMPLES][4];   /* a, b, expected, got */
} axdse_result;

typedef struct {
    axdse_domain domain;
    unsigned product_bits;
    uint32_t ands, (*pins)[2], outputs[64];
    axdse_plane *planes;
} axdse_circuit;

static bool axdse_read(axdse_circuit *c) {
    if (fread(&c->ands, sizeof c->ands, 1, stdin) != 1 || c->ands > AXDSE_MOST_ANDS) return false;
    uint32_t planes = 1 + c->domain.a_bits + c->domain.b_bits + c->ands;
    c->pins = calloc(c->ands + 1, sizeof *c->pins);
    c->planes = aligned_alloc(64, planes * sizeof *c->planes);
    if (!c->pins || !c->planes) return false;
    memset(c->planes, 0, sizeof *c->planes);
    return fread(c->pins, sizeof *c->pins, c->ands, stdin) == c->ands &&
           fread(c->outputs, sizeof *c->outputs, c->product_bits, stdin) == c->product_bits;
}

/* Bit k of the numbers first, first + 1, ...: alternating within a block, constant beyond. */
static void axdse_count(axdse_plane *plane, unsigned k, uint64_t first) {
    static const uint64_t within[] = {0xAAAAAAAAAAAAAAAA, 0xCCCCCCCCCCCCCCCC, 0xF0F0F0F0F0F0F0F0,
                                      0xFF00FF00FF00FF00, 0xFFFF0000FFFF0000, 0xFFFFFFFF00000000};
    for (unsigned word = 0; word < AXDSE_BLOCK / 64; word++)
        plane->v[word / 8][word % 8] =
            k < 6 ? within[k] : -((first + 64 * word) >> k & UINT64_C(1));
}

/* A loop for each pair of inverters: a mask would cost two more operations. */
static void axdse_evaluate(axdse_circuit *c) {
    axdse_plane *out = c->planes + 1 + c->domain.a_bits + c->domain.b_bits;
    for (uint32_t n = 0; n < c->ands; n++, out++) {
        const axdse_plane *x = c->planes + c->pins[n][0] / 2, *y = c->planes + c->pins[n][1] / 2;
        switch (c->pins[n][0] % 2 * 2 + c->pins[n][1] % 2) {
        case 0: for (int i = 0; i < AXDSE_VECTORS; i++) out->v[i] = x->v[i] & y->v[i]; break;
        case 1: for (int i = 0; i < AXDSE_VECTORS; i++) out->v[i] = x->v[i] & ~y->v[i]; break;
        case 2: for (int i = 0; i < AXDSE_VECTORS; i++) out->v[i] = ~x->v[i] & y->v[i]; break;
        case 3: for (int i = 0; i < AXDSE_VECTORS; i++) out->v[i] = ~(x->v[i] | y->v[i]); break;
        }
    }
}

/* Eight 64 x 64 bit matrices at once: rows become columns (Hacker's Delight, section 7-3). */
static void axdse_transpose(axdse_vector rows[64]) {
    uint64_t mask = 0x00000000FFFFFFFF;
    for (int step = 32; step; step >>= 1, mask ^= mask << step)
        for (int row = 0; row < 64; row = (row + step + 1) & ~step) {
            axdse_vector swap = (rows[row] >> step ^ rows[row + step]) & mask;
            rows[row] ^= swap << step;
            rows[row + step] ^= swap;
        }
}

/* Row r, lane l is the product of pair 64 l + r. */
static bool axdse_expect(const axdse_circuit *c, uint64_t first, uint64_t count,
                         axdse_vector rows[64], axdse_result *result) {
    uint64_t products[AXDSE_GROUP];
    axdse_run(axdse_call_patterned, &c->domain, first, count, false, products);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t product = products[i];
        int64_t value = (int64_t)product;
        rows[i % 64][i / 64] = product;
        if (product < result->smallest) result->smallest = product;
        if (product > result->largest) result->largest = product;
        if (value < result->smallest_signed) result->smallest_signed = value;
        if (value > result->largest_signed) result->largest_signed = value;
    }
    return axdse_repeats(&c->domain, first, count, products);
}

static axdse_vector axdse_output(const axdse_circuit *c, unsigned bit, int group) {
    axdse_vector value = c->planes[c->outputs[bit] / 2].v[group];
    return c->outputs[bit] % 2 ? ~value : value;
}

static void axdse_mismatch(const axdse_circuit *c, uint64_t pair, int group, unsigned at,
                           const axdse_vector expected[64], axdse_result *result) {
    if (result->mismatches++ >= AXDSE_EXAMPLES) return;
    uint64_t *example = result->examples[result->mismatches - 1];
    example[0] = pair >> c->domain.b_bits;
    example[1] = pair & ((UINT64_C(1) << c->domain.b_bits) - 1);
    for (unsigned bit = 0; bit < c->product_bits; bit++) {
        example[2] |= (expected[bit][at / 64] >> at % 64 & 1) << bit;
        example[3] |= (axdse_output(c, bit, group)[at / 64] >> at % 64 & 1) << bit;
    }
}

static bool axdse_compare(const axdse_circuit *c, uint64_t first, uint64_t count, int group,
                          axdse_result *result) {
    axdse_vector rows[64] = {0}, differ = {0};
    if (!axdse_expect(c, first, count, rows, result)) return false;
    axdse_transpose(rows);
    for (unsigned bit = 0; bit < c->product_bits; bit++)
        differ |= rows[bit] ^ axdse_output(c, bit, group);
    for (unsigned at = 0; at < count; at += 64) {
        uint64_t word = differ[at / 64];
        if (count - at < 64) word &= (UINT64_C(1) << (count - at)) - 1;
        for (; word; word &= word - 1) {
            unsigned bit = at + (unsigned)__builtin_ctzll(word);
            axdse_mismatch(c, first + bit, group, bit, rows, result);
        }
    }
    result->compared += count;
    return true;
}

static bool axdse_sweep(axdse_circuit *c, uint64_t first, uint64_t end, axdse_result *result) {
    for (; first < end; first += AXDSE_BLOCK) {
        for (unsigned k = 0; k < c->domain.a_bits; k++)
            axdse_count(&c->planes[1 + k], c->domain.b_bits + k, first);
        for (unsigned k = 0; k < c->domain.b_bits; k++)
            axdse_count(&c->planes[1 + c->domain.a_bits + k], k, first);
        axdse_evaluate(c);
        uint64_t at = first;
        for (int group = 0; group < AXDSE_VECTORS && at < end; group++, at += AXDSE_GROUP)
            if (!axdse_compare(c, at, end - at < AXDSE_GROUP ? end - at : AXDSE_GROUP, group,
                               result))
                return false;
    }
    return true;
}

int main(int argc, char **argv) {
    if (argc != 7 || !axdse_confine(argv[1])) return AXDSE_USAGE;
    axdse_circuit circuit = {{NULL, (unsigned)atoi(argv[2]), (unsigned)atoi(argv[3])}, 0, 0, 0,
                             {0}, NULL};
    circuit.product_bits = (unsigned)atoi(argv[4]);
    if (axdse_is_narrow(&circuit.domain)) return AXDSE_NARROW;
    if (circuit.product_bits > 64 || !axdse_read(&circuit)) return AXDSE_NO_SPACE;
    axdse_result result = {0, 0, UINT64_MAX, 0, INT64_MAX, INT64_MIN, {{0}}};
    uint64_t first = strtoull(argv[5], NULL, 10), count = strtoull(argv[6], NULL, 10);
    if (!axdse_sweep(&circuit, first, first + count, &result)) return AXDSE_REFUSED;
    return axdse_write(&result, sizeof result, 1);
}
