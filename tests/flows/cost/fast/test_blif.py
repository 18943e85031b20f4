"""Netlists of ABC: cells, constants and wires, and nothing else."""

from pathlib import Path

import pytest

from axdse.flows.cost.fast.blif import read_blif
from axdse.flows.liberty.library import read_library
from axdse.flows.netlist.netlist import Netlist
from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.designs.rtl_text import core_rtl
from axdse.multipliers.errors import AxdseError


def read(lines: str, folder: Path) -> Netlist:
    (folder / "x.blif").write_text(f".model x\n{lines}\n.end\n")
    rtl = core_rtl(builtin_catalog().multiplier("exact(n=3)"))
    return read_blif(folder / "x.blif", rtl, read_library())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (".gate MAGIC A=a[0] Y=p[0]", "MAGIC"),
        (".names a[0] b[0] p[0]\n11 1", r"all logic.*a\[0\] b\[0\]"),
        (".gate INVX1 A=x Y=y\n.gate INVX1 A=y Y=x", "loop of 2 cells"),
        (".gate INVX1 A=nowhere Y=p[0]", "needs a driver: nowhere"),
        (".gate INVX1 A=a[0] Y=p[0]", r"needs a driver: p\[1\]"),
        (".latch a[0] p[0] 0", "combinational.*latch"),
    ],
)
def test_a_netlist_of_anything_else_is_refused(lines: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(AxdseError, match=message):
        read(lines, tmp_path)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    rtl = core_rtl(builtin_catalog().multiplier("exact(n=3)"))
    with pytest.raises(AxdseError, match="ABC must map exact_n3"):
        read_blif(tmp_path / "none.blif", rtl, read_library())


WIRES = ".names a[0] p[0]\n1 1\n.names p[1]\n.names p[2]\n1\n.gate INVX1 A=p[2] Y=p[3]\n"
ZEROS = ".names p[4]\n.names p[5]\n"


def test_constants_and_wires_are_read(tmp_path: Path) -> None:
    netlist = read(WIRES + ZEROS, tmp_path)
    a = netlist.a.nets[0]
    assert netlist.product.nets[:3] == (a, 0, 1)
    assert len(netlist.instances) == 1


def test_cells_are_put_in_order(tmp_path: Path) -> None:
    chain = ".gate INVX1 A=x Y=p[3]\n.gate INVX1 A=b[0] Y=x\n"
    netlist = read(WIRES.rpartition(".gate")[0] + ZEROS + chain, tmp_path)
    first, second = netlist.instances
    assert dict(first.pins)["A"] == netlist.b.nets[0]
    assert dict(first.pins)["Y"] == dict(second.pins)["A"]


def test_a_wire_to_the_product_needs_no_buffer(tmp_path: Path) -> None:
    """ABC names such a bit with a buffer, which the full cost does not have."""
    buffers = ".gate BUFX2 A=a[1] Y=p[4]\n.gate BUFX2 A=b[1] Y=x\n.gate INVX1 A=x Y=p[5]\n"
    netlist = read(WIRES + buffers, tmp_path)
    assert netlist.product.nets[4] == netlist.a.nets[1]
    assert sorted(i.cell.name for i in netlist.instances) == ["BUFX2", "INVX1", "INVX1"]
