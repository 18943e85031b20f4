/* Row-wise 4:2 reduction with approximate compressors (Venkatachalam and Ko, 2017).
 *
 * The C least-significant columns of the partial products are reduced in groups of four rows, each
 * to a row of sums and a row of carries one column further left, until two rows are left; groups
 * with dots in no more than two rows wait. Four dots of a column go through the compressor
 *     carry = x0 & x1 | x2 & x3,   sum = (x0 ^ x1) | (x2 ^ x3) | x0 & x1 & x2 & x3,
 * one too small for one dot of each pair and for all four. Two or three dots take half and full
 * adders. What stays, and the columns above, are added exactly. Of the paper we take the
 * compressor alone, not the propagate and generate signals that alter its partial products.
 *
 * All columns are computed at once, one in each bit. Group g takes rows 4g to 4g + 3, and its
 * results are rows 16 + 2g and 17 + 2g: 16 rows become 8, 4, then the last two.
 */
#include <stdint.h>

typedef struct {
    uint32_t present, dots; /* bit j: whether the row has a dot in column j, and the dot */
} venkatachalam_row;

static inline uint32_t venkatachalam_two_of(uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    return (a & b) | (c & d) | ((a | b) & (c | d));
}

/* The carries of four rows, one column further left. */
static inline venkatachalam_row venkatachalam_carries(const venkatachalam_row *r) {
    venkatachalam_row row;
    uint32_t four = r[0].present & r[1].present & r[2].present & r[3].present;
    uint32_t counted = venkatachalam_two_of(r[0].dots, r[1].dots, r[2].dots, r[3].dots);
    uint32_t carries = (r[0].dots & r[1].dots) | (r[2].dots & r[3].dots);
    row.present = 2 * venkatachalam_two_of(r[0].present, r[1].present, r[2].present, r[3].present);
    row.dots = 2 * ((four & carries) | (~four & counted));
    return row;
}

static inline venkatachalam_row venkatachalam_sums(const venkatachalam_row *r) {
    venkatachalam_row row;
    uint32_t four = r[0].present & r[1].present & r[2].present & r[3].present;
    uint32_t left = r[0].dots ^ r[1].dots, right = r[2].dots ^ r[3].dots;
    row.present = r[0].present | r[1].present | r[2].present | r[3].present;
    uint32_t all = r[0].dots & r[1].dots & r[2].dots & r[3].dots;
    row.dots = (four & (left | right | all)) | (~four & (left ^ right));
    return row;
}

uint64_t venkatachalam(uint64_t a, uint64_t b) {
    const uint32_t low = (UINT32_C(1) << C) - 1;
    venkatachalam_row rows[30];
    uint64_t product = 0;
    for (int i = 0; i < 16; i++) {
        uint64_t row = i < N && (b >> i & 1) ? a << i : 0;
        rows[i].present = i < N ? (((UINT32_C(1) << N) - 1) << i) & low : 0;
        rows[i].dots = (uint32_t)row & low;
        product += row >> C << C;
    }
    for (int g = 0; g < 7; g++) {
        const venkatachalam_row *four = rows + 4 * g;
        venkatachalam_row *two = rows + 16 + 2 * g;
        int waits = four[2].present == 0;
        two[0] = waits ? four[0] : venkatachalam_sums(four);
        two[1] = waits ? four[1] : venkatachalam_carries(four);
        product += two[1].dots >> C << C;
        two[1].present &= low;
        two[1].dots &= low;
    }
    return product + rows[28].dots + rows[29].dots;
}
