"""What was asked? Strict YAML in, one frozen object out, and back."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
)
from pydantic.dataclasses import dataclass

from axdse.dse.limits import LARGEST_SEED, MOST_SEEDS, MOST_THREADS, MOST_TRIALS, MOST_WORKERS
from axdse.dse.run.constraints import Constraint, parse_constraint
from axdse.dse.run.objectives import ACCURACY, MAC_AREA, OBJECTIVES, Objective, find_objective
from axdse.dse.training.records import TrainSettings
from axdse.dse.training.workloads import Workload, find_workload
from axdse.flows.liberty.library import NAMES
from axdse.flows.liberty.syntax import library_file
from axdse.flows.netlist.adders import Aim
from axdse.multipliers import strict_yaml
from axdse.multipliers.designs.catalog import Catalog, builtin_catalog
from axdse.multipliers.designs.design_point import (
    PRODUCTS,
    DesignPoint,
    Place,
    parse_place,
    parse_sum_name,
)
from axdse.multipliers.designs.family import LARGEST
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import InputFile
from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format
from axdse.multipliers.operands.recording import Dataflow
from axdse.multipliers.sums.recipe import Sum
from axdse.multipliers.tables.lut import MAX_FRACTION_BITS

REFERENCE = "exact"
LOSSES = 10  # resolutions that a design may lose, if the file does not say
# Keys of a training that has them all; the others may be null, and then are left out.
_ALWAYS = {field.name for field in dataclasses.fields(TrainSettings)} - {"train_images", "clip"}
ALL = "all"
UNIFORM, PER_PASS = "uniform", "per-pass"
BELIEF, EXHAUSTIVE = "belief", "exhaustive"
SAMPLERS = (BELIEF, "tpe", "nsga2", "gp", "random", EXHAUSTIVE)
MOST_PLACES = 64


def _as_pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else _as_tuple(value)


def _as_tuple(value: Any) -> Any:
    """YAML's sequence, or a single text, as the tuple that a frozen object holds."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _as_objective(value: Any) -> Objective:
    return value if isinstance(value, Objective) else find_objective(value)


def _as_constraint(value: Any) -> Constraint:
    return value if isinstance(value, Constraint) else parse_constraint(str(value))


NamedObjective = Annotated[
    Objective, PlainValidator(_as_objective), PlainSerializer(lambda objective: objective.name)
]
Bounded = Annotated[
    Constraint, PlainValidator(_as_constraint), PlainSerializer(lambda constraint: constraint.text)
]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)]
Count = Annotated[int, Field(ge=1, le=MOST_TRIALS)]
Bound = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
Range = Annotated[tuple[Bound, Bound], BeforeValidator(_as_pair)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Veto:
    """A second workload, which must be served as well: it may see what the first does not.

    Attributes:
        workload: as that of a search; trained with its own settings.
        within: score that a point may lose there against exact bf16 with the same seed.
    """

    workload: str
    within: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @property
    def own_workload(self) -> Workload:
        """What is trained.

        Raises:
            AxdseError: there is none of that name.
        """
        return find_workload(self.workload)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SearchConfig:
    """What to search and how; everything that decides the result.

    Attributes:
        workload: that is trained, as `axdse.dse.training.workloads.find_workload` reads it.
        dataset: the argument of that name, that of most workloads of images; None: its default.
        formats: number formats, as `axdse.multipliers.formats.parse_format` reads them.
        training: of every trial, baseline and finalist; what is left out is the workload's own.
        families: names; "all" for those of the catalogue that can serve a format. The exact
            core is always among them, as it is what the others are compared with.
        places: that have a MAC of their own: "uniform" is one everywhere, "per-pass" one for each
            of the three products of a training step; or a list of places such as
            [conv1, "*:forward", "*"], the first that fits counts.
        distinct: how many different MACs a chip has at most.
        sums: how products are added: "fp32" (integers in int32), bf16 and fp16, or recipes such
            as "dot(terms=4,align=13)" and hopper_fp8; each format is taken with each that can
            add its products. With recipes no cost is of units alone.
        ranges: per family and parameter a value, or [low, high], that narrows the catalogue's.
        objectives: by name; accuracy, or score, is one, whatever the metric; the others are
            costs, of which the first one ranks designs: mac.area, mac.delay, mac.energy of whole
            MACs, area, delay, energy of multiplier units alone, array.energy. Of score alone no
            hardware is looked at, so that tables without Verilog may be searched.
        veto: another workload that finalists are trained for too, once: who does not serve it is
            not on the front.
        constraints: bounds on what a point takes, such as "mac.area <= 20000", or on its score,
            "score >= exact - 0.5", against the exact bf16 baseline; points beyond are not trained.
        trainings: trials in all that are trained, or fail: the budget.
        trials: designs that are looked at in all; None: any number. Most cost no training: their
            cost alone tells that they cannot reach the front.
        sampler: "belief" proposes what raises the front the most by what is known of each MAC and
            was learned so far; or one of Optuna's, which know nothing of costs: tpe, nsga2, gp,
            random, or any by its path, `package.module:Class`; or "exhaustive", all in order.
        seed: of the sampler and of every trial's training.
        workers: processes; 0 for one per core.
        lag: trials that may be under way: each is drawn when all but the latest so many less one
            are told to the sampler. What is drawn depends on it, and not on the workers.
        threads: of each worker; they decide the bits of native FP32.
        device: that trains, in every worker.
        finalist_seeds: trainings of each baseline and finalist; who is beaten earlier has fewer.
        resolution: difference of scores that one training cannot resolve; default: the metric's.
        largest_loss: score that a design may lose against the best baseline; who loses more has
            failed, however small it is; default: ten times the metric's resolution.
        library: Liberty file, or osu018 or nangate45; None for osu018.
        activity: whose operands give the energy: "recorded" are those of the bf16 baseline in
            its last epoch, rounded to the format of each design.
        dataflow: of the array whose multiplier met them, in that order.
        clock_ns: delay target; a design that misses it is infeasible and not trained. None: each
            design is mapped for the least area.
    """

    workload: str
    formats: Names
    dataset: str | None = None
    training: TrainSettings = TrainSettings()
    families: Names = (ALL,)
    places: Names = (UNIFORM,)
    distinct: Annotated[int, Field(ge=1, le=MOST_PLACES)] = 2
    sums: Names = ("fp32",)
    ranges: dict[str, dict[str, Range]] = dataclasses.field(default_factory=dict)
    objectives: tuple[NamedObjective, ...] = (ACCURACY, MAC_AREA)
    veto: Veto | None = None
    constraints: Annotated[tuple[Bounded, ...], BeforeValidator(_as_tuple)] = ()
    trainings: Count = 50
    trials: Count | None = None
    sampler: str = BELIEF
    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    workers: Annotated[int, Field(ge=0, le=MOST_WORKERS)] = 0
    lag: Annotated[int, Field(ge=1, le=MOST_WORKERS)] = 8
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1
    device: Literal["cpu", "cuda"] = "cpu"
    finalist_seeds: Annotated[int, Field(ge=3, le=MOST_SEEDS)] = 3
    resolution: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.01
    largest_loss: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    library: Path | None = None
    activity: Literal["recorded", "uniform"] = "recorded"
    dataflow: Dataflow = "output-stationary"
    clock_ns: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    @property
    def own_workload(self) -> Workload:
        """What is trained, on its dataset.

        Raises:
            AxdseError: there is none of that name.
        """
        workload = find_workload(self.workload)
        return workload.on(self.dataset) if self.dataset else workload

    @property
    def own_places(self) -> tuple[Place, ...]:
        """Each with a MAC of its own.

        Raises:
            AxdseError: one is none.
        """
        if self.places == (UNIFORM,):
            return (Place(),)
        if self.places == (PER_PASS,):
            return tuple(Place(product=product) for product in PRODUCTS)
        return tuple(map(parse_place, self.places))

    @property
    def costs(self) -> tuple[Objective, ...]:
        """The objectives but for accuracy, in their order."""
        return tuple(objective for objective in self.objectives if objective != ACCURACY)

    @property
    def costed(self) -> bool:
        """Whether silicon counts; else no design is verified or costed, and none need Verilog."""
        return bool(self.costs)

    @property
    def aim(self) -> Aim:
        """What full adders must save to be there: energy, if that is an objective, else area."""
        return "energy" if any(objective.needs_power for objective in self.costs) else "area"

    @property
    def figures(self) -> tuple[Objective, ...]:
        """What a point is costed for: objectives and what is bounded."""
        bounded = (constraint.objective for constraint in self.constraints)
        return tuple(dict.fromkeys((*self.costs, *(o for o in bounded if o != ACCURACY))))


def load_config(path: Path, catalog: Catalog | None = None) -> SearchConfig:
    """Read a configuration file.

    Args:
        path: of the file.
        catalog: that has its families; default: the one that ships with axdse.

    Raises:
        AxdseError: the file cannot be read, has unknown or duplicate keys, wrong types, or
            names what does not exist.
    """
    rule = "a configuration is a readable YAML file"
    return parse_config(InputFile(path, rule, strict_yaml.LARGEST).text(), path, catalog)


def parse_config(text: str, path: Path, catalog: Catalog | None = None) -> SearchConfig:
    """Read the text of a configuration; `path` names it in errors and anchors its paths."""
    data = strict_yaml.load(text, path.name)
    if not isinstance(data, dict):
        raise AxdseError(
            "a configuration is a mapping of keys", path, "start from examples/quick.yaml"
        )
    config = strict_yaml.build(SearchConfig, data, path.name)
    if not _is_whole(data):
        config = strict_yaml.build(SearchConfig, _completed(data, config.own_workload), path.name)
    if config.library and str(config.library) not in NAMES:
        try:
            library = (path.parent / config.library).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # NUL, or a loop of links
            raise library_file(config.library).refusal("no name of a file") from error
        config = dataclasses.replace(config, library=library)
    _check(config, catalog or builtin_catalog())
    return _canonical(config)


def _is_whole(data: dict[str, Any]) -> bool:
    """Whether nothing is left to the workload, as in what `dump_config` writes."""
    training = data.get("training")
    given = training.keys() if isinstance(training, dict) else ()
    return {"resolution", "largest_loss"} <= data.keys() and set(given) >= _ALWAYS


def _completed(data: dict[str, Any], workload: Workload) -> dict[str, Any]:
    """With what the workload says where the file says nothing."""
    # Its code may be a user's, and torch takes a second to import.
    from axdse.dse.training.task import make

    task = make(workload).task
    settings = dataclasses.asdict(task.settings)
    resolution = task.metric.resolution
    given = {**settings, **data.get("training", {})}
    return {
        "resolution": resolution,
        "largest_loss": LOSSES * resolution,
        **data,
        "training": given,
    }


def dump_config(config: SearchConfig) -> str:
    """Canonical YAML, which `parse_config` reads back to an equal object."""
    return yaml.safe_dump(as_written(config), sort_keys=False, default_flow_style=None)


def as_written(config: SearchConfig) -> dict[str, Any]:
    """What the keys of `dump_config` say: keys of a user's file, for messages and files alone."""
    written: dict[str, Any] = TypeAdapter(SearchConfig).dump_python(
        config, mode="json", exclude_none=True
    )
    return written


def _canonical(config: SearchConfig) -> SearchConfig:
    formats = tuple(dict.fromkeys(parse_format(text).name for text in config.formats))
    families = tuple(dict.fromkeys((REFERENCE, *config.families)))
    families = (ALL,) if ALL in families else families
    sums = tuple(dict.fromkeys(map(_sum_text, config.sums)))
    return dataclasses.replace(config, formats=formats, families=families, sums=sums)


def _sum_text(text: str) -> str:
    total = parse_sum_name(text)
    return total.name if isinstance(total, Sum) else total


def _check(config: SearchConfig, catalog: Catalog) -> None:
    _ = config.own_workload
    for text in config.formats:
        _check_format(text, config)
    for name in set(config.families) - {ALL}:
        catalog.family(name)
    _check_ranges(config, catalog)
    _check_places(config.own_places)
    _check_objectives(config)
    if config.veto:
        _ = config.veto.own_workload
        named = [place.name for place in config.own_places if place.pattern != "*"]
        if named:
            rule = "a veto is of points that fit any network"
            raise AxdseError(rule, f"place {named[0]}", "take places: per-pass, or drop the veto")
    if config.sampler not in SAMPLERS and ":" not in config.sampler:
        remedy = did_you_mean(config.sampler, SAMPLERS)
        raise AxdseError("unknown sampler", config.sampler, remedy)
    units = [objective for objective in config.figures if objective.level == "unit"]
    recipes = [text for text in config.sums if isinstance(parse_sum_name(text), Sum)]
    if units and recipes:
        rule = "a sum of a recipe is costed in whole MACs"
        what = f"objective {units[0].name}, sum {recipes[0]}"
        raise AxdseError(rule, what, f"write mac.{units[0].name}")
    counting = [objective.name for objective in config.figures if objective.needs_recording]
    if counting and config.activity == "uniform":
        rule = f"{counting[0]} is of the products that a recorded training makes"
        raise AxdseError(rule, "activity: uniform", "leave activity out, or write mac.energy")


def _check_objectives(config: SearchConfig) -> None:
    given = ", ".join(objective.name for objective in config.objectives)
    if ACCURACY not in config.objectives:
        *others, last = (name for name in OBJECTIVES if name != ACCURACY.name)
        raise AxdseError(
            f"objectives are score, alone or with costs: {', '.join(others)} and {last}",
            given or "none",
            "write objectives: [score, mac.area]",
        )
    if len(set(config.objectives)) != len(config.objectives):
        raise AxdseError("each objective stands once", given, "drop one")
    if config.costed:
        return
    bounds = (each.text for each in config.constraints if each.objective != ACCURACY)
    needing = [f"constraint {text}" for text in bounds]
    needing += [key for key in ("clock_ns", "library") if getattr(config, key) is not None]
    if needing:
        rule = "what is said of silicon needs an objective that is a cost"
        raise AxdseError(rule, needing[0], "write objectives: [score, mac.area], or drop it")


def _check_format(text: str, config: SearchConfig) -> None:
    number_format = parse_format(text)
    if isinstance(number_format, FloatFormat) and number_format.fraction_bits > MAX_FRACTION_BITS:
        raise AxdseError(
            f"a search computes with tables: float formats up to m = {MAX_FRACTION_BITS}",
            text,
            "choose fewer fraction bits",
        )
    if not config.costed or not isinstance(number_format, IntFormat):
        return
    if number_format.second or number_format.has_zero_points:
        rule = "a search costs under recordings, which have no zero points and one kind of operand"
        remedy = "write objectives: [score], or choose intN; the command cost takes the others"
        raise AxdseError(rule, text, remedy)


def _check_places(places: tuple[Place, ...]) -> None:
    text = ", ".join(place.name for place in places)
    if len(places) > MOST_PLACES:
        rule = f"a search has up to {MOST_PLACES} places"
        raise AxdseError(rule, f"{len(places)}", "join some by wildcards")
    DesignPoint(tuple((place, None) for place in places))  # refuses what is never reached
    everywhere = {each.product for each in places if each.pattern == "*"}
    if None not in everywhere and not everywhere >= set(PRODUCTS):
        rule = "the places of a search hold every product of every layer"
        raise AxdseError(rule, text, "add '*' as the last one")


def _check_ranges(config: SearchConfig, catalog: Catalog) -> None:
    for name, ranges in config.ranges.items():
        family = catalog.family(name)
        if not {name, ALL} & set(config.families):
            raise AxdseError(
                "ranges belong to a family of the search", name, "list it under families"
            )
        for parameter, (low, high) in ranges.items():
            if parameter not in family.parameters:
                remedy = did_you_mean(parameter, family.parameters)
                raise AxdseError(f"unknown parameter of {name}", parameter, remedy)
            if low > high:
                raise AxdseError(
                    "a range is [low, high]", f"{name}.{parameter}: [{low}, {high}]", "swap them"
                )
