/* The kernel of sums, one output at a time by the model alone: what the fast one must equal. */
#define AXDSE_CAREFUL 1
#include "kernel_sums.c"
