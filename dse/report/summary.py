"""Which numbers of a run do page, picture and tables show?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from axdse.dse.run.evaluation import Estimate, FrontPoint, candidate_of
from axdse.flows.accelerator.network import AcceleratorCost, LayerEnergy
from axdse.flows.cost.record import Cost
from axdse.flows.evidence.report import RtlReport
from axdse.multipliers.designs.candidate import Candidate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat, parse_format
from axdse.multipliers.tables.error_metrics import ErrorMetrics, error_metrics

# Two-sided 95 % quantiles of Student's t for 1..10 degrees of freedom.
STUDENT_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
NORMAL = 1.95996
NAMED_FORMATS = ("bf16", "approxtrain", "fp16", "fp8_e5m2", "fp8_e4m3")


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % confidence interval over seeds.

    Attributes:
        mean: a fraction, such as an accuracy 0..1 or a difference of two.
        half: half width of the interval; NaN for a single seed.
    """

    mean: float
    half: float

    @property
    def percent(self) -> str:
        """Text such as `87.9 ± 0.4`, in percent; without ± for a single seed."""
        if math.isnan(self.half):
            return f"{100 * self.mean:.1f}"
        return f"{100 * self.mean:.1f} ± {100 * self.half:.1f}"

    @property
    def signed_percent(self) -> str:
        """As `percent`, with a sign: for differences, in percentage points."""
        size = Interval(abs(self.mean), self.half).percent
        if size.startswith("0.0"):
            return size
        return ("\N{MINUS SIGN}" if self.mean < 0 else "+") + size


def interval95(estimate: Estimate) -> Interval:
    """Student's interval: few seeds make it wide, as they should."""
    freedom = estimate.seeds - 1
    if freedom < 1:
        return Interval(estimate.mean, math.nan)
    return Interval(estimate.mean, _student(freedom) * estimate.standard_error)


def _student(freedom: int) -> float:
    """Two-sided 95 % quantile: the table, then Cornish and Fisher's expansion, good to 0.003."""
    if freedom <= len(STUDENT_T):
        return STUDENT_T[freedom - 1]
    z = NORMAL
    first = (z**3 + z) / (4 * freedom)
    return z + first + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


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
class Finalist:
    """A design that was retrained with several seeds, with all that is known of it.

    Attributes:
        point: accuracies, certificates, histories.
        candidate: the design itself.
        error: of its core, over all operand pairs.
        cost: of its unit.
        certificate: of its core.
    """

    point: FrontPoint
    candidate: Candidate
    error: ErrorMetrics
    cost: Cost
    certificate: RtlReport

    @property
    def spec(self) -> str:
        """Spec of the core."""
        return self.candidate.multiplier.spec

    @property
    def format(self) -> str:
        """Short text of the format."""
        return short_format(self.candidate.format)

    @property
    def mac(self) -> MacFigures | None:
        """Energy of a multiply-accumulate; None: the library has no power tables."""
        return mac_figures(self.point.on_array) if self.point.on_array else None

    @property
    def exact(self) -> bool:
        """Whether the core is exact: a reference, not an answer."""
        return is_exact(self.candidate)

    @property
    def validation(self) -> Interval:
        """Validation accuracy over seeds."""
        return interval95(self.point.validation_estimate)

    @property
    def test(self) -> Interval:
        """Test accuracy over seeds."""
        return interval95(self.point.test_estimate)


def gather(points: Sequence[FrontPoint]) -> tuple[Finalist, ...]:
    """Gather what is known of each finalist, smallest unit first.

    Raises:
        AxdseError: a finalist lacks its cost or certificate.
    """
    known = (_finalist(point) for point in points)
    return tuple(sorted(known, key=lambda f: (f.cost.area_um2, f.spec, f.format)))


def _finalist(point: FrontPoint) -> Finalist:
    cost, certificate = point.evaluation.cost, point.evaluation.certificate
    if cost is None or certificate is None:
        raise AxdseError(
            "a design of the front has a cost and a certificate",
            f"trial {point.evaluation.number} ({point.evaluation.design})",
            "run 'axdse search' again with --resume",
        )
    candidate = candidate_of(point.evaluation)
    return Finalist(point, candidate, error_metrics(candidate.multiplier), cost, certificate)


def mac_figures(cost: AcceleratorCost) -> MacFigures | None:
    """Weigh each layer and product by its multiply-accumulates; None without power tables."""
    uniform = cost.macs[0].uniform
    forward = [layer for layer in cost.layers if layer.product == "forward"]
    return MacFigures(_mean(cost.layers), _mean(forward), uniform.energy_fj) if uniform else None


def _mean(layers: tuple[LayerEnergy, ...] | list[LayerEnergy]) -> float:
    return sum(x.macs_per_step * x.mac_fj for x in layers) / sum(x.macs_per_step for x in layers)


def is_exact(candidate: Candidate) -> bool:
    """Whether the core multiplies exactly."""
    return candidate.multiplier.family.error_sign == "exact"


def short_format(number_format: Format) -> str:
    """The shortest text that `parse_format` reads back: `bf16`, `float(8,5)`, `int8`."""
    if isinstance(number_format, IntFormat):
        return number_format.name
    widths = number_format.exponent_bits, number_format.fraction_bits
    texts = [_relative_to(f"float({widths[0]},{widths[1]})", FloatFormat(*widths), number_format)]
    for name in NAMED_FORMATS:
        known = parse_format(name)
        if isinstance(known, FloatFormat) and widths == (known.exponent_bits, known.fraction_bits):
            texts.append(_relative_to(name, known, number_format))
    return min(texts, key=len)


def _relative_to(name: str, known: FloatFormat, number_format: FloatFormat) -> str:
    """A format by the name of another of the same widths, with the options that differ."""
    options = {"round": "rounding", "product": "product", "sum": "sum", "scale": "scale"}
    changes = ",".join(
        f"{option}={getattr(number_format, field)}"
        for option, field in options.items()
        if getattr(known, field) != getattr(number_format, field)
    )
    opened = f"{name[:-1]}," if name.endswith(")") else f"{name}("
    return f"{opened}{changes})" if changes else name
