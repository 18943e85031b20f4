"""Factories of users: each way to go wrong is one line that names their file, and where."""

import itertools
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from axdse.dse.cli import run
from axdse.dse.ending import Ended
from axdse.dse.training.task import UserCode, make
from axdse.dse.training.train import train
from axdse.dse.training.workloads import find_workload
from axdse.multipliers.cache import digest
from axdse.multipliers.errors import AxdseError

HEAD = """\
import torch
from torch import nn
from axdse.dse import Metric, Splits, Task, TrainSettings

def right(outputs, targets):
    return outputs.argmax(1) == targets

def points(count=40, classes=2):
    return torch.ones(count, 3), torch.arange(count) % classes

def splits():
    return Splits(points(), points(), points())

def network(seed):
    return nn.Linear(3, 2)

METRIC = Metric("accuracy", "", "higher", 0.01, right)
SETTINGS = TrainSettings(epochs=1, batch_size=20)

def task(model=network, splits=splits, loss=nn.functional.cross_entropy, metric=METRIC, **more):
    return Task(model, splits, loss, metric, SETTINGS, **more)
"""
_numbers = itertools.count()


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a module of the user's in the working folder; return its name, that no other has."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def writing(text: str, head: str = HEAD) -> str:
        name = f"user_task_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(head + text)
        return name

    return writing


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert run(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("axdse: ")
    assert error.count("\n") == 1, error
    return error


ONCE = (
    "class Some:\n    def __init__(self, given, said):\n"
    "        self.pairs, self.said = iter([(torch.ones(3), 0)] * given), said\n"
    "    def __len__(self):\n        return self.said\n"
    "    def __iter__(self):\n        return self.pairs\n"
)
PAIRS = "def f():\n    return task(splits=lambda: Splits(points(), ({}), points()), {})"
FIELD = "def f():\n    return task({})"
MEASURED = "def f():\n    return task(metric=Metric('m', '', {}))"
NAN = "torch.full((40, 3), float('nan'))"
BAD = {
    "model is no function": (FIELD.format("model=3"), "model of a task is a function: .*: 3"),
    "no metric": (FIELD.format("metric=None"), "metric of a task is a Metric: .*None"),
    "settings are a dict": (
        "def f():\n    return Task(network, splits, nn.MSELoss(), METRIC, {'epochs': 1})",
        "settings of a task are TrainSettings: .*line 23, in f: dict",
    ),
    "classes are a text": (FIELD.format("classes='2'"), "classes of a task .*'2'"),
    "threads beyond all machines": (
        FIELD.format("threads=10**9"),
        "threads of a task .* 1000000000",
    ),
    "no threads": (FIELD.format("threads=0"), "threads of a task .*: 0"),
    "direction is neither": (MEASURED.format("'lowest', 0.1, right"), "direction .*'lowest'"),
    "resolution is NaN": (MEASURED.format("'lower', float('nan'), right"), "resolution .*: nan"),
    "resolution is negative": (MEASURED.format("'lower', -0.1, right"), "resolution .*: -0.1"),
    "metric is of no function": (MEASURED.format("'lower', 0.1, None"), "of, of a metric"),
    "metric is a mean": (
        MEASURED.format("'higher', 0.1, lambda a, b: right(a, b).float().mean()"),
        "one value for each .*one for 20 examples",
    ),
    "metric is a float": (
        MEASURED.format("'higher', 0.1, lambda a, b: 0.5"),
        "one value for .*0.5",
    ),
    "metric counts nothing": (
        MEASURED.format("'higher', 0.1, lambda a, b: torch.zeros(0)"),
        "a metric is finite .*m is nan",
    ),
    "optimiser returns none": (
        FIELD.format("optimiser=lambda model: None"),
        "optimiser returns one: .*None",
    ),
    "model without memory": (
        FIELD.format("model=lambda seed: nn.Linear(3, 2, device='meta')"),
        "a network has weights",
    ),
    "it interrupts itself": (
        "def f():\n    raise KeyboardInterrupt('of mine')",
        "line 23, in f: KeyboardInterrupt: of mine",
    ),
    "it raises what is no Exception": (
        "class Stop(BaseException):\n    pass\ndef f():\n    raise Stop('here')",
        "line 25, in f: Stop: here",
    ),
    "it ends the process": ("def f():\n    raise SystemExit(0)", "line 23, in f: SystemExit: 0"),
    "arrays of objects": (
        "import numpy as np\n" + PAIRS.format("np.array([[None]] * 40), np.zeros(40)", ""),
        "in splits: TypeError: can't convert np.ndarray of type numpy.object_",
    ),
    "labels are NaN": (
        PAIRS.format("torch.ones(40, 3), torch.full((40,), float('nan'))", "classes=2"),
        "labels of 2 classes .*validation: nan",
    ),
    "labels are complex": (
        PAIRS.format("torch.ones(40, 3), torch.ones(40) * 1j", "classes=2"),
        "labels of 2 classes .*complex64",
    ),
    "labels of a validation set": (
        PAIRS.format("[(torch.ones(3), -100)] * 40", "classes=2"),
        "labels of 2 classes .*: -100",
    ),
    "labels of a test set, before it is trained": (
        "def broken(a, b):\n    raise ValueError('trained')\n"
        "def f():\n    return task(loss=broken, classes=2, splits=lambda: "
        "Splits(points(), points(), [(torch.ones(3), 2)] * 40))",
        "labels of 2 classes .*test: 2",
    ),
    "labels of a test stream, before it is trained": (
        ONCE + "def broken(a, b):\n    raise ValueError('trained')\n"
        "class Late(Some):\n    def __iter__(self):\n"
        "        return iter([(torch.ones(3), 7)] * 9)\n"
        "def f():\n    return task(loss=broken, classes=2, splits=lambda: "
        "Splits(points(), points(), Late(9, 9)))",
        "labels of 2 classes .*test: 7",
    ),
    "length raises": (
        "class Some:\n    def __len__(self):\n        return 1 / 0\n"
        "    def __iter__(self):\n        return iter(())\n" + PAIRS.format("Some()", ""),
        "line 24, in __len__: ZeroDivisionError",
    ),
    "inputs to train are NaN": (
        "def f():\n    return task(splits=lambda: "
        f"Splits(({NAN}, points()[1]), points(), points()))",
        "examples are numbers: .*in training: NaN",
    ),
    "inputs to validate are NaN": (
        PAIRS.format(f"{NAN}, points()[1]", ""),
        "examples are numbers: .*in metric: NaN",
    ),
    "a validation stream that ends early": (
        ONCE + PAIRS.format("Some(10, 40)", ""),
        "as many examples as its length says, each time: .*10 of 40",
    ),
    "a validation stream that gives nothing": (
        ONCE + PAIRS.format("Some(0, 40)", ""),
        "as many examples as its length says, each time: .*0 of 40",
    ),
    "raises": ("def f():\n    raise KeyError('where')", r"in f: KeyError: 'where'"),
    "returns a dict": ("def f():\n    return {}", "returns a Task: .*in f: dict"),
    "no model": ("def f():\n    return task(model=lambda seed: 3)", "nn.Module: .*int"),
    "model raises": (
        "def broken(seed):\n    return nn.Linear(3)\ndef f():\n    return task(model=broken)",
        "line 23, in broken: TypeError",
    ),
    "splits of another kind": (
        "def f():\n    return task(splits=lambda: [1])",
        "splits returns Splits: .*list",
    ),
    "empty split": (
        "def none():\n    return Splits(points(), points(0), points())\n"
        "def f():\n    return task(splits=none)",
        "each split has examples: .*validation is empty",
    ),
    "too few targets": (
        "def odd():\n    return Splits((torch.ones(3, 3), torch.zeros(2)), points(), points())\n"
        "def f():\n    return task(splits=odd)",
        "a target for each input: .*train: 3, 2",
    ),
    "labels out of range": (
        "def f():\n    return task(splits=lambda: Splits(points(classes=3), points(), points()),"
        " classes=2)",
        "labels of 2 classes are 0..1: .*train: 2",
    ),
    "labels that the loss refuses": (
        "def f():\n    return task(splits=lambda: Splits(points(classes=3), points(), points()))",
        "in training: IndexError",
    ),
    "metric is NaN": (
        "def nan(outputs, targets):\n    return torch.full((len(targets),), float('nan'))\n"
        "def f():\n    return task(metric=Metric('nothing', '', 'higher', 0.1, nan))",
        "a metric is finite .*nothing is nan",
    ),
    "metric raises": (
        "def bad(outputs, targets):\n    return outputs.nothing\n"
        "def f():\n    return task(metric=Metric('m', '', 'higher', 0.1, bad))",
        "line 23, in bad: AttributeError",
    ),
    "loss raises": (
        "def bad(outputs, targets):\n\n    return 1 / 0\ndef f():\n    return task(loss=bad)",
        "line 24, in bad: ZeroDivisionError",
    ),
    "forward raises": (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.fc = nn.Linear(3, 2)\n    def forward(self, x):\n"
        "        return self.fc(x[:, :2])\ndef f():\n    return task(model=lambda seed: Net())",
        "line 27, in forward: RuntimeError",
    ),
    "images of different sizes": (
        "class Set:\n    def __len__(self):\n        return 20\n    def __getitem__(self, i):\n"
        "        return torch.ones(3 + i % 2), 0\n"
        "def f():\n    return task(splits=lambda: Splits(Set(), points(), points()))",
        r"inputs of a batch have one shape: .*\(3,\) and \(4,\)",
    ),
    "dataset raises": (
        "class Set:\n    def __len__(self):\n        return 20\n    def __getitem__(self, i):\n"
        "        return open('nothing.png')\n"
        "def f():\n    return task(splits=lambda: Splits(Set(), points(), points()))",
        "line 26, in __getitem__: FileNotFoundError",
    ),
    "labels of a dataset": (
        "class Set:\n    def __len__(self):\n        return 20\n    def __getitem__(self, i):\n"
        "        return torch.ones(3), 2\n"
        "def f():\n"
        "    return task(splits=lambda: Splits(Set(), points(), points()), classes=2)",
        "labels of 2 classes are 0..1",
    ),
    "a stream that ends early": (
        "class Few:\n    def __len__(self):\n        return 50\n    def __iter__(self):\n"
        "        return iter([(torch.ones(3), 0)] * 30)\n"
        "def f():\n    return task(splits=lambda: Splits(Few(), points(), points()))",
        "as many examples as its length says, each time: .*30 of 50",
    ),
    "outputs of another shape": (
        "from axdse.dse.training.task import log10_mse\n"
        "def pair():\n    return torch.ones(40, 3), torch.ones(40, 1)\n"
        "def f():\n    return task(splits=lambda: Splits(pair(), pair(), pair()),"
        " loss=lambda a, b: a.square().mean(), metric=log10_mse(0.1))",
        "outputs of a regression have the shape of its targets",
    ),
}


@pytest.fixture
def in_a_command() -> Iterator[None]:
    """SIGINT has a handler of ours, as in a command and in the workers of a search."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("in_a_command")
@pytest.mark.parametrize("case", BAD)
def test_what_goes_wrong_in_a_factory_is_one_line(
    case: str, write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = BAD[case]
    name = write(text)
    error = refused(["train", f"{name}:f", "fp32"], capsys)
    assert re.search(expected, error), error
    assert f"{name}.py" in error


def test_a_module_that_does_not_import_is_one_line(
    write: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = write("import torch\nimport nothing_of_that_name\n", head="")
    error = refused(["train", f"{name}:f", "fp32"], capsys)
    assert re.search(rf"{name}\.py, line 2, .*ModuleNotFoundError", error)
    broken = write("def f(:\n", head="")
    error = refused(["train", f"{broken}:f", "fp32"], capsys)
    assert f"{broken}.py" in error
    assert "SyntaxError" in error


@pytest.mark.parametrize(
    ("workload", "expected"),
    [
        ("no_module_of_that_name:f", "the module of a workload can be imported"),
        ("sys:exit", "a workload is a function of a module that has a file: sys"),
        ("{}:tusk", "did you mean 'task'"),
        ("{}:METRIC", "a workload is a function"),
        ("{}:sized(widht=3)", "unknown argument of .*did you mean 'width'"),
        ("{}:sized", "takes width: none given"),
        ("teacher(widht=3)", "did you mean 'width'"),
        ("lenet-5(dataset=3)", "dataset of lenet-5 is a text: 3; the default is"),
        ("lenet-5(score=None)", "score of lenet-5 is a text: None"),
        ("resnet-8(label_smoothing=x)", "label_smoothing of resnet-8 is a number: 'x'"),
        ("resnet-8(augment=yes)", "augment of resnet-8 is True or False: 'yes'"),
        ("teacher(width=0)", r"width of teacher is a whole number 1\.\.\d+: 0"),
        ("teacher(blocks=-1)", "blocks of teacher is a whole number .*: -1"),
        ("charlm(context=x)", "context of charlm is a whole number .*: 'x'"),
        ("charlm(depth=2.5)", "depth of charlm is a whole number .*: 2.5"),
        ("charlm(heads=3)", "heads of attention share its width equally: 3 of 64"),
        ("autoenc(code=True)", "code of autoenc is a whole number .*: True"),
        ("g2p(width=1)", "half of the width"),
        ("g2p(width=100000000000)", "width of g2p is a whole number"),
        ("teacher(dataset=mnist-5k)", "unknown argument of teacher"),
    ],
)
def test_a_factory_that_is_missing_is_one_line(
    workload: str, expected: str, write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = write("def sized(width):\n    return task()\n")
    assert re.search(expected, refused(["train", workload.format(name), "fp32"], capsys))


def test_a_ctrl_c_is_no_fault_of_the_code_that_it_interrupts(
    write: Callable[[str], str],
) -> None:
    name = write("def f():\n    raise KeyboardInterrupt\n")
    # A shell that starts the tests in the background has SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            make(find_workload(f"{name}:f"))
    finally:
        signal.signal(signal.SIGINT, before)
    name = write("def f():\n    from axdse.dse.ending import Ended\n    raise Ended(15)\n")
    with pytest.raises(Ended):
        make(find_workload(f"{name}:f"))


@pytest.mark.parametrize("place", ["import", "f", "splits"])
def test_a_working_folder_that_a_task_changes_to_is_its_own(
    place: str, write: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data are found there, later too; what a command writes is where the user is."""
    monkeypatch.setattr(UserCode, "_folder", None)
    there = tmp_path / "there"
    there.mkdir()
    (there / "data.txt").write_text("40")
    change = f"os.chdir({str(there)!r})"
    lines = {each: change if each == place else "pass" for each in ("import", "f", "splits")}
    name = write(
        f"import os\n{lines['import']}\n"
        f"def read():\n    {lines['splits']}\n    count = int(open('data.txt').read())\n"
        "    return Splits(points(count), points(count), points(count))\n"
        f"def f():\n    {lines['f']}\n    return task(splits=read)\n"
    )
    assert run(["train", f"{name}:f", "fp32", "--checkpoint", "my.ckpt"]) == 0
    assert Path.cwd() == tmp_path
    assert (tmp_path / "my.ckpt").exists()


def test_a_factory_may_take_any_arguments(write: Callable[[str], str]) -> None:
    name = write("def f(*sizes, width=2):\n    return task()\n")
    assert make(find_workload(f"{name}:f")).task.threads is None


def test_a_network_that_a_factory_keeps_starts_anew_each_time(write: Callable[[str], str]) -> None:
    name = write("NET = nn.Linear(3, 2)\ndef f():\n    return task(model=lambda seed: NET)\n")
    workload = find_workload(f"{name}:f")
    first, second = (train(workload, None, None, seed=1) for _ in range(2))
    assert first.history.epochs[0].train_loss == second.history.epochs[0].train_loss


def test_what_a_user_prints_is_no_part_of_the_json(
    write: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    name = write("print('at import')\ndef f():\n    print('in f')\n    return task()\n")
    assert run(["train", f"{name}:f", "fp32", "--json"]) == 0
    out, error = capsys.readouterr()
    assert json.loads(out)
    assert error.startswith("at import\nin f\n")


def test_the_file_is_part_of_what_a_task_is(write: Callable[[str], str]) -> None:
    name = write("")
    made = make(find_workload(f"{name}:task"))
    assert made.digest == digest(made.file.read_bytes())
    assert made.digest[:16] in made.identity
    assert make(find_workload("teacher")).identity == "teacher"


def test_errors_of_axdse_in_user_code_keep_their_rule(write: Callable[[str], str]) -> None:
    name = write(
        "from axdse.dse.training.readers import read_idx\nfrom pathlib import Path\n"
        "def read():\n    return read_idx(Path('none.gz'))\n"
        "def f():\n    return task(splits=read)\n"
    )
    with pytest.raises(AxdseError, match=r"gzipped IDX files: .*in read: none\.gz"):
        _ = make(find_workload(f"{name}:f")).splits
