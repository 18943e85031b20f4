/* Tabulates an integer or significand model.
 *
 *   harness SECONDS WIDTH          all pairs of WIDTH-bit operands, a outermost
 *   harness SECONDS WIDTH COUNT    COUNT operand pairs (two uint64 each) from stdin
 * Products are uint64 on stdout. Each is computed again in reverse order, because only a pure
 * function has a table: AXDSE_REFUSED and the operands on stderr if not. AXDSE_NARROW: the
 * model's parameters are narrower than its operands.
 */
#include "harness.h"

#include AXDSE_MODEL

#define AXDSE_PARAMETER_BITS                                                     \
    _Generic(&AXDSE_FUNCTION,                                                    \
             uint64_t (*)(uint64_t, uint64_t): 64,                               \
             unsigned long long (*)(unsigned long long, unsigned long long): 64, \
             uint64_t (*)(uint32_t, uint32_t): 32,                               \
             uint32_t (*)(uint32_t, uint32_t): 32,                               \
             uint32_t (*)(uint16_t, uint16_t): 16,                               \
             uint16_t (*)(uint16_t, uint16_t): 16,                               \
             uint16_t (*)(uint8_t, uint8_t): 8,                                  \
             default: 0)
_Static_assert(AXDSE_PARAMETER_BITS,
               "the signature of a C model must be uint64_t f(uint64_t a, uint64_t b)");

typedef struct {
    uint64_t a, b;
} axdse_pair;

static axdse_pair axdse_nth(const axdse_pair *given, unsigned width, uint64_t i) {
    axdse_pair counted = {i >> width, i & ((UINT64_C(1) << width) - 1)};
    return given ? given[i] : counted;
}

static int axdse_products(const axdse_pair *given, unsigned width, uint64_t count) {
    uint64_t *products = calloc(count + 1, sizeof *products);
    if (!products) return AXDSE_NO_SPACE;
    for (uint64_t i = 0; i < count; i++) {
        axdse_pair pair = axdse_nth(given, width, i);
        products[i] = AXDSE_FUNCTION(pair.a, pair.b);
    }
    for (uint64_t i = count; i-- > 0;) {
        axdse_pair pair = axdse_nth(given, width, i);
        uint64_t again = AXDSE_FUNCTION(pair.a, pair.b);
        if (again == products[i]) continue;
        fprintf(axdse_err, "a=%" PRIu64 " b=%" PRIu64 " gave %" PRIu64 ", then %" PRIu64, pair.a,
                pair.b, products[i], again);
        fflush(axdse_err);
        return AXDSE_REFUSED;
    }
    return axdse_write(products, sizeof *products, count);
}

static int axdse_given_products(unsigned width, uint64_t count) {
    axdse_pair *given = calloc(count + 1, sizeof *given);
    if (!given || fread(given, sizeof *given, count, stdin) != count) return AXDSE_NO_SPACE;
    return axdse_products(given, width, count);
}

int main(int argc, char **argv) {
    if (argc < 3 || argc > 4 || !axdse_confine(argv[1])) return AXDSE_USAGE;
    unsigned width = (unsigned)atoi(argv[2]);
    if (width > AXDSE_PARAMETER_BITS) return AXDSE_NARROW;
    if (argc == 4) return axdse_given_products(width, strtoull(argv[3], NULL, 10));
    return axdse_products(NULL, width, UINT64_C(1) << (2 * width));
}
