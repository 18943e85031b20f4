/* Fixed-width multiplier with variable correction, VCT (King and Swartzlander, 1997).
 *
 * Of the partial products only the N + K most-significant columns are formed, and N bits of their
 * sum are kept. The next lower column stands for all that is missing: its bits are added one
 * column further up, at twice their weight. Ones in the formed columns below, but for the
 * highest, make up for cutting the sum, which loses half a unit on average.
 */
#include <stdint.h>

#define FIXED_WIDTH_ROUNDING (K > 0 ? ((uint64_t)1 << (N - 1)) - ((uint64_t)1 << (N - K)) : 0)

uint64_t fixed_width(uint64_t a, uint64_t b) {
    uint64_t sum = FIXED_WIDTH_ROUNDING;
    for (int i = 0; i < N; i++) {
        uint64_t row = (b >> i & 1) * (a << i);
        sum += row >> (N - K) << (N - K);
        sum += (row >> (N - K - 1) & 1) << (N - K);
    }
    return sum >> N << N;
}
