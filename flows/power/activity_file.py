"""Which operands does `--activity` name? Uniform ones, a trace, or a recording."""

from pathlib import Path
from typing import Literal

import numpy as np

from axdse.flows.power.activity_source import Trace, Uniform
from axdse.flows.power.histogram_source import Independent
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import InputFile
from axdse.multipliers.formats import parse_format
from axdse.multipliers.npz import Npz, open_npz
from axdse.multipliers.operands.recording_file import LARGEST, recording_of

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
    rule = "--activity is 'uniform', a recording, or an .npz with operand codes a and b"
    file = InputFile(path, rule, LARGEST, "record one with 'axdse train --record'")
    npz = open_npz(file, LARGEST)
    if "header" in npz.names:
        recording = recording_of(npz)
        if order == "independent":
            return Independent(recording, path.name)
        return Recorded(recording, path.name, order)
    a, b = (_codes(npz, side, path) for side in ("a", "b"))
    known = parse_format(npz.text("format")) if "format" in npz.names else None
    if a.shape != b.shape or a.size < 2:
        rule = "a trace has as many first operands as second ones, at least 2"
        raise AxdseError(rule, f"{a.size} and {b.size} in {path}", "record it again")
    return Trace(a, b, known, path.name)


def _codes(npz: Npz, key: str, path: Path) -> np.ndarray:
    codes = npz.array(key)
    if codes.ndim != 1 or codes.dtype.kind not in "iu" or codes.min(initial=0) < 0:
        rule = "a trace holds operand codes: one-dimensional arrays of integers from 0"
        raise AxdseError(rule, f"{key} in {path}: {codes.dtype}", "give bit patterns, not values")
    return codes.astype(np.uint64)
