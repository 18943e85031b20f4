/* Radix-4 approximate Booth multiplier (Liu et al., 2017): approximate encoders R4ABE1 and R4ABE2 in
 * the V least-significant columns.
 *
 * A cell gets bit j of a times a digit of b, -2..2, that is encoded in three bits of b. D = 1 takes
 * 2a for a: the cell is bit j of a, complemented for a negative digit, or 0 for the digit 0 (wrong in
 * 4 of 32 cases). D = 2 does without the 0 as well (8 of 32). The one that a negative row adds in its
 * lowest column stays exact, as do the columns from V on.
 */
#include <stdint.h>

int64_t booth_approx(int64_t a, int64_t b) {
    uint64_t low = ((uint64_t)1 << V) - 1, bits_a = (uint64_t)a, bits_b = (uint64_t)b << 1, sum = 0;
    for (int i = 0; i < N; i += 2) {
        uint64_t high = bits_b >> (i + 2) & 1, middle = bits_b >> (i + 1) & 1, right = bits_b >> i & 1;
        int nonzero = !(high == middle && middle == right);
        uint64_t multiple = middle + right == 1 ? bits_a : nonzero ? bits_a << 1 : 0;
        uint64_t approximate = nonzero || D == 2 ? bits_a : 0;
        uint64_t complement = high && nonzero ? ~(uint64_t)0 : 0;
        uint64_t complement_low = high && (nonzero || D == 2) ? ~(uint64_t)0 : 0;
        uint64_t exact_row = (multiple ^ complement) << i;
        uint64_t approximate_row = (approximate ^ complement_low) << i;
        sum += (exact_row & ~low) + (approximate_row & low) + ((complement & 1) << i);
    }
    uint64_t sign = (uint64_t)1 << (2 * N - 1);
    return (int64_t)(((sum & (2 * sign - 1)) ^ sign) - sign);
}
