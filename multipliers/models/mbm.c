/* Minimally biased multiplier, MBM (Saadat, Bokhari and Parameswaran, 2018), as ApproxTrain.
 *
 * Mitchell's product is at most exact; its mean error is made up for by a constant: 5/64 of the
 * significand without, 5/128 with a carry out of the fractions, cut to M bits (none below M = 5).
 * Fractions are cut to M bits, so their lowest bit is set to stand for what was cut off.
 * A sum that the constant pushes past 2 is renormalised; past 4 it stays uncorrected.
 */
#include <stdint.h>

#define MBM_ONE ((uint64_t)1 << M)
#define MBM_CORRECTION (M < 5 ? 0 : 5 * MBM_ONE / 64)
#define MBM_CARRY_CORRECTION (M < 5 ? 0 : 5 * MBM_ONE / 128)

uint64_t mbm(uint64_t x, uint64_t y) {
    uint64_t sum = (x | 1) + (y | 1);
    if (sum < MBM_ONE) {
        uint64_t unbiased = sum + MBM_CORRECTION;
        return unbiased < MBM_ONE ? unbiased : (unbiased + MBM_ONE) / 2;
    }
    uint64_t unbiased = sum + MBM_CARRY_CORRECTION;
    return unbiased < 2 * MBM_ONE ? unbiased : sum;
}
