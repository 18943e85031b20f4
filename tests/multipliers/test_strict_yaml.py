import itertools
from dataclasses import dataclass
from typing import Literal

import pytest

from axdse.multipliers import strict_yaml
from axdse.multipliers.errors import AxdseError


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    count: int
    mode: Literal["fast", "slow"] = "fast"
    inner: Inner = Inner()
    limit: int | None = None


# A thousand million texts in ten lines.
BOMB = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 8)}]\n"
    for before, name in itertools.pairwise("abcdefghijk")
)
DEEP = "a: &a {x: 1}\n" + "".join(
    f"b{i}: &b{i} {{x: *{f'b{i - 1}' if i else 'a'}}}\n" for i in range(40)
)


def read(text):
    return strict_yaml.build(Outer, strict_yaml.load(text, "x.yaml"), "x.yaml")


def test_yaml_becomes_a_dataclass():
    text = "count: 3\nmode: slow\ninner: {rate: 1, names: [a, b]}\nlimit: null\n"

    assert read(text) == Outer(3, "slow", Inner(1.0, ("a", "b")))


def test_merge_keys_work():
    text = "- &base {count: 1, limit: 2}\n- {<<: *base, limit: 3}\n"

    assert strict_yaml.load(text, "x")[1] == {"count": 1, "limit": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("count: 1\ncount: 2\n", "each key once: key 'count' is given twice in x.yaml, line 2"),
        ("count: 1\ninner: {rate: 1, rate: 2}", "key 'rate' is given twice in x.yaml, line 2"),
        ("a: &b {count: 1}\nc: *d\n", "undefined alias in x.yaml, line 2"),
        ("count: [1\n", "well formed, each key once: .* in x.yaml"),
        ("? [1, 2]\n: 3\n", "a key must be a plain name in x.yaml, line 1"),
        ("2024-01-01: 3\n", "a key must be a plain name"),
        ("count: 2024-13-45\n", "well formed text: x.yaml: month must be"),
        ("count: \x00\n", "well formed text: x.yaml"),
        ("count: !!python/object:os.system 1\n", "could not determine a constructor"),
        ("[" * 100_000, "more than 32 levels deep in x.yaml, line 1"),
        ("- " * 100_000, "more than 32 levels deep"),
        ("{a: " * 100_000, "more than 32 levels deep"),
        ("[" * 1000, "YAML must be well formed"),
        (BOMB, "its aliases stand for, more than 50000 nodes"),
        (DEEP, "more than 32 levels deep"),
        ("- 1\n" * 60_000, "more than 50000 nodes"),
        ("count: " + "9" * 5000, "a number has at most 64 characters"),
        ("count: 0x" + "f" * 5000, "a number has at most 64 characters"),
        ("count: !!binary aGk=", "a value needs no tag such as !!binary"),
        ('count: !!int ""', "a value needs no tag such as !!int"),
        ("!!map [1]", "a value needs no tag such as !!map"),
        ("%TAG ! tag:yaml.org,2002:\n---\n!bool x", "no tag such as !!bool"),
        ("count: 1\n---\ncount: 2", "another document in x.yaml, line 2"),
        ("count: \x1b[2J", "control characters are not allowed"),
        ("&a [*a]", "must not contain itself"),
    ],
    ids=lambda text: text[:20].encode("unicode_escape").decode(),
)
def test_bad_yaml_is_one_line(text, message):
    with pytest.raises(AxdseError, match=message) as error:
        read(text)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("count: 1\nmoed: fast", "unknown key in x.yaml: moed; did you mean 'mode'?"),
        ("count: 1\ninner: {raet: 1}", "unknown key in x.yaml: inner.raet; did you mean 'rate'?"),
        ("count: 1\nrate: 1", "unknown key in x.yaml: rate; write it under inner"),
        ("count: 1\ninner: {mode: fast}", "inner.mode; write it at the top level"),
        ("count: 1\ninner: {cuont: 1}", "inner.cuont; choose from names, rate"),
        ("count: 1\nraet: 1", "raet; choose from count, inner, limit, mode"),
        ("mode: fast", "a key is missing in x.yaml: count; add it"),
        ("", "x.yaml must fit its schema: None"),
        ("[1, 2]", "x.yaml must fit its schema: "),
        ("count: '8'", "must fit its schema: count is '8'; .*integer"),
        ("count: true", "must fit its schema: count is True; .*integer"),
        ("count: 1.5", "must fit its schema: count is 1.5; .*integer"),
        ("count: 1\nmode: medium", "mode is 'medium'; input should be 'fast' or 'slow'"),
        ("count: 1\ninner: {names: [1]}", "inner.names.0 is 1; .*string"),
        ("count: 1\ninner: {rate: 2024-01-01}", "inner.rate is '2024-01-01'; .*number"),
    ],
)
def test_what_does_not_fit_is_one_line(text, message):
    with pytest.raises(AxdseError, match=message) as error:
        read(text)
    assert "\n" not in str(error.value)


def test_aliases_in_reason_work():
    text = "- &a {x: [1, 2]}\n" + "- *a\n" * 100

    assert strict_yaml.load(text, "x") == [{"x": [1, 2]}] * 101
