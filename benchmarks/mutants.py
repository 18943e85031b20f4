"""Stage 5, RTL check: wrong designs, each one small edit away from a right one.

A checker that lets one of them pass, though it computes something else, is of no use (DeMillo,
Lipton and Sayward, "Hints on test data selection", 1978).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axdse.flows.scripts import script_word, write_rtl
from axdse.flows.tools import find_tool
from axdse.flows.verilog.devices import modules
from axdse.flows.verilog.tokens import Token, tokens
from axdse.flows.yosys import read_modules, run_yosys
from axdse.multipliers.cache import temporary_folder
from axdse.multipliers.designs.family import Multiplier
from axdse.multipliers.designs.rtl_text import Rtl, core_rtl
from axdse.multipliers.errors import AxdseError

ELABORATION_LIMIT_S = 10
OPERATORS = {
    "+": ("-",),
    "-": ("+",),
    "*": ("+",),
    "&": ("|", "^"),
    "|": ("&", "^"),
    "^": ("|", "~^"),
    "~^": ("^",),
    "~": ("",),
    "!": ("",),
    "&&": ("||",),
    "||": ("&&",),
    "<": ("<=", ">="),
    "<=": ("<",),
    ">": (">=", "<="),
    ">=": (">",),
    "==": ("!=",),
    "!=": ("==",),
    "<<": (">>",),
    ">>": ("<<",),
    "<<<": (">>>",),
    ">>>": ("<<<",),
    "?": ("== 0 ?",),
}
LOOP_LIMITS = ("<", "<=", ">", ">=", "==", "!=")
SYMBOLS = ("<<<", ">>>", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "~^", "+:", "-:")
GATES = {
    "$_NOT_": "~{A}",
    "$_AND_": "{A} & {B}",
    "$_OR_": "{A} | {B}",
    "$_XOR_": "{A} ^ {B}",
    "$_XNOR_": "{A} ~^ {B}",
    "$_NAND_": "~({A} & {B})",
    "$_NOR_": "~({A} | {B})",
    "$_ANDNOT_": "{A} & ~{B}",
    "$_ORNOT_": "{A} | ~{B}",
    "$_MUX_": "{S} ? {B} : {A}",
}
SCRIPT = """\
read_verilog -sv rtl.v
hierarchy -check -top {top}
synth -flatten -noabc
opt_clean -purge
check -assert
write_json gates.json
"""
_ENDS = {"module": (";",), "parameter": (",", ";", ")")}
_GATE = re.compile(r"  assign n\d+ = (.*); // gate\n")
_NET = re.compile(r"\b\w+\[\d+\]|\bn\d+\b")


@dataclass(frozen=True)
class Edit:
    """Replace text[start:end] by `new`."""

    start: int
    end: int
    new: str

    def apply(self, text: str) -> str:
        """Return the mutant."""
        return text[: self.start] + self.new + text[self.end :]

    def describe(self, text: str) -> str:
        """Line and change, such as `23: + becomes -`."""
        line = text.count("\n", 0, self.start) + 1
        return f"{line}: {text[self.start : self.end]} becomes {self.new or 'nothing'}"


def operator_edits(text: str) -> Iterator[Edit]:
    """Yield edits of one operator, constant, index or condition of Verilog modules.

    Left alone is what every tool notices, what cannot matter and what never ends: ports, defaults
    of parameters, widths of literals, comparisons and steps of loops.
    """
    words = list(_words(text))
    exempt = _exempt(words)
    for at, word in enumerate(words):
        if exempt[at] == "all" or (exempt[at] == "limit" and word.text in LOOP_LIMITS):
            continue
        following = words[at + 1].text if at + 1 < len(words) else ""
        if word.text == "if":
            condition = slice(words[at + 1].start, words[_closing(words, at + 1)].end)
            yield Edit(condition.start, condition.stop, f"(!{text[condition]})")
        if word.kind == "number":
            news: Sequence[str] = () if following.startswith("'") else _constants(word.text)
        elif word.kind == "word":
            news = _neighbours(word, words[at - 1].text, following)
        else:
            news = OPERATORS.get(word.text, ())
        yield from (Edit(word.start, word.end, new) for new in news)


def gate_level(multiplier: Multiplier) -> str:
    """The module of a multiplier as gates, an assignment each; it takes parameters, unused.

    Raises:
        AxdseError: Yosys refuses the RTL, or it is not combinational.
    """
    rtl = core_rtl(multiplier)
    with temporary_folder() as folder:
        write_rtl(rtl, folder)
        run_yosys(SCRIPT.format(top=script_word(rtl.top)), folder, rtl.top)
        module = read_modules(folder / "gates.json", rtl.top)[rtl.top]
    return _structure(rtl, multiplier, module)


def gate_edits(text: str) -> Iterator[Edit]:
    """Yield edits of one gate of `gate_level`: its function, its output, one of its inputs."""
    for gate in _GATE.finditer(text):
        start, end = gate.span(1)
        yield Edit(start, end, f"~({gate[1]})")
        for net in _NET.finditer(gate[1]):
            place = (start + net.start(), start + net.end())
            yield from (Edit(*place, constant) for constant in ("1'b0", "1'b1"))
            if gate[1] != f"~{net[0]}":
                yield Edit(*place, f"(~{net[0]})")
        for word in _words(gate[1]):
            if word.text in ("&", "|", "^", "~^", "~"):
                place = (start + word.start, start + word.end)
                yield from (Edit(*place, new) for new in OPERATORS[word.text])


def mutated(multiplier: Multiplier, text: str, number: int, folder: Path) -> Multiplier:
    """The multiplier with other RTL, whose modules get names of their own, in a file of `folder`.

    Designs with names of their own can share a simulation.
    """
    family, own = multiplier.family, f"_mutant{number}"
    names = set(modules(text) or ())
    renamed = [
        f"{text[before.end : word.start]}{word.text}{own if word.text in names else ''}"
        for before, word in _pairs(text)
    ]
    path = folder / f"{family.name}{own}.v"
    path.write_text("".join(renamed) + "\n")
    changed = replace(
        family,
        name=family.name + own,
        function=family.function or family.name,
        module=(family.module or family.name) + own,
        rtl=path,
    )
    return replace(multiplier, family=changed)


def elaborates(rtl: Rtl) -> bool:
    """Whether Icarus accepts a design."""
    with temporary_folder() as folder:
        write_rtl(rtl, folder)
        arguments = ["-g2012", "-t", "null", "-s", rtl.top, "rtl.v"]
        try:
            run = find_tool("iverilog").run(arguments, folder=folder, limit_s=ELABORATION_LIMIT_S)
        except AxdseError:
            return False
        return run.exit_code == 0


def _words(text: str) -> Iterator[Token]:
    """Tokens without comments, operators of several characters in one."""
    skip = 0
    for token in tokens(text):
        if token.start < skip or token.kind == "comment":
            continue
        symbol = next((s for s in SYMBOLS if text.startswith(s, token.start)), token.text)
        word = token._replace(text=symbol) if token.kind == "other" else token
        skip = word.end
        yield word


def _pairs(text: str) -> Iterator[tuple[Token, Token]]:
    before = Token("other", "", 0)
    for word in tokens(text):
        yield before, word
        before = word


def _exempt(words: Sequence[Token]) -> list[str]:
    """For each word, "all" or "limit" where it is a part that no edit, or no comparison, fits."""
    exempt = [""] * len(words)
    for at, word in enumerate(words):
        if word.text in ("module", "parameter"):
            end = next(i for i in range(at, len(words)) if words[i].text in _ENDS[word.text])
            exempt[at:end] = ["all"] * (end - at)
        if word.text == "for":
            header = range(at + 1, _closing(words, at + 1))
            first, second = (i for i in header if words[i].text == ";")
            exempt[first:second] = ["limit"] * (second - first)
            exempt[second : header.stop] = ["all"] * (header.stop - second)
    return exempt


def _closing(words: Sequence[Token], opening: int) -> int:
    depth = 0
    for at in range(opening, len(words)):
        depth += {"(": 1, ")": -1}.get(words[at].text, 0)
        if depth == 0:
            return at
    return len(words)


def _constants(text: str) -> list[str]:
    """The constants next to a decimal one, or to one such as 'b0, whose last digit changes."""
    if text.isdigit():
        value = int(text)
        return [str(value + 1)] + ([str(value - 1)] if value else [])
    if text.startswith("'") and text[-1] in "0123456789abcdefABCDEF":
        return [text[:-1] + f"{int(text[-1], 16) ^ 1:x}"]
    return []


def _neighbours(word: Token, before: str, following: str) -> tuple[str, ...]:
    """A name that is an index of its own: those next to it."""
    if before == "[" and following in ("]", ":", "+:", "-:"):
        return f"{word.text} + 1", f"{word.text} - 1"
    return ()


def _structure(rtl: Rtl, multiplier: Multiplier, module: dict[str, Any]) -> str:
    (a, b, p), family = rtl.ports, multiplier.family
    names: dict[int | str, str] = {value: f"1'b{value}" for value in ("0", "1", "x", "z")}
    for port in (a, b):
        bits = module["ports"][port]["bits"]
        names |= {bit: f"{port}[{i}]" for i, bit in enumerate(bits)}
    gates = [(cell["type"], cell["connections"]) for cell in module["cells"].values()]
    names |= {pins["Y"][0]: f"n{pins['Y'][0]}" for kind, pins in gates if kind in GATES}
    parameters = ", ".join(f"parameter {name} = 0" for name in multiplier.bindings)
    lines = [
        f"module {family.module or family.name} {f'#({parameters}) ' if parameters else ''}(",
        f"    input [{rtl.a_bits - 1}:0] {a}, input [{rtl.b_bits - 1}:0] {b},",
        f"    output [{rtl.product_bits - 1}:0] {p});",
    ]
    for kind, pins in gates:
        if kind not in GATES:
            raise AxdseError(f"{rtl.top} must be combinational logic", kind, "remove it")
        nets = {pin: names[bits[0]] for pin, bits in pins.items()}
        lines.append(f"  wire {nets['Y']};")
        lines.append(f"  assign {nets['Y']} = {GATES[kind].format(**nets)}; // gate")
    for i, bit in enumerate(module["ports"][p]["bits"]):
        lines.append(f"  assign {p}[{i}] = {names[bit]};")
    return "\n".join([*lines, "endmodule\n"])
