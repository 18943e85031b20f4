/* Tabulates an integer or significand model.
 *
 *   harness SECONDS A_BITS B_BITS 0 PARAMETER...       all operand pairs, a outermost
 *   harness SECONDS A_BITS B_BITS COUNT PARAMETER...   COUNT pairs (two uint64 each) from stdin
 * Built with -DAXDSE_PARAMETERS=2 -DN=axdse_parameter[0] -DK=axdse_parameter[1] one program serves
 * all designs of a family. Operands are bit patterns; with -DAXDSE_SIGNED=1 a model with
 * signed parameters gets their values. Products are uint64 on stdout, sign-extended if the model returns a signed type. Each is
 * computed again in reverse order, because only a pure function has a table: AXDSE_REFUSED and the
 * operands on stderr if not. AXDSE_NARROW: the model's parameters are narrower than its operands.
 */
#include "harness.h"

#ifndef AXDSE_SIGNED
#define AXDSE_SIGNED 0
#endif
#ifdef AXDSE_PARAMETERS
static int axdse_parameter[AXDSE_PARAMETERS];
#else
#define AXDSE_PARAMETERS 0
static int axdse_parameter[1];
#endif

#include AXDSE_MODEL

/* The types that a model's parameters and its result may have: parameter's width in bits, plus
 * 100 if it is signed. */
#define AXDSE_RESULTS(type, code)                                                               \
    uint8_t (*)(type, type) : code, uint16_t (*)(type, type) : code,                            \
        uint32_t (*)(type, type) : code, uint64_t (*)(type, type) : code,                       \
        unsigned long long (*)(type, type) : code, int8_t (*)(type, type) : code,               \
        int16_t (*)(type, type) : code, int32_t (*)(type, type) : code,                         \
        int64_t (*)(type, type) : code, long long (*)(type, type) : code
#define AXDSE_PARAMETER                                                                         \
    _Generic(&AXDSE_FUNCTION, AXDSE_RESULTS(uint8_t, 8), AXDSE_RESULTS(uint16_t, 16),           \
             AXDSE_RESULTS(uint32_t, 32), AXDSE_RESULTS(uint64_t, 64),                          \
             AXDSE_RESULTS(unsigned long long, 64), AXDSE_RESULTS(int8_t, 108),                 \
             AXDSE_RESULTS(int16_t, 116), AXDSE_RESULTS(int32_t, 132),                          \
             AXDSE_RESULTS(int64_t, 164), AXDSE_RESULTS(long long, 164), default : 0)
_Static_assert(AXDSE_PARAMETER,
               "the signature of a C model must be uint64_t f(uint64_t a, uint64_t b)");

typedef struct {
    uint64_t a, b;
} axdse_pair;

typedef struct {
    const axdse_pair *given;
    unsigned a_bits, b_bits;
} axdse_domain;

static uint64_t axdse_extended(uint64_t pattern, unsigned bits) {
    uint64_t sign = UINT64_C(1) << (bits - 1);
    return AXDSE_SIGNED && AXDSE_PARAMETER > 100 ? (pattern ^ sign) - sign : pattern;
}

static axdse_pair axdse_nth(const axdse_domain *domain, uint64_t i) {
    axdse_pair counted = {i >> domain->b_bits, i & ((UINT64_C(1) << domain->b_bits) - 1)};
    axdse_pair pair = domain->given ? domain->given[i] : counted;
    pair.a = axdse_extended(pair.a, domain->a_bits);
    pair.b = axdse_extended(pair.b, domain->b_bits);
    return pair;
}

static uint64_t axdse_product(axdse_pair pair) {
#ifdef AXDSE_SWAPPED
    return (uint64_t)AXDSE_FUNCTION(pair.b, pair.a);
#else
    return (uint64_t)AXDSE_FUNCTION(pair.a, pair.b);
#endif
}

static int axdse_products(const axdse_domain *domain, uint64_t count) {
    uint64_t *products = calloc(count + 1, sizeof *products);
    if (!products) return AXDSE_NO_SPACE;
    for (uint64_t i = 0; i < count; i++) products[i] = axdse_product(axdse_nth(domain, i));
    for (uint64_t i = count; i-- > 0;) {
        axdse_pair pair = axdse_nth(domain, i);
        uint64_t again = axdse_product(pair);
        if (again == products[i]) continue;
        fprintf(axdse_err, "a=%" PRIu64 " b=%" PRIu64 " gave %" PRIu64 ", then %" PRIu64, pair.a,
                pair.b, products[i], again);
        fflush(axdse_err);
        return AXDSE_REFUSED;
    }
    return axdse_write(products, sizeof *products, count);
}

static int axdse_given_products(axdse_domain *domain, uint64_t count) {
    axdse_pair *given = calloc(count + 1, sizeof *given);
    if (!given || fread(given, sizeof *given, count, stdin) != count) return AXDSE_NO_SPACE;
    domain->given = given;
    return axdse_products(domain, count);
}

int main(int argc, char **argv) {
    if (argc != 5 + AXDSE_PARAMETERS || !axdse_confine(argv[1])) return AXDSE_USAGE;
    for (int i = 5; i < argc; i++) axdse_parameter[i - 5] = atoi(argv[i]);
    axdse_domain domain = {NULL, (unsigned)atoi(argv[2]), (unsigned)atoi(argv[3])};
    unsigned widest = domain.a_bits > domain.b_bits ? domain.a_bits : domain.b_bits;
    if (widest > AXDSE_PARAMETER % 100) return AXDSE_NARROW;
    uint64_t count = strtoull(argv[4], NULL, 10);
    if (count) return axdse_given_products(&domain, count);
    return axdse_products(&domain, UINT64_C(1) << (domain.a_bits + domain.b_bits));
}
