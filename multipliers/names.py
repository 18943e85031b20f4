"""What may be a name? Names of strangers go into file names, C, Verilog and scripts of tools."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from axdse.multipliers.errors import AxdseError, printable

# Those of the test benches and harnesses: no name of a design begins so.
BENCH_PREFIXES = ("rtl_bench", "axdse_")
LONGEST_NAME, LONGEST_LINE = 64, 1000
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_LINE_END = re.compile(r"[ \t]*\n[ \t]*")


def _words(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


# C17 and what GCC adds, ISO/IEC 9899:2018, 6.4.1; the harness has a main of its own.
C_KEYWORDS = _words(
    "auto break case char const continue default do double else enum extern float for goto if",
    "inline int long register restrict return short signed sizeof static struct switch typedef",
    "union unsigned void volatile while asm typeof main",
)
# IEEE 1800-2017, annex B.
VERILOG_KEYWORDS = _words(
    "accept_on alias always always_comb always_ff always_latch and assert assign assume",
    "automatic before begin bind bins binsof bit break buf bufif0 bufif1 byte case casex casez",
    "cell chandle checker class clocking cmos config const constraint context continue cover",
    "covergroup coverpoint cross deassign default defparam design disable dist do edge else end",
    "endcase endchecker endclass endclocking endconfig endfunction endgenerate endgroup",
    "endinterface endmodule endpackage endprimitive endprogram endproperty endspecify",
    "endsequence endtable endtask enum event eventually expect export extends extern final",
    "first_match for force foreach forever fork forkjoin function generate genvar global highz0",
    "highz1 if iff ifnone ignore_bins illegal_bins implements implies import incdir include",
    "initial inout input inside instance int integer interconnect interface intersect join",
    "join_any join_none large let liblist library local localparam logic longint macromodule",
    "matches medium modport module nand negedge nettype new nexttime nmos nor noshowcancelled",
    "not notif0 notif1 null or output package packed parameter pmos posedge primitive priority",
    "program property protected pull0 pull1 pulldown pullup pulsestyle_ondetect",
    "pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg",
    "reject_on release repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always",
    "s_eventually s_nexttime s_until s_until_with scalared sequence shortint shortreal",
    "showcancelled signed small soft solve specify specparam static string strong strong0",
    "strong1 struct super supply0 supply1 sync_accept_on sync_reject_on table tagged task this",
    "throughout time timeprecision timeunit tran tranif0 tranif1 tri tri0 tri1 triand trior",
    "trireg type typedef union unique unique0 unsigned until until_with untyped use uwire var",
    "vectored virtual void wait wait_order wand weak weak0 weak1 while wildcard wire with",
    "within wor xnor xor",
)
_KEYWORDS = {"C": C_KEYWORDS, "Verilog": VERILOG_KEYWORDS}
Language = Literal["C", "Verilog"]


def check_name(
    name: str, what: str, language: Language | None = None, longest: int = LONGEST_NAME
) -> str:
    """Return a name that is safe wherever axdse writes it, else refuse it.

    `$` is no part of a name, though Verilog has it: Tcl reads a variable there.

    Args:
        name: given by a user or a user's file.
        what: what it names, in the plural, for the error.
        language: whose keywords it must not be; None: of none.
        longest: in characters.

    Raises:
        AxdseError: it is no ASCII identifier, too long, or reserved.
    """
    fault = _fault(name, language, longest)
    if fault:
        kind = f"plain {language} identifiers" if language else "plain identifiers"
        rule = f"names of {what} are {kind}: up to {longest} ASCII letters, digits and _"
        raise AxdseError(rule, f"{_shortened(name)} {fault}", "rename it")
    return name


def is_name(name: str) -> bool:
    """Whether `check_name` takes it, keywords aside."""
    return not _fault(name)


def _fault(name: str, language: Language | None = None, longest: int = LONGEST_NAME) -> str:
    if len(name) > longest:
        return f"has {len(name)} characters"
    if not _IDENTIFIER.fullmatch(name):
        return "is no such name"
    # C leaves all that begins so to the compiler: __builtin_trap is a function, __LINE__ a macro.
    if name.startswith("__"):
        return "begins with __"
    if name.lower().startswith(BENCH_PREFIXES):
        return "is a name of the test bench"
    return f"is a keyword of {language}" if language and name in _KEYWORDS[language] else ""


def _shortened(name: str) -> str:
    return repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...")


def _name(name: str, language: Language | None = None) -> str:
    if fault := _fault(name, language):
        raise _refused(f"it {fault}: write up to {LONGEST_NAME} ASCII letters, digits and _")
    return name


def _parameter(name: str) -> str:
    """In capitals it is a C macro, beside those of the harness, of units and of the compiler."""
    if name.lower().startswith(("fp_", "_")):
        raise _refused("a parameter begins with a letter, and not with fp_")
    return _name(name)


def _line(text: str) -> str:
    """YAML folds long texts: a line end stands for a space."""
    text = _LINE_END.sub(" ", text).strip()
    if len(text) > LONGEST_LINE:
        raise _refused(f"a text has up to {LONGEST_LINE} characters")
    if printable(text) != text:
        raise _refused("a text has no control characters")
    return text


def _refused(remedy: str) -> PydanticCustomError:
    return PydanticCustomError("name", "{remedy}", {"remedy": remedy})


# Types of fields that users fill: where a schema is read, a bad one is refused with its key.
Name = Annotated[str, AfterValidator(_name)]
ParameterName = Annotated[str, AfterValidator(_parameter)]
VerilogName = Annotated[str, AfterValidator(lambda name: _name(name, "Verilog"))]
# Empty: there is none, or another name stands for it.
OptionalCName = Annotated[str, AfterValidator(lambda name: name and _name(name, "C"))]
OptionalVerilogName = Annotated[str, AfterValidator(lambda name: name and _name(name, "Verilog"))]
Line = Annotated[str, AfterValidator(_line)]
