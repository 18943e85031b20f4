"""The command line: outputs for scripts, exit codes, one line for bad input."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest

from axdse.dse.cli import machine, run, verify
from axdse.dse.cli.commands import cli
from axdse.dse.run.config import load_config
from axdse.flows.evidence.report import RtlReport
from axdse.flows.verify.check import check
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier

FAMILIES = tuple(builtin_catalog().families)
ROOT = Path(__file__).parents[3]


def test_list_json_has_one_object_per_family(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "--json"]) == 0
    assert tuple(entry["name"] for entry in json.loads(capsys.readouterr().out)) == FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_list_names_every_family(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    assert f"{family}(" in capsys.readouterr().out


@pytest.mark.parametrize("family", FAMILIES)
def test_show_json(family: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", family, "--json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["family"]["name"] == family
    assert (shown["error"]["error_rate"] == 0) == (shown["family"]["error_sign"] == "exact")


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    """The words of every command, those of groups within groups too."""
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


@pytest.mark.parametrize("command", tuple(commands(cli)), ids=" ".join)
def test_help(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: axdse {' '.join(command)}")


def test_doctor_finds_everything_that_the_tests_need(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--json"]) == 0
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert "Icarus" in findings["iverilog"]["found"]


def test_doctor_names_the_missing_tool(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert run(["doctor", "--json"]) == 1
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["yosys"]["remedy"] == "apt-get install yosys"


@pytest.mark.parametrize(
    ("version", "found"),
    [
        (0, ""),
        (3, "version 3: files"),
        (4, "version 4: files, TCP"),
        (6, "version 6: files, TCP, signals"),
    ],
)
def test_doctor_says_what_landlock_holds(
    version: int, found: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "fence_version", lambda: version)
    assert run(["doctor", "--json"]) == 0
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert findings["Landlock"]["found"] == found
    assert ("CONFIG_SECURITY_LANDLOCK" in findings["Landlock"]["remedy"]) == (not found)


def test_doctor_misses_seccomp(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "seccomp_available", lambda: False)
    assert run(["doctor", "--json"]) == 1
    findings = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert "allow seccomp filters here" in findings["seccomp"]["remedy"]


def test_verify_defaults_is_every_family_at_its_defaults(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their agreement itself is that of tests/flows/verify/test_check.py."""
    report = check(builtin_catalog().multiplier("exact(n=4)"))

    def checked(multipliers: list[Multiplier], **_: object) -> Iterator[RtlReport]:
        return (replace(report, design=multiplier.spec) for multiplier in multipliers)

    monkeypatch.setattr(verify, "check_all", checked)
    assert run(["verify", "--defaults", "--json"]) == 0
    designs = [entry["design"] for entry in json.loads(capsys.readouterr().out)]
    assert designs == [family.bind().spec for family in builtin_catalog().families.values()]


def test_verify_says_how_many_vectors(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", "exact(n=4)", "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["verdict"], report["vectors"]) == ("exhaustive", 256)


@pytest.fixture
def swapped_files(tmp_path: Path) -> list[str]:
    """A C model declared (b, a), as most of EvoApproxLib's, beside its (A, B, O) Verilog."""
    model, rtl = tmp_path / "skew.c", tmp_path / "skew.v"
    model.write_text(
        "#include <stdint.h>\n"
        "uint64_t skew(const uint64_t B, const uint64_t A) { return A * (B & 14); }\n"
    )
    rtl.write_text(
        "module skew (input [3:0] A, input [3:0] B, output [7:0] O);\n"
        "  assign O = A * {B[3:1], 1'b0};\nendmodule\n"
    )
    return ["--model", str(model), "--rtl", str(rtl)]


def test_verify_says_that_operands_are_swapped(
    swapped_files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", *swapped_files]) == 0
    assert "O = skew(B, A): called in the RTL's order" in capsys.readouterr().out


def test_a_pinned_order_is_kept(
    swapped_files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify", *swapped_files, "--order", "straight"]) == 1
    output = capsys.readouterr().out
    assert "MISMATCH, operands swapped" in output
    assert "expected" in output


def test_a_mismatch_shows_where_and_writes_no_certificate(
    swapped_files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "skew.json"
    command = ["verify", *swapped_files, "--order", "straight", "--certificate", str(path)]
    assert run(command) == 1
    captured = capsys.readouterr()
    assert "skew: a=1 b=2: expected 0x00, got 0x02" in captured.out
    assert "only a passed check is certified" in captured.err
    assert not path.exists()


def test_a_certificate_of_files_needs_them(
    swapped_files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "skew.json")
    assert run(["verify", *swapped_files, "--certificate", path]) == 0
    assert run(["verify", "--check", path]) == 2
    assert "no catalogue has skew; give --model and --rtl" in capsys.readouterr().err


def test_a_mismatch_says_what_it_took_for_signed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.c").write_text("int m(int a, int b) { return a * b; }\n")
    ports = "input signed [3:0] a, b, output [7:0] p"
    body = "wire [3:0] x = a, y = b; assign p = x * y;"
    (tmp_path / "m.v").write_text(f"module m({ports}); {body} endmodule\n")
    files = ["--model", str(tmp_path / "m.c"), "--rtl", str(tmp_path / "m.v")]
    assert run(["verify", *files]) == 1
    assert "two's complement, as int m(int a, int b), the ports" in capsys.readouterr().out
    assert run(["verify", *files, "--signed"]) == 1
    assert "the ports or the name" not in capsys.readouterr().out
    assert run(["verify", *files, "--unsigned"]) == 0


def test_both_readings_of_an_int_model_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.c").write_text("int m(int a, int b) { return a * b; }\n")
    ports = "input [3:0] a, b, output [7:0] p"
    (tmp_path / "m.v").write_text(f"module m({ports}); assign p = a * b; endmodule\n")
    files = ["--model", str(tmp_path / "m.c"), "--rtl", str(tmp_path / "m.v")]
    assert run(["verify", *files]) == 0
    told = "read as unsigned (0 differ); as two's complement ("
    assert told in capsys.readouterr().out
    assert run(["verify", *files, "--signed"]) == 1
    assert run(["import", str(tmp_path), "-o", str(tmp_path / "mine")]) == 0
    assert told in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["cache"]], ids=["axdse", "axdse cache"])
def test_a_group_without_a_command_shows_its_help(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    assert "\n\nCommands:\n" in capsys.readouterr().err


def test_a_certificate_is_written_and_validated(
    swapped_files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "skew.json")
    assert run(["verify", *swapped_files, "--certificate", path]) == 0
    assert run(["verify", *swapped_files, "--check", path]) == 0
    model = tmp_path / "skew.c"
    model.write_text(model.read_text().replace("& 14", "& 6"))
    capsys.readouterr()
    assert run(["verify", *swapped_files, "--check", path]) == 1
    assert "DIFFERS" in capsys.readouterr().out


@pytest.mark.parametrize(
    "chosen", [["drum(n=4,k=3)"], ["exact(n=4)", "--unit", "--format", "float(8,3)"]]
)
def test_a_certificate_of_the_catalogue_is_validated(chosen: list[str], tmp_path: Path) -> None:
    path = str(tmp_path / "certificate.json")
    assert run(["verify", *chosen, "--certificate", path]) == 0
    assert run(["verify", "--check", path]) == 0


def test_a_folder_is_imported_and_used(
    swapped_files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", str(tmp_path), "-o", str(tmp_path / "mine")]) == 0
    assert "1 of 1 designs" in capsys.readouterr().out
    catalog = ["--catalog", str(tmp_path / "mine")]
    assert run([*catalog, "verify", "skew"]) == 0
    assert run([*catalog, "cost", "skew", "--format", "float(8,3)"]) == 0
    certificate = str(tmp_path / "mine" / "certificates" / "skew.json")
    assert run([*catalog, "verify", "--check", certificate]) == 0
    assert run(["verify", "skew"]) == 2


def test_a_design_in_two_folders_is_imported_once(
    swapped_files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "front").mkdir()
    for name in ("skew.c", "skew.v"):
        text = "// of another front\n" + (tmp_path / name).read_text()
        (tmp_path / "front" / name).write_text(text)
    assert run(["import", str(tmp_path), "-o", str(tmp_path / "mine")]) == 0
    captured = capsys.readouterr()
    assert "1 of 1 designs" in captured.out
    assert "import 1/1: skew: equal, exhaustive" in captured.err.splitlines()


def test_waves_leave_a_counter_example(
    swapped_files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vcd = tmp_path / "bug.vcd"
    assert run(["verify", *swapped_files, "--order", "straight", "--waves", str(vcd)]) == 1
    assert "$enddefinitions" in vcd.read_text()


def test_lut_writes_approxtrain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lut", "mbm(m=7)", "-o", str(tmp_path / "MBM_7.bin")]) == 0
    assert (tmp_path / "MBM_7.bin").stat().st_size == 1 << 14


BAD_INPUT = {
    "unknown command": (["verfy", "exact"], "No such command"),
    "unknown option": (["verify", "--al"], "--all"),
    "unknown family": (["verify", "exct(n=8)"], "did you mean 'exact'"),
    "unknown parameter": (["show", "drum(n=8,kk=4)"], "did you mean 'k'"),
    "parameter out of range": (["show", "drum(n=8,k=99)"], "k=99"),
    "no spec": (["verify"], "at least one SPEC"),
    "no such text": (["show", "drum(n=8,"], "name(parameter=integer"),
    "a file for a spec": (["cost", "my/mul.v"], "with 'axdse import'"),
    "spec and all": (["verify", "exact", "--all"], "leave the others out"),
    "model without RTL": (["verify", "--model", "x.c"], "--rtl"),
    "files exchanged": (["verify", "--model", "x.v", "--rtl", "x.c"], "exchange them"),
    "files and a SPEC": (["verify", "exact", "--model", "x.c", "--rtl", "x.v"], "a SPEC"),
    "Verilator for files": (
        ["verify", "--model", "x.c", "--rtl", "x.v", "--simulator", "verilator"],
        "goes without --simulator",
    ),
    "format of a core": (["verify", "exact(n=4)", "--format", "float(8,3)"], "add --unit"),
    "waves of a unit": (["verify", "exact(n=4)", "--unit", "--waves", "x.vcd"], "--waves"),
    "certificate of many": (["verify", "--all", "--certificate", "x.json"], "takes one design"),
    "certificate of none": (["verify", "--check", "x.json", "--certificate", "y.json"], "--check"),
    "certificate over Verilog": (
        ["verify", "--model", "x.c", "--rtl", "x.v", "--certificate", "x.v"],
        "a certificate is written as .json",
    ),
    "waves over C": (["verify", "exact(n=4)", "--waves", "x.c"], "a VCD is written as .vcd"),
    "unknown format": (["cost", "exact(n=8)", "--format", "bf17"], "bf16"),
    "core too narrow": (["cost", "exact(n=4)", "--format", "bf16"], "8 bits"),
    "significand core in int8": (["cost", "mbm(m=7)", "--format", "int8"], "float formats"),
    "table ending": (["lut", "exact", "-o", "table.txt"], ".npz or .bin"),
    "table without m": (["lut", "mbm(m=7)", "-o", "MBM.bin"], "_m.bin"),
    "missing library": (["cost", "exact(n=4)", "--library", "no.lib"], "no.lib"),
    "negative seed": (["train", "teacher", "fp32", "--seed", "-1"], "--seed"),
    "checkpoint of two": (
        ["train", "teacher", "fp32", "--seeds", "2", "--checkpoint", "x"],
        "--seeds 2",
    ),
    "float model in int8": (
        ["lut", "--model", "f.c", "--format", "int8", "-o", "f.npz"],
        "narrow",
    ),
    "missing config": (["search", "no.yaml", "--run", "run"], "no.yaml"),
    "no run": (["export", "no-run", "-o", "out"], "no-run"),
    "nothing to export": (["export"], "write 'axdse export RUN -o DIR'"),
    "no folder to export to": (["export", "a-run"], "write 'axdse export RUN -o DIR'"),
    "no export to check": (["export", "--check", "none"], "none is no folder"),
    "check of a run": (["export", "a-run", "--check", "none"], "--check takes an export"),
    "nothing to compare with": (["compare", "a-run"], "Missing argument 'RUN'"),
    "no runs to compare": (["compare", "a-run", "b-run"], "a-run"),
    "no page to write": (["compare", "a", "b", "--html", "page.txt"], "a file .html"),
    "unknown workload": (["train", "lenet-6", "exact"], "lenet-5"),
    "nothing to train": (["train"], "train teacher fp32"),
    "no design to train": (["train", "teacher"], "train teacher fp32"),
    "two formats": (
        ["train", "teacher", "exact(n=8) in bf16", "--format", "bf16"],
        "leave --format",
    ),
    "no such device": (["train", "teacher", "fp32", "--device", "tpu"], "cpu or cuda"),
    "no GPU": (["train", "teacher", "fp32", "--device", "cuda:9"], "a CUDA device is there"),
    "checkpoint of two designs": (
        ["train", "teacher", "fp32", "exact(n=8) in bf16", "--checkpoint", "x"],
        "2 x --seeds 1",
    ),
    "no layer of that name": (["train", "teacher", "nothing=exact(n=8) in bf16"], "fits a layer"),
    "no checkpoint": (["evaluate", "none.ckpt", "exact(n=8) in bf16"], "none.ckpt"),
    "nothing to evaluate": (["evaluate", "none.ckpt"], "evaluate takes designs"),
    "no module for a workload": (["init", "workload", "my-task.py"], "my_task.py"),
    "no YAML for a search": (["init", "search", "mine.py"], "my_search.yaml"),
    "unknown sum": (["train", "teacher", "exact(n=8)", "--sum", "hoper"], "did you mean 'hopper'"),
    "sum that the format cannot feed": (
        ["train", "teacher", "exact(n=8)", "--sum", "int(24)"],
        "float(E,R)",
    ),
    "sum behind fp32": (["train", "teacher", "fp32", "--sum", "hopper"], "leave --format and"),
    "MAC and sum": (
        ["train", "teacher", "exact(n=8) in bf16", "--sum", "hopper"],
        "leave --format and",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line_and_exit_code_2(
    case: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, expected = BAD_INPUT[case]
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("axdse: ")
    assert captured.err.count("\n") == 1
    assert expected in captured.err
    assert list(tmp_path.iterdir()) == []


def test_a_search_to_start_from_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "search", "mine.yaml"]) == 0
    assert "axdse search mine.yaml --run my_run" in capsys.readouterr().out
    given = Path("mine.yaml").read_text()
    assert load_config(Path("mine.yaml")).own_workload.text == "teacher"
    # What is commented out can be said, too.
    Path("all.yaml").write_text(re.sub(r"^# (\w+: [^ ]+)", r"\1", given, flags=re.MULTILINE))
    assert load_config(Path("all.yaml")).seed == 1
    assert run(["init", "search", "mine.yaml"]) == 2
    assert "not overwritten" in capsys.readouterr().err
    assert Path("mine.yaml").read_text() == given


def test_the_package_runs_as_the_command_does() -> None:
    command = [sys.executable, "-m", "axdse.dse.cli", "--version"]
    assert subprocess.run(command, capture_output=True, text=True).stdout.startswith("axdse")


def test_commands_start_without_torch() -> None:
    """And without others that take a second to import: those that need them do so themselves."""
    heavy = "{'torch', 'optuna', 'scipy', 'matplotlib'} & set(sys.modules)"
    code = f"import sys, axdse.dse.cli.commands; print({heavy})"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "set()\n"


def test_a_full_disk_behind_the_output_is_one_line() -> None:
    call = [sys.executable, "-m", "axdse.dse.cli", "list"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(call, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "No space left" in ended.stderr
