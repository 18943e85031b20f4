"""What does cocotb do inside the simulator?"""

from typing import Any

import cocotb
from cocotb.triggers import RisingEdge


@cocotb.test()
async def walk(bench: Any) -> None:
    """Start `rtl_bench` and wait for its end; the process that runs us has the time limit."""
    bench.go.value = 1
    await RisingEdge(bench.done)
