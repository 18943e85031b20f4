"""The command doctor: what does this machine have and lack, and what installs it?"""

import importlib.metadata
import os
import platform
from dataclasses import dataclass

import click

from axdse.dse.cli.options import json_option, print_json, print_table
from axdse.flows.liberty.library import read_library
from axdse.flows.tools import TOOLS, KnownTool, find_tool
from axdse.gpu.cpu.compile import cpu_flags
from axdse.multipliers.cache import cache_dir
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox.bounded import fence_version
from axdse.multipliers.sandbox.compiler import compiler
from axdse.multipliers.sandbox.confined import ALLOW_SECCOMP, seccomp_available

PACKAGES = ("axdse", "torch", "numpy", "cocotb", "optuna")
OPTIONAL_PACKAGES = {"cupy-cuda13x": "pip install 'axdse[cuda13]'"}
CPU_FEATURES = ("avx2", "avx512f", "avx512vbmi", "avx512_bf16", "avx512_vnni")

WITHOUT_LANDLOCK = (
    "tools that read strangers' files can do what you can: a kernel from Linux 5.13 on with "
    "CONFIG_SECURITY_LANDLOCK, a container whose profile lets landlock(7) pass"
)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        required: without it `make search` cannot run.
        found: version or place; empty when it is missing.
        remedy: the command that installs it; empty when all is well.
    """

    name: str
    required: bool
    found: str
    remedy: str = ""


@click.command(short_help="What is installed, what is missing.")
@json_option
def doctor(as_json: bool) -> int:
    """Show tools, packages and libraries: found, missing, and how to install them."""
    findings = (*_tools(), _library(), *_packages(), _cache(), _cpu(), *_sandbox())
    if as_json:
        print_json(findings, tuple[Finding, ...])
    else:
        rows = [
            (f.name, f.found or ("MISSING" if f.required else "no"), f.remedy) for f in findings
        ]
        print_table("", ("what", "found", "remedy"), rows)
    return 1 if any(f.required and not f.found for f in findings) else 0


def _tools() -> list[Finding]:
    return [*map(_tool, TOOLS), _compiler()]


def _tool(known: KnownTool) -> Finding:
    try:
        tool = find_tool(known.name)
        return Finding(known.name, True, f"{tool.version}, {tool.path}")
    except AxdseError as error:
        return Finding(known.name, True, "", error.remedy)


def _compiler() -> Finding:
    try:
        path, version = compiler()
        return Finding("C compiler", True, f"{version}, {path}")
    except AxdseError as error:
        return Finding("C compiler", True, "", error.remedy)


def _library() -> Finding:
    try:
        return Finding("Liberty library", True, str(read_library().path))
    except AxdseError as error:
        return Finding("Liberty library", True, "", error.remedy)


def _packages() -> list[Finding]:
    required = [Finding(name, True, importlib.metadata.version(name)) for name in PACKAGES]
    return required + [_optional(name, remedy) for name, remedy in OPTIONAL_PACKAGES.items()]


def _optional(name: str, remedy: str) -> Finding:
    try:
        return Finding(name, False, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, False, "", remedy)


def _cache() -> Finding:
    try:
        return Finding("cache", True, str(cache_dir("")))
    except AxdseError as error:
        return Finding("cache", True, "", error.remedy)


def _cpu() -> Finding:
    features = " ".join(name for name in CPU_FEATURES if name in cpu_flags())
    return Finding("CPU", True, f"{os.cpu_count()} x {platform.machine()} {features}".strip())


def _sandbox() -> tuple[Finding, Finding]:
    """What holds strangers' files, see SECURITY.md: tools behind Landlock, C models by seccomp."""
    version = fence_version()
    held = "files, " * (version > 0) + "TCP, " * (version >= 4) + "signals, " * (version >= 6)
    landlock = f"version {version}: {held.removesuffix(', ')}" if version else ""
    seccomp = "yes" if seccomp_available() else ""
    return (
        Finding("Landlock", False, landlock, "" if version else WITHOUT_LANDLOCK),
        Finding("seccomp", True, seccomp, "" if seccomp else ALLOW_SECCOMP),
    )
