import dataclasses
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import Format, parse_format
from axdse.multipliers.operands.recording import (
    OperandHistogram,
    OperandRows,
    OperandTrace,
    Recording,
    code_bits,
    core_weights,
)
from axdse.multipliers.operands.recording_file import load_recording, save_recording

FORMATS = ("float(8,3)", "bf16", "int8")


def counts(number_format: Format, seed: int = 0) -> np.ndarray:
    size = 1 << code_bits(number_format)[0]
    return np.random.default_rng(seed).integers(0, 1 << 40, (size, size))


def histogram(form: str, **fields: object) -> OperandHistogram:
    number_format = parse_format(form)
    made = OperandHistogram("fc1", "forward", number_format, counts(number_format), 5, 6)
    return dataclasses.replace(made, **fields)


@pytest.fixture
def recording() -> Recording:
    histograms = tuple(histogram(form, layer=f"fc{i}") for i, form in enumerate(FORMATS))
    return Recording(histograms, "lenet-5 on images", "drum(n=8,k=4)", seed=7, every=3)


@pytest.fixture
def saved(recording: Recording, tmp_path: Path) -> Path:
    save_recording(recording, tmp_path / "r.npz")
    return tmp_path / "r.npz"


def test_a_file_gives_back_what_was_written(recording: Recording, saved: Path) -> None:
    read = load_recording(saved)
    assert (read.workload, read.multiplier, read.seed, read.every, read.digest) == (
        "lenet-5 on images",
        "drum(n=8,k=4)",
        7,
        3,
        recording.digest,
    )
    for actual, expected in zip(read.histograms, recording.histograms, strict=True):
        for field in ("layer", "product", "format", "zero", "non_finite"):
            assert getattr(actual, field) == getattr(expected, field)
        assert np.array_equal(actual.counts, expected.counts)


def test_a_recording_of_nothing_is_a_file_too(tmp_path: Path) -> None:
    save_recording(Recording((), "", "exact(n=8)", 0), tmp_path / "r.npz")
    assert load_recording(tmp_path / "r.npz").histograms == ()


def whole(**changes: object) -> OperandRows:
    a, b = (np.arange(6, dtype=np.float32).reshape(2, 3) + k for k in (0, 1))
    peaks = np.ones(2, np.float32)
    made = OperandRows("fc1", "forward", a, b, peaks, peaks, np.array([9, 2]), 40)
    return dataclasses.replace(made, **changes)


def test_whole_sums_are_given_back(recording: Recording, tmp_path: Path) -> None:
    written = dataclasses.replace(recording, rows=(whole(), whole(product="input_gradient")))
    save_recording(written, tmp_path / "r.npz")
    read = load_recording(tmp_path / "r.npz")
    assert read.digest == written.digest != recording.digest
    assert [rows.name for rows in read.rows] == ["fc1 forward", "fc1 input_gradient"]
    assert read.rows[0].lengths.tolist() == [3, 2]
    assert read.rows[0].multiplications == 40
    np.testing.assert_array_equal(read.rows[1].b, whole().b)


def test_as_many_rows_are_taken_as_have_so_many_products() -> None:
    assert [len(whole().first(count).depths) for count in (1, 3, 4, 99)] == [1, 1, 2, 2]


def test_a_file_of_version_2_has_no_whole_sums(recording: Recording, saved: Path) -> None:
    rewritten(saved, header=header_with(saved, version=2, rows=()))
    read = load_recording(saved)
    assert (read.rows, read.digest) == ((), recording.digest)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"b": np.zeros((2, 4), np.float32)}, "as many first operands as second ones"),
        ({"a_peak": np.ones(3, np.float32)}, "as many first operands as second ones"),
        ({"depths": np.array([1.0, 2.0])}, "depths in int64"),
        ({"depths": np.array([1, 0])}, "a sum has a product"),
    ],
    ids=["width", "rows", "dtype", "empty"],
)
def test_whole_sums_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(AxdseError, match=message):
        whole(**changes)


@pytest.mark.parametrize("field", ["workload", "multiplier"])
def test_the_digest_covers_the_header(recording: Recording, field: str) -> None:
    assert dataclasses.replace(recording, **{field: "other"}).digest != recording.digest


@pytest.mark.parametrize(
    "change", [{"zero": 6}, {"product": "weight_gradient"}, {"layer": "fc2"}], ids=str
)
def test_the_digest_covers_the_histograms(change: dict[str, object]) -> None:
    digests = {
        Recording((made,), "", "exact(n=8)", 0).digest
        for made in (histogram("int8"), histogram("int8", **change))
    }
    assert len(digests) == 2


def array(value: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, value)
    return buffer.getvalue()


def header_with(path: Path, **changes: object) -> bytes:
    with np.load(path) as file:
        header = json.loads(str(file["header"]))
    return array(np.array(json.dumps({**header, **changes})))


def rewritten(path: Path, **entries: bytes | None) -> None:
    """Replace arrays of a .npz; None drops one."""
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files.update({f"{name}.npy": data or b"" for name, data in entries.items()})
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            if data:
                archive.writestr(name, data)


DAMAGES = {
    "no header": (lambda _: {"header": None}, "header"),
    "no JSON": (lambda _: {"header": array(np.array("{"))}, "readable .npz"),
    "seed no number": (lambda path: {"header": header_with(path, seed="x")}, "integer"),
    "another version": (lambda path: {"header": header_with(path, version=1)}, "version 2"),
    "changed seed": (lambda path: {"header": header_with(path, seed=8)}, "digest"),
    "no counts": (lambda _: {"counts_1": None}, "counts_1"),
    "changed counts": (lambda _: {"counts_2": array(counts(parse_format("int8"), 1))}, "digest"),
    "wrong shape": (lambda _: {"counts_0": array(np.zeros((8, 9), int))}, "8 x 8 int64"),
    "wrong dtype": (lambda _: {"counts_0": array(np.zeros((8, 8)))}, "8 x 8 int64"),
    "negative": (lambda _: {"counts_0": array(np.full((8, 8), -1))}, "never negative"),
    "pickle": (lambda _: {"counts_0": array(np.array([None]))}, "readable .npz"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_file_is_refused(case: str, saved: Path) -> None:
    damage, expected = DAMAGES[case]
    rewritten(saved, **damage(saved))
    with pytest.raises(AxdseError, match=expected):
        load_recording(saved)


@pytest.mark.parametrize("content", [None, b"", b"no zip", "half"])
def test_another_file_is_refused(content: bytes | str | None, saved: Path) -> None:
    data = saved.read_bytes()
    saved.unlink()
    if content is not None:
        saved.write_bytes(data[: len(data) // 2] if isinstance(content, str) else content)
    with pytest.raises(AxdseError, match=r"readable \.npz of axdse"):
        load_recording(saved)


def test_an_unwritable_place_is_refused(recording: Recording, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AxdseError, match="writable"):
        save_recording(recording, tmp_path / "file" / "r.npz")


@pytest.mark.parametrize("form", ["float(8,4)", "float(8,4,product=wide)"])
def test_a_significand_core_meets_fractions(form: str) -> None:
    made = histogram(form)
    weights = core_weights(made, builtin_catalog().multiplier("mitchell(m=4)"))
    assert np.array_equal(weights, made.counts)


def test_an_integer_core_in_a_float_unit_meets_significands() -> None:
    made = histogram("float(8,4)")
    weights = core_weights(made, builtin_catalog().multiplier("drum(n=5,k=3)"))
    assert np.array_equal(weights[16:, 16:], made.counts)
    assert weights.sum() == made.total


def test_an_unsigned_core_in_int8_meets_magnitudes() -> None:
    made = histogram("int8")
    expected = np.zeros((256, 256), dtype=np.int64)
    for a in range(-128, 128):
        for b in range(-128, 128):
            expected[abs(a), abs(b)] += made.counts[a & 255, b & 255]
    weights = core_weights(made, builtin_catalog().multiplier("exact(n=8)"))
    assert np.array_equal(weights, expected)


def test_a_signed_core_in_int8_meets_codes() -> None:
    made = histogram("int8")
    family = dataclasses.replace(builtin_catalog().family("exact"), signed=True)
    assert np.array_equal(core_weights(made, family.bind({"n": 8})), made.counts)


@pytest.mark.parametrize(
    ("form", "spec"),
    [("float(8,4)", "exact(n=4)"), ("int8", "mitchell(m=7)"), ("int8", "exact(n=7)")],
)
def test_a_core_of_another_width_is_refused(form: str, spec: str) -> None:
    with pytest.raises(AxdseError, match=r"needs|float formats"):
        core_weights(histogram(form), builtin_catalog().multiplier(spec))


@pytest.mark.parametrize("dtype", [">f4", "<i4", "<u4"])
def test_a_trace_of_other_numbers_is_refused(dtype):
    rows = np.ones((2, 3), dtype="<f4").view(dtype)
    peaks = np.ones(2, np.float32)
    with pytest.raises(AxdseError, match="in float32, lengths in int64"):
        OperandTrace(
            *("fc1", "forward", "output-stationary", rows, rows, rows, peaks, peaks),
            *(np.full(2, 3), 6),
        )
