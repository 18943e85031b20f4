"""The command replay: recorded dot products against sums, and sums found from them."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
from recorded_dots import CASES, RECORDED, recorded_dots
from sum_words import words

from axdse.dse.cli import run
from axdse.multipliers.model.sum_model import sum_model
from axdse.multipliers.sums.reference import exact_terms
from axdse.multipliers.sums.text import parse_sum

ROWS = 600


def recorded(folder: Path, text: str, depth: int, *, with_c: bool = True) -> str:
    """A file of vectors that a machine with that sum would have left; bf16 operands."""
    a, b = (words(seed, (ROWS, depth), 9, 0.02) & np.uint32(0xFFFF_0000) for seed in (1, 2))
    c = words(3, (ROWS,), 12, 0.0)
    start = c.view(np.float32) if with_c else None
    d = sum_model(parse_sum(text), exact_terms(a, b), start).view(np.uint32)
    path = folder / "vectors.npz"
    np.savez_compressed(path, a=a, b=b, c=c, d=d)
    return str(path)


def test_sum_that_left_them_gives_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path, "hopper", 16)
    assert run(["replay", path, "--sum", "hopper"]) == 0
    assert f"{ROWS} of {ROWS} equal" in capsys.readouterr().out
    assert run(["replay", path, "--sum", "ampere", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert 0 < found["equal"] < found["rows"] == ROWS


def test_c_may_be_outside(tmp_path: Path) -> None:
    path = recorded(tmp_path, "hopper_fp8", 32, with_c=False)
    assert run(["replay", path, "--sum", "hopper_fp8"]) == 1
    assert run(["replay", path, "--sum", "hopper_fp8", "--no-c"]) == 0


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("dot(terms=4,align=23,acc=float(8,23))", 8),
        ("dot(terms=8,align=20,acc=float(8,18),cut=down,round=rne)", 16),
        ("dot(terms=2,align=12,acc=float(8,10),carry=late)", 4),
    ],
)
def test_identify_finds_it(
    text: str, depth: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path, text, depth)
    assert run(["replay", path, "--identify", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"sum": parse_sum(text).name, "has_c": True} in found
    fields = text.split(",round")[0].removesuffix(")")
    assert all(each["sum"].startswith(fields) for each in found)


def test_identify_says_what_it_cannot_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = recorded(tmp_path, "dot(terms=4,align=13)", 4)
    assert run(["replay", path, "--identify"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"one sum gives all {ROWS} rows of 4 products")
    assert "terms may be more than 4" in said
    # A step of one product is not cut by any alignment that its register has room in.
    path = recorded(tmp_path, "dot(terms=1,align=40,acc=float(8,23))", 1)
    assert run(["replay", path, "--identify"]) == 0
    assert "these vectors do not tell apart: align (" in capsys.readouterr().out


def test_no_sum_fits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = recorded(tmp_path, "lazy(9,20)", 8)
    assert run(["replay", path, "--identify"]) == 1
    assert capsys.readouterr().out.startswith("no dot(")


def test_any_nan_is_as_any_other(tmp_path: Path) -> None:
    a = np.array([[0x7F80_0000]], np.uint32)
    for name, word, code in (("nan", 0x7FFF_FFFF, 0), ("inf", 0x7F80_0000, 1)):
        path = tmp_path / f"{name}.npz"
        zero = np.zeros((1, 1), np.uint32)
        np.savez(path, a=a, b=zero, c=zero[0], d=np.array([word], np.uint32))
        assert run(["replay", str(path), "--sum", "hopper"]) == code


A = np.zeros((3, 4), np.uint32)
GOOD = {"a": A, "b": A, "c": A[:, 0], "d": A[:, 0]}
BAD: dict[str, tuple[dict[str, np.ndarray], str]] = {
    "missing": ({"a": A, "b": A, "c": A[:, 0]}, "it has no d.npy"),
    "float": (GOOD | {"a": A.astype(np.float32)}, "a is of float32, not uint32"),
    "signed": (GOOD | {"d": A[:, 0].astype(np.int32)}, "d is of int32, not uint32"),
    "matrix": (GOOD | {"c": A}, "c has 2 dimensions, not 1"),
    "rows": (GOOD | {"c": A[:2, 0]}, "shapes do not fit: a [3, 4], b [3, 4], c [2], d [3]"),
    "depth": (GOOD | {"b": A[:, :2]}, "shapes do not fit"),
    "empty": ({name: array[:0] for name, array in GOOD.items()}, "there is nothing in it"),
    "shallow": (GOOD | {"a": A[:, :0], "b": A[:, :0]}, "there is nothing in it"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_vectors_are_one_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays, reason = BAD[name]
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    assert run(["replay", str(path), "--sum", "hopper"]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["absent.npz", "--identify"], "absent.npz"),
        (["absent.npz"], "--identify finds it"),
        (["absent.npz", "--identify", "--sum", "hopper"], "choose one"),
        (["absent.npz", "--identify", "--no-c"], "choose one"),
    ],
)
def test_bad_words_are_one_line(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", *arguments]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("hoper", "did you mean 'hopper'"),
        ("int(24)", "vectors are of floats"),
        ("bf16", "write 'float(8,7)'"),
        ("float(6,5,round=stochastic)", "choose round=rz or rne"),
    ],
)
def test_bad_sum_is_one_line(
    text: str, reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "good.npz"
    np.savez(path, **GOOD)  # type: ignore[arg-type]
    assert run(["replay", str(path), "--sum", text]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("case", CASES)
def test_identify_finds_tensor_cores(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dots = recorded_dots(case)
    path = tmp_path / "vectors.npz"
    with np.load(Path(RECORDED)) as file:  # with the c that is not in d, too
        np.savez(path, **{key: file[f"{case}_{key}"] for key in "abcd"})
    begun = time.process_time()
    assert run(["replay", str(path), "--identify", "--json"]) == 0
    assert time.process_time() - begun < 60
    found = {(x["sum"], x["has_c"]) for x in json.loads(capsys.readouterr().out)}
    assert (dots.sum.name, dots.has_c) in found
    assert len(found) == 1 or dots.sum.carry == "late"
    if len(found) > 1:
        assert run(["replay", str(path), "--identify"]) == 0
        assert "these vectors do not tell apart: align (" in capsys.readouterr().out
