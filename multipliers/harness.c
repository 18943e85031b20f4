/* Runs one C model in a process of its own, so that a model that crashes harms nobody.
 *
 * Built with -DAXDSE_MODEL='"drum.c"' -DAXDSE_FUNCTION=drum and the parameters (-DN=8 ...).
 *   harness table BITS_A BITS_B   all pairs, a outermost; then all again in reverse order,
 *                                 because only a pure function has a table
 *   harness pairs                 operand pairs (two uint64 each) from stdin
 * Results are uint64 on stdout. Exit code 3 and the operands on stderr: not pure.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include AXDSE_MODEL

_Static_assert(_Generic(&AXDSE_FUNCTION,
                        uint64_t (*)(uint64_t, uint64_t): 1,
                        uint32_t (*)(uint32_t, uint32_t): 1,
                        uint32_t (*)(uint16_t, uint16_t): 1,
                        uint16_t (*)(uint16_t, uint16_t): 1,
                        uint16_t (*)(uint8_t, uint8_t): 1,
                        default: 0),
               "the signature of a C model must be uint64_t f(uint64_t a, uint64_t b)");

static void write_product(uint64_t product) {
    if (fwrite(&product, sizeof product, 1, stdout) != 1) exit(4);
}

static int is_impure(uint64_t a, uint64_t b, uint64_t first) {
    uint64_t again = AXDSE_FUNCTION(a, b);
    if (again == first) return 0;
    fprintf(stderr, "a=%" PRIu64 " b=%" PRIu64 " gave %" PRIu64 ", then %" PRIu64 "\n", a, b,
            first, again);
    return 1;
}

static int tabulate(unsigned bits_a, unsigned bits_b) {
    uint64_t pairs = UINT64_C(1) << (bits_a + bits_b), low = (UINT64_C(1) << bits_b) - 1;
    uint64_t *products = malloc(pairs * sizeof *products);
    if (!products) return 4;
    for (uint64_t i = 0; i < pairs; i++) products[i] = AXDSE_FUNCTION(i >> bits_b, i & low);
    for (uint64_t i = pairs; i-- > 0;)
        if (is_impure(i >> bits_b, i & low, products[i])) return 3;
    return fwrite(products, sizeof *products, pairs, stdout) == pairs ? 0 : 4;
}

static int answer_pairs(void) {
    uint64_t pair[2];
    while (fread(pair, sizeof pair, 1, stdin) == 1) write_product(AXDSE_FUNCTION(pair[0], pair[1]));
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "table"))
        return tabulate((unsigned)atoi(argv[2]), (unsigned)atoi(argv[3]));
    if (argc == 2 && !strcmp(argv[1], "pairs")) return answer_pairs();
    return 2;
}
