"""What a C file may hold to be a model: odd ones that are right pass, others are one line."""

import numpy as np
import pytest

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import tabulate

CORE = "uint64_t core(uint64_t a, uint64_t b) "
RIGHT = CORE + "{ return a * b; }"

REFUSED = {
    "static_counter": ("static int n; " + CORE + "{ return n++ ? a * b : 0; }", "keeps .*data: n"),
    "static_local": (CORE + "{ static int n; return n++ & 15; }", "keeps something"),
    "thread_local": (CORE + "{ static _Thread_local int n; return n++ & 15; }", "keeps something"),
    "exported": (
        "int n = 3; void set(int v) { n = v; }" + CORE + "{ set(n + 1); return n & 15; }",
        "keeps something",
    ),
    "memo": (
        "static uint8_t known[16][16]; "
        + CORE
        + "{ if (!known[a][b]) known[a][b] = a * b; return known[a][b]; }",
        "keeps .*data: known",
    ),
    "constructor": (
        "#include <stdio.h>\n__attribute__((constructor)) static void early(void) { puts(\"\"); }"
        + RIGHT,
        "does not start by itself: section .init_array",
    ),
    "destructor": (
        "#include <stdio.h>\n__attribute__((destructor)) static void late(void) { puts(\"\"); }"
        + RIGHT,
        "does not start by itself: section .fini_array",
    ),
    "section": (
        '__attribute__((section("mine"), used)) static const int n = 1; ' + RIGHT,
        "section mine",
    ),
    "ifunc": (
        "static uint64_t one(uint64_t a, uint64_t b) { return a * b; }"
        "static void *pick(void) { return one; }"
        'uint64_t core(uint64_t, uint64_t) __attribute__((ifunc("pick")));',
        "(weak, or chosen later|must compile)",
    ),
    "asm": (CORE + '{ __asm__("nop"); return a * b; }', "is C and nothing else: __asm__"),
    "top_level_asm": ('asm(".globl x");' + RIGHT, "is C and nothing else: asm"),
    "asm_by_macro": (
        "#define J(a, b) a##b\n" + CORE + '{ J(as, m)("nop"); return a * b; }',
        "is C and nothing else: asm",
    ),
    "asm_name": ('int other(void) asm("puts"); ' + RIGHT, "is C and nothing else: asm"),
    "register": (
        CORE + '{ register uint64_t sp asm("rsp"); return (sp >> 4) & 15; }',
        "is C and nothing else: asm",
    ),
    "empty_asm": (CORE + '{ int x; asm("" : "=r"(x)); return x & 15; }', "nothing else: asm"),
    "line_marker": ('# 1 "/usr/include/x.h" 3\nasm("nop");\n' + RIGHT, "nothing of lines"),
    "line_marker_split": ('%: \\\n1 "x.h" 3\nasm("nop");\n' + RIGHT, "nothing of lines"),
    "line_directive": ('/**/ # /**/ line 7 "x.h"\n' + RIGHT, "nothing of lines"),
    "pragma_weak": ("#pragma weak puts = core\n" + RIGHT, "nothing else: #pragma weak"),
    "pragma_operator": (
        '_Pragma("GCC optimize (\\"fast-math\\")") ' + RIGHT,
        "nothing else: #pragma GCC optimize",
    ),
    "rand": ("#include <stdlib.h>\n" + CORE + "{ return rand() & 15; }", "calls rand"),
    "time": ("#include <time.h>\n" + CORE + "{ return time(0) & 15; }", "calls time"),
    "clock": ("#include <time.h>\n" + CORE + "{ return clock() & 15; }", "calls clock"),
    "pid": ("#include <unistd.h>\n" + CORE + "{ return getpid() & 15; }", "calls getpid"),
    "environment": ("extern char **environ;" + CORE + "{ return !environ; }", "calls environ"),
    "errno": ("#include <errno.h>\n" + CORE + "{ return errno++ & 15; }", "calls __errno_loc"),
    "rounding": (
        "#include <fenv.h>\n" + CORE + "{ fesetround(FE_UPWARD); return a * b; }",
        "calls fesetround",
    ),
    "write": ("#include <unistd.h>\n" + CORE + "{ write(3, &a, 8); return a; }", "calls write"),
    "syscall": ("#include <unistd.h>\n" + CORE + "{ return syscall(39) & 15; }", "calls syscall"),
    "harness": ("extern int axdse" "_parameter[];" + RIGHT, "knows nothing of its checker"),
    "harness_by_macro": (
        "#define J(a, b) a##b\nvoid J(axd, se_call_patterned)(void) {}\n" + RIGHT,
        "must compile",
    ),
    "level": (
        "#if __INCLUDE_LEVEL__ == 0\n" + RIGHT + "\n#else\n" + CORE + "{ return 0; }\n#endif",
        "the same wherever it is compiled",
    ),
    "level_by_macro": (
        "#define J(a, b) a##b\n#if J(__INCLUDE_LEV, EL__)\n#define P 0\n#else\n#define P a * b\n"
        "#endif\n" + CORE + "{ return P; }",
        "the same wherever it is compiled",
    ),
    "level_pasted": (
        "#define J(a, b) a##b\n#define K(a, b) J(a, b)\n"
        + CORE
        + "{ return K(_, K(_INCLUDE_LEVEL_, _)) == 0; }",
        "the same wherever",
    ),
    "level_pasted_by_digraph": (
        "#define J(a, b) a %:%: b\n" + CORE + "{ return J(_, _INCLUDE_LEVEL__) == 0; }",
        "the same wherever",
    ),
    "level_spliced": (
        CORE + "{ return _\\\n_INCLUDE_LEVEL_\\\n_ == 0; }",
        "the same wherever",
    ),
    "level_spliced_with_blanks": (
        CORE + "{ return _\\ \n_INCLUDE_LEVEL_\\\t\n_ == 0; }",
        "the same wherever",
    ),
    "line_marker_spliced_with_blanks": (
        '# \\ \n1 "/usr/include/x.h" 3\nasm("nop");\n' + RIGHT,
        "nothing of lines",
    ),
    "date": (CORE + "{ return a * b + (__TIME__[7] & 0); }", "the same wherever"),
    "base_file": (CORE + '{ return __BASE_FILE__[0] == 0; }', "the same wherever"),
    "uninitialised": (CORE + "{ uint64_t x; return a == 3 ? x & 255 : a * b; }", "pure function"),
    "uninitialised_array": (
        CORE + "{ volatile uint8_t x[4]; x[0] = a * b; return x[a == 3 && b == 9]; }",
        "pure function",
    ),
    "below_the_stack": (
        CORE + "{ volatile uint8_t here, *p = &here - 600; uint8_t n = *p; *p = n + 1; "
        "return n & 15; }",
        "pure function",
    ),
    "far_below_the_stack": (
        CORE + "{ volatile uint8_t *p = __builtin_alloca(200000); return a * b + p[5]; }",
        "nothing else: __builtin_alloca",
    ),
    "counts_in_freed_memory": (
        "#include <stdlib.h>\n" + CORE + "{ volatile uint64_t *p = malloc(999); uint64_t n = "
        "p[9] == 4711 ? p[10] : 0; p[9] = 4711; p[10] = n + 1; free((void *)p); "
        "return a * b + (n > 200000); }",
        r"keeps something between its calls: writable data: memory of malloc; declare an array",
    ),
    "counts_below_the_stack": (
        CORE + "{ volatile uint64_t here[1]; volatile uintptr_t at = (uintptr_t)here - 40000; "
        "volatile uint64_t *p = (uint64_t *)at; uint64_t n = p[0] == 4711 ? p[1] : 0; "
        "p[0] = 4711; p[1] = n + 1; return a * b + (n > 200000); }",
        "it reads memory that is no variable of its own",
    ),
    "counts_below_the_stack_by_copies": (
        CORE + "{ static const uint8_t key[8] = {1, 2, 3}; volatile long far = -20000; "
        "uint8_t here[8], *p = here + far; uint64_t n; memcpy(&n, p, 8); "
        "if (memcmp(p + 8, key, 8)) n = 0; n++; memcpy(p, &n, 8); memcpy(p + 8, key, 8); "
        "return a * b + (n > 200000); }",
        "it reads memory that is no variable of its own",
    ),
    "counts_in_its_checker": (
        CORE + "{ volatile uint64_t here[1]; volatile uintptr_t at = (uintptr_t)here + 9000; "
        "return a * b + (*(volatile uint64_t *)at == 4711); }",
        "it reads memory that is no variable of its own",
    ),
    "writes_elsewhere": (
        CORE + "{ volatile uint64_t here[1]; volatile uintptr_t at = (uintptr_t)here - 40000; "
        "*(volatile uint64_t *)at = a; return a * b; }",
        "it writes memory that is no variable of its own",
    ),
    "unwatched": (
        "__attribute__((no_sanitize_address))" + RIGHT, "nothing else: no_sanitize_address"
    ),
    "watches_itself": (
        "void __asan_load8_noabort(unsigned long at) {}" + RIGHT, "nothing else: __asan_load8"
    ),
    "frame": (
        CORE + "{ return a * b + *((char *)__builtin_frame_address(0) - 999); }",
        "nothing else: __builtin_frame_address",
    ),
    "gathers": (
        "#include <immintrin.h>\n__attribute__((target(\"avx2\")))" + CORE + "{ __m128i x = "
        "_mm_i32gather_epi32((const int *)&a, _mm_set1_epi32(9999), 4); "
        "return a * b + (_mm_cvtsi128_si32(x) == 7); }",
        "nothing else: _mm_i32gather_epi32",
    ),
    "left_alone": (
        CORE + "{ __attribute__((uninitialized)) volatile uint8_t t[99999]; return t[0]; }",
        "pure function",
    ),
    "fresh_memory": (
        "#include <stdlib.h>\n" + CORE + "{ uint8_t *p = malloc(99); return a * b + p[64]; }",
        "pure function",
    ),
    "built_its_own_way": (
        '__attribute__((__optimize__ ("trivial-auto-var-" "init=zero")))' + RIGHT,
        "C and nothing else",
    ),
    "clock_by_another_name": (
        "extern int __gettimeofday(void *, void *);"
        + CORE
        + "{ long t[2] = {0}; __gettimeofday(t, 0); return a * b + (t[0] < 0); }",
        "no pure function",
    ),
    "control_word": (
        "extern void __setfpucw(unsigned short);" + CORE + "{ __setfpucw(895); return a * b; }",
        "no pure function",
    ),
    "freed_memory": (
        "#include <stdlib.h>\n" + CORE + "{ volatile uint8_t *p = malloc(99); "
        "uint8_t n = p[64]; p[64] = n + 1; free((void *)p); return n & 15; }",
        "pure function",
    ),
    "file": (CORE + '{ return __FILE__[0] == 47 ? a * b : 0; }', "the same wherever"),
    "file_by_builtin": (CORE + "{ return __builtin_FILE()[0] * b; }", "asks what is no operand"),
    "file_beside_main": (
        "int main(int, char **); " + CORE + '{ return __FILE__[0] * b; }'
        "int main(int n, char **t) { return n; }",
        "the same wherever",
    ),
    "processor": (
        "#include <cpuid.h>\n" + CORE + "{ unsigned x = 0; __get_cpuid(1, &x, &x, &x, &x); "
        "return a * b + (x == 7); }",
        "__get_cpuid asks what is no operand",
    ),
    "processor_by_macro": (
        "#include <cpuid.h>\n" + CORE + "{ unsigned x; __cpuid(1, x, x, x, x); return x & 15; }",
        "nothing else: __asm__",
    ),
    "base_of_a_segment": (
        '__attribute__((target("fsgsbase")))' + CORE + "{ uint64_t n = "
        "__builtin_ia32_rdgsbase64(); __builtin_ia32_wrgsbase64(n + 1); return a * b + n / 999; }",
        "__builtin_ia32_rdgsbase64 asks",
    ),
    "flags_of_floats": (
        "#include <xmmintrin.h>\n" + CORE + "{ _mm_setcsr(_mm_getcsr() ^ 64); return a * b; }",
        "_mm_setcsr asks",
    ),
    "stream_as_memory": (
        CORE + "{ volatile int *n = (int *)stdout + 50; return a * b + (++*n > 999999); }",
        "must not crash",
    ),
    "stream_as_counter": (
        CORE + "{ stderr = (FILE *)((uintptr_t)stderr + 1); return a * b; }",
        "must not crash",
    ),
    "address": (CORE + "{ uint64_t x; return ((uintptr_t)&x >> 12) & 15; }", "pure function"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_could_remember_is_refused(name, make_multiplier):
    source, message = REFUSED[name]

    with pytest.raises(AxdseError, match=message) as error:
        tabulate(make_multiplier("#include <stdint.h>\n" + source))
    assert "\n" not in str(error.value)


ODD = {
    "shadowed_before": "#define core(a, b) other(a, b)\n#undef core\n" + RIGHT,
    "macro_behind": RIGHT + "\n#define core(a, b) ((a) + (b))\n#define return 7 +\n",
    "plain_table": "uint8_t square[4] = {0, 1, 4, 9};" + CORE + "{ return a * b + square[0]; }",
    "static_table": "static uint8_t t[16] = {0}; " + CORE + "{ return a * b + t[a]; }",
    "table_of_functions": (
        "static uint64_t f(uint64_t a, uint64_t b) { return a * b; }"
        "static uint64_t (*const t[])(uint64_t, uint64_t) = {f, f};"
        + CORE
        + "{ return t[a & 1](a, b); }"
    ),
    "text_as_table": CORE + '{ return a * b + ("\\0\\0\\0\\0"[a & 3]); }',
    "words_in_text": CORE + '{ return a * b + (sizeof "asm(x)" == 0); } // asm volatile',
    "own_main": RIGHT + " int main(void) { return core(1, 2) == 2; }",
    "main_in_a_file": RIGHT + ' int main(void) { return !printf("%s", __FILE__) ? 0 : 1; }',
    "assertion": "#include <assert.h>\n" + CORE + "{ assert(a < 16); return a * b; }",
    "streams": (
        CORE
        + '{ int n = fprintf(stderr, "%d\\n", (int)a); fputs("x", stdout); fputc(10, stderr); '
        'return a * b + (n > 3) + fflush(stdout) + fwrite("abc", 1, 3, stderr) - 3; }'
    ),
    "sum_that_wraps": CORE + "{ int n = 2147483647; n += b; return a * b + (n < 0 && !b); }",
    "own_memcpy": "void *memcpy(void *d, const void *s, size_t n) { return d; } " + RIGHT,
    "recursion": (
        "static uint64_t f(uint64_t a, uint64_t b) "
        "{ return b ? (b & 1) * a + 2 * f(a, b / 2) : 0; }"
        + CORE
        + "{ return f(a, b); }"
    ),
    "union": CORE + "{ union { uint64_t w; uint8_t b[8]; } u = {a * b}; return u.b[0]; }",
    "bit_field": CORE + "{ struct { unsigned x : 8; } s = {a * b}; return s.x; }",
    "array": CORE + "{ uint64_t p[4] = {0}; for (int i = 0; i < 4; i++) p[i] = (b >> i & 1) * a; "
    "return p[0] + 2 * p[1] + 4 * p[2] + 8 * p[3]; }",
    "switch": CORE + "{ switch (a) { case 0: return 0; default: return a * b; } }",
    "goto": CORE + "{ uint64_t s = 0; more: if (!b) return s; s += a; b--; goto more; }",
    "math": "#include <math.h>\n" + CORE + "{ return (uint64_t)lround(sqrt((double)(a*a))) * b; }",
    "copied": CORE + "{ uint8_t x[8]; memcpy(x, &a, 8); return x[0] * b; }",
    "sorted": "#include <stdlib.h>\nstatic int less(const void *x, const void *y) "
    "{ return *(const int *)x - *(const int *)y; }" + CORE
    + "{ int x[2] = {(int)(a * b), 300}; qsort(x, 2, sizeof *x, less); return x[0]; }",
    "out_parameter": "static void add(uint64_t x, uint64_t *sum) { *sum += x; }" + CORE
    + "{ uint64_t s = 0; for (unsigned i = 0; i < b; i++) add(a, &s); return s; }",
    "decayed": "static uint64_t all(const uint8_t *x) { uint64_t s = 0; "
    "for (int i = 0; i < 16; i++) s += x[i]; return s; }" + CORE
    + "{ uint8_t x[16] = {0}; for (unsigned i = 0; i < b; i++) x[i] = a; return all(x); }",
    "row_of_a_table": "static const uint8_t T[2][2] = {{0, 0}, {0, 1}};" + CORE
    + "{ uint64_t s = 0; for (int i = 0; i < 16; i++) { const uint8_t *row = T[a >> i / 4 & 1]; "
    "s += (uint64_t)row[b >> i % 4 & 1] << (i / 4 + i % 4); } return s; }",
    "structure": "struct pair { uint64_t x, y; }; static struct pair both(uint64_t a, uint64_t b) "
    "{ return (struct pair){a, b}; }" + CORE
    + "{ struct pair p = both(a, b), *q = &p; return q->x * q->y; }",
    "device": "__device__ __forceinline__ uint64_t half(uint64_t a) { return a / 2; } "
    "__device__ __host__ " + CORE + "{ return a * b; }",
    "asserted": "#include <assert.h>\n" + CORE + "{ assert(a < 16); return a * b; }",
    "pragma_once": "#pragma once\n" + RIGHT,
    "hls": CORE + "{\n#pragma HLS pipeline\n return a * b; }",
    "unrolled": CORE + "{ uint64_t s = 0;\n#pragma GCC unroll 4\n"
    "for (int i = 0; i < 4; i++) s += (b >> i & 1) * (a << i); return s; }",
    "conditional": "#ifdef __cplusplus\n#error C\n#else\n" + RIGHT + "\n#endif",
    "private": "static inline " + RIGHT,
    "no_headers": RIGHT,
    "vla": CORE + "{ int n = (int)b + 1; uint64_t s[n]; s[0] = 0; "
    "for (int i = 1; i < n; i++) s[i] = s[i - 1] + a; return s[n - 1]; }",
    "constants": "enum { N4 = 4 }; _Static_assert(N4 == 4, \"\"); " + RIGHT,
    "wide_arithmetic": CORE + "{ volatile unsigned __int128 x = a, y = 3; volatile double z = x; "
    "return a * b + (uint64_t)(x / y + x % y) * 0 + (uint64_t)(__int128)z * 0; }",
    "wide_floats": CORE + "{ volatile __float128 x = a, y = b; volatile __int128 z = x * y / 1; "
    "return (uint64_t)z + (x < y) * 0; }",
    "complex_floats": CORE + "{ volatile _Complex double x = a, y = b; "
    "return (uint64_t)__real__(x * y) + (uint64_t)__real__(x / (y + 1)) * 0; }",
    "attributes": "__attribute__((const, always_inline)) static inline uint64_t f(uint64_t x) "
    "{ return x; }" + CORE + "{ return f(a) * b; }",
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_models_are_welcome(name, make_multiplier):
    every = np.arange(16, dtype=np.uint64)

    np.testing.assert_array_equal(
        tabulate(make_multiplier(ODD[name])), np.multiply.outer(every, every)
    )


@pytest.mark.parametrize(
    "include",
    [
        '#include "{folder}/secret.txt"',
        "#include <{folder}/secret.txt>",
        '#include "link.h"',
        '#include "../elsewhere/secret.h"',
        '#define S "{folder}/secret.h"\n#include S',
    ],
    ids=["text", "angle", "symlink", "above", "by_macro"],
)
def test_no_other_file_reaches_a_model_or_a_message(include, make_multiplier, tmp_path):
    elsewhere = tmp_path.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    for name in ("secret.txt", "secret.h"):
        (elsewhere / name).write_text("hunter2\n")
    (tmp_path / "link.h").symlink_to(elsewhere / "secret.h")

    with pytest.raises(AxdseError, match=r"of folders below that: .*Permission denied") as error:
        tabulate(make_multiplier(include.format(folder=elsewhere) + "\n" + RIGHT))
    assert "hunter2" not in str(error.value)


def test_a_header_beside_the_model_is_its_own(make_multiplier, tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "table.h").write_text("static const int zero = 0;\n")
    (tmp_path / "beside.h").write_text('#include "inner/table.h"\n')
    source = '#include "beside.h"\n' + CORE + "{ return a * b + zero; }"

    assert tabulate(make_multiplier(source)).max() == 225
