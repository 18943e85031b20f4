"""How are Verilator and cocotb run? In a process of its own, which builds and drives.

`python -m axdse.flows.simulation.cocotb_verilator DEVICE.v LIBRARY NAME=VALUE...` works in the
current folder; the names are macros of rtl_bench_verilator.v. A process of its own, because
cocotb's runner exits the interpreter on failure, has no time limit and obeys variables that
pytest sets.
"""

import os
import subprocess
import sys
from pathlib import Path

from cocotb_tools.runner import get_runner

BENCH = Path(__file__).with_name("rtl_bench_verilator.v")
LIBRARY = "libverilated.a"
# What the two simulations start unwritten variables with, and the seed of explicit x.
STARTS = ((0, 1), (1, 2))
OPTIONS = (
    "--timing",
    "-O3",
    # cocotb asks for all signals, at more than twice the time; the bench names the two it needs.
    "--no-public-flat-rw",
    # The device must not know who reads it, nor be held to rules of style.
    "-UVERILATOR",
    "-Uverilator",
    "-Wno-fatal",
    "--no-assert",
    "--x-initial",
    "unique",
    "--x-assign",
    "unique",
    # Some builds of Verilator do not ask for the coroutines that they need.
    "-CFLAGS",
    "-std=c++20",
)


def main(device: str, library: str, macros: list[str]) -> None:
    """Leave rtl_bench, build.log and, of each simulation, results.bin, .log and .xml.

    `library` is Verilator's run-time library; where it does not exist, leave that alone.
    """
    known = Path(library).exists()
    # -O3 for the device; the library gains nothing from it but takes long to build.
    os.environ["MAKEFLAGS"] = "OPT_FAST=-O3 OPT_GLOBAL=-O1" + " VM_GLOBAL_FAST=" * known
    link = ["-LDFLAGS", f"-Wl,--whole-archive,{library},--no-whole-archive"] if known else []
    folder = Path.cwd()
    runner = get_runner("verilator")
    runner.build(
        sources=[BENCH, folder / device],
        hdl_toplevel="rtl_bench",
        defines=dict(macro.split("=", 1) for macro in macros),
        includes=[folder],
        timescale=("1ns", "1ps"),
        build_args=[*OPTIONS, *link],
        build_dir=folder,
        log_file=folder / "build.log",
        always=True,
    )
    if not known:
        objects = [path.name for path in sorted(folder.glob("verilated*.o"))]
        subprocess.run(["ar", "rcs", LIBRARY, *objects], cwd=folder, check=True)
        return
    for start, (bit, seed) in enumerate(STARTS):
        runner.test(
            test_module="axdse.flows.simulation.testbench",
            hdl_toplevel="rtl_bench",
            plusargs=[f"+verilator+rand+reset+{bit}", f"+verilator+seed+{seed}"],
            build_dir=folder,
            test_dir=folder,
            results_xml=str(folder / f"results{start}.xml"),
            log_file=folder / f"simulation{start}.log",
        )
        if (folder / "results.bin").exists():
            (folder / "results.bin").rename(folder / f"results{start}.bin")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
