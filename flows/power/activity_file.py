"""Stage 6, cost: which operands `--activity` names: uniform ones, a trace, or a recording."""

import io
import zipfile
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from axdse.flows.power.activity_source import Trace, Uniform
from axdse.flows.power.histogram_source import Independent
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import parse_format
from axdse.multipliers.recording_file import load_recording

Source = Uniform | Trace | Recorded | Independent
Order = Literal["output-stationary", "weight-stationary", "independent"]


def read_source(text: str, order: Order = "output-stationary") -> Source:
    """Read what `--activity` names: `uniform`, or an .npz file.

    The file is a recording of `axdse train --record`, or a trace: arrays `a` and `b` of codes in
    order, and optionally `format`, the name of the number format that they are codes of.

    Args:
        text: as above.
        order: of a recording: the dataflow of the array whose multiplier it was, or pairs drawn
            independently from the joint histograms.

    Raises:
        AxdseError: there is no such file, or it is something else.
    """
    if text == "uniform":
        return Uniform()
    path = Path(text)
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
            if "header.npy" in names:
                recording = load_recording(path)
                if order == "independent":
                    return Independent(recording, path.name)
                return Recorded(recording, path.name, order)
            a, b = (_codes(archive, side, path) for side in ("a", "b"))
            known = parse_format(str(_array(archive, "format"))) if "format.npy" in names else None
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise AxdseError(
            "--activity is 'uniform', a recording, or an .npz with operand codes a and b",
            f"{path} ({error})",
            "record one with 'axdse train --record'",
        ) from error
    if a.shape != b.shape or a.size < 2:
        rule = "a trace has as many first operands as second ones, at least 2"
        raise AxdseError(rule, f"{a.size} and {b.size} in {path}", "record it again")
    return Trace(a, b, known, path.name)


def _array(archive: zipfile.ZipFile, key: str) -> np.ndarray:
    return np.asarray(np.load(io.BytesIO(archive.read(f"{key}.npy")), allow_pickle=False))


def _codes(archive: zipfile.ZipFile, key: str, path: Path) -> np.ndarray:
    codes = _array(archive, key)
    if codes.ndim != 1 or codes.dtype.kind not in "iu" or codes.min(initial=0) < 0:
        rule = "a trace holds operand codes: one-dimensional arrays of integers from 0"
        raise AxdseError(rule, f"{key} in {path}: {codes.dtype}", "give bit patterns, not values")
    return codes.astype(np.uint64)
