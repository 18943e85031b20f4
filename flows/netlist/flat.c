/* What does a mapped netlist compute, and how late are its outputs?
 *
 * Cells come after those that drive them. A net is a plane of bits, one for each vector; a cell is
 * its truth table, folded input by input. Timing is the static one of `delays.py`: look-up tables
 * over transition time and load, inputs that switch in no time, no wires.
 */
#include <stdint.h>
#include <string.h>

enum { MAX_INPUTS = 10 };
typedef uint64_t Word __attribute__((vector_size(16)));

typedef struct {
    int32_t inputs, outputs;
    int32_t truth;        /* into `truths`: [outputs][states] */
    int32_t capacitance;  /* into `capacitances`: [inputs][3], to a rise, to a fall, to either */
    int32_t step, steps;  /* into `steps` */
} Kind;

typedef struct {
    int32_t input, output;
    int32_t input_edge, output_edge; /* 0: rise, 1: fall */
    int32_t delay, slew;             /* into `tables`; -1: none */
} Step;

typedef struct {
    int32_t rows, columns; /* of transition times, of loads */
    int32_t at;            /* into `numbers`: both axes, then the values by row */
} Table;

typedef struct {
    const Kind *kinds;
    const uint8_t *truths;
    const double *capacitances;
    const Step *steps;
    const Table *tables;
    const double *numbers;
} Library;

typedef struct {
    int32_t cell_count, net_count;
    const int32_t *cells; /* the kind of each */
    const int32_t *pins;  /* nets of the inputs, then of the outputs (-1: not connected), by cell */
} Netlist;

/* One output over all words. The truth table is folded input by input; what the first input makes
 * of each pair of states is kept ^ (input & changes). With a constant n all loops unroll. */
static inline __attribute__((always_inline)) void fold(const uint8_t *truth, const int n,
                                                       const Word *const *inputs, Word *output,
                                                       int64_t words) {
    Word kept[1 << (MAX_INPUTS - 1)], changes[1 << (MAX_INPUTS - 1)];
    const int pairs = n ? 1 << (n - 1) : 1;
    for (int i = 0; i < pairs; i++) {
        kept[i] = (Word){0} - truth[2 * i];
        changes[i] = n ? kept[i] ^ ((Word){0} - truth[2 * i + 1]) : (Word){0};
    }
    for (int64_t at = 0; at < words; at++) {
        Word level[1 << (MAX_INPUTS - 1)];
        for (int i = 0; i < pairs; i++) level[i] = kept[i] ^ (inputs[0][at] & changes[i]);
        for (int k = 1, left = pairs / 2; k < n; k++, left /= 2)
            for (int i = 0; i < left; i++)
                level[i] = level[2 * i] ^ ((level[2 * i] ^ level[2 * i + 1]) & inputs[k][at]);
        output[at] = level[0];
    }
}

/* planes [net_count][words]; those of constants and operands are set. */
int mapped_values(const Library *library, const Netlist *netlist, Word *planes, int64_t words) {
    const int32_t *pins = netlist->pins;
    for (int c = 0; c < netlist->cell_count; c++) {
        const Kind *kind = library->kinds + netlist->cells[c];
        const int n = kind->inputs;
        const Word *inputs[MAX_INPUTS] = {planes};
        if (n > MAX_INPUTS) return -1;
        for (int i = 0; i < n; i++) inputs[i] = planes + pins[i] * words;
        for (int o = 0; o < kind->outputs; o++) {
            if (pins[n + o] < 0) continue;
            const uint8_t *truth = library->truths + kind->truth + ((int64_t)o << n);
            Word *output = planes + pins[n + o] * words;
            switch (n) {
            case 1: fold(truth, 1, inputs, output, words); break;
            case 2: fold(truth, 2, inputs, output, words); break;
            case 3: fold(truth, 3, inputs, output, words); break;
            case 4: fold(truth, 4, inputs, output, words); break;
            default: fold(truth, n, inputs, output, words);
            }
        }
        pins += n + kind->outputs;
    }
    return 0;
}

/* Bit i of word j becomes bit j of word i (Warren, Hacker's Delight, 7-3). */
static void transpose(uint64_t x[64]) {
    uint64_t mask = 0x00000000FFFFFFFF;
    for (int step = 32; step; step >>= 1, mask ^= mask << step)
        for (int k = 0; k < 64; k = ((k | step) + 1) & ~step) {
            uint64_t swap = (x[k] >> step ^ x[k | step]) & mask;
            x[k] ^= swap << step;
            x[k | step] ^= swap;
        }
}

/* Number of the first product that is not `expected` [count], or -1; `nets` hold its bits. */
int64_t mapped_difference(const uint64_t *planes, int64_t words, const int32_t *nets, int32_t bits,
                          const uint64_t *expected, int64_t count) {
    for (int64_t first = 0; first < count; first += 64) {
        int64_t here = count - first < 64 ? count - first : 64;
        uint64_t wanted[64] = {0}, wrong = 0;
        memcpy(wanted, expected + first, (size_t)here * sizeof *wanted);
        transpose(wanted);
        for (int b = 0; b < 64; b++)
            wrong |= wanted[b] ^ (b < bits ? planes[nets[b] * words + first / 64] : 0);
        if (here < 64) wrong &= (1ull << here) - 1;
        if (wrong) return first + __builtin_ctzll(wrong);
    }
    return -1;
}

static int locate(const double *axis, int size, double point, double *along) {
    *along = 0;
    if (size == 1) return 0;
    int low = 0;
    while (low < size - 2 && axis[low + 1] <= point) low++;
    *along = (point - axis[low]) / (axis[low + 1] - axis[low]);
    return low;
}

static double look_up(const Library *library, int number, double slew, double load) {
    const Table *table = library->tables + number;
    const double *axis = library->numbers + table->at;
    double down, right;
    int row = locate(axis, table->rows, slew, &down);
    int column = locate(axis + table->rows, table->columns, load, &right);
    const double *values = axis + table->rows + table->columns + row * table->columns + column;
    double top = values[0];
    if (right != 0) top += (values[1] - top) * right;
    if (down == 0) return top;
    values += table->columns;
    double bottom = values[0];
    if (right != 0) bottom += (values[1] - bottom) * right;
    return top + (bottom - top) * down;
}

static void raise_to(double *most, double value) {
    if (value > *most) *most = value;
}

/* load [net_count][3], to a rise, to a fall and to either, of the inputs of `chosen` cells. */
void mapped_loads(const Library *library, const Netlist *netlist, const int32_t *chosen,
                  int32_t count, double *load) {
    const int32_t *pins = netlist->pins;
    int32_t next = 0;
    for (int32_t c = 0; c < netlist->cell_count && next < count; c++) {
        const Kind *kind = library->kinds + netlist->cells[c];
        if (chosen[next] == c) {
            const double *own = library->capacitances + kind->capacitance;
            for (int i = 0; i < 3 * kind->inputs; i++) load[3 * pins[i / 3] + i % 3] += own[i];
            next++;
        }
        pins += kind->inputs + kind->outputs;
    }
}

/* load [net_count][3] is given; slew, arrival [net_count][2], of a rise and of a fall: arrival is
 * set at the operands. `delays`: of each step of each cell, if its output is connected. */
void mapped_timing(const Library *library, const Netlist *netlist, const double *load,
                   double *slew, double *arrival, double *delays) {
    const int32_t *pins = netlist->pins;
    for (int c = 0; c < netlist->cell_count; c++) {
        const Kind *kind = library->kinds + netlist->cells[c];
        for (int s = kind->step; s < kind->step + kind->steps; s++, delays++) {
            const Step *step = library->steps + s;
            int32_t net = pins[kind->inputs + step->output];
            if (net < 0) continue;
            int32_t from = 2 * pins[step->input] + step->input_edge;
            int32_t to = 2 * net + step->output_edge;
            double loaded = load[3 * net + step->output_edge];
            *delays = look_up(library, step->delay, slew[from], loaded);
            raise_to(arrival + to, arrival[from] + *delays);
            if (step->slew >= 0)
                raise_to(slew + to, look_up(library, step->slew, slew[from], loaded));
        }
        pins += kind->inputs + kind->outputs;
    }
}
