"""Stage 5, RTL check: the cocotb test, which runs inside the simulator."""

import cocotb
from cocotb.handle import HierarchyObject
from cocotb.triggers import RisingEdge


@cocotb.test()
async def walk(bench: HierarchyObject) -> None:
    """Start the bench and wait for its end."""
    bench.go.value = 1
    await RisingEdge(bench.done)
