/* Minimally biased multiplier, MBM (Saadat, Bokhari and Parameswaran, 2018), as in ApproxTrain.
 *
 * Mitchell's product never exceeds the exact one. A constant makes up for the mean of what is
 * missing: 5/64 if the fractions sum to less than 1; else 5/128, as much of a product that counts
 * double. It is cut to M bits, and left out below M = 5. Fractions count as cut to M bits: their
 * lowest bit is set to stand for the rest. A sum that the constant lifts to 2 is renormalised; one
 * that it would lift to 4 stays as it is.
 */
#include <stdint.h>

#define MBM_ONE ((uint64_t)1 << M)
#define MBM_CORRECTION (M < 5 ? 0 : 5 * MBM_ONE / 64)
#define MBM_CARRY_CORRECTION (M < 5 ? 0 : 5 * MBM_ONE / 128)

uint64_t mbm(uint64_t x, uint64_t y) {
    uint64_t sum = (x | 1) + (y | 1);
    uint64_t below = sum + MBM_CORRECTION, above = sum + MBM_CARRY_CORRECTION;
    below = below < MBM_ONE ? below : (below + MBM_ONE) / 2;
    above = above < 2 * MBM_ONE ? above : sum;
    return sum < MBM_ONE ? below : above;
}
