"""The error surface: what is drawn where."""

from pathlib import Path

import numpy as np
import pytest

from axdse.dse.report.pictures.error_maps import core_figure, core_maps, shrunk
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Family, Multiplier, Parameter
from axdse.multipliers.formats import parse_format
from axdse.multipliers.operands.recording import OperandHistogram, Recording
from axdse.multipliers.tables.error_metrics import error_metrics

INT8 = parse_format("int8")


def own(tmp_path: Path, source: str, *, signed: bool = False, width_b: str = "n") -> Multiplier:
    model = tmp_path / "core.c"
    model.write_text("#include <stdint.h>\n" + source)
    parameters = {"n": Parameter(2, 8, 3, "operand width")}
    family = Family(
        *("core", "of a test", "integer", "n", model, tmp_path / "core.v", parameters),
        signed=signed,
        width_b=width_b,
    )
    return family.bind()


def test_maps_are_the_error_in_units_and_percent() -> None:
    """Mitchell at m = 2: 1.5 x 1.5 gives 2.0, which is 32/16 instead of 36/16."""
    relative, error = core_maps(builtin_catalog().multiplier("mitchell(m=2)"))
    assert error.values[2, 2] == 32 - 36
    assert relative.values[2, 2] == pytest.approx(-100 * 4 / 36)
    assert error.extent == (1, 2, 1, 2)
    assert error.operand == "significand of "


def test_there_is_no_relative_error_of_zero() -> None:
    relative, error = core_maps(builtin_catalog().multiplier("exact(n=3)"))
    assert np.isnan(relative.values[0]).all()
    assert np.isnan(relative.values[:, 0]).all()
    assert not relative.values[1:, 1:].any()
    assert not error.values.any()


def test_signed_operands_ascend(tmp_path: Path) -> None:
    """It errs at the most negative a alone, which is its code 4."""
    source = "int64_t core(int64_t a, int64_t b) { return a * b + (a == -4); }"
    _, error = core_maps(own(tmp_path, source, signed=True))
    assert error.extent == (-4, 4, -4, 4)
    assert (error.values[0] == 1).all()
    assert not error.values[1:].any()


def test_unequal_widths(tmp_path: Path) -> None:
    source = "uint64_t core(uint64_t a, uint64_t b) { return a * b + (b == 31); }"
    design = own(tmp_path, source, width_b="n + 2")
    _, error = core_maps(design)
    assert error.values.shape == (8, 32)
    assert error.extent == (0, 32, 0, 8)
    assert (error.values[:, 31] == 1).all()
    assert core_figure(design, error_metrics(design)).axes


def test_recorded_operands_are_times_uniform() -> None:
    counts = np.zeros((256, 256), dtype=np.int64)
    counts[3, 5] = 30
    counts[253, 5] = 30  # -3 is of the same magnitude
    counts[1, 2] = 6
    histogram = OperandHistogram("fc", "forward", INT8, counts)
    recording = Recording((histogram,), "", "exact(n=8)", 0)
    *_, density = core_maps(builtin_catalog().multiplier("exact(n=8)"), recording)
    assert 10 ** density.values[3, 5] == pytest.approx(65_536 * 60 / 66)
    assert 10 ** density.values[1, 2] == pytest.approx(65_536 * 6 / 66)
    assert np.isnan(density.values).sum() == 65_536 - 2


def test_rare_errors_still_have_a_scale(tmp_path: Path) -> None:
    source = "uint64_t core(uint64_t a, uint64_t b) { return a * b - (a == 255 && b == 255); }"
    design = own(tmp_path, source).family.bind({"n": 8})
    _, error = core_maps(design)
    assert error.limit == 1


def test_the_headline_names_design_and_metrics() -> None:
    design = builtin_catalog().multiplier("drum(n=4,k=2)")
    figure = core_figure(design, error_metrics(design))
    texts = " ".join(text.get_text() for text in figure.texts)
    for part in ("drum(n=4,k=2)", "ER ", "NMED ", "MRED ", "WCE "):
        assert part in texts


@pytest.mark.parametrize(("shape", "expected"), [((8, 1024), (8, 256)), ((300, 256), (150, 256))])
def test_blocks_are_means(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    values = np.arange(shape[0] * shape[1], dtype=float).reshape(shape)
    pixels = shrunk(values)
    assert pixels.shape == expected
    assert pixels.mean() == pytest.approx(values.mean())
