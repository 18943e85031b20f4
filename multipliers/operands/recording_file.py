"""How are recorded operands kept? One compressed .npz with a JSON header."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from axdse.multipliers.cache import write_output
from axdse.multipliers.designs.design_point import ProductName
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile
from axdse.multipliers.formats import parse_format
from axdse.multipliers.npz import Npz, open_npz
from axdse.multipliers.operands.recording import (
    Dataflow,
    OperandHistogram,
    OperandRows,
    OperandTrace,
    Recording,
)

LAYOUT_VERSION = 3
WITHOUT_ROWS = 2  # a version that has no whole sums, and is read still
ARRAYS = ("a", "b", "sums", "a_peak", "b_peak", "lengths")  # of a trace
ROWS = ("a", "b", "a_peak", "b_peak", "depths")
LARGEST = 256 * MIB  # packed or not
_REMEDY = "write it again with 'axdse train --record'"

Count = Annotated[int, Field(ge=0, lt=1 << 63)]


@dataclass(frozen=True)
class _Counts:
    layer: str
    product: ProductName
    format: str
    zero: Count
    non_finite: Count


@dataclass(frozen=True)
class _Trace:
    layer: str
    product: ProductName
    dataflow: Dataflow
    multiplications: Count


@dataclass(frozen=True)
class _Rows:
    layer: str
    product: ProductName
    multiplications: Count


@dataclass(frozen=True)
class _Header:
    """What a file says beside the arrays."""

    version: int
    workload: str
    multiplier: str
    seed: Count
    every: Annotated[Count, Field(ge=1)]
    steps: Count
    images: Count
    entries: tuple[_Counts, ...]
    traces: tuple[_Trace, ...]
    digest: str
    rows: tuple[_Rows, ...] = ()


def _header(recording: Recording) -> _Header:
    return _Header(
        version=LAYOUT_VERSION,
        workload=recording.workload,
        multiplier=recording.multiplier,
        seed=recording.seed,
        every=recording.every,
        steps=recording.steps,
        images=recording.images,
        entries=tuple(
            _Counts(h.layer, h.product, h.format.name, h.zero, h.non_finite)
            for h in recording.histograms
        ),
        traces=tuple(
            _Trace(t.layer, t.product, t.dataflow, t.multiplications) for t in recording.traces
        ),
        digest=recording.digest,
        rows=tuple(_Rows(r.layer, r.product, r.multiplications) for r in recording.rows),
    )


def save_recording(recording: Recording, path: Path) -> None:
    """Write a recording as a file; its folder is made if need be.

    Raises:
        AxdseError: the place is not writable.
    """
    write_output(path, pack_recording(recording))


def pack_recording(recording: Recording) -> bytes:
    """One compressed .npz: a JSON header, the counts of histograms, traces, whole sums."""
    header = TypeAdapter(_Header).dump_json(_header(recording))
    arrays = {f"counts_{i}": h.counts for i, h in enumerate(recording.histograms)}
    for i, trace in enumerate(recording.traces):
        arrays |= {f"{key}_{i}": array for key, array in zip(ARRAYS, trace.arrays, strict=True)}
    for i, rows in enumerate(recording.rows):
        arrays |= {f"row_{key}_{i}": array for key, array in zip(ROWS, rows.arrays, strict=True)}
    buffer = io.BytesIO()
    # savez's own first argument is typed as if the arrays could be its flag.
    np.savez_compressed(buffer, header=np.array(header.decode()), **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def load_recording(path: Path) -> Recording:
    """Read what `save_recording` wrote, and check its digest.

    Raises:
        AxdseError: not such a file, of another version, or damaged.
    """
    file = InputFile(path, "a recording is a readable .npz of axdse", LARGEST, _REMEDY)
    return recording_of(open_npz(file, LARGEST))


def recording_of(npz: Npz) -> Recording:
    """As `load_recording`, of an archive that is open."""
    text = npz.text("header")
    try:
        version = TypeAdapter(_Version).validate_json(text).version
        if version not in (WITHOUT_ROWS, LAYOUT_VERSION):
            rule = f"recordings are of version {WITHOUT_ROWS} or {LAYOUT_VERSION}"
            raise AxdseError(rule, f"{npz.file.path} is of {version}", _REMEDY)
        header = TypeAdapter(_Header).validate_json(text)
    except ValidationError as error:
        raise npz.file.refusal(error.errors()[0]["msg"]) from error
    recording = _assembled(header, npz)
    if recording.digest != header.digest:
        raise AxdseError("a recording must match its digest", npz.file.path, _REMEDY)
    return recording


@dataclass(frozen=True)
class _Version:
    version: int


def _assembled(header: _Header, npz: Npz) -> Recording:
    histograms = tuple(
        OperandHistogram(
            *(entry.layer, entry.product, parse_format(entry.format)),
            *(npz.array(f"counts_{i}"), entry.zero, entry.non_finite),
        )
        for i, entry in enumerate(header.entries)
    )
    traces = tuple(_trace(entry, i, npz) for i, entry in enumerate(header.traces))
    return Recording(
        *(histograms, header.workload, header.multiplier, header.seed, header.every),
        *(traces, header.steps, header.images),
        rows=tuple(_whole(entry, i, npz) for i, entry in enumerate(header.rows)),
    )


def _whole(entry: _Rows, number: int, npz: Npz) -> OperandRows:
    a, b, a_peak, b_peak, depths = (npz.array(f"row_{key}_{number}") for key in ROWS)
    return OperandRows(
        layer=entry.layer,
        product=entry.product,
        a=a,
        b=b,
        a_peak=a_peak,
        b_peak=b_peak,
        depths=depths,
        multiplications=entry.multiplications,
    )


def _trace(entry: _Trace, number: int, npz: Npz) -> OperandTrace:
    a, b, sums, a_peak, b_peak, lengths = (npz.array(f"{key}_{number}") for key in ARRAYS)
    return OperandTrace(
        layer=entry.layer,
        product=entry.product,
        dataflow=entry.dataflow,
        a=a,
        b=b,
        sums=sums,
        a_peak=a_peak,
        b_peak=b_peak,
        lengths=lengths,
        multiplications=entry.multiplications,
    )
