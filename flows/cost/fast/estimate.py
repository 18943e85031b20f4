"""What are area and delay of many designs at once? One Yosys, one ABC, no OpenSTA.

What it says means the same as `cost.py`: the same commands of ABC map the same RTL to the same
library, the netlist is compared with the C model, and the delay is that of `delays.py`, which
agrees with OpenSTA. Only what comes before ABC is shorter, so that areas differ by some per cent;
see benchmarks/cost_speed.py. Power takes the full cost.

No result depends on what else is in the batch: Yosys and ABC forget each design before the next,
and when one of them fails, each design of the batch is tried alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from axdse.flows.cost.fast.abc_map import MAP, write_netlists
from axdse.flows.cost.fast.blif import read_blif
from axdse.flows.cost.fast.elaborate import GATES, WORDS, write_gates
from axdse.flows.cost.fast.flat_netlist import Mapped, mapped
from axdse.flows.cost.parallel import in_parallel
from axdse.flows.cost.record import FastCost
from axdse.flows.evidence.stimulus import EXHAUSTIVE_BITS
from axdse.flows.liberty.library import Library, mappable, read_library
from axdse.flows.netlist.check import CEC_LIMIT_S, NetlistProof, check_design
from axdse.flows.netlist.flat import FlatLibrary
from axdse.flows.netlist.netlist import Netlist
from axdse.flows.netlist.synthesis import ABC_SCRIPT
from axdse.flows.power.activity_source import Design
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import digest, load, store, temporary_folder
from axdse.multipliers.cores import cores
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl, unit_rtl
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.model.cmodel import model_digest, table_of
from axdse.multipliers.provenance import code_digest

TOOLS = ("yosys", "yosys-abc")
BATCH = 32  # designs in one process


def fast_costs(
    designs: Sequence[Design],
    library: Path | None = None,
    jobs: int | None = None,
    *,
    prove: bool = True,
) -> Iterator[FastCost | AxdseError]:
    """Yield the cost of each design in order, cached as soon as it is there.

    An error stands for a design that has no cost: RTL that Yosys refuses, or a netlist that is
    not the C model.

    Args:
        designs: cores and units without registers.
        library: a Liberty file; None: the default one.
        jobs: batches at once; default: one on each core.
        prove: whether netlists beyond exhaustion are proven equal to their RTL, most of the time;
            else they are compared with the C model on a sample alone.

    Raises:
        AxdseError: a tool or the library is missing.
    """
    versions = tuple(find_tool(name).version for name in TOOLS)
    flow = _Flow(mappable(read_library(library)), versions, CEC_LIMIT_S if prove else 0.0)
    jobs = jobs or cores()
    size = max(1, min(BATCH, -(-len(designs) // jobs)))
    batches = [designs[at : at + size] for at in range(0, len(designs), size)]
    for costs in in_parallel(flow.costs, batches, jobs):
        yield from costs


@dataclass(frozen=True)
class _Job:
    """A design that is to be costed."""

    design: Design
    name: str
    rtl: Rtl
    key: str


@dataclass(frozen=True)
class _Flow:
    """How all designs of a call are costed."""

    library: Library
    tools: tuple[str, ...]
    cec_limit_s: float

    @cached_property
    def _flat(self) -> FlatLibrary:
        return FlatLibrary(self.library.cells)

    @cached_property
    def basis(self) -> str:
        """SHA-256 (hex) of all that a cost depends on but the design."""
        recipes = WORDS, GATES, MAP, ABC_SCRIPT
        known = self.library.digest, *self.tools, *recipes, str(self.cec_limit_s)
        return digest(*known, code_digest(__name__))

    def costs(self, batch: Sequence[Design]) -> list[FastCost | AxdseError]:
        """The cost of each design of a batch, from the cache or computed."""
        jobs = [self._job(design) for design in batch]
        known = [
            job if isinstance(job, AxdseError) else load("fast_cost", job.key, FastCost)
            for job in jobs
        ]
        missing = [
            job
            for job, cost in zip(jobs, known, strict=True)
            if cost is None and isinstance(job, _Job)
        ]
        computed = iter(self._computed(missing))
        return [next(computed) if cost is None else cost for cost in known]

    def _job(self, design: Design) -> _Job | AxdseError:
        try:
            if isinstance(design, Candidate):
                core, name, rtl = design.multiplier, design.name, unit_rtl(design)
            else:
                core, name, rtl = design, design.spec, core_rtl(design)
            model = model_digest(core)
        except AxdseError as error:
            return error
        if rtl.pipeline:
            return AxdseError("the fast cost has no registers", name, "leave out --fast")
        key = digest(name, model, rtl.digest, self.basis)
        return _Job(design, name, rtl, key)

    def _computed(self, jobs: Sequence[_Job]) -> list[FastCost | AxdseError]:
        if not jobs:
            return []
        with temporary_folder() as folder:
            refused = write_gates([job.rtl for job in jobs], folder)
            good = [number for number, error in enumerate(refused) if error is None]
            unmapped = write_netlists(good, self.library, folder)
            return [
                error or unmapped.get(number) or self._cost(job, folder / str(number))
                for number, (job, error) in enumerate(zip(jobs, refused, strict=True))
            ]

    def _cost(self, job: _Job, own: Path) -> FastCost | AxdseError:
        try:
            netlist = read_blif(own / "map.blif", job.rtl, self.library)
            cost = self._measured(job, netlist)
        except AxdseError as error:
            return error
        store("fast_cost", job.key, cost)
        return cost

    def _measured(self, job: _Job, netlist: Netlist) -> FastCost:
        flat = mapped(netlist, self._flat)
        proof = _exhaustive(flat, job.design) or check_design(
            netlist, job.design, self.cec_limit_s
        )
        area = netlist.area_um2
        return FastCost(
            design=job.name,
            area_um2=area,
            gate_equivalents=area / self.library.nand2_area_um2,
            delay_ns=flat.critical_path_ns(),
            cells=len(netlist.instances),
            library=self.library.name,
            library_digest=self.library.digest,
            tools=self.tools,
            recipe=f"# Yosys\n{WORDS}# or\n{GATES}# ABC\n{ABC_SCRIPT}",
            rtl_digest=job.rtl.digest,
            date=datetime.now(UTC).isoformat(timespec="seconds"),
            basis=self.basis,
            proof=proof,
        )


def _exhaustive(flat: Mapped, design: Design) -> NetlistProof | None:
    """Compare a small core with its C model on all pairs; None: ask `check_design`.

    That takes longer and knows more: about large designs, and about what is wrong.
    """
    if isinstance(design, Candidate) or design.a_bits + design.b_bits > EXHAUSTIVE_BITS:
        return None
    table = table_of(design)
    equal = flat.first_difference(table) is None
    return NetlistProof("exhaustive", table.size) if equal else None
