/* Static segment multiplier, SSM (Narayanamoorthy et al., 2015).
 *
 * Each operand is cut to one of two fixed segments of S bits: the lower one if the bits above it
 * are all zero, else the upper one, a[N-1:N-S]. The segments are multiplied exactly and shifted
 * back. With S >= N/2 the two segments leave no gap.
 */
#include <stdint.h>

#define SSM_CUT (N - S)

static inline uint64_t ssm_operand(uint64_t a) { return a >> S ? a >> SSM_CUT << SSM_CUT : a; }

uint64_t ssm(uint64_t a, uint64_t b) { return ssm_operand(a) * ssm_operand(b); }
