"""Which MAC multiplies where? Places of a network, each with a core, a format and a sum.

A design point has a text that reads the same in commands, YAML, Python, reports and exports:

    conv1=exact(n=8) in bf16; *:forward=drum(n=4,k=3) in float(8,3) sum lazy(10,24); *=fp32

A place is a pattern of layer names and one of the three products of a training step, or all. The
first place that fits a product has it; what no place fits stays native FP32, as `fp32` says.
"""

import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from axdse.multipliers import strict_yaml
from axdse.multipliers.designs.catalog import Catalog, builtin_catalog
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import InputFile
from axdse.multipliers.formats import FloatFormat, Format, IntFormat, parse_format
from axdse.multipliers.sums.feeds import brought_along, check_feeds, of_blocks
from axdse.multipliers.sums.recipe import Sum
from axdse.multipliers.sums.text import parse_sum

# Those of a training step: activation x weight, output gradient x weight, and x activation.
ProductName = Literal["forward", "input_gradient", "weight_gradient"]
PRODUCTS: tuple[ProductName, ...] = get_args(ProductName)
# What a format brings along, as it always did; every other sum is a recipe.
SumName = Literal["fp32", "bf16", "fp16", "int32"]
NATIVE = "fp32"
LONGEST = 100_000  # characters of a point
_PATTERN = re.compile(r"[\w.*?\[\]!-]{1,200}", re.ASCII)
_MAC = re.compile(r"(?P<core>.+?)\s+in\s+(?P<format>.+?)(?:\s+sum\s+(?P<sum>.+))?")
# The core of a MAC opens a parenthesis before it has an equals sign; a place has none.
_PLACE = re.compile(r"(?P<place>[^=(]*)=(?P<mac>.*)", re.DOTALL)


@dataclass(frozen=True)
class Candidate:
    """One core serving one format.

    Raises:
        AxdseError: the core's width or kind does not fit the format.
    """

    multiplier: Multiplier
    format: Format

    def __post_init__(self) -> None:
        family = self.multiplier.family
        if family.kind == "bits":
            raise AxdseError(
                "a number format is served by multipliers, integer or significand",
                f"{self.multiplier.spec} gives patterns of {self.multiplier.product_bits} bits",
                "verify or cost its core, or say what it is with --kind when it is imported",
            )
        if family.signed:
            self._check_signs()
        if family.kind == "significand":
            self._check_significand()
        elif self.core_widths != (self.multiplier.a_bits, self.multiplier.b_bits):
            a, b = self.core_widths
            bits = f"{a} bits" if a == b else f"{a} x {b} bits"
            raise AxdseError(
                f"{self.format.name} needs an integer core of {bits}",
                self.multiplier.spec,
                "choose a core to fit: of m + 1 bits for float(e,m), N for intN",
            )

    @property
    def core_widths(self) -> tuple[int, int]:
        """Bits of the operands of an integer core in the format."""
        if isinstance(self.format, FloatFormat):
            return self.format.operand_bits, self.format.operand_bits
        first, second = self.format.operands
        return first.bits, second.bits

    def _check_signs(self) -> None:
        """A core in two's complement is the whole unit, so its operands are the format's."""
        family, form = self.multiplier.family, self.format
        signed = [each.signed for each in form.operands] if isinstance(form, IntFormat) else []
        if signed == list(family.operand_signs):
            return
        if family.unsigned_operand:
            rule = "a core of a signed and an unsigned operand multiplies such integers"
            remedy = "choose uint8xint8, or int8xuint8, as its operands are"
        else:
            rule = "a signed core multiplies two's complement integers: int4 to int8"
            remedy = "choose intN of its width, or an unsigned family"
        raise AxdseError(rule, self.name, remedy)

    def _check_significand(self) -> None:
        if not isinstance(self.format, FloatFormat) or self.format.product == "wide":
            raise AxdseError(
                "a significand core gives m fraction bits: float formats, product=narrow only",
                f"{self.multiplier.spec} in {self.format.name}",
                "choose float(e,m,product=narrow) or an integer family",
            )
        if self.multiplier.operand_bits != self.format.fraction_bits:
            raise AxdseError(
                f"{self.format.name} needs a significand core of m={self.format.fraction_bits}",
                self.multiplier.spec,
                "choose m to fit",
            )

    @property
    def name(self) -> str:
        """Canonical text such as `drum(n=8,k=4) in int8`."""
        return f"{self.multiplier.spec} in {self.format.name}"


@dataclass(frozen=True)
class Mac:
    """What multiplies and adds: a core, the format of its operands, and the sum behind it.

    Attributes:
        multiplier: the core.
        format: of the operands and the product, without its sum.
        sum: the accumulator of the format by name, integers are summed in int32; or a recipe.

    Raises:
        AxdseError: the core does not fit the format, or the format has no such sum.
    """

    multiplier: Multiplier
    format: Format
    sum: SumName | Sum = "fp32"

    def __post_init__(self) -> None:
        form, total = self.format, self.sum
        if total == "fp32":
            total = brought_along(form) or total
        if isinstance(total, Sum):
            check_feeds(form, total)
        elif isinstance(form, FloatFormat):
            total = form.sum if total == "fp32" else total
            form = dataclasses.replace(form, sum="fp32")
        elif total == "fp32":
            total = "int32"
        object.__setattr__(self, "format", form)
        object.__setattr__(self, "sum", total)
        if not isinstance(total, Sum) and brought_along(form):
            raise AxdseError(of_blocks(form), f"sum {total}", "choose such a sum")
        if not isinstance(total, Sum) and isinstance(form, FloatFormat) == (total == "int32"):
            rule = f"{form.name} is summed in {'a float format' if total == 'int32' else 'int32'}"
            raise AxdseError(rule, f"sum {total}", "leave the sum out")
        _ = self.candidate

    @property
    def candidate(self) -> Candidate:
        """The core in the format that says how to sum, as operators and costs take it.

        A recipe is not in it: `recipe` is.
        """
        form, total = self.format, self.sum
        if isinstance(form, FloatFormat) and isinstance(total, str) and total != "int32":
            return Candidate(self.multiplier, dataclasses.replace(form, sum=total))
        return Candidate(self.multiplier, self.format)

    @property
    def recipe(self) -> Sum | None:
        """How products are added, if the format does not say it."""
        return self.sum if isinstance(self.sum, Sum) else None

    @classmethod
    def of(cls, candidate: Candidate) -> "Mac":
        """The MAC that a candidate is part of."""
        return cls(candidate.multiplier, candidate.format)

    @property
    def name(self) -> str:
        """Canonical text such as `drum(n=8,k=4) in float(8,7) sum bf16`."""
        plain = f"{self.multiplier.spec} in {self.format.name}"
        if isinstance(self.sum, Sum):
            return f"{plain} sum {self.sum.name}"
        return plain if self.sum in ("fp32", "int32") else f"{plain} sum {self.sum}"


@dataclass(frozen=True)
class Place:
    """Some products of some layers.

    Attributes:
        pattern: a shell wildcard over names of layers, such as `features.*`, case-sensitive.
        product: one of the three of a training step; None: all.

    Raises:
        AxdseError: the pattern has other characters than names and wildcards have, or there is
            no such product.
    """

    pattern: str = "*"
    product: ProductName | None = None

    def __post_init__(self) -> None:
        if not _PATTERN.fullmatch(self.pattern):
            rule = "a pattern of layers has letters, digits and any of _.*?[]!-"
            raise AxdseError(rule, repr(self.pattern), "write for example 'features.*'")
        if self.product is not None and self.product not in PRODUCTS:
            rule = "a place is a pattern of layers, then : and a product of a training step"
            raise AxdseError(rule, repr(self.product), did_you_mean(self.product, PRODUCTS))

    @property
    def name(self) -> str:
        """Canonical text such as `fc*:forward`, or `fc*`."""
        return f"{self.pattern}:{self.product}" if self.product else self.pattern

    def fits(self, layer: str, product: ProductName) -> bool:
        """Whether that product of the layer of that name is here."""
        return self.product in (None, product) and fnmatchcase(layer, self.pattern)


@dataclass(frozen=True)
class DesignPoint:
    """Which MAC makes which product of which layer.

    Attributes:
        places: with the MAC of each, None for native FP32; the first that fits counts.

    Raises:
        AxdseError: there is no place, one is named twice, or one is never reached.
    """

    places: tuple[tuple[Place, Mac | None], ...]

    def __post_init__(self) -> None:
        if not self.places:
            raise AxdseError("a design point has a place", "none", "write for example '*=fp32'")
        taken: set[tuple[str, ProductName]] = set()
        for place, mac in self.places:
            own = {(place.pattern, p) for p in PRODUCTS if place.product in (None, p)}
            every = {("*", product) for _, product in own}
            if own <= taken or every <= taken:
                text = f"{place.name}={mac.name if mac else NATIVE}"
                raise AxdseError(
                    "each product of a layer has one MAC, that of the first place that fits",
                    f"{text!r} comes after all that it could fit",
                    "remove it, or put it first",
                )
            taken |= own

    @classmethod
    def uniform(cls, mac: Mac | None) -> "DesignPoint":
        """The same MAC in every product of every layer."""
        return cls(((Place(), mac),))

    @property
    def name(self) -> str:
        """The canonical text, which `parse_design_point` reads back; of a uniform one its MAC."""
        names = [(place, mac.name if mac else NATIVE) for place, mac in self.places]
        if len(names) == 1 and names[0][0] == Place():
            return names[0][1]
        return "; ".join(f"{place.name}={mac}" for place, mac in names)

    @property
    def macs(self) -> tuple[Mac, ...]:
        """Each MAC once, in the order of their places."""
        return tuple(dict.fromkeys(mac for _, mac in self.places if mac))

    @property
    def uniform_mac(self) -> Mac | None:
        """The only MAC, if it has every product of every layer."""
        (place, mac), *others = self.places
        return mac if place == Place() and not others else None

    def mac(self, layer: str, product: ProductName) -> Mac | None:
        """The MAC of that product of that layer; None: native FP32."""
        fitting = (mac for place, mac in self.places if place.fits(layer, product))
        return next(fitting, None)

    def check_layers(self, layers: Iterable[str]) -> None:
        """Look for places that are not there.

        Raises:
            AxdseError: a place fits none of these layers.
        """
        patterns = (place.pattern for place, _ in self.places if place.pattern != "*")
        check_patterns("a place of a design point fits a layer", patterns, tuple(layers))


def check_patterns(rule: str, patterns: Iterable[str], layers: Sequence[str]) -> None:
    """Look for patterns that are of no layer.

    Raises:
        AxdseError: one fits none of these layers, which breaks the rule.
    """
    for pattern in patterns:
        if not any(fnmatchcase(layer, pattern) for layer in layers):
            raise AxdseError(rule, repr(pattern), did_you_mean(pattern, layers))


PassTexts: TypeAlias = Mapping[str, str]
PointText: TypeAlias = str | Mapping[str, str | PassTexts]


def parse_mac(text: str, catalog: Catalog | None = None) -> Mac:
    """Read `CORE in FORMAT`, or `CORE in FORMAT sum SUM`.

    Args:
        text: such as `drum(n=8,k=4) in bf16` or `exact(n=8) in bf16 sum hopper`.
        catalog: where the core's family is; default: the one that ships with axdse.

    Raises:
        AxdseError: it is none, or the core does not fit the format.
    """
    match = _MAC.fullmatch(text.strip())
    if match is None:
        rule = "a MAC is a core in a format, then perhaps its sum"
        raise AxdseError(rule, repr(text), "write for example 'drum(n=8,k=4) in bf16'")
    core = (catalog or builtin_catalog()).multiplier(match["core"])
    return Mac(core, parse_format(match["format"]), parse_sum_name(match["sum"] or NATIVE))


def parse_sum_name(text: str) -> SumName | Sum:
    """Read what follows `sum`: a sum of the format by name, or a recipe.

    Raises:
        AxdseError: it is neither.
    """
    names: tuple[SumName, ...] = get_args(SumName)
    return next((name for name in names if name == text.strip()), None) or parse_sum(text)


def parse_design_point(point: PointText, catalog: Catalog | None = None) -> DesignPoint:
    """Read a design point.

    Args:
        point: its text; or a MAC's text by pattern, or by pattern and product:
            `{"fc*": {"forward": "drum(n=8,k=4) in bf16"}, "*": "exact(n=8) in bf16"}`.
        catalog: as `parse_mac`.

    Raises:
        AxdseError: it is none.
    """
    read: dict[str, Mac | None] = {NATIVE: None}

    def mac(text: str) -> Mac | None:
        key = text.strip()
        if key not in read:
            read[key] = parse_mac(key, catalog)
        return read[key]

    return DesignPoint(tuple((place, mac(text)) for place, text in _entries(point)))


def load_design_point(path: Path, catalog: Catalog | None = None) -> DesignPoint:
    """Read the YAML of a design point: a mapping as `parse_design_point` takes it.

    Raises:
        AxdseError: the file cannot be read, or is none.
    """
    rule = "a design point is a readable YAML file of places and MACs"
    text = InputFile(path, rule, strict_yaml.LARGEST).text()
    data = strict_yaml.load(text, path.name)
    places = strict_yaml.build(dict[str, str | dict[str, str]], data, path.name)
    return parse_design_point(places, catalog)


def _entries(point: PointText) -> Iterator[tuple[Place, str]]:
    """Places with the texts of their MACs."""
    if isinstance(point, str):
        if len(point) > LONGEST:
            rule = f"a design point has up to {LONGEST} characters"
            raise AxdseError(rule, f"{len(point)}", "join its places by wildcards")
        for part in point.split(";"):
            match = _PLACE.fullmatch(part)
            yield (parse_place(match["place"]), match["mac"]) if match else (Place(), part)
        return
    for pattern, own in point.items():
        if isinstance(own, str):
            yield parse_place(pattern), own
            continue
        for product, text in own.items():
            yield parse_place(f"{pattern}:{product}"), text


def parse_place(text: str) -> Place:
    """Read a place such as `fc*:forward`, or `fc*`.

    Raises:
        AxdseError: it is none.
    """
    pattern, colon, product = (part.strip() for part in text.strip().partition(":"))
    if colon and product != "*":
        # Place refuses what is no product.
        return Place(pattern, product)  # type: ignore[arg-type]
    return Place(pattern)
