"""Where are the comments of C and Verilog? Found in time that grows with the text alone.

A regular expression would look for the end of each comment and text once for each beginning.
"""

import re

_LITERALS = {
    '"': re.compile(r"\"(?:\\.|[^\"\\\n])*+(\"?)", re.DOTALL),
    "'": re.compile(r"'(?:\\.|[^'\\\n])*+('?)", re.DOTALL),
}


def without_comments(text: str, *, literals: bool = False) -> str:
    """Return the text with a space for each comment; `/*` without its end is none.

    Args:
        text: C or Verilog.
        literals: in strings and characters of C there are no comments.
    """
    kept, at, position = [], 0, 0
    # Where what began in vain would have gone on: the same beginning is vain up to there.
    vain = dict.fromkeys(("/*", *_LITERALS), 0)
    begins = re.compile(r"/\*|//[^\n]*|[\"']" if literals else r"/\*|//[^\n]*")
    while found := begins.search(text, position):
        start, begin = found.start(), found[0]
        if start < vain.get(begin, 0):
            position = start + 1
        elif begin in _LITERALS:
            literal = _LITERALS[begin].match(text, start)
            assert literal
            position = literal.end() if literal[1] else start + 1
            vain[begin] = 0 if literal[1] else literal.end()
        elif begin == "/*" and text.find("*/", found.end()) < 0:
            position, vain[begin] = start + 1, len(text)
        else:
            kept.append(text[at:start])
            at = position = text.find("*/", found.end()) + 2 if begin == "/*" else found.end()
    return " ".join([*kept, text[at:]])
