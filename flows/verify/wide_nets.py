"""Stage 5, RTL check: split designs that keep everything in one wide wire.

Icarus evaluates a whole net when one bit of it changes: `wire [2031:0] N` is 60 times slower than
2,032 wires. Yosys splits it; nothing is optimised.
"""

from dataclasses import replace

from axdse.flows.scripts import script_word, write_rtl
from axdse.flows.yosys import run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.verilog import Rtl

WIDE_BITS = 256
SCRIPT = """\
read_verilog -sv rtl.v
hierarchy -check -top {top}
proc
splitnets
write_verilog -noattr split.v
"""


def split_wide_nets(rtl: Rtl) -> Rtl:
    """Return the same design with a wire for each bit inside.

    Raises:
        AxdseError: Yosys refuses it.
    """
    with temporary_folder() as folder:
        write_rtl(rtl, folder)
        run_yosys(SCRIPT.format(top=script_word(rtl.top)), folder, rtl.top)
        return replace(rtl, text=(folder / "split.v").read_text())
