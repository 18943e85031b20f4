/* Broken-Booth multiplier, BBM (Farshchi, Abrishami and Fakhraie, 2013).
 *
 * Of the rows of a radix-4 Booth multiplier all that lies to the right of the vertical break level V
 * is omitted, with the ones that negative rows add there.
 */
#include <stdint.h>

int64_t broken_booth(int64_t a, int64_t b) {
    uint64_t formed = ~(uint64_t)0 << V, bits_a = (uint64_t)a, bits_b = (uint64_t)b << 1, sum = 0;
    for (int i = 0; i < N; i += 2) {
        uint64_t high = bits_b >> (i + 2) & 1, middle = bits_b >> (i + 1) & 1, right = bits_b >> i & 1;
        int zero = high == middle && middle == right;
        uint64_t multiple = middle + right == 1 ? bits_a : zero ? 0 : bits_a << 1;
        uint64_t row = high && !zero ? ~multiple : multiple;
        uint64_t one = (uint64_t)(high && !zero) << i;
        sum += (row << i & formed) + (one & formed);
    }
    uint64_t sign = (uint64_t)1 << (2 * N - 1);
    return (int64_t)(((sum & (2 * sign - 1)) ^ sign) - sign);
}
