/* What every harness shares: it runs one C model in a process of its own, which confine.c
 * starts, so that a model that crashes, never ends, prints or eats memory harms nobody.
 *
 * The model is an object of its own, in two builds that differ in what uninitialised local
 * variables hold; see model_unit.py. Their names start with axdse_, the model's are private.
 */
#ifndef AXDSE_HARNESS_H
#define AXDSE_HARNESS_H

#include <alloca.h>
#include <elf.h>
#include <fenv.h>
#include <link.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

/* Exit codes that a model's own exit() is unlikely to use. */
enum { AXDSE_USAGE = 100, AXDSE_REFUSED, AXDSE_NO_SPACE, AXDSE_NARROW };

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

/* What a model prints to a stream goes nowhere, and the stream is no memory: it is read-only. */
static const char axdse_stream[sizeof(FILE)];
FILE *const axdse_stdout = (FILE *)axdse_stream, *const axdse_stderr = (FILE *)axdse_stream;

int axdse_fprintf(FILE *stream, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    return (void)stream, length;
}

int axdse___fprintf_chk(FILE *stream, int flag, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    return (void)stream, (void)flag, length;
}

int axdse_fputs(const char *text, FILE *stream) { return (void)text, (void)stream, 1; }
int axdse_fputc(int letter, FILE *stream) { return (void)stream, (unsigned char)letter; }
int axdse_putc(int letter, FILE *stream) { return axdse_fputc(letter, stream); }
size_t axdse_fwrite(const void *data, size_t size, size_t count, FILE *stream) {
    return (void)data, (void)size, (void)stream, count;
}
int axdse_fflush(FILE *stream) { return (void)stream, 0; }

/* One build of a model tells of each access to memory that the compiler does not know to be right
 * (-fsanitize=kernel-address, see compile.py). Its own are the stack, from the stack pointer up to
 * where it was called, and constants; whatever else there is could hold what an earlier call left. */
unsigned long axdse_top;
extern int axdse_parameter[] __attribute__((weak));
enum { AXDSE_PARAMETER_BYTES = 64 };

static uintptr_t axdse_constants, axdse_constants_end; /* the segment that was read last */

static bool axdse_is_constant(uintptr_t at, size_t size) {
    if (at >= axdse_constants && at + size <= axdse_constants_end) return true;
    uintptr_t parameters = (uintptr_t)axdse_parameter;
    if (parameters && at >= parameters && at + size <= parameters + AXDSE_PARAMETER_BYTES)
        return true;
    const ElfW(Phdr) *segments = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
        const ElfW(Phdr) *each = segments + i;
        if (each->p_type != PT_LOAD || each->p_flags & PF_W) continue;
        axdse_constants = each->p_vaddr;
        axdse_constants_end = each->p_vaddr + each->p_memsz;
        if (at >= axdse_constants && at + size <= axdse_constants_end) return true;
    }
    return false;
}

static void __attribute__((noinline)) axdse_elsewhere(uintptr_t at, size_t size, bool writes) {
    if (!size || (!writes && at + size >= at && axdse_is_constant(at, size))) return;
    fprintf(axdse_err, "it %s memory that is no variable of its own", writes ? "writes" : "reads");
    fflush(axdse_err);
    _exit(AXDSE_REFUSED);
}

static inline void axdse_watch(uintptr_t at, size_t size, bool writes) {
    uintptr_t below = (uintptr_t)__builtin_frame_address(0);
    if (at < below || at > axdse_top || size > axdse_top - at) axdse_elsewhere(at, size, writes);
}

#define AXDSE_WATCHED(size)                                                          \
    void __asan_load##size##_noabort(uintptr_t at);                                  \
    void __asan_load##size##_noabort(uintptr_t at) { axdse_watch(at, size, false); } \
    void __asan_store##size##_noabort(uintptr_t at);                                 \
    void __asan_store##size##_noabort(uintptr_t at) { axdse_watch(at, size, true); }
AXDSE_WATCHED(1)
AXDSE_WATCHED(2)
AXDSE_WATCHED(4)
AXDSE_WATCHED(8)
AXDSE_WATCHED(16)
void __asan_loadN_noabort(uintptr_t at, size_t size);
void __asan_loadN_noabort(uintptr_t at, size_t size) { axdse_watch(at, size, false); }
void __asan_storeN_noabort(uintptr_t at, size_t size);
void __asan_storeN_noabort(uintptr_t at, size_t size) { axdse_watch(at, size, true); }
void __asan_handle_no_return(void);
void __asan_handle_no_return(void) {}

void *axdse_memcpy(void *to, const void *from, size_t size) {
    axdse_watch((uintptr_t)from, size, false);
    axdse_watch((uintptr_t)to, size, true);
    return memmove(to, from, size);
}
void *axdse_memmove(void *to, const void *from, size_t size) { return axdse_memcpy(to, from, size); }
void *axdse_memset(void *to, int byte, size_t size) {
    axdse_watch((uintptr_t)to, size, true);
    return memset(to, byte, size);
}
int axdse_memcmp(const void *one, const void *other, size_t size) {
    axdse_watch((uintptr_t)one, size, false);
    axdse_watch((uintptr_t)other, size, false);
    return memcmp(one, other, size);
}

static int axdse_write(const void *data, size_t size, size_t count) {
    bool written = fwrite(data, size, count, axdse_out) == count && !fflush(axdse_out);
    return written ? 0 : AXDSE_NO_SPACE;
}

/* Before a walk: fill what no call has touched yet, deep in the stack and on the heap, where a model
 * that reads before it writes would find zeros every time. */
static void __attribute__((noinline)) axdse_litter(unsigned char pattern) {
    size_t depth = 1 << 20;
    struct rlimit stack;
    if (!getrlimit(RLIMIT_STACK, &stack) && stack.rlim_cur / 4 < depth) depth = stack.rlim_cur / 4;
    void *below = alloca(depth);
    memset(below, pattern, depth);
    __asm__ volatile("" : : "r"(below) : "memory");
#ifdef M_PERTURB
    mallopt(M_PERTURB, pattern);
#endif
}

/* Before a call: leave other things where a model might look for what an earlier call left, on
 * the stack, on the heap and in the state of floating-point arithmetic. */
static void __attribute__((noinline)) axdse_disturb(uint64_t seed) {
    volatile uint64_t stack[256];
    for (unsigned i = 0; i < 256; i++) stack[i] = seed * UINT64_C(0x9E3779B97F4A7C15) + i;
#ifdef M_PERTURB
    mallopt(M_PERTURB, (int)(seed & 0xff));
#endif
    if (seed & 1)
        feraiseexcept(FE_INEXACT | FE_UNDERFLOW);
    else
        fesetenv(FE_DFL_ENV);
}

/* The n-th of 2^bits numbers in an order that looks random: each comes once. */
static uint64_t axdse_shuffled(uint64_t n, unsigned bits) {
    uint64_t mask = bits < 64 ? (UINT64_C(1) << bits) - 1 : UINT64_MAX;
    for (int round = 0; round < 3; round++) {
        n = (n * UINT64_C(0xD6E8FEB86659FD93) + UINT64_C(0x2545F4914F6CDD1D)) & mask;
        n ^= n >> (bits + 1) / 2;
    }
    return n;
}

#endif
