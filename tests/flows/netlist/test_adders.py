"""Full adders in a netlist: found in any library, taken only where a proof says that they add."""

from pathlib import Path

import pytest

from axdse.flows.formal.aig import Aig
from axdse.flows.liberty.library import OSU018, Library, read_library
from axdse.flows.netlist import mapped
from axdse.flows.netlist.adders import Adders, adders_of, rules
from axdse.flows.netlist.mapped import mapped_ways
from axdse.flows.netlist.netlist import Netlist
from axdse.multipliers.designs.datapath import Module
from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.errors import AxdseError

# Three operands: a carry-save adder and an addition.
BODY = "  assign p = {2'b0, a} + {2'b0, b[3:0]} + {2'b0, b[7:4]};\n"
ADDS = Module("adds", (("a", 4), ("b", 8)), (("p", 6),), BODY)


def test_a_library_tells_its_adders_by_their_functions(tmp_path: Path) -> None:
    library = read_library()
    assert adders_of(library) == ("none", "found", "chains")
    assert "FAX1 add (.A(A[i]), .B(B[i]), .C(C[i]), .YC(X[i]), .YS(Y[i]));" in rules(library)
    renamed = tmp_path / "renamed.lib"
    renamed.write_text(OSU018.read_text().replace("FAX1", "SUM3").replace("HAX1", "SUM2"))
    assert "SUM3 add" in rules(read_library(renamed))


def test_without_a_full_adder_abc_maps_all(tmp_path: Path) -> None:
    plain = tmp_path / "plain.lib"
    plain.write_text(OSU018.read_text().replace("((A^B)^C)", "(A^B)"))
    library = read_library(plain)
    assert adders_of(library) == ("none",)
    assert [way.adders for way in mapped_ways(ADDS, library, None)] == ["none"]


def test_additions_get_full_adders() -> None:
    cells = {
        way.adders: [each.cell.name for each in way.netlist.instances]
        for way in mapped_ways(ADDS, read_library(), None)
    }
    assert set(cells) == {"none", "found", "chains"}
    assert "FAX1" not in cells["none"]
    assert cells["chains"].count("FAX1") >= 6


def test_a_way_that_is_not_its_rtl_is_left_out(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Module("adds", ADDS.inputs, ADDS.outputs, BODY.replace("b[7:4]", "b[6:3]")).rtl
    map_to, read = mapped.synthesise_for, mapped.read_gates
    reads: list[Rtl] = []

    def map_wrongly(
        rtl: Rtl, library: Library, clock_ns: float | None, adders: Adders
    ) -> tuple[Netlist, str]:
        return map_to(rtl if adders == "none" else wrong, library, clock_ns, adders)

    def read_once(rtl: Rtl, words: str) -> Aig:
        reads.append(rtl)
        return read(rtl, words)

    monkeypatch.setattr(mapped, "synthesise_for", map_wrongly)
    monkeypatch.setattr(mapped, "read_gates", read_once)
    assert [way.adders for way in mapped_ways(ADDS, read_library(), None)] == ["none"]
    assert reads == [ADDS.rtl]
    assert len(list(fresh_cache.glob("mapped/*.json"))) == 3


def test_plain_gates_that_are_not_their_rtl_are_refused(
    fresh_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Module("adds", ADDS.inputs, ADDS.outputs, BODY.replace("b[7:4]", "b[6:3]")).rtl
    read = mapped.read_gates
    monkeypatch.setattr(mapped, "read_gates", lambda rtl, words: read(wrong, words))
    with pytest.raises(AxdseError, match="must compute what the RTL does"):
        mapped_ways(ADDS, read_library(), None)
    assert not list(fresh_cache.glob("mapped/*.json"))
