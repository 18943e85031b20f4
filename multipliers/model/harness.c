/* Tabulates an integer or significand model.
 *
 *   harness SECONDS A_BITS B_BITS 0 PARAMETER...       all operand pairs, a outermost
 *   harness SECONDS A_BITS B_BITS COUNT PARAMETER...   COUNT pairs (two uint64 each) from stdin
 * A model that was compiled with -DN='axdse_parameter[0]' -DK='axdse_parameter[1]' serves all
 * designs of a family. Operands are bit patterns; one with signed parameters, for a signed design,
 * gets their values. Products are uint64 on stdout, sign-extended if the model returns a signed
 * type. Only a pure function has a table, so each product is computed again: in reverse order, by
 * the other build, and, the first AXDSE_SHUFFLED of them, in a random order where before one call in
 * AXDSE_DISTURBED all is disturbed that could remember another. AXDSE_REFUSED and the operands on stderr if they differ. AXDSE_NARROW:
 * the model's parameters are narrower than its operands.
 */
#include "harness.h"

enum { AXDSE_MOST_PARAMETERS = 16, AXDSE_RUN = 512, AXDSE_SHUFFLED = 1 << 18, AXDSE_DISTURBED = 8 };

typedef void axdse_calls(const uint64_t *a, const uint64_t *b, uint64_t *product, uint64_t count);

axdse_calls axdse_call_patterned, axdse_call_zeroed;
/* Bits of the parameters that take a and b, plus 100 if signed: those of a times 1000. And which
 * operands are two's complement: 1 a, 2 b. */
extern const int axdse_kinds_patterned, axdse_signed_patterned;
/* Bits of the result; 64 unless a product of fewer may be negative in it. */
extern const int axdse_result_patterned;
int axdse_parameter[AXDSE_MOST_PARAMETERS];

typedef struct {
    uint64_t a, b;
} axdse_pair;

typedef struct {
    const axdse_pair *given;
    unsigned a_bits, b_bits;
} axdse_domain;

static uint64_t axdse_extended(uint64_t pattern, unsigned bits) {
    uint64_t sign = UINT64_C(1) << (bits - 1);
    return (pattern ^ sign) - sign;
}

static axdse_pair axdse_nth(const axdse_domain *domain, uint64_t i) {
    axdse_pair counted = {i >> domain->b_bits, i & ((UINT64_C(1) << domain->b_bits) - 1)};
    axdse_pair pair = domain->given ? domain->given[i] : counted;
    int kinds = axdse_kinds_patterned, is_signed = axdse_signed_patterned;
    if (is_signed & 1 && kinds / 1000 > 100) pair.a = axdse_extended(pair.a, domain->a_bits);
    if (is_signed & 2 && kinds % 1000 > 100) pair.b = axdse_extended(pair.b, domain->b_bits);
    return pair;
}

/* A negative number in an unsigned type that is wider than the product. */
static uint64_t axdse_number(const axdse_domain *domain, uint64_t product) {
    unsigned bits = (unsigned)axdse_result_patterned;
    bool may_be = bits < 64 && bits > domain->a_bits + domain->b_bits;
    return may_be ? axdse_extended(product & ((UINT64_C(1) << bits) - 1), bits) : product;
}

static bool axdse_is_narrow(const axdse_domain *domain) {
    unsigned kinds = (unsigned)axdse_kinds_patterned;
    return domain->a_bits > kinds / 1000 % 100 || domain->b_bits > kinds % 100;
}

/* Products of up to AXDSE_RUN pairs from `first` on, or, with `down`, of these from the last on. */
static void axdse_run(axdse_calls *calls, const axdse_domain *domain, uint64_t first,
                      uint64_t count, bool down, uint64_t *product) {
    uint64_t a[AXDSE_RUN], b[AXDSE_RUN];
    for (uint64_t i = 0; i < count; i++) {
        axdse_pair pair = axdse_nth(domain, down ? first + count - 1 - i : first + i);
        a[i] = pair.a;
        b[i] = pair.b;
    }
    calls(a, b, product, count);
    for (uint64_t i = 0; i < count; i++) product[i] = axdse_number(domain, product[i]);
}

static bool axdse_is_same(axdse_pair pair, uint64_t product, uint64_t again) {
    if (again == product) return true;
    fprintf(axdse_err, "a=%" PRIu64 " b=%" PRIu64 " gave %" PRIu64 ", then %" PRIu64, pair.a,
            pair.b, product, again);
    fflush(axdse_err);
    return false;
}

/* Backwards by the other build, of up to AXDSE_RUN products. */
static bool axdse_repeats(const axdse_domain *domain, uint64_t first, uint64_t count,
                          const uint64_t *products) {
    uint64_t again[AXDSE_RUN];
    axdse_run(axdse_call_zeroed, domain, first, count, true, again);
    for (uint64_t i = 0; i < count; i++)
        if (again[i] != products[count - 1 - i])
            return axdse_is_same(axdse_nth(domain, first + count - 1 - i), products[count - 1 - i],
                                 again[i]);
    return true;
}

static bool axdse_repeats_shuffled(const axdse_domain *domain, uint64_t count,
                                   const uint64_t *products) {
    unsigned bits = 1;
    while (bits < 63 && UINT64_C(1) << bits < count) bits++;
    for (uint64_t n = 0, done = 0; n < UINT64_C(1) << bits && done < AXDSE_SHUFFLED; n++) {
        uint64_t i = axdse_shuffled(n, bits), again;
        if (i >= count) continue;
        axdse_pair pair = axdse_nth(domain, i);
        if (n % AXDSE_DISTURBED == 0) axdse_disturb(n / AXDSE_DISTURBED);
        (done++ & 2 ? axdse_call_zeroed : axdse_call_patterned)(&pair.a, &pair.b, &again, 1);
        if (!axdse_is_same(pair, products[i], axdse_number(domain, again))) return false;
    }
    return true;
}

static int axdse_products(const axdse_domain *domain, uint64_t count) {
    uint64_t *products = calloc(count + 1, sizeof *products);
    if (!products) return AXDSE_NO_SPACE;
    axdse_litter(0x55);
    for (uint64_t i = 0, run; i < count; i += run) {
        run = count - i < AXDSE_RUN ? count - i : AXDSE_RUN;
        axdse_run(axdse_call_patterned, domain, i, run, false, products + i);
    }
    axdse_litter(0xaa);
    for (uint64_t end = count, run; end; end -= run) {
        run = end < AXDSE_RUN ? end : AXDSE_RUN;
        if (!axdse_repeats(domain, end - run, run, products + end - run)) return AXDSE_REFUSED;
    }
    axdse_litter(0x0f);
    if (!axdse_repeats_shuffled(domain, count, products)) return AXDSE_REFUSED;
    return axdse_write(products, sizeof *products, count);
}

static int axdse_given_products(axdse_domain *domain, uint64_t count) {
    axdse_pair *given = calloc(count + 1, sizeof *given);
    if (!given || fread(given, sizeof *given, count, stdin) != count) return AXDSE_NO_SPACE;
    domain->given = given;
    return axdse_products(domain, count);
}

int main(int argc, char **argv) {
    if (argc < 5 || argc > 5 + AXDSE_MOST_PARAMETERS || !axdse_confine(argv[1])) return AXDSE_USAGE;
    for (int i = 5; i < argc; i++) axdse_parameter[i - 5] = atoi(argv[i]);
    axdse_domain domain = {NULL, (unsigned)atoi(argv[2]), (unsigned)atoi(argv[3])};
    if (axdse_is_narrow(&domain)) return AXDSE_NARROW;
    uint64_t count = strtoull(argv[4], NULL, 10);
    if (count) return axdse_given_products(&domain, count);
    return axdse_products(&domain, UINT64_C(1) << (domain.a_bits + domain.b_bits));
}
