/* Proves that an ApproxTrain-style float model is separable, and writes its table.
 *
 *   float_harness SECONDS M FIRST STEP
 * Takes the table at exponents 127 and positive signs: entry = {carry, M-bit fraction}, uint32 on
 * stdout, row = first operand. Then checks that every product of two floats with M-bit fractions
 * has sign = xor, exponent = ea + eb - 127 + carry and the fraction of the table, for all fraction
 * pairs, all signs and all exponents with 1 <= ea + eb - 127 <= 253 (normal with and without the
 * carry). STEP processes share the first exponents: FIRST, FIRST + STEP, ...
 * Product bits below the M-bit fraction are cut off, as in ApproxTrain.
 * AXDSE_REFUSED and the operands on stderr: not separable.
 */
#include "harness.h"

/* Products of a and b, b + step, ...: bits of FP32. */
typedef void axdse_rows(uint32_t a, uint32_t b, uint32_t step, uint32_t count, uint32_t *product);

axdse_rows axdse_row_patterned, axdse_row_zeroed;

enum { AXDSE_BIAS = 127, AXDSE_LAST = 253, AXDSE_MAX_ROW = 1 << 7 };

static uint32_t axdse_table[AXDSE_MAX_ROW * AXDSE_MAX_ROW];

static uint32_t axdse_float(uint32_t sign, uint32_t exponent, uint32_t fraction, unsigned m) {
    return sign << 31 | exponent << 23 | fraction << (23 - m);
}

static float axdse_value(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int axdse_refuse(uint32_t a, uint32_t b, uint32_t got, const char *expected) {
    fprintf(axdse_err, "a=0x%08" PRIx32 " (%g) b=0x%08" PRIx32 " (%g) gave 0x%08" PRIx32 " (%g), %s",
            a, axdse_value(a), b, axdse_value(b), got, axdse_value(got), expected);
    fflush(axdse_err);
    return AXDSE_REFUSED;
}

static int axdse_tabulate(unsigned m) {
    uint32_t one = axdse_float(0, AXDSE_BIAS, 0, m), row = 1u << m, cut = 23 - m;
    for (uint32_t x = 0; x < row; x++) {
        uint32_t a = one | x << cut, *got = axdse_table + x * row;
        axdse_row_patterned(a, one, 1u << cut, row, got);
        for (uint32_t y = 0; y < row; y++) {
            if ((got[y] - one) >> 23 > 1)
                return axdse_refuse(a, one | y << cut, got[y], "not a value in [1, 4)");
            got[y] = (got[y] - one) >> cut;
        }
    }
    return 0;
}

/* One row by one build; the culprit is looked up after, so that the check has no branch. */
static int axdse_check_row(axdse_rows *rows, uint32_t a, uint32_t b, uint32_t base,
                           const uint32_t *row, unsigned m) {
    uint32_t wrong = 0, cut = 23 - m, got[AXDSE_MAX_ROW];
    rows(a, b, 1u << cut, 1u << m, got);
    for (uint32_t y = 0; y < 1u << m; y++) wrong |= (got[y] >> cut) ^ (base + row[y]);
    for (uint32_t y = 0; wrong && y < 1u << m; y++) {
        uint32_t expected = (base + row[y]) << cut;
        char text[64];
        snprintf(text, sizeof text, "not 0x%08" PRIx32 " (%g)", expected, axdse_value(expected));
        if (got[y] >> cut != expected >> cut) return axdse_refuse(a, b | y << cut, got[y], text);
    }
    return 0;
}

/* The rows of the table again, in a random order and by the other build. */
static int axdse_check_shuffled(unsigned m) {
    for (uint32_t n = 0; n < 1u << m; n++) {
        uint32_t x = (uint32_t)axdse_shuffled(n, m), base = (uint32_t)AXDSE_BIAS << m;
        axdse_disturb(n);
        int code = axdse_check_row(axdse_row_zeroed, axdse_float(0, AXDSE_BIAS, x, m),
                                   axdse_float(0, AXDSE_BIAS, 0, m), base, axdse_table + (x << m),
                                   m);
        if (code) return code;
    }
    return 0;
}

static int axdse_check_exponents(uint32_t ea, uint32_t eb, unsigned m) {
    for (uint32_t signs = 0; signs < 4; signs++) {
        uint32_t sa = signs >> 1, sb = signs & 1, b = axdse_float(sb, eb, 0, m);
        uint32_t base = ((sa ^ sb) << 8 | (ea + eb - AXDSE_BIAS)) << m;
        for (uint32_t x = 0; x < 1u << m; x++) {
            uint32_t a = axdse_float(sa, ea, x, m);
            int code = axdse_check_row(eb & 1 ? axdse_row_patterned : axdse_row_zeroed, a, b, base,
                                       axdse_table + (x << m), m);
            if (code) return code;
        }
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 5 || !axdse_confine(argv[1])) return AXDSE_USAGE;
    unsigned m = (unsigned)atoi(argv[2]);
    if (m < 1 || 1u << m > AXDSE_MAX_ROW) return AXDSE_USAGE;
    axdse_litter(0x55);
    int code = axdse_tabulate(m);
    axdse_litter(0xaa);
    if (!code) code = axdse_check_shuffled(m);
    for (uint32_t ea = 1 + (uint32_t)atoi(argv[3]); !code && ea < 255; ea += (uint32_t)atoi(argv[4]))
        for (uint32_t eb = 1; !code && eb < 255; eb++)
            if (ea + eb > AXDSE_BIAS && ea + eb <= AXDSE_BIAS + AXDSE_LAST)
                code = axdse_check_exponents(ea, eb, m);
    return code ? code : axdse_write(axdse_table, sizeof *axdse_table, 1u << (2 * m));
}
