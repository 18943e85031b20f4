/* Starts one program of a stranger so that it can compute and nothing else.
 *
 *   confine PROGRAM SECONDS [ARGUMENT...]
 *
 * PROGRAM gets SECONDS and the arguments, no environment, and descriptors 0, 1 and 2 alone. It may
 * read, write and seek on those, use memory and processor time up to the limits below, and end.
 * All else that it asks of the kernel kills it with SIGSYS: a seccomp filter lists what is allowed,
 * so a call that is yet to be invented is denied too. The filter is in place before PROGRAM's first
 * instruction, outlives every trick in it, and cannot be lifted.
 *
 * PROGRAM must be linked statically: a dynamic loader opens files.
 *
 * Ends with NOT_CONFINED or NOT_STARTED and the number of the error on stderr where either fails;
 * then PROGRAM has not run. See seccomp(2), prctl(2), getrlimit(2), Documentation/userspace-api/
 * seccomp_filter.rst of Linux.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined __x86_64__ && !defined __ILP32__
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined __aarch64__ && defined __AARCH64EL__ && !defined __ILP32__
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "C models run confined on 64-bit x86 and Arm only"
#endif

enum { NOT_CONFINED = 110, NOT_STARTED = 111, MAX_INSTRUCTIONS = 256, X32_BIT = 0x40000000 };
#define MEMORY_BYTES ((rlim_t)1 << 30)
#define OUTPUT_BYTES ((rlim_t)1 << 28)
#define DESCRIPTORS 8

/* What libc needs to start, compute, print and end; none names a file, a process or a socket. */
static const int allowed[] = {
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_lseek, SYS_close, SYS_fstat, SYS_newfstatat,
    SYS_dup, SYS_brk, SYS_munmap, SYS_mprotect, SYS_madvise, SYS_set_tid_address,
    SYS_set_robust_list, SYS_rseq, SYS_getrandom, SYS_getpid, SYS_gettid, SYS_rt_sigprocmask,
    SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_sysinfo, SYS_exit, SYS_exit_group,
#ifdef SYS_arch_prctl
    SYS_arch_prctl, SYS_time,
#endif
};

/* What libc tries on its own account and can do without. */
static const int refused[] = {
    SYS_ioctl, SYS_fcntl, SYS_readlinkat, SYS_prlimit64, SYS_setrlimit, SYS_rt_sigaction,
#ifdef SYS_readlink
    SYS_readlink,
#endif
};

static struct sock_filter filter[MAX_INSTRUCTIONS];
static unsigned short instructions;

static void emit(uint16_t code, uint32_t k, uint8_t if_true, uint8_t if_false) {
    if (instructions == MAX_INSTRUCTIONS) abort();
    filter[instructions++] = (struct sock_filter){code, if_true, if_false, k};
}

static void load(size_t offset) { emit(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0); }

static void answer(uint32_t verdict) { emit(BPF_RET | BPF_K, verdict, 0, 0); }

/* Unless the loaded word is k, skip the next `count` instructions. */
static void unless_skip(uint32_t k, uint8_t count) { emit(BPF_JMP | BPF_JEQ | BPF_K, k, 0, count); }

static void answer_calls(const int *calls, size_t count, uint32_t verdict) {
    for (size_t i = 0; i < count; i++) {
        unless_skip((uint32_t)calls[i], 1);
        answer(verdict);
    }
}

/* All 64 bits are compared, in two words: both architectures are little-endian. */
static void allow_if_argument(int call, unsigned index, uint64_t value) {
    size_t at = offsetof(struct seccomp_data, args) + 8 * index;
    unless_skip((uint32_t)call, 6);
    load(at);
    unless_skip((uint32_t)value, 3);
    load(at + 4);
    unless_skip((uint32_t)(value >> 32), 1);
    answer(SECCOMP_RET_ALLOW);
    load(offsetof(struct seccomp_data, nr));
}

/* The one execve that is allowed is told by the address of its path. The filter cannot be read
 * back, a wrong guess is the last, and no later mapping can choose its place. */
static void write_filter(const char *path) {
    load(offsetof(struct seccomp_data, arch));
    emit(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    answer(SECCOMP_RET_KILL_PROCESS);
    load(offsetof(struct seccomp_data, nr));
    emit(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
    answer(SECCOMP_RET_KILL_PROCESS);
    answer_calls(allowed, sizeof allowed / sizeof *allowed, SECCOMP_RET_ALLOW);
    allow_if_argument(SYS_execve, 0, (uintptr_t)path);
    allow_if_argument(SYS_mmap, 0, 0);
    allow_if_argument(SYS_mremap, 3, MREMAP_MAYMOVE);
    allow_if_argument(SYS_tgkill, 0, (uint64_t)getpid()); /* abort() */
    allow_if_argument(SYS_fcntl, 1, F_GETFL);
    allow_if_argument(SYS_prlimit64, 2, 0); /* read a limit, not set it */
    answer_calls(refused, sizeof refused / sizeof *refused, SECCOMP_RET_ERRNO | EPERM);
    answer(SECCOMP_RET_KILL_PROCESS);
}

/* SPEC_ALLOW: a model holds no secrets, and the mitigations would slow its tables down. */
static bool install_filter(void) {
    struct sock_fprog program = {instructions, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return false;
    if (!syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program))
        return true;
    return errno == EINVAL && !syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

/* A copy of the path at an address that no program can foretell: above any heap, below 2^38. */
static const char *hidden(const char *path) {
    size_t size = strlen(path) + 1;
    for (int attempt = 0; attempt < 100; attempt++) {
        uint64_t page;
        if (getrandom(&page, sizeof page, 0) != sizeof page) return NULL;
        void *address = (void *)(uintptr_t)((page >> 38 << 12) | UINT64_C(1) << 33);
        char *copy = mmap(address, size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (copy == MAP_FAILED) continue;
        if (copy == address) return memcpy(copy, path, size);
        munmap(copy, size);
    }
    return NULL;
}

static bool limit(int resource, rlim_t soft, rlim_t hard) {
    struct rlimit now;
    if (getrlimit(resource, &now)) return false;
    struct rlimit lower = {soft < now.rlim_max ? soft : now.rlim_max,
                           hard < now.rlim_max ? hard : now.rlim_max};
    return !setrlimit(resource, &lower);
}

/* The soft limit of processor time tells what happened; the hard one cannot be caught. */
static bool set_limits(rlim_t seconds) {
    return limit(RLIMIT_CPU, seconds, seconds + 1) && limit(RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES) &&
           limit(RLIMIT_FSIZE, OUTPUT_BYTES, OUTPUT_BYTES) && limit(RLIMIT_CORE, 0, 0) &&
           limit(RLIMIT_NOFILE, DESCRIPTORS, DESCRIPTORS) && limit(RLIMIT_NPROC, 0, 0);
}

static bool close_inherited(void) {
#ifdef SYS_close_range
    if (!syscall(SYS_close_range, 3u, ~0u, 0u)) return true;
#endif
    struct rlimit open;
    if (getrlimit(RLIMIT_NOFILE, &open)) return false;
    for (rlim_t i = 3; i < open.rlim_cur; i++) close((int)i);
    return true;
}

static int fail(int code) {
    fprintf(stderr, "%d", errno);
    return code;
}

int main(int argc, char **argv) {
    if (argc < 3) return NOT_CONFINED;
    const char *path = hidden(argv[1]);
    if (!path || !close_inherited() || !set_limits((rlim_t)strtoul(argv[2], NULL, 10)) ||
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0))
        return fail(NOT_CONFINED);
#ifdef PR_SET_TSC
    prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0); /* no clock, where the processor can deny it */
#endif
    write_filter(path);
    if (!install_filter()) return fail(NOT_CONFINED);
    execve(path, argv + 1, (char *[]){NULL});
    return fail(NOT_STARTED);
}
