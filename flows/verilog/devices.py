"""What stands in one simulation? The Verilog of its devices, and their instances."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from axdse.multipliers.designs.rtl_text import Rtl
from axdse.multipliers.files import without_comments

WORD_BITS = 64
_STRING_OR_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|/\*.*?(?:\*/|\Z)|//[^\n]*', re.DOTALL)
_NAME = re.compile(r"\w+")
# No module within a module, so that the search for an end does not begin again at each.
_MODULE = re.compile(r"\bmodule\s+(\w+)(?:(?!\bmodule\b).)*?\bendmodule\b", re.DOTALL)


def modules(text: str) -> dict[str, str] | None:
    """Return the modules of a text by name; None if it holds more, such as directives.

    Strings are more too: what looks like a comment may lie in one.
    """
    if any(match[0].startswith('"') for match in _STRING_OR_COMMENT.finditer(text)):
        return None
    plain = without_comments(text)
    found = {match[1]: match[0] for match in _MODULE.finditer(plain)}
    alone = _MODULE.sub("", plain).strip() or len(found) < plain.count("endmodule")
    return None if alone or "`" in plain else found


def batches(designs: Sequence[Rtl], size: int) -> Iterator[list[int]]:
    """Group the indices of designs that one simulation can hold.

    They have the same widths and no registers; modules of one name are the same; and none names a
    module of another, which it would not find if it stood alone.
    """
    batch: list[int] = []
    known: dict[str, str] = {}
    for index, design in enumerate(designs):
        own = None if design.pipeline else modules(design.text)
        alike = not batch or _widths(designs[batch[0]]) == _widths(design)
        fits = own is not None and bool(known) and _apart(own, known)
        if batch and not (fits and alike and len(batch) < size):
            yield batch
            batch, known = [], {}
        batch.append(index)
        known |= own or {}
    if batch:
        yield batch


def _apart(own: dict[str, str], known: dict[str, str]) -> bool:
    """Whether shared modules are the same, and neither side names a module of the other alone."""
    shared = own.keys() & known.keys()
    mine, theirs = own.keys() - shared, known.keys() - shared
    return (
        all(own[name] == known[name] for name in shared)
        and not _names(own) & theirs
        and not _names(known) & mine
    )


def _names(texts: dict[str, str]) -> set[str]:
    return {name for text in texts.values() for name in _NAME.findall(text)}


def _widths(design: Rtl) -> tuple[int, int, int]:
    return design.a_bits, design.b_bits, design.product_bits


def sources(designs: Sequence[Rtl]) -> str:
    """The Verilog of all designs; modules that several share stand once."""
    if len(designs) == 1:
        return designs[0].text
    every: dict[str, str] = {}
    for design in designs:
        every |= modules(design.text) or {}
    return "\n".join(every.values())


@dataclass(frozen=True)
class Layout:
    """Where the products stand in a record: several share a 64-bit word."""

    count: int
    product_bits: int

    @property
    def per_word(self) -> int:
        """Products in a word."""
        return WORD_BITS // self.product_bits

    @property
    def words(self) -> int:
        """Words in a record."""
        return -(-self.count // self.per_word)

    def place(self, device: int) -> tuple[int, int]:
        """Word and lowest bit of a device's product."""
        return device // self.per_word, device % self.per_word * self.product_bits


def instances(designs: Sequence[Rtl]) -> str:
    """The file rtl_bench_devices.v, see `rtl_bench.v`."""
    layout = Layout(len(designs), designs[0].product_bits)
    lines = [_instance(number, design) for number, design in enumerate(designs)]
    for word in range(layout.words):
        held = [f"p{n}" for n in range(layout.count) if layout.place(n)[0] == word]
        value = f"{{{', '.join(held[::-1])}}}"
        pipeline = designs[0].pipeline
        if pipeline and pipeline.start:  # who never answers says nothing, whatever stands there
            value = f"answers === 1'b1 ? {value} : {{{WORD_BITS}{{1'bx}}}}"
        lines.append(f"  wire [{WORD_BITS - 1}:0] word{word} = {value};")
    formats, words = "%z" * layout.words, ", ".join(f"word{n}" for n in range(layout.words))
    lines.append(f'  task rtl_bench_record; $fwrite(results_file, "{formats}", {words}); endtask')
    return "\n".join(lines) + "\n"


def _instance(number: int, design: Rtl) -> str:
    a, b, p = design.ports
    pins = [f".{a}(a)", f".{b}(b)", f".{p}(p{number})"]
    if pipeline := design.pipeline:
        control = (pipeline.clock, pipeline.reset, pipeline.enable)
        handshake = (pipeline.start, pipeline.done, pipeline.ready)
        enable = "enable" if pipeline.enable_level else "~enable"
        names = zip(control, ("clock", "reset", enable), strict=True)
        pins += [f".{port}({signal})" for port, signal in names if port]
        signals = zip(handshake, ("start", "answers", "takes"), strict=True)
        pins += [f".{port}({signal})" for port, signal in signals if port]
    wire = f"  wire [{design.product_bits - 1}:0] p{number};\n"
    return f"{wire}  {design.top} rtl_bench_device{number} ({', '.join(pins)});"
