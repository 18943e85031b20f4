"""The readers that `attack_readers` attacks, and a valid sample for each, made by axdse itself."""

import functools
import gzip
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from axdse.dse.run.config import dump_config, load_config, parse_config
from axdse.dse.run.evaluation import Evaluation
from axdse.dse.run.run_dir import RunDir
from axdse.dse.training.readers import map_npy, read_cifar_batch, read_idx
from axdse.dse.training.records import TrainSettings
from axdse.dse.training.train import CHECKPOINT, train
from axdse.dse.training.workloads import find_workload
from axdse.flows.liberty.library import OSU018, read_library
from axdse.flows.power.activity_file import read_source as read_activity
from axdse.flows.verify.c_source import find_prototype, published_figures, read_source
from axdse.flows.verify.certificate import read_certificate, write_certificate
from axdse.flows.verify.check import check
from axdse.flows.verilog.safety import refuse_unsafe
from axdse.multipliers.cache import seal, unseal
from axdse.multipliers.designs.catalog import HERE, Catalog, builtin_catalog
from axdse.multipliers.designs.design_point import Candidate, parse_design_point
from axdse.multipliers.designs.family import evaluate
from axdse.multipliers.formats import parse_format
from axdse.multipliers.operands.recording import OperandHistogram, OperandTrace, Recording
from axdse.multipliers.operands.recording_file import load_recording, save_recording
from axdse.multipliers.tables.lut import (
    build_lut,
    load_approxtrain,
    load_npz,
    save_approxtrain,
    save_npz,
)

CONFIG = (
    "workload: lenet-300-100\ndataset: fashion-mnist-14k\nformats: ['float(8,3)', int8]\n"
    "families: [drum, truncated]\nobjectives: [accuracy, area]\nranges: {drum: {k: [2, 4]}}\n"
    "training: {epochs: 1, train_images: 512, learning_rate: 0.1}\ntrials: 6\nworkers: 1\n"
    "library: osu018\nclock_ns: 3.5\n"
)
FAMILIES = ("drum", "truncated")
LIBERTY_CELLS = ("INVX1", "NAND2X1", "DFFPOSX1")
SETTINGS = TrainSettings(epochs=1, train_images=256)


@dataclass(frozen=True)
class Reader:
    """One way in.

    Attributes:
        form: which mutations make sense.
        sealed: axdse alone writes such files, and must notice when one was changed.
        make: writes a sample, below a folder; returns its path.
        read: reads a path; returns what it says, comparable.
    """

    form: Literal["text", "binary", "npz", "yaml"]
    sealed: bool
    make: Callable[[Path], Path]
    read: Callable[[Path], object]


def _placed(folder: Path, name: str, content: bytes = b"") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _text(content: str) -> Callable[[Path], Path]:
    return lambda folder: _placed(folder, "sample.txt", content.encode())


def _typed(path: Path) -> str:
    """As an argument of a command: any text, which may not be UTF-8."""
    return path.read_bytes().decode(errors="surrogateescape")


def _config(folder: Path) -> Path:
    path = folder / "search.yaml"
    return _placed(folder, path.name, dump_config(parse_config(CONFIG, path)).encode())


def _catalogue(folder: Path) -> Path:
    text = "".join(path.read_text() for path in sorted(HERE.glob("catalog/*.yaml")))
    starts = [match.start() for match in re.finditer(r"^\w+:$", text, re.MULTILINE)]
    entries = [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    chosen = [entry for entry in entries if entry.partition(":")[0] in FAMILIES]
    return _placed(folder, "catalog.yaml", "".join(chosen).encode())


@functools.cache
def _lut():
    core = builtin_catalog().multiplier("drum(n=8,k=4)")
    return build_lut(Candidate(core, parse_format("approxtrain")))


def _npz(folder: Path) -> Path:
    path = _placed(folder, "drum.npz")
    save_npz(_lut(), path)
    return path


def _bin(folder: Path) -> Path:
    path = _placed(folder, "drum_7.bin")
    save_approxtrain(_lut(), path)
    return path


def _recording(folder: Path) -> Path:
    draw = np.random.default_rng(1)
    a, b, sums = draw.standard_normal((3, 5, 4)).astype(np.float32)
    recording = Recording(
        (
            OperandHistogram(
                "fc1", "forward", parse_format("float(8,3)"), np.ones((8, 8), np.int64)
            ),
        ),
        *("lenet on images", "exact(n=8)", 3, 1),
        (
            OperandTrace(
                *("fc1", "forward", "output-stationary", a, b, sums),
                *(abs(a).max(1), abs(b).max(1), np.full(5, 4, np.int64), 100),
            ),
        ),
        *(1, 64),
    )
    path = _placed(folder, "recording.npz")
    save_recording(recording, path)
    return path


def _activity(folder: Path) -> Path:
    path = _placed(folder, "trace.npz")
    np.savez(path, a=np.arange(64), b=np.arange(64)[::-1], format=np.array("int8"))
    return path


def _images(folder: Path) -> Path:
    header = b"\0\0\x08\x03" + np.array([4, 28, 28], ">u4").tobytes()
    return _placed(folder, "images.gz", gzip.compress(header + bytes(range(196)) * 16))


def _cifar(folder: Path) -> Path:
    batch = {b"data": np.zeros((2, 3072), np.uint8), b"labels": [3, 7]}
    return _placed(folder, "data_batch_1", pickle.dumps(batch, 2))


def _npy(folder: Path) -> Path:
    path = _placed(folder, "data.npy")
    np.save(path, np.arange(24, dtype="f4").reshape(4, 6))
    return path


def _batch(path: Path) -> object:
    pixels, labels = read_cifar_batch(path)
    return pixels.tobytes(), labels.tolist()


def _checkpoint(folder: Path) -> Path:
    torch.set_num_threads(1)
    path = _placed(folder, "unused").with_name("training.ckpt")
    train(find_workload("lenet-300-100"), None, SETTINGS, 0, checkpoint=path)
    return path


def _resumed(path: Path) -> object:
    trained = train(find_workload("lenet-300-100"), None, SETTINGS, 0, checkpoint=path)
    weights = trained.model.state_dict().values()
    return trained.history, [weight.numpy().tobytes() for weight in weights]


def _inside(path: Path, wrap: Callable[[bytes], bytes]) -> Path:
    """What holds a mutant without damage of its own, so that the reader behind it meets it."""
    whole = path.with_name("whole.gz")
    whole.write_bytes(wrap(path.read_bytes()))
    return whole


def _state(folder: Path) -> Path:
    sealed = _checkpoint(folder)
    return _placed(folder, "state.pt", unseal(sealed.read_bytes(), CHECKPOINT))


def _pixels(folder: Path) -> Path:
    return _placed(folder, "images", gzip.decompress(_images(folder).read_bytes()))


def _run(folder: Path) -> Path:
    run = RunDir.create(folder / "run", parse_config(CONFIG, folder / "search.yaml"))
    run.save_evaluation(
        Evaluation(7, parse_design_point("drum(n=8,k=4) in int8"), "failed", "no reason")
    )
    return run.path / "trials" / "00007.json"


def _certificate(folder: Path) -> Path:
    path = _placed(folder, "certificate.json")
    write_certificate(check(builtin_catalog().multiplier("drum(n=4,k=3)")), path)
    return path


def _liberty(folder: Path) -> Path:
    text = OSU018.read_text(encoding="latin-1")
    starts = [match.start() for match in re.finditer(r"^cell \(", text, re.MULTILINE)]
    cells = [text[a:b] for a, b in zip(starts, [*starts[1:], text.rindex("}")], strict=True)]
    kept = [cell for cell in cells if cell.startswith(tuple(f"cell ({c})" for c in LIBERTY_CELLS))]
    return _placed(
        folder, "few.lib", (text[: starts[0]] + "".join(kept) + "}\n").encode("latin-1")
    )


def _c(folder: Path) -> Path:
    text = "/* PDK45_AREA */\n// MAE% = 0.5 %\n#include <stdint.h>\n"
    text += "static int helper(int x) { return x & 1; }\n"
    text += "uint16_t mul8u(uint8_t a, uint8_t b) { return a * b + 0 * helper(a); }\n"
    return _placed(folder, "mul8u.c", text.encode())


def _verilog(folder: Path) -> Path:
    return _placed(folder, "drum.v", (HERE / "rtl" / "drum.v").read_bytes())


def _scanned(path: Path) -> None:
    refuse_unsafe(read_source(path, "RTL is a readable Verilog file"), path.name)


READERS = {
    "configuration": Reader("yaml", False, _config, load_config),
    "catalogue": Reader("yaml", False, _catalogue, lambda path: Catalog(path.parent).families),
    "spec": Reader(
        "text", False, _text("drum(n=8,k=4)"), lambda p: builtin_catalog().multiplier(_typed(p))
    ),
    "format": Reader(
        "text", False, _text("float(8,5,round=nearest)"), lambda p: parse_format(_typed(p))
    ),
    "expression": Reader(
        "text", False, _text("n // 2 + k * 3 - 1"), lambda p: evaluate(_typed(p), {"n": 8, "k": 4})
    ),
    "table": Reader(
        "npz", True, _npz, lambda p: (lut := load_npz(p)) and (lut.multiplier, lut.digest)
    ),
    "approxtrain": Reader("binary", False, _bin, lambda path: load_approxtrain(path).digest),
    "recording": Reader("npz", True, _recording, lambda path: load_recording(path).digest),
    "activity": Reader("npz", False, _activity, lambda path: read_activity(str(path)).digest),
    "images": Reader("binary", False, _images, lambda path: read_idx(path).tobytes()),
    "cifar": Reader("binary", False, _cifar, _batch),
    "npy": Reader("binary", False, _npy, lambda path: map_npy(path).tobytes()),
    "workload": Reader(
        "text",
        False,
        _text("lenet-5(dataset='mnist-5k',score=loss)"),
        lambda p: find_workload(_typed(p)),
    ),
    "checkpoint": Reader("npz", True, _checkpoint, _resumed),
    "checkpoint, sealed again": Reader(
        "npz", False, _state, lambda p: _resumed(_inside(p, lambda data: seal(data, CHECKPOINT)))
    ),
    "images, packed again": Reader(
        "binary", False, _pixels, lambda p: read_idx(_inside(p, gzip.compress)).tobytes()
    ),
    "run": Reader(
        "text", True, _run, lambda path: RunDir(path.parent.parent).results().evaluations
    ),
    "certificate": Reader("text", True, _certificate, read_certificate),
    "liberty": Reader("text", False, _liberty, lambda path: read_library(path).cells),
    "c": Reader("text", False, _c, lambda path: (find_prototype(path), published_figures(path))),
    "verilog": Reader("text", False, _verilog, _scanned),
}
