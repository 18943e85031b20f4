/* Fixed-width multiplier with variable correction, VCT (King and Swartzlander, 1997).
 *
 * Of the partial products only the N + K most-significant columns are formed, and N bits of their
 * sum are kept. The next lower column stands for all that is missing: its bits are added one column
 * further up, at twice their weight. Without the paper's rounding constant.
 */
#include <stdint.h>

uint64_t fixed_width(uint64_t a, uint64_t b) {
    uint64_t sum = 0;
    for (int i = 0; i < N; i++) {
        uint64_t row = (b >> i & 1) * (a << i);
        sum += row >> (N - K) << (N - K);
        sum += (row >> (N - K - 1) & 1) << (N - K);
    }
    return sum >> N << N;
}
