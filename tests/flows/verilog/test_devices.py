import dataclasses

import pytest

from axdse.flows.verilog.devices import Layout, batches, modules, sources
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.family import Pipeline
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl


def _rtl(top: str, text: str, bits: int = 4) -> Rtl:
    return Rtl(top, text, ("a", "b", "p"), bits, bits, 2 * bits, top)


ONE = _rtl("one", "module one; helper h(); endmodule module helper; wire x; endmodule")
SAME = _rtl("same", "module same; helper h(); endmodule\nmodule helper; wire x; endmodule")
OTHER = _rtl("other", "module other; helper h(); endmodule module helper; wire y; endmodule")
WIDE = _rtl("wide", "module wide; endmodule", bits=5)
MACRO = _rtl("macro", "`define X 1\nmodule macro; endmodule")
FUNCTION = _rtl("free", "function f; endfunction module free; endmodule")
CLOCKED = dataclasses.replace(_rtl("clocked", "module clocked; endmodule"), pipeline=Pipeline("c"))


@pytest.mark.parametrize(
    ("designs", "size", "groups"),
    [
        ([ONE, SAME], 9, [[0, 1]]),
        ([ONE, OTHER, SAME], 9, [[0], [1], [2]]),
        ([ONE, WIDE], 9, [[0], [1]]),
        ([MACRO, ONE, SAME], 9, [[0], [1, 2]]),
        ([ONE, MACRO, SAME], 9, [[0], [1], [2]]),
        ([ONE, FUNCTION], 9, [[0], [1]]),
        ([CLOCKED, CLOCKED], 9, [[0], [1]]),
        ([ONE, SAME, ONE], 2, [[0, 1], [2]]),
        ([], 9, []),
    ],
    ids=[
        "shared module",
        "modules that differ",
        "other widths",
        "macro first",
        "macro between",
        "function outside",
        "pipelines",
        "size",
        "none",
    ],
)
def test_only_what_fits_together_shares_a_simulation(
    designs: list[Rtl], size: int, groups: list[list[int]]
) -> None:
    assert list(batches(designs, size)) == groups


def test_shared_modules_stand_once() -> None:
    text = sources([ONE, SAME])
    assert text.count("module helper") == 1
    assert set(modules(text) or ()) == {"one", "same", "helper"}


def test_every_family_can_share_a_simulation() -> None:
    designs = [core_rtl(family.bind()) for family in builtin_catalog().families.values()]
    assert all(modules(design.text) for design in designs)


@pytest.mark.parametrize(
    ("bits", "count", "words", "last"),
    [(16, 5, 2, (1, 0)), (64, 3, 3, (2, 0)), (8, 12, 2, (1, 24)), (33, 2, 2, (1, 0))],
)
def test_products_share_words(bits: int, count: int, words: int, last: tuple[int, int]) -> None:
    layout = Layout(count, bits)
    assert layout.words == words
    assert layout.place(count - 1) == last
