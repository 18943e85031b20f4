"""An export that somebody changed is told from one that nobody did, in a line for each file."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.dse.cli import run
from axdse.dse.report.export.check import check_export
from axdse.dse.report.export.export import export_run
from axdse.dse.report.export.folder import SUMS, write_sums
from axdse.dse.run.run_dir import RunDir

MAC = "macs/drum_n4_k3_in_float_8_3"


@pytest.fixture(scope="module")
def exported(finished_run: RunDir, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_run(finished_run, tmp_path_factory.mktemp("exported") / "out").folder


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "out"))


def append(name: str, text: str = " ") -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / name).open("a") as file:
            file.write(text)

    return change


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def seal_again(change: Callable[[Path], None]) -> Callable[[Path], None]:
    """As somebody would who changes a file and its digest."""

    def changed(folder: Path) -> None:
        change(folder)
        (folder / SUMS).unlink()
        write_sums(folder)

    return changed


def other_model(folder: Path) -> None:
    """A core that is exact by its C model alone."""
    place = folder / MAC / "drum.c"
    text = place.read_text()
    place.write_text(text[: text.rindex("return")] + "return (uint64_t)a * b;\n}\n")


def other_certificate(folder: Path) -> None:
    own = folder / "macs"
    shutil.copy(own / "exact_n8_in_int8" / "certificate_core.json", folder / MAC)


def untrue_certificate(folder: Path) -> None:
    place = folder / MAC / "certificate_core.json"
    known = json.loads(place.read_text())
    known["report"]["vectors"] += 1
    place.write_text(json.dumps(known))


def test_an_export_is_as_it_was(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--check", str(exported)]) == 0
    assert "MACs: 4, nothing differs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (append("front.csv"), "front.csv: altered"),
        (remove("trials.json"), "trials.json: missing"),
        (append("notes.txt"), f"notes.txt: not in {SUMS}"),
        (append(f"{MAC}/drum.c"), f"{MAC}/drum.c: altered"),
        (seal_again(other_model), f"{MAC}/certificate_core.json: certifies another products of"),
        (seal_again(append(f"{MAC}/drum_n4_k3.v", "\n// by hand\n")), "is not what this version"),
        (seal_again(append(f"{MAC}/filelist.f", "none.v\n")), f"{MAC}/filelist.f: "),
        (seal_again(append(f"{MAC}/filelist.f", "../a.v\n")), "names of Verilog files beside it"),
        (seal_again(other_certificate), "certifies another RTL"),
        (seal_again(untrue_certificate), "must match its seal"),
        (
            seal_again(append("points/1_drum_n4_k3_in_float_8_3/assignment.yaml", "a: b\n")),
            "assignment.yaml: a MAC is a core in a format",
        ),
        (
            seal_again(lambda folder: shutil.rmtree(folder / MAC)),
            f"{MAC}: missing: the folder of drum(n=4,k=3) in float(8,3)",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_differs_is_named_and_the_exit_code_is_1(
    change: Callable[[Path], None],
    told: str,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change(copy)
    assert run(["export", "--check", str(copy)]) == 1
    captured = capsys.readouterr()
    assert told in captured.out
    assert captured.err == ""


def test_links_and_names_that_lead_out_differ(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    (copy / "front.csv").unlink()
    (copy / "front.csv").symlink_to(tmp_path / "secret")
    with (copy / SUMS).open("a") as file:
        file.write(f"{'0' * 64}  ../secret\n")
    told = {(each.where, each.what) for each in check_export(copy).differences}
    assert told == {("front.csv", "altered"), ("../secret", "leads out of the export")}


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: shutil.rmtree(folder), "is no folder"),
        (remove(SUMS), f"lists its files in {SUMS}: .* lists none; name the folder"),
        (lambda folder: os.truncate(folder / SUMS, 70), f"lists its files in {SUMS}"),
        (lambda folder: (folder / SUMS).write_text(f"{'0' * 64}  a\n"), "lists others"),
    ],
    ids=["no folder", "no list", "cut short", "another list"],
)
def test_what_is_no_export_is_one_line(
    make: Callable[[Path], None],
    told: str,
    copy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make(copy)
    assert run(["export", "--check", str(copy)]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert re.search(told, captured.err)


def test_digests_are_those_of_sha256sum(exported: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=exported, check=True)
