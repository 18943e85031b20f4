"""What is the Verilog of a design? One self-contained text, bound by its top module.

A text elaborates on its own in any tool, which is what the RTL check simulates, what synthesis
maps: the very same bytes. An export ships the same modules, each of them once.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from axdse.multipliers.cache import digest
from axdse.multipliers.designs.design_point import Candidate
from axdse.multipliers.designs.family import Multiplier, Pipeline
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import LARGEST_SOURCE, InputFile, without_comments
from axdse.multipliers.formats import FloatFormat, IntFormat
from axdse.multipliers.names import check_name

RTL_FOLDER = Path(__file__).parents[1] / "rtl"
UNIT_FOLDER = RTL_FOLDER / "unit"  # what is around a core
UNIT_PORTS = ("a", "b", "p")
LONGEST_TOP = 240  # it names a file in an export
_OUTSIDE = re.compile(r"`include\b|\$(?:readmem[bh]|fopen)\b")


@dataclass(frozen=True)
class Rtl:
    """A design with two operand inputs and one product output, combinational or a pipeline.

    Attributes:
        top: name of the top module, without parameters.
        text: the complete Verilog source.
        ports: names of first operand, second operand and product.
        a_bits: width of the first operand.
        b_bits: width of the second operand.
        product_bits: width of the product.
        core: name of the core's module, inside the top or the top itself.
        pipeline: how to run it; None: combinational.

    Raises:
        AxdseError: a name is no plain identifier, which no tool would take for anything else; or
            the text reads other files, on which its digest would not depend.
    """

    top: str
    text: str
    ports: tuple[str, str, str]
    a_bits: int
    b_bits: int
    product_bits: int
    core: str
    pipeline: Pipeline | None = None

    def __post_init__(self) -> None:
        control = self.pipeline.ports if self.pipeline else ()
        for name in (self.top, self.core, *self.ports, *control):
            check_name(name, "modules and ports", "Verilog", LONGEST_TOP)
        outside = _OUTSIDE.search(without_comments(self.text))
        if outside:
            rule = f"the RTL {self.top} is complete in itself"
            raise AxdseError(rule, outside[0], "paste in what it reads")

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of top and text."""
        return digest(self.top, self.text.rstrip())


def core_rtl(multiplier: Multiplier) -> Rtl:
    """The bare core: top `drum_n8_k4` binds the parameters of module `drum`.

    A family without parameters is its own top.

    Raises:
        AxdseError: the Verilog file cannot be read.
    """
    family, text = multiplier.family, _read(multiplier.family.verilog)
    core, ports = family.module or family.name, family.port_names
    widths = (multiplier.a_bits, multiplier.b_bits, multiplier.product_bits)
    if not multiplier.bindings:
        return Rtl(core, text, ports, *widths, core, family.pipeline)
    top, body = identifier(multiplier.spec), f"  {core_instance(multiplier, *ports)}\n"
    wrapper = _module(top, ports, *widths, body, family.pipeline)
    return Rtl(top, wrapper + text, ports, *widths, core, family.pipeline)


def unit_rtl(candidate: Candidate) -> Rtl:
    """The whole unit: the core inside the sign, exponent and special-value logic of its format.

    Operand rounding happens before the unit and leaves no trace in it.

    Raises:
        AxdseError: a Verilog file cannot be read, or the core is a pipeline.
    """
    unit = unit_of(candidate)
    text = unit.top_text + "\n".join(
        map(_read, (*unit.around, candidate.multiplier.family.verilog))
    )
    family = candidate.multiplier.family
    return Rtl(unit.top, text, UNIT_PORTS, *unit.widths, family.module or family.name)


def unit_files(candidate: Candidate) -> tuple[tuple[str, str], ...]:
    """The unit without its core: names and texts of files, its top first, a module each.

    The core's own file goes last, see `core_rtl`: its directives then reach no other module.

    Raises:
        AxdseError: as `unit_rtl`.
    """
    unit = unit_of(candidate)
    return (f"{unit.top}.v", unit.top_text), *((path.name, _read(path)) for path in unit.around)


@dataclass(frozen=True)
class Unit:
    """What is around a core.

    Attributes:
        top: name of the module.
        body: what stands behind its ports a, b and p.
        around: the files of the modules that it has beside the core.
        widths: bits of the operands and of the product.
    """

    top: str
    body: str
    around: tuple[Path, ...]
    widths: tuple[int, int, int]

    @property
    def top_text(self) -> str:
        """The module."""
        return _module(self.top, UNIT_PORTS, *self.widths, self.body)


def unit_of(candidate: Candidate) -> Unit:
    """The unit of a format, without the core's file.

    Raises:
        AxdseError: the core is a pipeline, or operands have scales of blocks.
    """
    if candidate.multiplier.family.pipeline:
        raise AxdseError(
            "a unit is combinational", f"{candidate.name} is a pipeline", "verify or cost its core"
        )
    if candidate.format.is_mx:
        rule = "the scales of MX operands are added within a sum, so there is no unit without one"
        raise AxdseError(rule, candidate.name, "give --sum, such as dot(terms=16,align=13)")
    if isinstance(candidate.format, IntFormat):
        return _int_unit(candidate.multiplier, candidate.format)
    return _float_unit(candidate.multiplier, candidate.format)


def _int_unit(multiplier: Multiplier, number_format: IntFormat) -> Unit:
    name, (first, second) = number_format.unit.name, number_format.operands
    widths = first.bits, second.bits, number_format.product_bits
    if multiplier.family.signed or not number_format.signed_product:
        body = f"  {core_instance(multiplier, *UNIT_PORTS)}\n"
        return _unit(multiplier, name, widths, body, ())
    parameters = f".N({first.bits})"
    if number_format.second:
        parameters += f", .M({second.bits})"
        for side, each in (("A", first), ("B", second)):
            parameters += "" if each.signed else f", .SIGNED_{side}(0)"
    body = (
        f"  wire [{first.bits - 1}:0] magnitude_a;\n  wire [{second.bits - 1}:0] magnitude_b;\n"
        f"  wire [{widths[2] - 1}:0] magnitude;\n"
        f"  int_multiply #({parameters}) unit (.a(a), .b(b), .magnitude_a(magnitude_a),\n"
        "      .magnitude_b(magnitude_b), .magnitude(magnitude), .p(p));\n"
        f"  {core_instance(multiplier, 'magnitude_a', 'magnitude_b', 'magnitude')}\n"
    )
    return _unit(multiplier, name, widths, body, ("int_multiply.v",))


def _float_unit(multiplier: Multiplier, number_format: FloatFormat) -> Unit:
    e, m = number_format.exponent_bits, number_format.fraction_bits
    f = number_format.product_fraction_bits
    body = (
        f"  wire [{m - 1}:0] x, y;\n  wire carry;\n  wire [{f - 1}:0] fraction;\n"
        f"  fp_multiply #(.E({e}), .M({m}), .F({f})) unit (.a(a), .b(b), .x(x), .y(y),\n"
        "      .carry(carry), .fraction(fraction), .p(p));\n"
    )
    files: tuple[str, ...] = ("fp_multiply.v",)
    if multiplier.family.kind == "integer":
        files = ("normalise.v", *files)
        core = core_instance(multiplier, "{1'b1, x}", "{1'b1, y}", "product")
        body += (
            f"  wire [{2 * m + 1}:0] product;\n  {core}\n"
            f"  normalise #(.M({m}), .F({f})) shift (.product(product), .carry(carry),\n"
            "      .fraction(fraction));\n"
        )
    else:
        body += f"  {core_instance(multiplier, 'x', 'y', '{carry, fraction}')}\n"
    name = f"float_e{e}_m{m}_{number_format.product}"
    widths = number_format.bits, number_format.bits, 1 + e + f
    return _unit(multiplier, name, widths, body, files)


def _unit(
    multiplier: Multiplier,
    format_name: str,
    widths: tuple[int, int, int],
    body: str,
    files: tuple[str, ...],
) -> Unit:
    top = f"unit_{identifier(multiplier.spec)}_{format_name}"
    return Unit(top, body, tuple(UNIT_FOLDER / name for name in files), widths)


def core_instance(multiplier: Multiplier, first: str, second: str, product: str) -> str:
    """The line that puts a core between wires."""
    values = ", ".join(f".{name}({value})" for name, value in multiplier.bindings.items())
    parameters = f"#({values}) " if values else ""
    family = multiplier.family
    (a, b, p), extra = family.port_names, family.pipeline.ports if family.pipeline else ()
    pins = [f".{a}({first})", f".{b}({second})", f".{p}({product})"]
    pins += [f".{port}({port})" for port in extra]
    return f"{family.module or family.name} {parameters}core ({', '.join(pins)});"


def _module(
    top: str,
    ports: tuple[str, str, str],
    a_bits: int,
    b_bits: int,
    product_bits: int,
    body: str,
    pipeline: Pipeline | None = None,
) -> str:
    a, b, p = ports
    outputs = pipeline.outputs if pipeline else ()
    extra = "".join(
        f"    {'output' if port in outputs else 'input '} {port},\n"
        for port in (pipeline.ports if pipeline else ())
    )
    return (
        f"module {top} (\n{extra}"
        f"    input  [{a_bits - 1}:0] {a},\n"
        f"    input  [{b_bits - 1}:0] {b},\n"
        f"    output [{product_bits - 1}:0] {p}\n);\n{body}endmodule\n\n"
    )


def identifier(text: str) -> str:
    """A spec, or another text, as a name that Verilog takes."""
    return re.sub(r"_+", "_", re.sub(r"\W", "_", text.replace("=", ""))).strip("_")


def _read(path: Path) -> str:
    return read_rtl(path).rstrip() + "\n"


def read_rtl(path: Path) -> str:
    """Return the text of a Verilog file, its line ends as they are.

    Raises:
        AxdseError: it is missing, no regular file, not UTF-8, or larger than 4 MiB.
    """
    return InputFile(path, "RTL is a readable Verilog file", LARGEST_SOURCE).exact_text()
