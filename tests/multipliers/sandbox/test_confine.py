"""Hostile C models: each is contained, which is proved on the file system, and is one line."""

import contextlib
import os
import platform
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model import cmodel
from axdse.multipliers.model import compile as compiled
from axdse.multipliers.model import translation_unit as model_unit
from axdse.multipliers.model.cmodel import program, tabulate
from axdse.multipliers.sandbox import compiler, confined
from axdse.multipliers.sandbox.bounded import run_compiler
from axdse.multipliers.sandbox.confined import launcher

HEADERS = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
"""
CORE = "uint64_t core(uint64_t a, uint64_t b) "
ALONE = "computes and does nothing else: core"

FORBIDDEN = {
    "write": 'FILE *f = fopen("{folder}/new", "w"); if (f) fputs("x", f);',
    "append": 'open("{folder}/kept", O_WRONLY | O_APPEND);',
    "truncate": 'truncate("{folder}/kept", 0);',
    "read": 'open("/etc/passwd", O_RDONLY);',
    "unlink": 'unlink("{folder}/kept");',
    "rename": 'rename("{folder}/kept", "{folder}/new");',
    "mkdir": 'mkdir("{folder}/new", 0700);',
    "link": 'symlink("/etc/passwd", "{folder}/new");',
    "chmod": 'chmod("{folder}/kept", 0777);',
    "temporary_file": "tmpfile();",
    "fork": 'if (!fork()) {{ sleep(1); open("{folder}/new", O_CREAT | O_WRONLY, 0600); }}',
    "vfork": "if (!vfork()) _exit(0);",
    "clone": "syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);",
    "clone3": "syscall(435, 0, 0);",
    "daemon": "daemon(0, 0);",
    "system": 'system("touch {folder}/new");',
    "popen": 'popen("touch {folder}/new", "r");',
    "exec": 'execl("/bin/touch", "touch", "{folder}/new", NULL);',
    "execveat": 'syscall(SYS_execveat, 0, "", 0, 0, 0);',
    "socket": "socket(AF_INET, SOCK_STREAM, 0);",
    "unix_socket": "socketpair(AF_UNIX, SOCK_STREAM, 0, (int[2]){{0}});",
    "kill_parent": "kill(getppid(), SIGKILL);",
    "kill_all": "kill(-1, SIGTERM);",
    "kill_thread": "syscall(SYS_tkill, getpid() - 1, SIGKILL);",
    "kill_by_tgkill": "syscall(SYS_tgkill, getpid() - 1, getpid() - 1, SIGKILL);",
    "ptrace": "ptrace(PTRACE_TRACEME, 0, 0, 0);",
    "new_session": "setsid();",
    "new_filter": "syscall(SYS_seccomp, 0, 0, 0);",
    "parent_death": "prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);",
    "chosen_mapping": "mmap((void *)0x10000, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);",
    "io_uring": "syscall(425, 1, 0);",
    "sleep": "sleep(3600);",
    "pause": "pause();",
    "mount": 'syscall(SYS_mount, "x", "/tmp", "tmpfs", 0, 0);',
    "reboot": "syscall(SYS_reboot, 0, 0, 0, 0);",
}


@pytest.fixture(autouse=True)
def second_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the compiler's side refuses already (test_model_unit.py) must fail here too."""
    monkeypatch.setattr(model_unit, "_refuse_code", lambda *arguments: None)
    monkeypatch.setattr(compiled, "check_object", lambda *arguments: None)
    monkeypatch.setattr(compiled, "WATCHED", "")


@pytest.fixture
def prey(tmp_path: Path) -> Path:
    """A folder with one file, which no model may change."""
    folder = tmp_path / "prey"
    folder.mkdir()
    (folder / "kept").write_text("kept")
    return folder


def untouched(folder: Path) -> bool:
    kept = folder / "kept"
    return (
        [*folder.iterdir()] == [kept]
        and kept.read_text() == "kept"
        and not kept.stat().st_mode & 1
    )


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_forbidden_call_ends_the_model(name, make_multiplier, prey):
    attack = FORBIDDEN[name].format(folder=prey)
    model = make_multiplier(f"{HEADERS}{CORE}{{ {attack} return a * b; }}")

    with pytest.raises(AxdseError, match=ALONE) as error:
        tabulate(model)
    assert "\n" not in str(error.value)
    assert untouched(prey)


@pytest.mark.parametrize(
    "place",
    [
        "__attribute__((constructor(101))) static void early(void)",
        "__attribute__((destructor)) static void late(void)",
        "static void late(void); __attribute__((constructor)) static void early(void)"
        " { atexit(late); } static void late(void)",
        "static void early(int c, char **v, char **e);"
        ' __attribute__((section(".preinit_array"), used))'
        " static void (*first)(int, char **, char **) = early;"
        " static void early(int c, char **v, char **e)",
    ],
    ids=["constructor", "destructor", "atexit", "preinit"],
)
def test_code_outside_main_is_confined_too(place, make_multiplier, prey):
    attack = f'{place} {{ creat("{prey}/new", 0600); }}'
    model = make_multiplier(f"{HEADERS}{attack}\n{CORE}{{ return a * b; }}")

    with pytest.raises(AxdseError, match=ALONE):
        tabulate(model)
    assert untouched(prey)


@pytest.mark.parametrize(
    "override",
    ["#define setrlimit(...) 0\n", "#define close(n) 0\n"],
)
def test_macros_do_not_lift_the_limits(override, make_multiplier, prey):
    attack = f'{{ creat("{prey}/new", 0600); return a * b; }}'

    with pytest.raises(AxdseError, match=ALONE):
        tabulate(make_multiplier(HEADERS + override + CORE + attack))
    assert untouched(prey)


def test_a_main_of_its_own_never_runs(make_multiplier, prey):
    source = f"""{HEADERS}
        int entry(void) {{ creat("{prey}/new", 0600); return 0; }}
        #define main(...) unused(int argc, char **argv)
        int (main)(void) {{ return entry(); }}
        {CORE}{{ return a * b; }}"""

    with pytest.raises(AxdseError, match="does not ask for its main"):
        tabulate(make_multiplier(source))
    assert untouched(prey)


def test_limits_cannot_be_raised_even_by_root(make_multiplier):
    raising = "{ struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY}; return 15 & "
    every = " + ".join(
        f"!setrlimit({name}, &all)" for name in ("RLIMIT_CPU", "RLIMIT_AS", "RLIMIT_NOFILE")
    )

    assert not tabulate(make_multiplier(f"{HEADERS}{CORE}{raising}({every}); }}")).any()


def test_signals_that_end_a_loop_cannot_be_caught(make_multiplier):
    held = "{ signal(SIGXCPU, SIG_IGN); sigset_t all; sigfillset(&all);"
    loop = "sigprocmask(SIG_BLOCK, &all, 0); for (volatile int on = 1; on;) {} return a; }"
    model = program(make_multiplier(HEADERS + CORE + held + loop)).path

    ended = subprocess.run([launcher(), model, "1", "4", "4", "0", "4"], timeout=20, check=False)

    assert ended.returncode in (-9, -24)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("for (;;) puts(\"flood\");", "answer within 1 s"),
        ("for (volatile int on = 1; on;) {}", "answer within 1 s"),
        ("for (;;) if (write(3, HEADER, sizeof HEADER) < 0) break;", "no more than its products"),
        ("for (;;) if (write(4, HEADER, sizeof HEADER) < 0) break;", "no more than its products"),
        ("for (char *p; (p = malloc(1 << 24));) *p = 1; abort();",
         "must not crash: .*SIGABRT"),
        ("return core(a + 1, b) + 1;", "must not crash: .*SIGSEGV"),
        ("static int t[4]; volatile int *p = t; return p[a * 1000000 + b];",
         "must not crash: .*SIGSEGV"),
        ("return *(volatile char *)0;", "must not crash: .*SIGSEGV"),
    ],
    ids=["flood", "loop", "results", "errors", "memory", "stack", "bounds", "null"],
)  # fmt: skip
def test_a_greedy_model_is_stopped(body, message, make_multiplier, monkeypatch):
    # Memory is filled as it is taken, up to its limit: that may take longer.
    monkeypatch.setattr(cmodel, "TIME_LIMIT_S", 1 if "within 1 s" in message else 30)
    header = "static char HEADER[1 << 16]; uint64_t core(uint64_t a, uint64_t b);"
    model = make_multiplier(
        f"#pragma GCC optimize 0\n{HEADERS}{header}{CORE}{{ {body} return a; }}"
    )

    with pytest.raises(AxdseError, match=message) as error:
        tabulate(model)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "source",
    [
        "static const uint8_t t[4] = {1}; " + CORE + "{ return t[a]; }",
        CORE + "{ volatile uint8_t t[4] = {1}; return t[b]; }",
        "static struct { uint8_t t[2][2]; } s; " + CORE + "{ return s.t[a & 1][b & 3]; }",
    ],
    ids=["static", "local", "inner"],
)
def test_an_index_past_an_array_is_found_within_its_page(source, make_multiplier):
    with pytest.raises(AxdseError, match=r"SIG(ILL|TRAP) \(an index past an array"):
        tabulate(make_multiplier(source))


def test_a_read_past_a_pointer_finds_no_secret(make_multiplier):
    """Only the program is there; of its two builds, each finds what lies behind its own array."""
    source = "static volatile uint64_t t[4], u[4]; "
    body = "{ volatile uint64_t *p = t; return p[4] & 15; }"

    found = np.zeros(1)
    with contextlib.suppress(AxdseError):  # they need not find the same
        found = tabulate(make_multiplier(source + CORE + body))
    assert not found.any()


def test_a_damaged_launcher_is_made_again(exact, own_cache, caplog):
    good = launcher().read_bytes()
    launcher().write_bytes(good[:1000])

    assert tabulate(exact.bind({"n": 3})).max() == 49
    assert launcher().read_bytes() == good
    assert "is corrupt; computing it again" in caplog.text


def test_a_model_sees_no_environment_and_no_other_files(make_multiplier, monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET", "1")
    descriptors = " + ".join(f"(lseek({n}, 0, SEEK_CUR) >= 0)" for n in range(5, 8))
    body = f"{{ extern char **environ; return !!*environ + {descriptors}; }}"
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        assert not tabulate(make_multiplier(HEADERS + CORE + body)).any()


def test_no_signal_reaches_us(make_multiplier):
    victim = subprocess.Popen(["sleep", "60"])
    try:
        attack = f"{{ kill({victim.pid}, SIGKILL); return a; }}"
        with pytest.raises(AxdseError, match=ALONE):
            tabulate(make_multiplier(HEADERS + CORE + attack))
        time.sleep(0.05)
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()


def test_nothing_connects(make_multiplier):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        attack = f"""
            #include <arpa/inet.h>
            {CORE}{{
                struct sockaddr_in to = {{AF_INET, htons({port}), {{htonl(0x7f000001)}}, {{0}}}};
                connect(socket(AF_INET, SOCK_STREAM, 0), (struct sockaddr *)&to, sizeof to);
                return a;
            }}"""
        with pytest.raises(AxdseError, match=ALONE):
            tabulate(make_multiplier(HEADERS + attack))
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86 has other system call tables")
@pytest.mark.parametrize(
    "call",
    [
        '"int $0x80" : : "a"(1), "b"(0)',
        '"syscall" : : "a"(0x40000000 | 231), "D"(0) : "rcx", "r11"',
    ],
    ids=["32_bit", "x32"],
)
def test_other_system_call_tables_are_closed(call, make_multiplier):
    with pytest.raises(AxdseError, match=ALONE):
        tabulate(make_multiplier(f"{CORE}{{ __asm__ volatile({call}); return a; }}"))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('#include "/dev/zero"\n', "folders below that: .*error"),
        ("#include </etc/shadow>\n", "folders below that: .*error"),
        ('#include "core.c"\n', "must compile: .*nested"),
        ("#define A0 1+1\n" + "".join(f"#define A{n + 1} A{n}+A{n}\n" for n in range(40))
         + "int many = A40;\n", "must compile"),
        ("__attribute__((used)) struct s { char c[1ul << 40]; } huge = {1};\n", "must compile"),
        ('__asm__(".fill 0x7fffffff, 8, 1");\n', "must compile"),
    ],
    ids=["endless_file", "secret", "itself", "macros", "array", "assembler"],
)  # fmt: skip
def test_a_bomb_for_the_compiler_is_one_line(
    source, message, make_multiplier, monkeypatch, tmp_path
):
    monkeypatch.setattr(compiler, "COMPILE_LIMIT_S", 5)
    before = sorted(tmp_path.iterdir())
    model = make_multiplier(source + CORE + "{ return a; }")
    start = time.monotonic()

    with pytest.raises(AxdseError, match=message) as error:
        tabulate(model)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    assert time.monotonic() - start < 15
    assert sorted(tmp_path.iterdir()) == sorted([*before, tmp_path / "core.c"])


def test_a_compiler_writes_in_its_folder_alone(prey, tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    script = f"echo in > in; echo out > {prey}/new; rm {prey}/kept; echo done"

    ended = run_compiler(["sh", "-c", script], folder, 10)

    assert (ended.code, ended.output) == (0, b"done\n")
    assert [path.name for path in folder.iterdir()] == ["in"]
    assert untouched(prey)


def test_nothing_outlives_a_compiler(tmp_path):
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        run_compiler(["sh", "-c", "sleep 60 & echo $! > child; wait"], tmp_path, 0.3)
    assert time.monotonic() - start < 5
    stat = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    deadline = time.monotonic() + 5
    while stat.exists() and " Z " not in stat.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not stat.exists() or " Z " in stat.read_text()


def test_a_model_ends_with_its_parent(make_multiplier):
    model = program(make_multiplier(CORE + "{ for (volatile int on = 1; on;) {} return a; }")).path
    call = [str(launcher()), str(model), "60", "4", "4", "0", "4"]
    start = f"import subprocess; p = subprocess.Popen({call});print(p.pid, flush=True); p.wait()"
    parent = subprocess.Popen([sys.executable, "-c", start], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    model = Path(f"/proc/{parent.stdout.readline().strip()}/stat")
    time.sleep(0.2)
    assert " R " in model.read_text()
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 5
    while model.exists() and " Z " not in model.read_text() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not model.exists() or " Z " in model.read_text()


def test_other_machines_are_refused(exact, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")

    with pytest.raises(AxdseError, match="Linux and 64-bit x86 or Arm: this is linux on riscv64"):
        tabulate(exact.bind({"n": 3}))


@pytest.fixture(scope="module")
def refusing(tmp_path_factory):
    """A program that starts another one where seccomp(2) is EPERM, as in some containers."""
    source = Path(__file__).with_name("refusing_kernel.c")
    program = tmp_path_factory.mktemp("kernel") / "refusing"
    command, _ = compiler.compiler()
    subprocess.run([command, "-static", str(source), "-o", str(program)], check=True)
    return program


@pytest.mark.parametrize("refused", [False, True])
def test_whether_a_kernel_refuses_is_known(refused, refusing):
    code = f"from {confined.__name__} import seccomp_available; print(seccomp_available())"
    call = [*([str(refusing)] if refused else []), sys.executable, "-c", code]
    assert subprocess.check_output(call, text=True) == f"{not refused}\n"


def test_a_kernel_that_refuses_is_one_line(exact, own_cache, refusing, monkeypatch):
    real = launcher()
    wrapper = own_cache.parent / "launcher"
    wrapper.write_text(f'#!/bin/sh\nexec {refusing} {real} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(confined, "launcher", lambda: wrapper)

    with pytest.raises(
        AxdseError, match=r"confined: the kernel refuses \(Operation not permitted\)"
    ):
        tabulate(exact.bind({"n": 3}))
