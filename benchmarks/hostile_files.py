"""What do strangers write who want more than a verdict? C models and Verilog, each an attack.

OUT stands for a folder that no file may touch, with a file `secret` in it; PORT for a port of this
machine that listens. An attack of C comes with Verilog that multiplies, and the other way round.
"""

from dataclasses import dataclass, field

EQUAL, DIFFERENT, REFUSED = 0, 1, 2


@dataclass(frozen=True)
class Hostile:
    """One attack and what must come of it.

    Attributes:
        name: of the attack.
        model: C source.
        rtl: Verilog source.
        wanted: the exit code.
        says: what the message must hold, as a regular expression.
        files: further ones beside the two, by name: text, `-> PATH` for a link, or `fifo`.
        environment: further variables.
        short: among those that the tests run.
        limit_s: wall time that it may take.
    """

    name: str
    model: str
    rtl: str
    wanted: int = REFUSED
    says: str = ""
    files: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    short: bool = False
    limit_s: float = 20.0


HEAD = "#include <stdint.h>\n"
CORE = "uint64_t m(uint64_t a, uint64_t b)"
GOOD_C = f"{HEAD}{CORE} {{ return (a & 15) * (b & 15); }}\n"
PORTS = "module m(input [3:0] a, input [3:0] b, output [7:0] p);\n"
GOOD_V = f"{PORTS}assign p = a * b;\nendmodule\n"


def _c(name: str, body: str, headers: str = "", before: str = "", **rest: object) -> Hostile:
    """A model that attacks when it is called, or before."""
    includes = "".join(f"#include <{header}.h>\n" for header in headers.split())
    model = f"#define _GNU_SOURCE\n{HEAD}{includes}{before}\n{CORE} {{ {body} return a * b; }}\n"
    return Hostile(name, model, GOOD_V, **rest)  # type: ignore[arg-type]


def _text(name: str, model: str, **rest: object) -> Hostile:
    return Hostile(name, model, GOOD_V, **rest)  # type: ignore[arg-type]


def _v(name: str, inside: str, before: str = "", after: str = "", **rest: object) -> Hostile:
    """Verilog that multiplies, with something else in it, before it or behind it."""
    rtl = f"{before}\n{PORTS}assign p = a * b;\n{inside}\nendmodule\n{after}\n"
    return Hostile(name, GOOD_C, rtl, **rest)  # type: ignore[arg-type]


LAUGHS = "#define L0 1+1+1+1+1+1+1+1+1+1\n" + "".join(
    f"#define L{n} {'+'.join([f'L{n - 1}'] * 10)}\n" for n in range(1, 10)
)
V_LAUGHS = "`define L0 a\n" + "".join(
    f"`define L{n} {' + '.join([f'`L{n - 1}'] * 10)}\n" for n in range(1, 9)
)
SUSPECT = "computes and does nothing else|is a pure function|no pure|m.c"

RUN_TIME = (
    _c("c_write", 'FILE *f = fopen("OUT/new", "w"); if (f) fputs("x", f);', "stdio", short=True),
    _c("c_append", 'FILE *f = fopen("OUT/secret", "a"); if (f) fputs("x", f);', "stdio"),
    _c("c_read_passwd", 'open("/etc/passwd", O_RDONLY);', "fcntl"),
    _c("c_unlink", 'unlink("OUT/secret");', "unistd"),
    _c("c_rename", 'rename("OUT/secret", "OUT/new");', "stdio"),
    _c("c_fork_bomb", "for (;;) fork();", "unistd"),
    _c("c_exec", 'execl("/bin/touch", "touch", "OUT/new", (char *)0);', "unistd"),
    _c("c_system", 'system("touch OUT/new");', "stdlib"),
    _c(
        "c_connect",
        "int s = socket(2, 1, 0); struct sockaddr_in to = {.sin_family = 2,"
        " .sin_port = htons(PORT), .sin_addr.s_addr = htonl(0x7f000001)};"
        " connect(s, (void *)&to, sizeof to);",
        "sys/socket netinet/in",
    ),
    _c("c_kill_parent", "kill(getppid(), 9);", "signal unistd"),
    _c("c_kill_all", "kill(-1, 15);", "signal"),
    _c("c_getenv", 'char *s = getenv("OWLS"); if (s) puts(s);', "stdlib stdio"),
    _c("c_fill_memory", "for (;;) { char *p = malloc(1 << 20); p[0] = 1; }", "stdlib", limit_s=90),
    _c(
        "c_fill_stack",
        "return deep(a + b);",
        before="uint64_t deep(uint64_t n) { volatile char x[4096]; x[n % 4096] = 1;"
        " return n == ~0ull ? 0 : deep(n + 1) + x[0]; }",
        says="crash|SIGSEGV|pure",
    ),
    _c("c_fill_output", 'for (;;) puts("xxxxxxxxxxxxxxxxxxxxxxxxxxxxx");', "stdio", limit_s=90),
    _c("c_loop", "for (;;) a += b;", says="must answer within", limit_s=90),
    _c("c_abort", "abort();", "stdlib"),
    _c("c_exit_0", "_Exit(0);", "stdlib"),
    _c("c_divide_by_zero", "return a / b;", says="crash"),
    _c("c_null", "*(volatile int *)a = 1;", says="crash|SIGSEGV"),
    _c("c_huge_local", "volatile char x[1ull << 40]; x[a] = 1;"),
    _c(
        "c_huge_static",
        "return x[a];",
        before="static const char x[1ull << 33];",
        wanted=DIFFERENT,
    ),
    _c("c_huge_data", "return x[a + b];", before="static const char x[3 << 28] = {1};"),
    _c("c_sleep", "sleep(3600);", "unistd"),
    _c("c_signal", "signal(11, SIG_IGN);", "signal"),
    _c("c_longjmp", "jmp_buf j; if (!setjmp(j)) longjmp(j, 1);", "setjmp", wanted=EQUAL),
    _c("c_self_write", "*(volatile char *)(uintptr_t)&m = 0xc3;", before=f"{CORE};"),
    _c("c_vararg_syscall", "syscall(57);", "unistd"),
)

COMPILE_TIME = (
    _c("c_asm", '__asm__("nop");', short=True),
    _c("c_asm_incbin", "return 0;", before='asm(".section .rodata\\n.incbin \\"OUT/secret\\"");'),
    _c(
        "c_asm_pasted",
        "return 0;",
        before='#define J(x, y) x##y\nJ(a, sm)(".inc" "bin \\"OUT/secret\\"");',
    ),
    _c("c_asm_spliced", "return 0;", before='__as\\\nm__(".incbin \\"OUT/secret\\"");'),
    _c("c_asm_pragma", "return 0;", before='_Pragma("GCC asm \\"x\\"") asm("");'),
    _c("c_asm_label", "return f(a, b);", before='uint64_t f(uint64_t, uint64_t) asm("system");'),
    _c("c_section", "return x;", before='__attribute__((section(".init_array"))) void *x = 0;'),
    _c(
        "c_section_flags",
        "return x[a];",
        before='__attribute__((section(".text,\\"ax\\"\\n.incbin \\"OUT/secret\\"#")))'
        " const char x[16] = {1};",
    ),
    _c("c_constructor", "", "", before="__attribute__((constructor)) void f(void) { for (;;); }"),
    _c("c_destructor", "", "", before="__attribute__((destructor)) void f(void) { for (;;); }"),
    _c(
        "c_ifunc",
        "return f(a, b);",
        before="static uint64_t g(uint64_t a, uint64_t b) { return a * b; }\n"
        "static void *pick(void) { return g; }\n"
        'uint64_t f(uint64_t, uint64_t) __attribute__((ifunc("pick")));',
    ),
    _c(
        "c_alias",
        "return a * b;",
        before='void main2(void) __attribute__((alias("m")));',
        wanted=EQUAL,
    ),
    _c("c_weak_main", "", before="int main(void) { for (;;); }", wanted=EQUAL),
    _c(
        "c_cleanup",
        "int x __attribute__((cleanup(f))) = 0;",
        before="void f(int *x) { *x = 1; }",
        wanted=EQUAL,
    ),
    _text("c_include_passwd", f'#include "/etc/passwd"\n{GOOD_C}', short=True),
    _text("c_include_secret", f'#include "OUT/secret"\n{GOOD_C}'),
    _text("c_include_up", f'#include "../out/secret"\n{GOOD_C}'),
    _text("c_include_macro", f'#define F "OUT/secret"\n#include F\n{GOOD_C}'),
    _text("c_include_next", f'#include_next "OUT/secret"\n{GOOD_C}'),
    _text("c_import", f'#import "OUT/secret"\n{GOOD_C}'),
    _text("c_has_include", f'#if __has_include("OUT/secret")\n#error seen\n#endif\n{GOOD_C}'),
    _text("c_embed", f"#embed </etc/passwd>\n{GOOD_C}"),
    _text("c_include_zero", f'#include "/dev/zero"\n{GOOD_C}', short=True),
    _text("c_include_random", f'#include "/dev/random"\n{GOOD_C}'),
    _text("c_include_stdin", f'#include "/dev/stdin"\n{GOOD_C}', wanted=EQUAL),
    _text("c_include_proc", f'#include "/proc/self/environ"\n{GOOD_C}'),
    _text("c_include_fifo", f'#include "pipe.h"\n{GOOD_C}', files={"pipe.h": "fifo"}, short=True),
    _text("c_include_link", f'#include "x.h"\n{GOOD_C}', files={"x.h": "-> OUT/secret"}),
    _text("c_include_folder", f'#include "."\n{GOOD_C}'),
    _text("c_include_itself", f'#include "m.c"\n{GOOD_C}'),
    _text(
        "c_include_twice",
        f'#include "x.h"\n{GOOD_C}',
        files={"x.h": '#include "x.h"\n' * 2},
        limit_s=90,
    ),
    _text("c_include_spliced", f'#incl\\\nude "OUT/secret"\n{GOOD_C}'),
    _text("c_include_digraph", f'%:include "OUT/secret"\n{GOOD_C}'),
    _text("c_include_trigraph", f'??=include "OUT/secret"\n{GOOD_C}'),
    _text("c_line_marker", f'# 1 "/etc/passwd" 1 3\n{GOOD_C}#error shown\n'),
    _text("c_line_directive", f'#line 1 "OUT/secret"\n{GOOD_C}{CORE} {{\n'),
    _text("c_pragma_dependency", f'#pragma GCC dependency "OUT/secret"\n{GOOD_C}'),
    _text("c_pragma_system", f"#pragma GCC system_header\n{GOOD_C}"),
    _text("c_pragma_optimize", f'#pragma GCC optimize ("fplugin=OUT/secret")\n{GOOD_C}'),
    _text("c_pragma_target", f'_Pragma("GCC target(\\"no-sse\\")")\n{GOOD_C}'),
    _text("c_pragma_redefine", f"#pragma redefine_extname m system\n{GOOD_C}"),
    _text("c_pragma_weak", f"#pragma weak m = system\n{GOOD_C}"),
    _text("c_pragma_push", f'#pragma push_macro("m")\n{GOOD_C}', wanted=EQUAL),
    _text("c_laughs", f"{LAUGHS}{GOOD_C}int x = L9;\n", limit_s=90),
    _text("c_nested", f"{GOOD_C}int x = {'(' * 200_000}1{')' * 200_000};\n", limit_s=90),
    _text(
        "c_nested_blocks", f"{CORE} {'{' * 20_000}{'}' * 20_000}\n", limit_s=90, wanted=DIFFERENT
    ),
    _text("c_long_name", f"{HEAD}#define x {'y' * 1_000_000}\n{GOOD_C}", wanted=EQUAL),
    _text("c_long_line", f"{GOOD_C}// {'x' * 10_000_000}\n"),
    _text("c_errors", f"{GOOD_C}" + "x y z;\n" * 20_000),
    _text("c_escapes", f"{GOOD_C}#error \x1b]0;owned\x07\x1b[2J\n"),
    _text("c_nul", f"{GOOD_C}\0"),
    _text(
        "c_constant_folding",
        f'{GOOD_C}_Static_assert(__builtin_popcountll(1ull << 63) == 2, "x");\n',
    ),
    _text("c_not_c", "\x7fELF" + "\xff" * 100),
    _text("c_empty", ""),
    Hostile("c_is_link", "-> OUT/secret", GOOD_V),
    Hostile("c_is_fifo", "fifo", GOOD_V, short=True),
    Hostile("c_is_folder", "folder", GOOD_V),
    Hostile("c_is_zero", "-> /dev/zero", GOOD_V),
    *(
        Hostile(f"environment_{name.lower()}", GOOD_C, GOOD_V, EQUAL, environment={name: value})
        for name, value in (
            ("CPATH", "OUT"),
            ("C_INCLUDE_PATH", "OUT"),
            ("DEPENDENCIES_OUTPUT", "OUT/new"),
            ("SUNPRO_DEPENDENCIES", "OUT/new"),
            ("GCC_EXEC_PREFIX", "OUT/"),
            ("COMPILER_PATH", "OUT"),
            ("LIBRARY_PATH", "OUT"),
            ("LD_PRELOAD", "OUT/secret"),
            ("COLLECT_GCC_OPTIONS", "-o OUT/new"),
            ("GCC_COMPARE_DEBUG", "-fdump-tree-all"),
            ("IVERILOG_DUMPER", "lxt"),
            ("CFLAGS", "-include OUT/secret"),
        )
    ),
)

VERILOG = (
    _v("v_system", 'initial $system("touch OUT/new");', short=True),
    _v("v_fopen", 'integer f; initial f = $fopen("OUT/new");', says="fopen"),
    _v("v_readmemh", 'reg [7:0] x [0:9]; initial $readmemh("OUT/secret", x);'),
    _v("v_writememh", 'reg [7:0] x [0:9]; initial $writememh("OUT/new", x);'),
    _v("v_fread", 'integer f; reg [7:0] x; initial f = $fread(x, "OUT/secret");'),
    _v("v_dumpfile", 'initial begin $dumpfile("OUT/new"); $dumpvars; end'),
    _v("v_display", 'initial $display("done: 0 mismatches");'),
    _v("v_random", "wire x = $random;"),
    _v("v_finish", "initial $finish;", says="finish"),
    _v("v_stop", "initial $stop;", short=True),
    _v("v_fatal", "initial $fatal(0);"),
    _v("v_plusargs", 'wire x = $test$plusargs("seed");'),
    _v("v_sdf", 'initial $sdf_annotate("OUT/secret");'),
    _v("v_task_escaped", "initial \\$finish ;"),
    _v("v_task_in_macro", "initial `T;", "`define T $finish"),
    _v("v_task_pasted", "initial `T(fin);", "`define T(x) $``x``ish"),
    _v("v_include", "", '`include "OUT/secret"', short=True),
    _v("v_include_passwd", "", '`include "/etc/passwd"'),
    _v("v_include_macro", "`F", '`define F `include "OUT/secret"'),
    _v("v_line", "", '`line 1 "OUT/secret" 0'),
    _v("v_pragma", "", "`pragma protect begin"),
    _v("v_dpi", 'import "DPI-C" function int system(string s);', short=True),
    _v("v_dpi_export", 'export "DPI-C" function f;'),
    _v("v_force", "initial force p = 0;"),
    _v("v_release", "initial release p;"),
    _v("v_bind", "", after="bind rtl_bench m other();"),
    _v("v_hierarchy", "initial rtl_bench.done = 1;"),
    _v("v_program", "", after="program q; endprogram"),
    _v("v_config", "", after="config c; design m; endconfig"),
    _v("v_loop", "integer i; initial while (1) i = i;", short=True),
    _v("v_forever", "reg x; always x = ~x;"),
    _v("v_zero_delay", "reg x = 0; always #0 x = ~x;"),
    _v("v_free_running", "reg x = 0; always #1 x = ~x;"),
    _v(
        "v_for_ever",
        "reg x; integer i; always @* for (i = 0; i < 1; i = i) x = a[0];",
        limit_s=90,
    ),
    _v(
        "v_long_for",
        "reg x; integer i; always @* for (i = 0; i < 2000000000; i = i + 1) x = a;",
        limit_s=90.0,
    ),
    _v(
        "v_generate",
        "genvar i; for (i = 0; i < 100000000; i = i + 1) begin wire x; end",
        limit_s=90.0,
    ),
    _v("v_generate_ever", "genvar i; for (i = 0; i >= 0; i = i) begin wire x; end", limit_s=90.0),
    _v("v_recursion", "m again(.a(a), .b(b), .p());"),
    _v(
        "v_recursive_function",
        "function automatic [3:0] f(input [3:0] x); f = f(x); endfunction wire [3:0] y = f(a);",
        limit_s=90.0,
    ),
    _v("v_exponential", "`L8", V_LAUGHS.replace("`L8", "`L8")),
    _v("v_laughs", "wire [3:0] x = `L8;", V_LAUGHS),
    _v("v_self_macro", "wire x = `X;", "`define X `X"),
    _v("v_mutual_macros", "wire x = `X;", "`define X `Y\n`define Y `X"),
    _v("v_huge_vector", "wire [2147483647:0] x = a;", short=True),
    _v("v_huge_memory", "reg [1023:0] x [0:1073741823]; wire y = x[a];"),
    _v("v_huge_repeat", "wire x = {1000000000{a}};"),
    _v("v_huge_number", f"wire x = 100000000'b{'1' * 1000};"),
    _v("v_huge_shift", "wire [3:0] x = 1 << (1 << 30);", wanted=EQUAL),
    _v("v_huge_power", "localparam [99999:0] N = 7 ** 99999; wire x = N[3];", limit_s=90.0),
    _v(
        "v_huge_multiply",
        "wire [65535:0] x = {16384{a}} * {16384{b}}; wire y = ^x;",
        limit_s=400.0,
    ),
    _v("v_nested", f"wire x = {'(' * 100_000}a{')' * 100_000};"),
    _v("v_nested_begin", f"reg x; always @* {'begin ' * 50_000} x = a; {'end ' * 50_000}"),
    _v("v_nested_if", f"reg x; always @* {'if (a) ' * 50_000} x = a; else x = b;"),
    _v("v_nested_ifdef", "", "`ifdef X\n" * 50_000 + "`endif\n" * 50_000, wanted=EQUAL),
    _v("v_nested_calls", "", f"`define F(x) x\n// {'`F(' * 300_000}{')' * 300_000}"),
    _v("v_comments", "/*" * 500_000),
    _v("v_long_line", f"// {'x' * 10_000_000}"),
    _v("v_long_name", f"wire {'x' * 1_000_000};"),
    _v("v_many_wires", "".join(f"wire x{n} = a;" for n in range(100_000)), limit_s=90.0),
    _v(
        "v_many_modules",
        "",
        "".join(f"module n{n}; endmodule\n" for n in range(20_000)),
        wanted=EQUAL,
        limit_s=90.0,
    ),
    _v("v_attribute_keep", '(* keep, src = "OUT/secret" *) wire x = a;', wanted=EQUAL),
    _v("v_attribute_top", "", "(* top *) module n(input x, output y); endmodule", wanted=EQUAL),
    _v(
        "v_attribute_blackbox",
        "n x(a[0]);",
        "(* blackbox *) module n(input x); endmodule",
        wanted=EQUAL,
    ),
    _v("v_attribute_techmap", '(* techmap_celltype = "$mul" *) wire x = a;', wanted=EQUAL),
    _v("v_attribute_abc", '(* abc9_script = "source OUT/secret" *) wire x = a;', wanted=EQUAL),
    _v("v_translate_off", "/* synthesis translate_off */ wire x = a; /* translate_on */"),
    _v("v_escaped", "wire \\a+b = a[0];", wanted=EQUAL),
    _v("v_escaped_path", "wire \\../../OUT/new = a[0];"),
    _v("v_escaped_command", "wire \\;exec\\touch = a[0];"),
    _v("v_escaped_module", "", after="module \\OUT/new (input x); endmodule"),
    _v("v_celldefine", "", "`celldefine", "`endcelldefine", wanted=EQUAL),
    _v("v_specify", "specify (a => p) = 1; endspecify", wanted=EQUAL),
    _v("v_specify_forever", "specify $setup(a, b, 1); endspecify"),
    _v(
        "v_primitive",
        "",
        after="primitive q(o, i); output o; input i; table 0:1; endtable endprimitive",
    ),
    _v("v_event", "event e; always @(e) -> e;"),
    _v("v_wait", "reg x; initial wait (x) x = 0;"),
    _v("v_fork", "reg x; initial fork x = 0; x = 1; join"),
    _v("v_deassign", "reg x; initial begin assign x = 1; deassign x; end"),
    _v("v_strength", "supply0 z; assign (supply1, supply0) p = 0;"),
    _v("v_class", "", after="class c; endclass"),
    _v("v_assert", "always @* assert (0);"),
    _v("v_undefined_macro", "wire x = `__FILE__;"),
    _v("v_escapes", "\x1b]0;owned\x07"),
    _v("v_nul", "\0"),
    Hostile("v_empty", GOOD_C, ""),
    Hostile("v_not_verilog", GOOD_C, "\x7fELF" + "\xff" * 100),
    Hostile("v_is_link", GOOD_C, "-> OUT/secret"),
    Hostile("v_is_fifo", GOOD_C, "fifo", short=True),
    Hostile("v_is_folder", GOOD_C, "folder"),
    Hostile("v_is_zero", GOOD_C, "-> /dev/zero"),
)
ATTACKS = (*RUN_TIME, *COMPILE_TIME, *VERILOG)
