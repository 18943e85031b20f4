"""Read YAML strictly: no duplicate keys, no unknown keys, no wrong types."""

import dataclasses
import json
import types
import typing
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from axdse.multipliers.errors import AxdseError, did_you_mean

T = TypeVar("T")
_UNKNOWN = "unexpected_keyword_argument"
_KEY_TAGS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


# libyaml where PyYAML has it: seven times faster, and the catalogue is read by every command.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _StrictLoader(_Loader):  # type: ignore[misc]
    """A loader that refuses a key given twice; YAML itself would let the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag not in _KEY_TAGS:
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a plain name", key.start_mark
                )
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key.value!r} is given twice", key.start_mark
                )
            seen.add(key.value)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def load(text: str, where: str) -> Any:
    """Parse YAML text; `where` names its origin in errors.

    Raises:
        AxdseError: it is not YAML, or a key is given twice.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise AxdseError(
            "YAML must be well formed, each key once",
            f"{error.problem} in {where}{line}",
            "correct that line",
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise AxdseError(
            "YAML must be well formed text", f"{where}: {error!s:.80}", "correct the file"
        ) from error


def build(result_type: type[T], data: Any, where: str) -> T:
    """Make a dataclass from parsed YAML, or say in one line what does not fit.

    Types are those of JSON and are not converted: neither "8" nor true is an integer.

    Raises:
        AxdseError: a key is unknown or missing, or a value has the wrong type.
    """
    try:
        text = json.dumps(data, default=str)
    except (ValueError, RecursionError) as error:
        raise AxdseError(f"{where} must not contain itself", error, "remove the alias") from error
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
        key = str(first["loc"][-1])
        return AxdseError(
            f"unknown key in {where}", path, did_you_mean(key, _field_names(result_type))
        )
    if first["type"] in ("missing", "missing_argument"):
        return AxdseError(f"a key is missing in {where}", path, "add it")
    given = f"{path} is {first['input']!r}" if path else f"{first['input']!r}"
    return AxdseError(f"{where} must fit its schema", given, f"{first['msg'].lower()}")


def _field_names(result_type: Any) -> set[str]:
    """All keys that may occur anywhere in the schema, as choices for 'did you mean'."""
    if isinstance(result_type, types.GenericAlias | types.UnionType) or typing.get_args(
        result_type
    ):
        return set().union(*(_field_names(arg) for arg in typing.get_args(result_type)))
    if not dataclasses.is_dataclass(result_type):
        return set()
    hints = typing.get_type_hints(result_type)
    nested = (_field_names(hints[field.name]) for field in dataclasses.fields(result_type))
    return set(hints).union(*nested)
