"""The commands doctor and cache: what does this machine have for axdse, and what may go?"""

import importlib.metadata
import itertools
import os
import platform
import time
from dataclasses import dataclass
from operator import attrgetter

import click

from axdse.dse.cli.options import json_option, print_json, print_table, say
from axdse.flows.liberty.library import read_library
from axdse.flows.tools import TOOLS, KnownTool, find_tool
from axdse.gpu.cpu.compile import cpu_flags
from axdse.multipliers.cache import cache_dir, cache_root
from axdse.multipliers.cache_limit import (
    CacheEntry,
    cache_limit,
    damaged,
    entries,
    parse_size,
    remove,
    superfluous,
)
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.sandbox.bounded import fence_version
from axdse.multipliers.sandbox.compiler import compiler
from axdse.multipliers.sandbox.confined import ALLOW_SECCOMP, seccomp_available

DAY_S = 86_400
MOST_DAYS = 36_500
DAMAGED = STAYED = 1
PACKAGES = ("axdse", "torch", "numpy", "cocotb", "optuna")
OPTIONAL_PACKAGES = {"cupy-cuda13x": "pip install 'axdse[cuda13]'"}
CPU_FEATURES = ("avx2", "avx512f", "avx512vbmi", "avx512_bf16", "avx512_vnni")
WITHOUT_LANDLOCK = (
    "tools that read strangers' files can do what you can: a kernel from Linux 5.13 on with "
    "CONFIG_SECURITY_LANDLOCK, a container whose profile lets landlock(7) pass"
)


@dataclass(frozen=True)
class KindReport:
    """What the cache holds of one kind.

    Attributes:
        kind: such as "cost".
        entries: how many.
        size: of all, in bytes.
        oldest_days: since the one that nobody used for longest was used.
    """

    kind: str
    entries: int
    size: int
    oldest_days: float


@dataclass(frozen=True)
class CacheReport:
    """What the cache holds.

    Attributes:
        folder: where it is.
        limit: its size after a command, at most, in bytes.
        size: of all entries, in bytes.
        kinds: by name.
    """

    folder: str
    limit: int
    size: int
    kinds: tuple[KindReport, ...]


@click.group(short_help="Show, prune or verify what is kept for later.")
def cache() -> None:
    """Look after the cache: results and compiled programs that are kept for later.

    It is in $AXDSE_CACHE, else $XDG_CACHE_HOME/axdse, else ~/.cache/axdse. Commands that store
    something prune it to $AXDSE_CACHE_LIMIT, 5GB where that is not set; what is missing is made
    again.
    """


@cache.command()
@json_option
def show(as_json: bool) -> None:
    """Show what the cache holds."""
    report = _report()
    if as_json:
        print_json(report, CacheReport)
        return
    rows = [
        (k.kind, f"{k.entries:,}", _megabytes(k.size), f"{k.oldest_days:.1f}")
        for k in report.kinds
    ]
    title = f"{report.folder}: {_megabytes(report.size)} MB of {_megabytes(report.limit)} MB"
    print_table(title, ("kind", "entries", "MB", "unused for days"), rows)


@cache.command("prune", short_help="Remove entries, the least recently used first.")
@click.option("--to", "size", metavar="SIZE", help="Until so much is left, such as 500MB.")
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(0, MOST_DAYS),
    metavar="DAYS",
    help="What was not used for so long.",
)
@click.option("--all", "everything", is_flag=True, help="All of it.")
def prune_cache(size: str | None, days: int | None, everything: bool) -> int:
    """Remove entries, the least recently used first; default: until the limit is kept.

    What another running process of axdse used in the last minutes stays. Exit code 1: some had to
    stay.
    """
    if sum((size is not None, days is not None, everything)) > 1:
        raise AxdseError(
            "prune takes one rule", "several given", "give --to, --older-than or --all"
        )
    if everything:
        chosen = entries()
    elif days is not None:
        latest = time.time() - days * DAY_S
        chosen = [entry for entry in entries() if entry.used <= latest]
    else:
        chosen = superfluous(parse_size(size) if size else cache_limit())
    gone = remove(chosen)
    click.echo(f"{len(gone):,} entries removed, {_megabytes(_total(gone))} MB")
    stayed = len(chosen) - len(gone)
    if stayed:
        say(f"{stayed:,} more are in use, or may not be removed: {cache_root()}", err=True)
    return STAYED if stayed else 0


@cache.command()
def verify() -> int:
    """Check the seal of every entry; damaged ones are named and removed.

    Exit code 1: some were damaged.
    """
    found = list(damaged())
    for entry in found:
        done = "removed" if entry.remove() else "cannot be removed"
        click.echo(f"damaged, {done}: {entry.path}")
    click.echo(f"{len(entries()):,} entries are whole, {len(found):,} were damaged")
    return DAMAGED if found else 0


def _report() -> CacheReport:
    known = sorted(entries(), key=attrgetter("kind"))
    now = time.time()
    kinds = [
        KindReport(kind, len(held), _total(held), (now - min(e.used for e in held)) / DAY_S)
        for kind, group in itertools.groupby(known, attrgetter("kind"))
        if (held := list(group))
    ]
    return CacheReport(str(cache_root()), cache_limit(), _total(known), tuple(kinds))


def _total(chosen: list[CacheEntry]) -> int:
    return sum(entry.size for entry in chosen)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f}"


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
