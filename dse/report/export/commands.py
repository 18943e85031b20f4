"""Which command lines make the numbers of an export again?"""

from dataclasses import dataclass, fields
from shlex import quote

from axdse.dse.report.summary import Finalist, Part
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.run_dir import CATALOG, WORKLOAD, RunDir
from axdse.flows.verify.c_source import named_constants

ASSIGNMENT = "assignment.yaml"


@dataclass(frozen=True)
class Commands:
    """Those of a MAC, from its folder.

    Attributes:
        validate: compares the core's certificate with the files.
        others: verify, cost, tabulate.
    """

    validate: str
    others: tuple[str, ...]


def mac_commands(run: RunDir, part: Part, core: str) -> Commands:
    """Command lines of a MAC, two folders below the export."""
    axdse, config, mac = axdse_of(run, "../.."), run.config, part.mac
    spec, form = quote(part.spec), f"--format {quote(part.candidate.format.name)}"
    total = f"--sum {quote(mac.recipe.name)}" if mac.recipe else ""
    unit = f"{spec} {form} {total}" if total else f"{spec} --unit {form}"
    cost = f"{axdse} cost {spec} {form}" + (f" {total} --mac" if total else "")
    family = part.candidate.multiplier.family
    call = [f"--argument {name}={value}" for name, value in named_constants(family)]
    if family.function and family.function != family.name:
        call.insert(0, f"--function {family.function}")
    files = f"--model {family.name}.c --rtl {core}.v"
    return Commands(
        validate=" ".join(["axdse verify --check certificate_core.json", files, *call]),
        others=(
            f"{axdse} verify {spec} --seed {part.certificate.seed}",
            f"{axdse} verify {unit} --seed {part.unit_certificate.seed}",
            f"{cost}{_basis(config)}",
            f"{axdse} lut {spec} {form} -o table.npz",
        ),
    )


def point_commands(run: RunDir, finalist: Finalist, up: str = "../..") -> tuple[str, ...]:
    """Command lines of a design point: cost, energy, and its trainings seed by seed."""
    config, axdse = run.config, axdse_of(run, up)
    met = f" --activity {up}/operands.npz --dataflow {config.dataflow}"
    cost = f"{axdse} cost {ASSIGNMENT}{_basis(config)}{met}"
    array = f" --dataflow {config.dataflow}{_basis(config)}"
    energy = f"{axdse} energy {up}/operands.npz {ASSIGNMENT}{array}"
    recipes = any(part.mac.recipe for part in finalist.parts)
    known = ((cost,) if not recipes else ()) + ((energy,) if finalist.point.on_array else ())
    train = f"{axdse} train {ASSIGNMENT} --config {up}/config.yaml --seed"
    return (*known, *(f"{train} {seed}" for seed in finalist.point.seeds))


def axdse_of(run: RunDir, up: str) -> str:
    """The command, with the catalogues and the workload that the export has copies of."""
    copies = sorted(path.name for path in (run.path / CATALOG).glob("*"))
    own = (f"PYTHONPATH={up}/{WORKLOAD}",) if (run.path / WORKLOAD).exists() else ()
    return " ".join((*own, "axdse", *(f"--catalog {up}/{CATALOG}/{name}" for name in copies)))


def settings_text(config: SearchConfig) -> str:
    """The settings of a training, in words."""
    said = ((f.name, getattr(config.training, f.name)) for f in fields(config.training))
    return ", ".join(f"{name} {value}" for name, value in said if value is not None)


def _basis(config: SearchConfig) -> str:
    """The netlists by which the search judged."""
    library = f" --library {quote(str(config.library))}" if config.library else ""
    clock = f" --clock {config.clock_ns:g}" if config.clock_ns else ""
    return f" --aim {config.aim}{library}{clock}"
