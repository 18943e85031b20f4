"""How are the records of an export written? JSON, and CSV that a spreadsheet takes as it is."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from axdse.dse.training.records import Epoch, History

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_json(kind: Any, value: Any, path: Path) -> None:
    """Write a dataclass, or a tuple of them."""
    path.write_bytes(TypeAdapter(kind).dump_json(value, indent=1) + b"\n")


def csv_text(kind: type, rows: Sequence[Any]) -> str:
    """RFC 4180 text with a header; None is an empty field."""
    return _csv([field.name for field in fields(kind)], (map(_cell, astuple(row)) for row in rows))


def _cell(value: Any) -> Any:
    """A spreadsheet would compute a text that begins so."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def training_csv(histories: tuple[History, ...]) -> str:
    """Every epoch of every seed."""
    rows = ((history.seed, *astuple(epoch)) for history in histories for epoch in history.epochs)
    return _csv(["seed", *(field.name for field in fields(Epoch))], rows)


def _csv(head: list[str], rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
