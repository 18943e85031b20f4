"""How are Icarus and cocotb run? In a process of its own, which builds and drives.

`python -m axdse.flows.simulation.cocotb_icarus DEVICE.v NAME=VALUE...` works in the current
folder; the names are macros of rtl_bench.v. A process of its own, because cocotb's runner exits
the interpreter on failure, has no time limit and obeys variables that pytest sets.
"""

import sys
from pathlib import Path

from cocotb_tools.runner import get_runner

BENCH = Path(__file__).with_name("rtl_bench.v")


def main(device: str, macros: list[str]) -> None:
    """Leave sim.vvp, build.log, simulation.log and results.xml in the current folder."""
    folder = Path.cwd()
    runner = get_runner("icarus")
    runner.build(
        # The bench comes first: directives of the device must not reach it.
        sources=[BENCH, folder / device],
        hdl_toplevel="rtl_bench",
        defines=dict(macro.split("=", 1) for macro in macros),
        includes=[folder],
        timescale=("1ns", "1ps"),
        build_dir=folder,
        log_file=folder / "build.log",
        always=True,
    )
    runner.test(
        test_module="axdse.flows.simulation.testbench",
        hdl_toplevel="rtl_bench",
        # $stop would wait for a user.
        test_args=["-n"],
        build_dir=folder,
        test_dir=folder,
        results_xml=str(folder / "results.xml"),
        log_file=folder / "simulation.log",
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
