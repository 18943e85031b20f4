"""Which design points are there, and how does Optuna draw one?

A chip has a few MACs, and each place of the network one of them. First it is drawn which places
share a MAC, then of each MAC a format with its sum, a family that can serve it, and that family's
parameters.
"""

import ast
import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, permutations, product

from optuna.trial import Trial

from axdse.dse.run.config import ALL, REFERENCE, SearchConfig
from axdse.multipliers.designs.catalog import Catalog, builtin_catalog
from axdse.multipliers.designs.design_point import (
    PRODUCTS,
    DesignPoint,
    Mac,
    Place,
    SumName,
    parse_sum_name,
)
from axdse.multipliers.designs.family import Family, Multiplier
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat, Format, IntFormat, parse_format
from axdse.multipliers.sums.recipe import Sum

Ranges = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Summed:
    """A number format, and how its products are added.

    Attributes:
        format: of the operands and the product.
        sum: as that of a `Mac`.
    """

    format: Format
    sum: SumName | Sum

    @classmethod
    def of(cls, mac: Mac) -> "Summed":
        """Those of a MAC."""
        return cls(mac.format, mac.sum)

    @property
    def name(self) -> str:
        """What follows `in` in the text of a MAC."""
        if isinstance(self.sum, Sum):
            return f"{self.format.name} sum {self.sum.name}"
        plain = self.sum in ("fp32", "int32")
        return self.format.name if plain else f"{self.format.name} sum {self.sum}"


@dataclass(frozen=True)
class Space:
    """All design points of a search.

    Attributes:
        formats: number formats, each with each sum that can add its products.
        families: families, the reference among them.
        ranges: per family name, narrower ranges of its parameters.
        places: that have a MAC of their own.
        distinct: how many different MACs a point has at most.
    """

    formats: tuple[Summed, ...]
    families: tuple[Family, ...]
    ranges: dict[str, Ranges]
    places: tuple[Place, ...] = (Place(),)
    distinct: int = 1

    def suggest(self, trial: Trial) -> DesignPoint:
        """Draw a point.

        A parameter's name tells everything that its range depends on, so that the distribution
        of a name never changes, as Optuna asks.
        """
        shared = [0]
        for number, place in enumerate(self.places[1:], 1):
            others = list(range(min(number + 1, self.distinct)))
            one = len(others) == 1
            shared.append(0 if one else trial.suggest_categorical(f"MAC of {place.name}", others))
        macs = {which: self._suggest_mac(trial, _prefix(which)) for which in sorted({*shared})}
        return self.point([macs[which] for which in shared])

    def _suggest_mac(self, trial: Trial, prefix: str) -> Mac:
        by_name = {each.name: each for each in self.formats}
        summed = by_name[trial.suggest_categorical(f"{prefix}format", list(by_name))]
        number_format = summed.format
        serving = self._serving[number_format]
        name = trial.suggest_categorical(f"{prefix}family for {number_format.name}", serving)
        family = next(family for family in self.families if family.name == name)
        values = _width(family, number_format)
        for parameter in family.parameters:
            if parameter not in values:
                low, high = self._limits(family, parameter, values)
                key = prefix + _key(family, parameter, values)
                values[parameter] = trial.suggest_int(key, low, high) if low < high else low
        return Mac(family.bind(values), number_format, summed.sum)

    @cached_property
    def _serving(self) -> dict[Format, list[str]]:
        """Names of the families that serve each format."""
        formats = {each.format for each in self.formats}
        return {
            each: [family.name for family in self.families if self.serves(family, each)]
            for each in formats
        }

    def parameters(self, point: DesignPoint) -> dict[str, str | int]:
        """What `suggest` would have to draw to give this point."""
        own = self.macs_of(point)
        which = {mac: number for number, mac in enumerate(dict.fromkeys(own))}
        drawn: dict[str, str | int] = {
            f"MAC of {place.name}": which[mac]
            for place, mac in zip(self.places[1:], own[1:], strict=True)
            if self.distinct > 1
        }
        for mac, number in which.items():
            assert mac is not None
            drawn |= _mac_parameters(mac, _prefix(number))
        return drawn

    def references(self) -> tuple[DesignPoint, ...]:
        """The exact core in each format that it has, with each sum, everywhere."""
        family = next(family for family in self.families if family.name == REFERENCE)
        square = [each for each in self.formats if _is_square(each.format)]
        bound = [(family.bind(_width(family, each.format)), each) for each in square]
        return tuple(DesignPoint.uniform(Mac(core, f.format, f.sum)) for core, f in bound)

    def points(self) -> Iterator[DesignPoint]:
        """Every point, those with fewer MACs first."""
        macs, places = list(self.macs()), len(self.places)
        for count in range(1, min(self.distinct, places) + 1):
            for shared in _sharings(places, count):
                for chosen in permutations(macs, count):
                    yield self.point([chosen[which] for which in shared])

    def macs(self) -> Iterator[Mac]:
        """Every MAC."""
        for each in self.formats:
            for family in self.families:
                for multiplier in self._grid(family, each.format):
                    yield Mac(multiplier, each.format, each.sum)

    @property
    def _of_passes(self) -> bool:
        return all(place.pattern == "*" for place in self.places)

    def point(self, macs: Sequence[Mac]) -> DesignPoint:
        """In the shortest text: of passes those that differ from the commonest MAC are named."""
        if len({*macs}) == 1:
            return DesignPoint.uniform(macs[0])
        point = DesignPoint(tuple(zip(self.places, macs, strict=True)))
        if not self._of_passes:
            return point
        by_product = {product: point.mac("", product) for product in PRODUCTS}
        common, _ = Counter(by_product.values()).most_common(1)[0]
        others = ((Place(product=p), mac) for p, mac in by_product.items() if mac != common)
        return DesignPoint((*others, (Place(), common)))

    def macs_of(self, point: DesignPoint) -> list[Mac | None]:
        """Those of the space's places."""
        if uniform := point.uniform_mac:
            return [uniform] * len(self.places)
        if not self._of_passes:
            return [mac for _, mac in point.places]
        named = {place.product for place in self.places}
        rest = next((product for product in PRODUCTS if product not in named), PRODUCTS[-1])
        return [point.mac("", place.product or rest) for place in self.places]

    def core_of(self, number_format: Format) -> Multiplier:
        """Some core that serves a format.

        Raises:
            AxdseError: there is none.
        """
        found = (core for family in self.families for core in self._grid(family, number_format))
        core = next(found, None)
        if core is None:
            rule = "each format must be served by one of the families"
            remedy = "add a family of its widths, or drop the format"
            raise AxdseError(rule, number_format.name, remedy)
        return core

    def serves(self, family: Family, number_format: Format) -> bool:
        """Whether any design of the family, within its ranges, fits the format."""
        return any(True for _ in self._grid(family, number_format))

    def _grid(self, family: Family, number_format: Format) -> Iterator[Multiplier]:
        if not _is_of_its_kind(family, number_format):
            return
        ranges = self.ranges.get(family.name, {})
        for multiplier in family.grid(**_width(family, number_format)):
            inside = (
                low <= value <= high
                for name, value in multiplier.values
                for low, high in [ranges.get(name, (value, value))]
            )
            wanted = _core_widths(family, number_format)
            if (multiplier.a_bits, multiplier.b_bits) == wanted and all(inside):
                yield multiplier

    def _limits(self, family: Family, parameter: str, earlier: dict[str, int]) -> tuple[int, int]:
        low, high = family.bounds(parameter, earlier)
        narrowed = self.ranges.get(family.name, {}).get(parameter, (low, high))
        return max(low, narrowed[0]), min(high, narrowed[1])


def space_of(config: SearchConfig, catalog: Catalog | None = None) -> Space:
    """The space that a configuration describes, with the families of a catalogue.

    Raises:
        AxdseError: a family that it names can serve none of its formats, or is a table alone and
            a cost is asked for; there are exact cores alone, and no cost to choose by.
    """
    catalog = catalog or builtin_catalog()
    tables = {name for name, family in catalog.families.items() if family.table_only}
    if config.costed and (named := [name for name in config.families if name in tables]):
        rule = f"the objective {config.costs[0].name} needs Verilog"
        what = f"tables alone: {', '.join(named)}"
        raise AxdseError(rule, what, "write objectives: [score], or import Verilog beside them")
    every = [name for name in catalog.families if not (config.costed and name in tables)]
    names = every if ALL in config.families else config.families
    families = tuple(catalog.family(name) for name in names)
    places = config.own_places
    if not config.costed and set(names) == {REFERENCE} and len(places) == 1:
        rule = "exact cores are what others are compared with, and differ in their costs"
        raise AxdseError(rule, "no other family, no cost", "add families, or objectives")
    distinct = min(config.distinct, len(places))
    formats = tuple(map(parse_format, config.formats))
    plain = Space((), families, config.ranges, places, distinct)
    cores = {form: plain.core_of(form) for form in formats}
    space = dataclasses.replace(plain, formats=_summed(config, cores))
    for name in config.families:
        if name != ALL and not any(
            space.serves(catalog.family(name), each.format) for each in space.formats
        ):
            raise AxdseError(
                "each family must be able to serve one of the formats",
                f"{name} in {', '.join(config.formats)}",
                "add a format, widen its ranges or drop the family",
            )
    if len(places) > 1:
        known = len(list(islice(space.macs(), distinct)))
        if known < distinct:
            rule = "a chip has no more different MACs than the space"
            raise AxdseError(rule, f"distinct: {distinct} of {known}", f"write distinct: {known}")
    return space


def _summed(config: SearchConfig, cores: Mapping[Format, Multiplier]) -> tuple[Summed, ...]:
    """Each format, by some core of its, with each sum that adds its products.

    Raises:
        AxdseError: a format has none, or a sum adds none of them.
    """
    found: dict[Summed, None] = {}
    added = set()
    for number_format, core in cores.items():
        refused = None
        for text in config.sums:
            try:
                summed = Summed.of(Mac(core, number_format, parse_sum_name(text)))
            except AxdseError as error:
                refused = refused or error
            else:
                found[summed] = None
                added |= {text, number_format}
        if number_format not in added and refused:
            raise refused
    for text in config.sums:
        if text not in added:
            rule = "each sum must add the products of one of the formats"
            what = f"{text} behind {', '.join(config.formats)}"
            raise AxdseError(rule, what, "add a format, or drop the sum")
    return tuple(found)


def _prefix(which: int) -> str:
    return f"MAC {which}: " if which else ""


def _mac_parameters(mac: Mac, prefix: str) -> dict[str, str | int]:
    family, number_format = mac.multiplier.family, mac.format
    width, bound = _width(family, number_format), dict(mac.multiplier.values)
    free = (parameter for parameter in family.parameters if parameter not in width)
    return {
        f"{prefix}format": Summed.of(mac).name,
        f"{prefix}family for {number_format.name}": family.name,
        **{prefix + _key(family, name, bound): bound[name] for name in free},
    }


def _sharings(places: int, count: int) -> Iterator[tuple[int, ...]]:
    """Which places have the same of `count` MACs; a MAC's number is that of its first use."""
    for shared in product(range(count), repeat=places):
        if tuple(dict.fromkeys(shared)) == tuple(range(count)):
            yield shared


def _is_of_its_kind(family: Family, number_format: Format) -> bool:
    """Whether cores of a family multiply what a format has, whatever their width."""
    if isinstance(number_format, FloatFormat):
        takes_wide = family.kind == "integer" or number_format.product == "narrow"
        return family.kind != "bits" and takes_wide and not family.signed
    signs = tuple(each.signed for each in number_format.operands)
    return family.kind == "integer" and (not family.signed or family.operand_signs == signs)


def _is_square(number_format: Format) -> bool:
    """Whether both operands have one width, as those of the exact core."""
    if isinstance(number_format, FloatFormat):
        return True
    first, second = number_format.operands
    return first.bits == second.bits


def _core_widths(family: Family, number_format: Format) -> tuple[int, int]:
    if isinstance(number_format, IntFormat):
        first, second = number_format.operands
        return first.bits, second.bits
    is_of_fractions = family.kind == "significand"
    bits = number_format.fraction_bits if is_of_fractions else number_format.operand_bits
    return bits, bits


def _width(family: Family, number_format: Format) -> dict[str, int]:
    """The parameter that is the operand width, which the format decides."""
    bits, _ = _core_widths(family, number_format)
    return {str(family.width): bits} if family.width in family.parameters else {}


def _key(family: Family, parameter: str, values: dict[str, int]) -> str:
    entry = family.parameters[parameter]
    expressions = ast.walk(ast.parse(f"({entry.min}), ({entry.max})"))
    names = {node.id for node in expressions if isinstance(node, ast.Name)}
    inner = ",".join(f"{name}={values[name]}" for name in family.parameters if name in names)
    return f"{family.name}({inner}).{parameter}"
