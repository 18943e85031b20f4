/* What every harness shares: it runs one C model in a process of its own, which confine.c
 * starts, so that a model that crashes, never ends, prints or eats memory harms nobody.
 *
 * Built with -DAXDSE_MODEL='"drum.c"' -DAXDSE_FUNCTION=drum and the parameters (-DN=8 ...).
 * Names start with axdse_ because the model's own names share the file.
 */
#ifndef AXDSE_HARNESS_H
#define AXDSE_HARNESS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Exit codes that a model's own exit() is unlikely to use. */
enum { AXDSE_USAGE = 100, AXDSE_REFUSED, AXDSE_NO_SPACE, AXDSE_NARROW };

/* Models written for a GPU compile here too. */
#ifndef __device__
#define __device__
#define __host__
#define __forceinline__ inline
#endif

static FILE *axdse_out, *axdse_err;

/* Results keep the real stdout and stderr; what the model prints itself goes nowhere. What the
 * model may do is the business of confine.c, which starts this program: nothing in this file could
 * hold a model back. The limit is for a program that is started by hand. */
static bool axdse_confine(const char *seconds) {
    struct rlimit limit = {(rlim_t)strtoul(seconds, NULL, 10), RLIM_INFINITY};
    setrlimit(RLIMIT_CPU, &limit);
    axdse_out = fdopen(dup(STDOUT_FILENO), "wb");
    axdse_err = fdopen(dup(STDERR_FILENO), "w");
    return axdse_out && axdse_err && !close(STDOUT_FILENO) && !close(STDERR_FILENO);
}

static int axdse_write(const void *data, size_t size, size_t count) {
    bool written = fwrite(data, size, count, axdse_out) == count && !fflush(axdse_out);
    return written ? 0 : AXDSE_NO_SPACE;
}

#endif
