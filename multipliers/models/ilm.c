/* Improved logarithmic multiplier, ILM (Ansari, Cockburn and Han, 2021), on significands.
 *
 * An operand is 2^k (1 + q) relative to the NEAREST power of two, the upper one from 3/2 on, so q
 * is in [-1/4, 1/2); the product is taken as 2^(k+k') (1 + q + q'). With the adder exact (ILM-EA)
 * that is x + y, as Mitchell has it, if both fractions are below 1/2 or neither is. Else the
 * smaller one weighs twice: 1 + x + 2y. If that reaches 2 it is renormalised and its lowest bit
 * cut, which the integer product of the paper has room for.
 */
#include <stdint.h>

#define ILM_ONE ((uint64_t)1 << M)

uint64_t ilm(uint64_t x, uint64_t y) {
    uint64_t alike = x + y, unlike = alike + (x < y ? x : y);
    unlike = unlike < ILM_ONE ? unlike : (unlike + ILM_ONE) / 2;
    return (x ^ y) & ILM_ONE / 2 ? unlike : alike;
}
