import os
import shutil
from pathlib import Path

import pytest

from axdse.flows.verify.bring_your_own import read_design
from axdse.flows.verify.check import check_design
from axdse.flows.verify.netlist_files import all_as_verilog
from axdse.multipliers.errors import AxdseError

HEAD = "library ieee; use ieee.std_logic_1164.all; use ieee.numeric_std.all;\n"
HALF = (
    f"{HEAD}entity part is port (a, b : in unsigned(3 downto 0);\n"
    "  p : out unsigned(7 downto 0)); end;\n"
    "architecture rtl of part is begin p <= a * b; end;\n"
)
TOP = (
    f"{HEAD}entity mul is port (clk : in std_logic; a, b : in unsigned(3 downto 0);\n"
    "  p : out unsigned(7 downto 0)); end;\n"
    "architecture rtl of mul is signal q : unsigned(7 downto 0); begin\n"
    "  u : entity work.part port map (a, b, q); -- a file of its own\n"
    "  process (clk) begin if rising_edge(clk) then p <= q; end if; end process;\nend;\n"
)
HAS_GHDL = bool(shutil.which(os.environ.get("AXDSE_GHDL", "ghdl")))


@pytest.mark.skipif(not HAS_GHDL, reason="GHDL is not installed")
def test_vhdl_is_verified(tmp_path: Path) -> None:
    for name, text in (("part.vhd", HALF), ("mul.vhd", TOP)):
        (tmp_path / name).write_text(text)
    (tmp_path / "mul.c").write_text("int mul(int a, int b) { return a * b; }")
    files = [tmp_path / "part.vhd", tmp_path / "mul.vhd"]
    design = read_design(tmp_path / "mul.c", files, folder=tmp_path)
    report = check_design(design)
    assert (report.passed, report.latency, report.vectors) == (True, 1, 256)
    (tmp_path / "mul.vhd").write_text(TOP.replace("p <= q", "p <= r"))
    with pytest.raises(AxdseError, match=r"GHDL must accept mul\.vhd: .*\"r\""):
        read_design(None, files, folder=tmp_path)


@pytest.mark.skipif(HAS_GHDL, reason="GHDL is installed")
def test_without_ghdl_the_command_that_installs_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "part.vhd").write_text(HALF)
    with pytest.raises(AxdseError, match="a tool is missing: ghdl; apt-get install ghdl"):
        all_as_verilog([tmp_path / "part.vhd"], tmp_path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("use std.textio.all;", "textio"),
        ('constant s : string := "--"; file f : text;', "file"),
        ("constant c : character := '\"'; FILE f : t; -- \"", "FILE"),
        ("attribute foreign of f : function is 1;", "foreign"),
        ("use std.env.all;", "env"),
    ],
)
def test_vhdl_that_reaches_out_is_refused(text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "part.vhd").write_text(f"-- no file\n{text}\n{HALF}")
    with pytest.raises(AxdseError, match=f"part.vhd computes and does nothing else: {what};"):
        all_as_verilog([tmp_path / "part.vhd"], tmp_path)
