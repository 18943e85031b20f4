"""What do the tools need of a library? That alone, in the plainest syntax.

Yosys, ABC and OpenSTA each read a dialect of their own, and all of a file: quoted names, included
files and hundreds of megabytes of waveforms. They get the cells that we know alone.
"""

import re
from collections.abc import Iterable, Iterator

from axdse.flows.liberty.syntax import Group

QUOTED = frozenset(
    {"function", "when", "related_pin", "sdf_cond", "three_state"}
    | {"next_state", "clocked_on", "clear", "preset"}
)
WORD = re.compile(r"[\w.+-]+")
HEAD = re.compile(
    # Not default_wire_load: the groups that it names are left out.
    r".*_unit|delay_model|nom_\w+|default_(?!wire_load)\w+|(?:slew|input|output)_\w+_(?:rise|fall)|"
    r"slew_derate_from_library"
)
LISTS = frozenset({"capacitive_load_unit", "index_1", "index_2", "index_3", "values"})
LEFT_OUT = frozenset({"leakage_power", "internal_power", "power_lut_template"})


def plain_text(head: Group, groups: Iterable[Group], cells: frozenset[str]) -> str:
    """The library with the named cells, without power tables."""
    lines = [f"library ({_name(head)}) {{", *_statements(_plain_head(head), "  ")]
    for group in groups:
        if group.name != "cell" or not cells.isdisjoint(group.arguments):
            lines += _group(group, "  ")
    return "\n".join([*lines, "}\n"])


def _plain_head(head: Group) -> Group:
    attributes = [(name, value) for name, value in head.attributes if HEAD.fullmatch(name)]
    return Group(head.name, head.arguments, attributes, head.lists, [])


def _group(group: Group, indent: str) -> Iterator[str]:
    if group.name in LEFT_OUT:
        return
    names = [word if WORD.fullmatch(word) else f'"{word}"' for word in group.arguments]
    for name in names if group.name == "pin" else [", ".join(names)]:
        yield f"{indent}{group.name} ({name}) {{"
        yield from _statements(group, f"{indent}  ")
        yield f"{indent}}}"


def _statements(group: Group, indent: str) -> Iterator[str]:
    for name, value in group.attributes:
        if not WORD.fullmatch(name):
            continue
        bare = WORD.fullmatch(value) and name not in QUOTED and not name.endswith("_unit")
        text = value if bare else f'"{value}"'
        yield f"{indent}{name} : {text};"
    for name, values in group.lists:
        if name in LISTS:
            numbers = name != "capacitive_load_unit"
            text = ", ".join(f'"{value}"' if numbers else value for value in values)
            yield f"{indent}{name} ({text});"
    for inner in group.groups:
        yield from _group(inner, indent)


def _name(head: Group) -> str:
    name = head.arguments[0] if head.arguments else ""
    return name if WORD.fullmatch(name) else "library_1"
