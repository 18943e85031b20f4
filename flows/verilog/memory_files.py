"""What does a memory hold that a file fills? Assignments in place of `$readmemh`, `$readmemb`.

A design is one text that every tool reads alike, and opens no file. The format is that of IEEE
1364-2005, clause 17.2.9: words between white space and comments, `@` before an address.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from axdse.flows.verilog.tokens import tokens
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import InputFile, without_comments

LARGEST_MEMORY = 1 << 20  # bytes of its file
_CALL = re.compile(
    r"\$readmem(?P<base>[hb])\s*\(\s*(?:\"(?P<file>[^\"\n]{1,200})\"|(?P<constant>[A-Za-z_]\w*))"
    r"\s*,\s*(?P<name>[A-Za-z_]\w*)\s*"
    r"(?:,\s*(?P<first>\d+)\s*(?:,\s*(?P<last>\d+)\s*)?)?\)\s*;",
    re.ASCII,
)
_RULE = 'a memory is filled by $readmemh("FILE", NAME), with a FIRST and LAST address at most'


def with_memories(text: str, name: str, file_of: Callable[[str], Path]) -> str:
    """A text with what files hold in place of the calls that read them.

    Args:
        text: Verilog.
        name: of its file, for errors.
        file_of: the file that a call means.

    Raises:
        AxdseError: a call has another form, its memory does not begin at 0 and it names no
            address, or the file holds other words.
    """
    if "$readmem" not in text:
        return text
    pieces, done = list[str](), 0
    for token in tokens(text):
        if token.text not in ("$readmemh", "$readmemb"):
            continue
        call = _CALL.match(text, token.start)
        if call is None:
            shown = " ".join(text[token.start : token.end + 40].split())
            raise AxdseError(_RULE, f"{name}: {shown}", "write it so, or a case table")
        first = int(call["first"] or _lowest(text, call["name"], name))
        last = int(call["last"]) if call["last"] else None
        file = call["file"] or _constant(text, call["constant"], name)
        words = _words(file_of(file), call["base"], first, last)
        filled = " ".join(f"{call['name']}[{at}] = {word};" for at, word in words)
        pieces += (text[done : token.start], f"begin {filled} end")
        done = call.end()
    return "".join([*pieces, text[done:]])


def _constant(text: str, constant: str, name: str) -> str:
    """The file that a parameter names, if nothing in the text gives it another value.

    Raises:
        AxdseError: it is no such parameter.
    """
    values = re.findall(rf"\b{constant}\s*=\s*\"([^\"\n]{{1,200}})\"", text)
    if len(values) != 1 or re.search(rf"\.\s*{constant}\s*\(", text):
        raise AxdseError(_RULE, f"{name}: {constant}", "write the name of the file there")
    return str(values[0])


def _lowest(text: str, memory: str, name: str) -> int:
    """The lowest address of a memory, where its declaration tells: 0.

    Raises:
        AxdseError: it does not.
    """
    bounds = re.search(rf"\b{memory}\s*\[([^\]:]+)(?::([^\]]+))?\]\s*[;,=]", text)
    ends = [] if bounds is None else [each.strip() for each in bounds.groups() if each]
    if len(ends) == 1 or "0" in ends:
        return 0
    shown = bounds[0] if bounds else memory
    raise AxdseError(
        f"the memory that {name} fills begins at 0", shown, "give the call a first address"
    )


def _words(path: Path, base: str, first: int, last: int | None) -> Iterator[tuple[int, str]]:
    """Addresses and sized numbers, as a file holds them."""
    file = InputFile(path, "what a memory holds is a readable file", LARGEST_MEMORY)
    at, digits = first, "0-9a-fxz" if base == "h" else "01xz"
    step = -1 if last is not None and last < first else 1
    for word in without_comments(file.text()).split():
        if re.fullmatch(r"@[0-9a-fA-F]{1,8}", word):
            at = int(word[1:], 16)
            continue
        plain = word.replace("_", "").lower()
        if not re.fullmatch(rf"[{digits}]{{1,1024}}", plain):
            rule = f"a memory's words are {'hexadecimal' if base == 'h' else 'binary'}"
            raise AxdseError(rule, f"{path.name}: {word[:40]}", "correct the file")
        if last is not None and not min(first, last) <= at <= max(first, last):
            break
        yield at, f"{len(plain) * (4 if base == 'h' else 1)}'{base}{plain}"
        at += step
