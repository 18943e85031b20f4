import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.flows.evidence.report import Mismatch
from axdse.flows.verify.check import check
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError

Write = Callable[[str, str], Path]
WithRtl = Callable[..., Multiplier]


def _exact(bits: int = 4) -> Multiplier:
    return builtin_catalog().family("exact").bind({"n": bits})


def test_a_mismatch_shows_operands_expected_and_got(with_rtl: WithRtl) -> None:
    report = check(with_rtl("assign p = a == 3 && b == 5 ? 8'h2a : a * b;"))
    assert (report.verdict, report.vectors, report.mismatches) == ("mismatch", 256, 1)
    assert not report.passed
    assert report.examples == (Mismatch(a=3, b=5, expected=15, got="2a"),)
    assert not report.only_order_is_wrong


@pytest.mark.parametrize(
    ("body", "got"),
    [
        ("wire [7:0] q = a * b; assign p[7:4] = q[7:4];", "0z"),
        ("wire [7:0] q = a * b; assign p[7:1] = q[7:1];", "0X"),
        ("assign p = a * b + 1'bx;", "xx"),
        ("reg [7:0] q; assign p = q;", "xx"),
    ],
    ids=["floating digit", "floating bit", "unknown sum", "never written"],
)
def test_x_and_z_on_the_product_are_mismatches(body: str, got: str, with_rtl: WithRtl) -> None:
    report = check(with_rtl(body))
    assert report.mismatches == report.vectors == 256
    assert report.examples[0].got == got


@pytest.mark.parametrize(
    "body",
    [
        "reg [2*N-1:0] q = 0; always @* if (a != 0) q = a * b; assign p = q;",
        "reg [2*N-1:0] q; always @(b) q = a * b; assign p = q;",
        "reg [2*N-1:0] q; always @(a) q = a * b; assign p = q;",
        "reg [2*N-1:0] q; always @(a[3:1], b) q = a * b; assign p = q;",
    ],
    ids=["latch", "only b is sensed", "only a is sensed", "a bit is not sensed"],
)
@pytest.mark.parametrize("bits", [4, 8])
def test_a_device_with_memory_is_a_mismatch(body: str, bits: int, with_rtl: WithRtl) -> None:
    """Some are right on every pair as long as these come in one order."""
    assert check(with_rtl(body, bits)).verdict == "mismatch"


@pytest.mark.parametrize(
    "ports", ["input [4:0] a, b, output [7:0] p", "input [3:0] a, b, output [9:0] p"]
)
def test_ports_of_another_width_are_no_verdict(ports: str, write: Write) -> None:
    text = f"module bare({ports}); assign p = a * b; endmodule\n"
    model = "#include <stdint.h>\nuint64_t bare(uint64_t a, uint64_t b) { return a * b; }\n"
    family = dataclasses.replace(
        builtin_catalog().family("exact"),
        name="bare",
        model=write("bare.c", model),
        rtl=write("bare.v", text),
        width=4,
        parameters={},
    )
    with pytest.raises(AxdseError, match=r"the ports of bare have 4, 4 and 8 bits: .*expects"):
        check(family.bind())


@pytest.mark.parametrize("width", ["2*N+3:0", "2*N-2:0"])
def test_a_core_of_another_width_is_no_verdict(width: str, write: Write) -> None:
    family = builtin_catalog().family("drum")
    text = family.rtl.read_text().replace("output [2*N-1:0] p", f"output [{width}] p", 1)
    assert width in text
    design = dataclasses.replace(family, rtl=write("drum.v", text)).bind({"n": 4})
    with pytest.raises(AxdseError, match=r"of drum expects \d+ bits, got 8"):
        check(design)


def test_swapped_operands_are_said(write: Write, with_rtl: WithRtl) -> None:
    model = write("exact.c", "#include <stdint.h>\nuint64_t exact(uint64_t a, uint64_t b)"
                  " { return a * (b & ~UINT64_C(1)); }")  # fmt: skip
    multiplier = with_rtl("assign p = {a[N-1:1], 1'b0} * b;")
    report = check(dataclasses.replace(multiplier.family, model=model).bind({"n": 4}))
    assert report.verdict == "mismatch"
    assert report.only_order_is_wrong


def test_waves_hold_the_counter_example_and_the_inside_of_the_design(
    with_rtl: WithRtl, tmp_path: Path
) -> None:
    multiplier = with_rtl("wire strange = a == 3 && b == 5; assign p = strange ? 8'h2a : a * b;")
    waves = tmp_path / "new" / "counter_example.vcd"
    check(multiplier, waves=waves)
    text = waves.read_text()
    names = set(re.findall(r"\$var \w+ +\d+ \S+ (\w+)", text))
    assert {"a", "b", "p0", "expected", "equal", "strange"} <= names
    assert re.search(r"^b101010 ", text, re.MULTILINE)
    assert re.search(r"^b1111 ", text, re.MULTILINE)
    # 3 x 4, 3 x 5, 3 x 6 and no more, 1000 ns each.
    assert [int(t) for t in re.findall(r"^#(\d+)$", text, re.MULTILINE)][-1] <= 3_000_000


def test_no_waves_without_a_mismatch(tmp_path: Path) -> None:
    waves = tmp_path / "none.vcd"
    assert check(_exact(), waves=waves).passed
    assert not waves.exists()


def test_waves_come_from_a_cached_mismatch_too(with_rtl: WithRtl, tmp_path: Path) -> None:
    multiplier = with_rtl("assign p = a + b;")
    first = check(multiplier)
    assert check(multiplier, waves=tmp_path / "w.vcd") == first
    assert (tmp_path / "w.vcd").stat().st_size


def test_waves_that_cannot_be_written_are_one_line(with_rtl: WithRtl, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AxdseError, match="the output must be writable"):
        check(with_rtl("assign p = 0;"), waves=tmp_path / "file" / "w.vcd")
