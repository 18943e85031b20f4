/* What every harness shares: it runs one C model in a process of its own, under limits, so that a
 * model that crashes, never ends, prints or eats memory harms nobody.
 *
 * Built with -DAXDSE_MODEL='"drum.c"' -DAXDSE_FUNCTION=drum and the parameters (-DN=8 ...).
 * Names start with axdse_ because the model's own names share the file.
 */
#ifndef AXDSE_HARNESS_H
#define AXDSE_HARNESS_H

#include <fcntl.h>
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
#define AXDSE_MEMORY_BYTES (UINT64_C(1) << 30)

/* Models written for a GPU compile here too. */
#ifndef __device__
#define __device__
#define __host__
#define __forceinline__ inline
#endif

static FILE *axdse_out, *axdse_err;

static void axdse_limit(int resource, rlim_t value) {
    struct rlimit limit;
    if (getrlimit(resource, &limit)) return;
    limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
    setrlimit(resource, &limit);
}

/* Results keep the real stdout and stderr; what the model prints itself goes nowhere. */
static bool axdse_confine(const char *seconds) {
    int null = open("/dev/null", O_WRONLY);
    axdse_out = fdopen(dup(STDOUT_FILENO), "wb");
    axdse_err = fdopen(dup(STDERR_FILENO), "w");
    if (null < 0 || !axdse_out || !axdse_err) return false;
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    axdse_limit(RLIMIT_CPU, (rlim_t)strtoul(seconds, NULL, 10));
    axdse_limit(RLIMIT_AS, AXDSE_MEMORY_BYTES);
    axdse_limit(RLIMIT_FSIZE, 0);
    axdse_limit(RLIMIT_CORE, 0);
    return true;
}

static int axdse_write(const void *data, size_t size, size_t count) {
    bool written = fwrite(data, size, count, axdse_out) == count && !fflush(axdse_out);
    return written ? 0 : AXDSE_NO_SPACE;
}

#endif
