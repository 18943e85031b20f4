"""May two machines work on one search? Not if code, tools or processors may give other bits."""

import dataclasses
import functools
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from axdse.flows.liberty.library import read_library
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import digest
from axdse.multipliers.provenance import ROOT
from axdse.multipliers.sandbox.compiler import compiler

PACKAGES = ("multipliers", "flows", "gpu", "dse")
CODE = (".py", ".c", ".h", ".v", ".cu", ".cuh", ".yaml")
TOOLS = ("iverilog", "yosys", "yosys-abc", "sta")
LIBRARIES = ("torch", "numpy", "cocotb")


@dataclass(frozen=True)
class Versions:
    """What decides the bits of a training and the figures of a cost.

    Attributes:
        code: SHA-256 (hex) of the files of axdse.
        python: its version.
        packages: names and versions.
        tools: likewise, the C compiler among them.
        library: SHA-256 (hex) of the cell library.
        processor: its maker, and the vector instructions that torch and our kernels use. Our
            kernels give the same bits with any; FP32 of torch does not.
    """

    code: str
    python: str = ""
    packages: str = ""
    tools: str = ""
    library: str = ""
    processor: str = ""

    def mixture(self, others: "Versions") -> str:
        """What of others' is not ours, one line; empty if nothing that we know of ourselves."""
        for field in dataclasses.fields(self):
            ours, theirs = getattr(self, field.name), getattr(others, field.name)
            if ours and ours != theirs:
                return f"{field.name}: {_difference(ours, theirs)}"
        return ""


def _difference(ours: str, theirs: str) -> str:
    """Only what differs, of lists."""
    mine, other = ours.split(", "), theirs.split(", ")
    if len(mine) == len(other) > 1:
        pairs = [(a, b) for a, b in zip(mine, other, strict=True) if a != b]
        ours, theirs = (", ".join(each) for each in zip(*pairs, strict=True))
    return f"{theirs[:60]}, not {ours[:60]}"


@functools.cache
def code_version() -> Versions:
    """That of the code alone: of processes on one machine nothing else differs."""
    found = [
        file
        for package in PACKAGES
        for file in sorted((ROOT / package).rglob("*"))
        if file.suffix in CODE
    ]
    names = (str(file.relative_to(ROOT)) for file in found)
    return Versions(digest(*names, *map(Path.read_bytes, found)))


@functools.cache
def versions(library: Path | None) -> Versions:
    """All of this machine's.

    Raises:
        AxdseError: a tool is missing, or the library.
    """
    # torch takes a second to import.
    import torch

    from axdse.gpu.cpu.kernels import available_kernels

    kernels = " ".join(kernel.name for kernel in available_kernels())
    packages = (f"{name} {version(name)}" for name in LIBRARIES)
    tools = (find_tool(name).version for name in TOOLS)
    return dataclasses.replace(
        code_version(),
        python=platform.python_version(),
        packages=", ".join(packages),
        tools=", ".join((*tools, compiler()[1])),
        library=read_library(library).digest,
        processor=f"{_maker()}, {torch.backends.cpu.get_cpu_capability()}, {kernels}",
    )


def _maker() -> str:
    """Of the processor: torch's own library of linear algebra looks at it too."""
    cpu = Path("/proc/cpuinfo")
    lines = cpu.read_text().splitlines() if cpu.exists() else []
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id"))
    return next(found, platform.machine())
