"""Does a YAML text say what it may? No duplicate or unknown keys, no wrong types."""

import dataclasses
import json
import re
import typing
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from axdse.multipliers.errors import AxdseError, did_you_mean
from axdse.multipliers.files import MIB

T = TypeVar("T")
_UNKNOWN = "unexpected_keyword_argument"
_TAG = "tag:yaml.org,2002:"
_KEY_TAGS = (f"{_TAG}str", f"{_TAG}merge")
_PLAIN_NUMBER = re.compile(r"[-+.\d][\w.:+-]*", re.ASCII).fullmatch
LARGEST = MIB
# What aliases stand for counts each time: a few lines of them can mean more than any memory.
MOST_NODES = 50_000
DEEPEST = 32
LONGEST_NUMBER = 64
# libyaml where PyYAML has it: seven times faster, and the catalogue is read by every command.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):  # type: ignore[misc]
    """A loader that refuses a key given twice; YAML itself would let the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag not in _KEY_TAGS:
                raise _refusal("a key must be a plain name", key)
            if key.value in seen:
                raise _refusal(f"key {key.value!r} is given twice", key)
            seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


@dataclasses.dataclass(slots=True)
class _Node:
    """What is known of a node while its events are read: nodes in it, levels below it."""

    anchor: str | None
    nodes: int = 1
    levels: int = 1

    def add(self, inner: "_Node") -> None:
        """One that is complete."""
        self.nodes += inner.nodes
        self.levels = max(self.levels, inner.levels + 1)


def _check_events(text: str) -> None:
    """Refuse what is too large or too deep before it is built; aliases count each time.

    libyaml reads events one by one, but builds nodes by recursion, which crashes the interpreter.
    """
    known: dict[str, _Node] = {}
    outer = [_Node(None, levels=2)]
    total = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.ScalarEvent):  # most of them
            _check_scalar(event)
            if event.anchor is not None:
                known[event.anchor] = _Node(None)
            outer[-1].nodes += 1
            total += 1
        elif isinstance(event, yaml.CollectionStartEvent):
            _check_tag(event, "")
            outer.append(_Node(event.anchor))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            node = outer.pop()
            outer[-1].add(node)
            if node.anchor is not None:
                known[node.anchor] = node
        elif isinstance(event, yaml.AliasEvent):
            node = _named(event, known, outer)
            outer[-1].add(node)
            total += node.nodes
        if total > MOST_NODES:
            rule = f"it has, or its aliases stand for, more than {MOST_NODES} nodes"
            raise _refusal(rule, event)
        if len(outer) + outer[-1].levels > DEEPEST:
            raise _refusal(f"it is more than {DEEPEST} levels deep", event)


def _named(event: yaml.AliasEvent, known: dict[str, _Node], outer: list[_Node]) -> _Node:
    if any(node.anchor == event.anchor for node in outer):
        raise _refusal("an alias must not contain itself", event)
    if event.anchor not in known:
        raise _refusal("undefined alias", event)
    return known[event.anchor]


def _check_scalar(event: yaml.ScalarEvent) -> None:
    if event.tag is not None:
        _check_tag(event, "str")
    if len(event.value) > LONGEST_NUMBER and event.implicit[0] and _PLAIN_NUMBER(event.value):
        raise _refusal(f"a number has at most {LONGEST_NUMBER} characters", event)


def _check_tag(event: yaml.ScalarEvent | yaml.CollectionStartEvent, allowed: str) -> None:
    """Tags of one type on a value of another fail on it; others without a constructor as such."""
    tag = (event.tag or "").removeprefix(_TAG)
    if tag != allowed and f"{_TAG}{tag}" in _Loader.yaml_constructors:
        raise _refusal(f"a value needs no tag such as !!{tag}", event)


def _refusal(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


def load(text: str, where: str) -> Any:
    """Parse YAML text; `where` names its origin in errors.

    Raises:
        AxdseError: it is not YAML, a key is given twice, or it is too large or too deep.
    """
    try:
        _check_events(text)
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise AxdseError(
            "YAML must be well formed, each key once",
            f"{error.problem} in {where}{line}",
            "correct that line",
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise AxdseError(
            "YAML must be well formed text", f"{where}: {error!s:.80}", "correct the file"
        ) from error


def build(result_type: type[T], data: Any, where: str) -> T:
    """Make a dataclass from parsed YAML, or say in one line what does not fit.

    Types are those of JSON and are not converted: neither "8" nor true is an integer.

    Raises:
        AxdseError: a key is unknown or missing, or a value has the wrong type.
    """
    text = json.dumps(data, default=str)  # of paths
    try:
        return TypeAdapter(result_type).validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        raise _explain(error, result_type, where) from error


def _explain(error: ValidationError, result_type: type, where: str) -> AxdseError:
    errors = error.errors()
    # A misspelt key is unknown and, under its right name, missing: the former says more.
    first = next((e for e in errors if e["type"] == _UNKNOWN), errors[0])
    path = ".".join(str(part) for part in first["loc"])
    if first["type"] == _UNKNOWN:
        return AxdseError(f"unknown key in {where}", path, _remedy(result_type, first["loc"]))
    if first["type"] in ("missing", "missing_argument"):
        return AxdseError(f"a key is missing in {where}", path, "add it")
    given = f"{path} is {first['input']!r}" if path else f"{first['input']!r}"
    return AxdseError(f"{where} must fit its schema", given, f"{first['msg'].lower()}")


def _remedy(result_type: Any, path: tuple[int | str, ...]) -> str:
    """What to write for an unknown key: where it is known, or the nearest of its own level."""
    *outer, key = map(str, path)
    levels = _levels(result_type)
    for level, known in levels.items():
        if key in known:
            return f"write it under {level}" if level else "write it at the top level"
    inmost = next((part for part in reversed(outer) if part in levels), "")
    return did_you_mean(key, levels.get(inmost, ()))


def _levels(schema: Any, name: str = "") -> dict[str, set[str]]:
    """The keys of the top level, "", and of what is below, by the key that holds it."""
    if typing.get_origin(schema) is typing.Annotated:  # a function makes of it what it likes
        return {}
    if not dataclasses.is_dataclass(schema):
        arguments = typing.get_args(schema)
        return {at: keys for each in arguments for at, keys in _levels(each, name).items()}
    hints = typing.get_type_hints(schema, include_extras=True)
    fields = {field.name for field in dataclasses.fields(schema)}
    below = (_levels(hints[each], each) for each in sorted(fields))
    return {name: fields} | {at: keys for levels in below for at, keys in levels.items()}
