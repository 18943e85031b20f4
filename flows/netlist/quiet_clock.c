/* Preloaded into ABC, which asks the kernel for the processor time of its thread
 * 25,000 times for an 8x8 multiplier, and takes half of its time for that. Here it is told the
 * time of day, which needs no system call; results do not depend on it, time limits hold.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    return real(clock == CLOCK_THREAD_CPUTIME_ID ? CLOCK_MONOTONIC_COARSE : clock, time);
}
