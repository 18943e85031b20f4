import json

import pytest
from hostile import MARKS, TEXTS

from axdse.multipliers.errors import AxdseError, printable, printable_json, printable_lines


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_a_terminal_obeys_becomes_an_escape(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode("unicode_escape") == text


@pytest.mark.parametrize("text", [*MARKS.values(), "\u00fcber 8\u00a0\u00d7\u00a08 \u4e58"])
def test_all_else_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_a_byte_that_is_no_utf8_can_be_printed() -> None:
    printable(b"\xff.v".decode(errors="surrogateescape")).encode()


@pytest.mark.parametrize("text", [*TEXTS.values(), "\U000e0001", "plain"])
def test_json_says_the_same(text: str) -> None:
    value = {"a\u202e": [text, 1.5]}
    shown = printable_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert json.loads(shown) == value
    assert all(line.isprintable() for line in shown.split("\n"))


def test_lines_stay_lines() -> None:
    assert printable_lines("a\nb\x1b") == "a\nb\\x1b"


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_an_error_is_one_line_that_can_be_printed(text: str) -> None:
    for error in (
        AxdseError(text, "v", "r"),
        AxdseError("r", text, "r"),
        AxdseError("r", 1, text),
    ):
        assert str(error).isprintable()


def test_an_error_has_no_line_ends() -> None:
    assert str(AxdseError("a\nb", "c\r\n\td", "e")) == "a b: c d; e"
