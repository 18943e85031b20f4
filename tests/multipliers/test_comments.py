import random
import re

import pytest

from axdse.multipliers.files import without_comments

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
LITERAL = r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
EITHER = re.compile(rf"({LITERAL})|//[^\n]*|/\*.*?\*/", re.DOTALL)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a /* b */ c // d\ne", "a   c  \ne"),
        ("/* // */ a", "  a"),
        ("// /* a\nb */", " \nb */"),
        ("a /* b // c\nd", "a /* b  \nd"),
        ("/*/ a", "/*/ a"),
        ("/* " * 1_000_000, "/* " * 1_000_000),
    ],
    ids=["both", "line in block", "block in line", "no end", "short", "many"],
)
def test_comments_become_spaces(text, plain):
    assert without_comments(text) == plain


@pytest.mark.parametrize("seed", range(4))
def test_they_are_what_an_expression_of_quadratic_time_finds(seed):
    draw = random.Random(seed)
    for _ in range(5000):
        text = "".join(draw.choices("/*\n\"'\\a", k=draw.randint(0, 14)))
        assert without_comments(text) == COMMENT.sub(" ", text)
        kept = EITHER.sub(lambda match: match[1] or " ", text)
        assert without_comments(text, literals=True) == kept


@pytest.mark.parametrize("part", ["/* ", '"\\', "'\\", '"', "/", "*/", "\\"])
def test_long_texts_take_no_time(part):
    text = part * 300_000
    assert len(without_comments(text, literals=True)) <= len(text)
