"""What of a Verilog text does a design need? The rest is left out, and odd names get plain ones.

What no reader reads is left out before anything is judged: branches of conditionals that none of
them takes, macros that nothing uses, modules that the design does not have. What they would read
in different ways gets a plain name. Where that cannot be told, the text stays as it is.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from axdse.flows.verilog.conditionals import (
    ICARUS,
    VERILATOR,
    YOSYS,
    hidden_conditional,
    left_for,
    settled_places,
)
from axdse.flows.verilog.tokens import Token, end_of_line, tokens
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import without_comments
from axdse.multipliers.names import VERILOG_KEYWORDS

_DEFINE = re.compile(r"`define[ \t]+(\w+)", re.ASCII)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_REACHING = {"bind", "defparam", "config"}
_EMPTY = re.compile(r"[^\n\r]")
# IEEE 1364-2005, annex B: names that SystemVerilog took are the others.
_OLD_KEYWORDS = frozenset(
    word
    for line in (
        "always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config",
        "deassign default defparam design disable edge else end endcase endconfig endfunction",
        "endgenerate endmodule endprimitive endspecify endtable endtask event for force forever",
        "fork function generate genvar highz0 highz1 if ifnone incdir include initial inout",
        "input instance integer join large liblist library localparam macromodule medium module",
        "nand negedge nmos nor noshowcancelled not notif0 notif1 or output parameter pmos posedge",
        "primitive pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent rcmos real",
        "realtime reg release repeat rnmos rpmos rtran rtranif0 rtranif1 scalared showcancelled",
        "signed small specify specparam strong0 strong1 supply0 supply1 table task time tran",
        "tranif0 tranif1 tri tri0 tri1 triand trior trireg unsigned use uwire vectored wait wand",
        "weak0 weak1 while wire wor xnor xor",
    )
    for word in line.split()
)
_NEW_KEYWORDS = VERILOG_KEYWORDS - _OLD_KEYWORDS - {"return", "break", "continue", "null", "this"}
_BEHIND_A_NAME = frozenset(",;)]}=&|^+-*?:<>")


def settled(text: str) -> str:
    """A text without what none of the tools reads: branches not taken, macros not used.

    Where they read it alike no conditional is left. Places of lines stay.
    """
    # What changes macros where another one is used is not followed: such a text stays as it is.
    if "`" not in text or hidden_conditional(text) is not None:
        return text
    readers = (ICARUS, VERILATOR, YOSYS)
    seen = [left_for(text, defined) for defined in readers]
    places = list(settled_places(text, readers))
    return _without_unused(_without(text, sorted([*places, *_unread(text, seen)])))


def _unread(text: str, seen: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where no reader sees anything; conditions stay."""
    conditions = {"`ifdef", "`ifndef", "`elsif", "`else", "`endif"}
    named = False
    for token in tokens(text):
        kept = token.text in conditions or named
        if token.kind != "comment":
            named = token.text in conditions - {"`else", "`endif"}
        if not kept and all(not each[token.start : token.end].strip() for each in seen):
            yield token.start, token.end


def _without(text: str, spans: Iterable[tuple[int, int]]) -> str:
    """The text with spaces in place of some of it."""
    pieces, done = list[str](), 0
    for start, end in spans:
        pieces += (text[done:start], _EMPTY.sub(" ", text[start:end]))
        done = end
    return "".join([*pieces, text[done:]])


def _without_unused(text: str) -> str:
    """The text without the definitions of macros that nothing in it asks for."""
    while "`define" in text:
        found = list(tokens(text))
        used = {
            token.text[1:] for token in found if token.kind == "macro" and token.text != "`define"
        }
        asked = {
            after.text
            for before, after in itertools.pairwise(found)
            if before.text in ("`ifdef", "`ifndef", "`elsif", "`undef")
        }
        # What stands in a comment or a string counts: a macro may open or close one.
        quoted = set(re.findall(r"`(\w+)", text)) - {"define"}
        spans = [
            (token.start, end_of_line(text, token))
            for token in found
            if token.text == "`define"
            and (match := _DEFINE.match(text, token.start))
            and match[1] not in used | asked | quoted
        ]
        if not spans:
            break
        text = _without(text, spans)
    return text


def plain_names(text: str, new_keywords: bool = True) -> str:
    """A text in which names that tools would read in different ways are plain ones.

    These are escaped names, such as netlists have, and names that SystemVerilog took for itself,
    where they stand as names: so nothing says otherwise.

    Args:
        text: Verilog.
        new_keywords: it is SystemVerilog, whose keywords are no names.
    """
    if "\\" not in text and (new_keywords or not _NEW_KEYWORDS & set(_PLAIN.findall(text))):
        return text
    found = [token for token in tokens(text) if token.kind != "comment"]
    known = {token.text.lstrip("\\") for token in found if token.kind in ("word", "escaped")}
    known |= set(re.findall(r"\w+", text)) if "`" in text else set()
    escaped = {
        token.text[1:]
        for token in found
        if token.kind == "escaped" and not _is_name(token.text[1:])
    }
    taken = set[str]()
    if not new_keywords:
        neighbours = zip([None, *found], found, [*found[1:], None], strict=False)
        taken = {
            token.text for before, token, after in neighbours if _is_taken(before, token, after)
        }
    renamed = {old: _new_name(old, known) for old in sorted(escaped | taken)}
    pieces, done = list[str](), 0
    for token in tokens(text):
        old = token.text[1:] if token.kind == "escaped" else token.text
        if (token.kind == "escaped" and old in renamed) or (token.kind == "word" and old in taken):
            pieces += (text[done : token.start], renamed[old])
            done = token.end
    return "".join([*pieces, text[done:]])


def _is_name(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and name not in VERILOG_KEYWORDS


def _is_taken(before: Token | None, token: Token, after: Token | None) -> bool:
    """Whether a keyword of SystemVerilog stands where only a name can."""
    if token.kind != "word" or token.text not in _NEW_KEYWORDS or after is None:
        return False
    dotted = before is not None and before.kind == "dot"
    return dotted or after.text in _BEHIND_A_NAME


def _new_name(old: str, known: set[str]) -> str:
    stem = re.sub(r"\W+", "_", old, flags=re.ASCII).strip("_")[:40] or "n"
    stem = stem if stem[0].isalpha() else f"n{stem}"
    number, name = 0, f"{stem}_"
    while name in known or name.lower().startswith(("axdse_", "rtl_bench")):
        number += 1
        name = f"{stem}_{number}_"
    known.add(name)
    return name


@dataclass(frozen=True)
class _Module:
    """A module by its place, and the words in it."""

    name: str
    start: int
    end: int
    has_ports: bool
    words: frozenset[str]


def _modules(text: str) -> list[_Module]:
    """The modules of a text, from `module` to `endmodule`."""
    found, start, name, words = list[_Module](), -1, "", set[str]()
    has_ports, header = False, False
    previous = ""
    for token in tokens(text):
        if token.kind == "comment":
            continue
        if token.text in ("module", "macromodule") and start < 0:
            start, name, words, has_ports, header = token.start, "", set(), False, True
        elif token.text == "endmodule" and start >= 0:
            found.append(_Module(name, start, token.end, has_ports, frozenset(words)))
            start = -1
        elif start >= 0:
            word = token.text.lstrip("\\")
            if not name and token.kind in ("word", "escaped") and word != "automatic":
                name = word
            elif header and token.text == ";":
                header = False
            elif header:
                has_ports |= previous == "(" and token.text not in (")", "(")
            if token.kind in ("word", "escaped") and word != name:
                words.add(word)
        previous = token.text
    return found


def only_design(text: str, top: str) -> str:
    """The text without modules that its design does not name, such as its bench.

    The design is `top`, or what is left when modules without ports are.
    """
    if text.count("endmodule") == 1 or _has_hidden_modules(text):
        return text
    every = _modules(text)
    known = {module.name: module for module in every}
    if len(known) < len(every):
        twice = next(m.name for m in every if known[m.name] is not m)
        raise AxdseError("a module is defined once", twice, "leave one of them out")
    roots = [top] if top in known else _roots(every)
    # What stands around modules, such as a macro, may name one.
    around = set(named_words(_without(text, [(module.start, module.end) for module in every])))
    roots += [name for name in around & known.keys() if roots and name not in roots]
    kept, todo = set(roots), list(roots)
    while todo:
        below = [name for name in known[todo.pop()].words & known.keys() if name not in kept]
        kept |= set(below)
        todo += below
    # What reaches into other modules is left to be refused.
    spans = [
        (module.start, module.end)
        for module in every
        if module.name not in kept and not module.words & _REACHING
    ]
    return _without_unused(_without(text, spans)) if kept and spans else text


def _has_hidden_modules(text: str) -> bool:
    """Whether a macro may open or close a module, or names that are pasted may name one."""
    for token in tokens(text):
        if token.kind == "paste":
            return True
        if token.text == "`define":
            body = text[token.end : end_of_line(text, token)]
            if re.search(r"\b(?:macro)?(?:end)?module\b", body):
                return True
    return False


def _roots(every: Sequence[_Module]) -> list[str]:
    """The modules that no other names, benches aside."""
    devices = [module for module in every if module.has_ports]
    used = {word for module in devices for word in module.words}
    return [module.name for module in devices if module.name not in used]


def named_words(text: str) -> set[str]:
    """The words of a text outside comments, escaped names without the escape."""
    return set(_PLAIN.findall(without_comments(text)))
