"""Which numbers of a run do page, picture and tables show?"""

from collections.abc import Sequence
from dataclasses import dataclass

from axdse.dse.run.evaluation import Baseline, FrontPoint
from axdse.dse.run.intervals import Interval, interval95
from axdse.dse.run.objectives import AREA, Measured, Objective
from axdse.flows.accelerator.network import AcceleratorCost, LayerEnergy
from axdse.flows.cost.point import PointCost
from axdse.flows.cost.record import Cost
from axdse.flows.evidence.report import RtlReport
from axdse.multipliers.designs.design_point import NATIVE, Candidate, DesignPoint, Mac
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import Format
from axdse.multipliers.tables.error_metrics import ErrorMetrics, error_metrics

FEW = 3  # cores that a label names


@dataclass(frozen=True)
class MacFigures:
    """Mean energy of a multiply-accumulate of a network, fJ, glitches included.

    Attributes:
        training_fj: over all products of training, with the operands recorded there.
        inference_fj: over the forward products.
        uniform_fj: with uniform operands.
    """

    training_fj: float
    inference_fj: float
    uniform_fj: float

    @property
    def uniform_error(self) -> float:
        """How far the uniform figure is off that of training, as a fraction of it.

        A register's clock alone takes energy, so there is always some.
        """
        return self.uniform_fj / self.training_fj - 1


@dataclass(frozen=True)
class Part:
    """One of the distinct MACs of a finalist, as a rule the only one.

    Attributes:
        mac: that multiplies.
        share: of the multiplications of a training step.
        error: of its core, over all operand pairs.
        cost: of its unit.
        certificate: of its core.
        unit_certificate: of its unit.
    """

    mac: Mac
    share: float
    error: ErrorMetrics
    cost: Cost
    certificate: RtlReport
    unit_certificate: RtlReport

    @property
    def candidate(self) -> Candidate:
        """The core in its format."""
        return self.mac.candidate

    @property
    def spec(self) -> str:
        """Spec of the core."""
        return self.mac.multiplier.spec

    @property
    def format(self) -> str:
        """The format, and the sum if it is no format's."""
        return format_of(self.mac)

    @property
    def exact(self) -> bool:
        """Whether the core multiplies exactly."""
        return self.mac.multiplier.family.error_sign == "exact"


@dataclass(frozen=True)
class Finalist:
    """A design point that was retrained with several seeds, with all that is known of it.

    Attributes:
        point: accuracies, certificates, histories.
        parts: its distinct MACs, in the order of its cost.
        cost: of its units.
    """

    point: FrontPoint
    parts: tuple[Part, ...]
    cost: PointCost

    @property
    def design(self) -> DesignPoint:
        """Which MACs multiply where."""
        return self.point.evaluation.point

    @property
    def uniform(self) -> bool:
        """Whether one MAC makes every product."""
        return self.design.uniform_mac is not None

    @property
    def spec(self) -> str:
        """Spec of the core; of several MACs all of the text."""
        return names_of(self.design).spec

    @property
    def format(self) -> str:
        """Short text of the format; of several MACs empty."""
        return names_of(self.design).format

    @property
    def mac(self) -> MacFigures | None:
        """Energy of a multiply-accumulate; None: the library has no power tables."""
        return mac_figures(self.point.on_array) if self.point.on_array else None

    @property
    def exact(self) -> bool:
        """Whether every core is exact."""
        return all(part.exact for part in self.parts)

    @property
    def sound(self) -> bool:
        """Whether it may be an answer: certified, and not refused by a second workload."""
        return self.point.sound

    @property
    def is_reference(self) -> bool:
        """Whether it is one exact core everywhere, which answers are compared with."""
        return self.exact and self.uniform

    @property
    def formats(self) -> set[Format]:
        """Those of its MACs."""
        return {part.candidate.format for part in self.parts}

    @property
    def validation(self) -> Interval:
        """Validation score over seeds."""
        return interval95(self.point.validation_estimate)

    @property
    def test(self) -> Interval:
        """Test score over seeds."""
        return interval95(self.point.test_estimate)

    def measured(self, objective: Objective) -> float:
        """Its value of an objective; the score is the mean on the validation split."""
        return objective.of(Measured(self.validation.mean, self.cost))


def gather(points: Sequence[FrontPoint], objective: Objective = AREA) -> tuple[Finalist, ...]:
    """Gather what is known of each finalist, the best by that objective first.

    Raises:
        AxdseError: a finalist lacks its cost or certificate.
    """

    def rank(finalist: Finalist) -> tuple[float, str, str]:
        loss = objective.loss(Measured(finalist.validation.mean, finalist.cost))
        return loss, finalist.spec, finalist.format

    return tuple(sorted(map(_finalist, points), key=rank))


def _finalist(point: FrontPoint) -> Finalist:
    evaluation = point.evaluation
    cost, certificates = evaluation.cost, evaluation.certificates
    if cost is None or not len(cost.units) == len(certificates) == len(point.unit_certificates):
        raise AxdseError(
            "a design of the front has a cost and a certificate",
            f"trial {evaluation.number} ({evaluation.design})",
            "run 'axdse search' again with --resume",
        )
    known = zip(cost.units, cost.shares, certificates, point.unit_certificates, strict=True)
    left, parts = list(evaluation.point.macs), []
    for unit, share, certificate, whole in known:
        # Of two MACs that differ in their sums alone, units have one name; order tells them apart.
        mac = next(mac for mac in left if mac.candidate.name == unit.design)
        left.remove(mac)
        error = error_metrics(mac.multiplier)
        parts.append(Part(mac, share, error, unit, certificate, whole))
    return Finalist(point, tuple(parts), cost)


def mac_figures(cost: AcceleratorCost) -> MacFigures | None:
    """Weigh each layer and product by its multiply-accumulates; None without power tables."""
    uniform = {mac.design: mac.uniform.energy_fj for mac in cost.macs if mac.uniform}
    if not uniform:
        return None
    total = sum(layer.macs_per_step for layer in cost.layers)
    shares = {
        design: sum(x.macs_per_step for x in cost.layers if x.design == design) / total
        for design in uniform
    }
    return MacFigures(
        training_fj=_mean(cost.layers),
        inference_fj=_mean([layer for layer in cost.layers if layer.product == "forward"]),
        uniform_fj=sum(share * uniform[design] for design, share in shares.items()),
    )


def _mean(layers: tuple[LayerEnergy, ...] | list[LayerEnergy]) -> float:
    return sum(x.macs_per_step * x.mac_fj for x in layers) / sum(x.macs_per_step for x in layers)


@dataclass(frozen=True)
class Names:
    """What a design point is called in tables and pictures.

    Attributes:
        spec: of the core; of several MACs all of the text, formats included.
        format: short; of several MACs empty.
        label: a few words: the cores.
        formats: the formats.
    """

    spec: str
    format: str
    label: str
    formats: str


def names_of(point: DesignPoint) -> Names:
    """Names of a design point; those of a uniform one are of its MAC."""
    specs = dict.fromkeys(mac.multiplier.spec for mac in point.macs)
    formats = dict.fromkeys(map(format_of, point.macs))
    label, joined = " + ".join(specs) or NATIVE, " + ".join(formats) or NATIVE
    if point.uniform_mac:
        return Names(label, joined, label, joined)
    few = len(specs) <= FEW
    return Names(point.name, "", label if few else f"{len(point.macs)} MACs", joined)


def format_of(mac: Mac) -> str:
    """The format, with the sum if it is a recipe."""
    plain = mac.name.removeprefix(f"{mac.multiplier.spec} in ")
    return plain if mac.recipe else mac.candidate.format.name


def title_of(baseline: Baseline) -> str:
    """Its name as people write it."""
    return "FP32" if baseline.name == "fp32" else baseline.name
