/* Truncated multiplier with constant correction (Schulte and Swartzlander, 1993).
 *
 * The T least-significant columns of the partial-product array are not formed. Column j < N holds
 * j + 1 bits, each 1 with probability 1/4, so on average they hold
 *     (1/4) sum_{j<T} (j + 1) 2^j = ((T - 1) 2^T + 1) / 4,
 * which C = 1 adds back, rounded to (T - 1) 2^(T-2): a bias of -1/4 ulp remains. Bits of the
 * constant below column T are wires, not gates.
 */
#include <stdint.h>

#define TRUNCATED_CORRECTION (T > 1 ? C * ((uint64_t)(T - 1) << T) / 4 : 0)

uint64_t truncated(uint64_t a, uint64_t b) {
    uint64_t sum = TRUNCATED_CORRECTION;
    for (int i = 0; i < N; i++) {
        uint64_t row = (b >> i & 1) * (a << i);
        sum += row >> T << T;
    }
    return sum;
}
