"""What was kept? Everything a search leaves behind, readable by others and resumable.

`run.json` (schema version, axdse version, seed, date, tools, machine, digest of the catalogue),
`config.yaml` (canonical), `catalog/1/` (a copy of a catalogue beside the built-in one, if the
search had one), `trials/00007.json` (one Evaluation each), `replicates/` (one training with one
seed each, of baselines and finalists), `baselines.json`, `operands.npz` (recorded in the bf16
baseline), `survey.json` (what is known of each MAC of the space), `front.json`. Each JSON file is
sealed for its name.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import platform
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from axdse.dse.run.config import SearchConfig, dump_config, load_config
from axdse.dse.run.evaluation import Baseline, Evaluation, FrontPoint, Replicate, Stopped
from axdse.dse.run.survey import SurveyRecord
from axdse.dse.training.records import ACCURACY, Goal
from axdse.flows.tools import find_tool
from axdse.multipliers.cache import (
    DamagedError,
    digest,
    remove_parts,
    seal,
    unseal,
    write_atomically,
)
from axdse.multipliers.designs.catalog import Catalog, full_catalog
from axdse.multipliers.designs.design_point import DesignPoint
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import MIB, InputFile
from axdse.multipliers.operands.recording import Recording
from axdse.multipliers.operands.recording_file import pack_recording
from axdse.multipliers.sandbox.compiler import compiler

T = TypeVar("T")
SCHEMA = 8
LARGEST = 64 * MIB  # of one file
TOOLS = ("iverilog", "yosys", "sta")
FOLDERS = ("trials", "replicates")
FILES = (
    *("run.json", "config.yaml"),
    *("baselines.json", "operands.npz", "survey.json", "front.json"),
)
CATALOG = "catalog"
WORKLOAD = "workload"  # the file of a user's task, as the run began with it
_adapters: dict[Any, TypeAdapter[Any]] = {}
RUN_NAMES = (*FOLDERS, CATALOG, WORKLOAD, *FILES)


@dataclass(frozen=True)
class RunInfo:
    """What a run was made by.

    Attributes:
        schema: version of the folder's layout.
        axdse: version of axdse.
        seed: of the search.
        date: of its creation, ISO 8601, UTC.
        tools: names and versions.
        machine: processor, cores and operating system.
        catalog: SHA-256 (hex) of the catalogues beside the built-in one; empty: there is none.
        goal: what its networks are scored by.
        factory: SHA-256 (hex) of the file that makes its task.
    """

    schema: int
    axdse: str
    seed: int
    date: str
    tools: tuple[str, ...]
    machine: str
    catalog: str = ""
    goal: Goal = ACCURACY
    factory: str = ""


@dataclass(frozen=True)
class Results:
    """What a run has found so far.

    Attributes:
        evaluations: finished trials, by number.
        baselines: empty before they are trained.
        front: the finalists; empty before the search is finished.
        stopped: who was retrained with them, and is none.
    """

    evaluations: tuple[Evaluation, ...]
    baselines: tuple[Baseline, ...]
    front: tuple[FrontPoint, ...]
    stopped: tuple[Stopped, ...] = ()


@dataclass(frozen=True)
class _Schema:
    """What files of every version say."""

    schema: int


@dataclass(frozen=True)
class _Baselines:
    baselines: tuple[Baseline, ...]


@dataclass(frozen=True)
class _Front:
    points: tuple[FrontPoint, ...] = ()
    stopped: tuple[Stopped, ...] = ()


class RunDir:
    """One run folder; `create` makes one, `RunDir(path)` opens it.

    Attributes:
        path: of the folder.
        info: what made it.
        catalog: the built-in one, with the families that the search had beside it.
        config: what was asked.

    Raises:
        AxdseError: the folder is not a run, or one of another schema version, or holds links or
            devices in place of a run's files, or another catalogue than it was made with; writing:
            it is gone, or another's by now.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = _identity(path)
        self._require_files()
        self._require_schema()
        self.catalog = full_catalog()  # run.json names no family
        self.info = self._read("run.json", RunInfo)
        self.catalog = self._load_catalog()
        self.config = load_config(path / "config.yaml", self.catalog)

    @classmethod
    def create(cls, path: Path, config: SearchConfig, catalog: Catalog | None = None) -> "RunDir":
        """Make a run folder; `run.json` comes last, so that a half-made one is not a run.

        Args:
            path: of the folder.
            config: what is asked.
            catalog: that has its families; what is not built in is copied into the folder.

        Raises:
            AxdseError: the folder holds something else, or cannot be written.
        """
        if path.exists() and not all(map(_is_half_made, path.iterdir())):
            raise AxdseError(
                "a new run needs a folder of its own",
                f"{path} is in use",
                "choose another one, or continue a run with --resume",
            )
        _make_folders(path)
        catalog = catalog or full_catalog()
        shutil.rmtree(path / CATALOG, ignore_errors=True)
        catalog.copy_added(path / CATALOG)
        # torch takes a second to import.
        from axdse.dse.training.task import make

        made = make(config.own_workload)
        shutil.rmtree(path / WORKLOAD, ignore_errors=True)
        if not made.workload.ships:
            copy = path / WORKLOAD / made.place
            copy.parent.mkdir(parents=True)
            write_atomically(copy, made.source)
        write_atomically(path / "config.yaml", dump_config(config).encode())
        goal = made.task.metric.goal
        info = dataclasses.replace(_info(config, catalog), goal=goal, factory=made.digest)
        write_atomically(path / "run.json", seal(_json(info, RunInfo), "run.json"))
        return cls(path)

    @property
    def operands(self) -> Path:
        """The recorded operands of the bf16 baseline."""
        return self.path / "operands.npz"

    @property
    def modules(self) -> Path:
        """Where Python finds the user's workload as it was when the run began, if it has one."""
        return self.path / WORKLOAD

    def results(self) -> Results:
        """Read every trial, the baselines and the front; the caller keeps what it got.

        Raises:
            AxdseError: a file is not as it was written.
        """
        names = sorted((self.path / "trials").glob("*.json"))
        evaluations = tuple(self._read(f"trials/{path.name}", Evaluation) for path in names)
        has = self._has("front.json")
        front = self._read("front.json", _Front) if has else _Front()
        return Results(evaluations, self._baselines(), front.points, front.stopped)

    def _baselines(self) -> tuple[Baseline, ...]:
        has = self._has("baselines.json")
        return self._read("baselines.json", _Baselines).baselines if has else ()

    def save_config(self, config: SearchConfig) -> None:
        """Replace the configuration (a resumed run may have more trials)."""
        self.require_folder()
        _make_folders(self.path)
        self._put("config.yaml", dump_config(config).encode())
        self.config = config

    def save_evaluation(self, evaluation: Evaluation) -> None:
        """Store one finished trial."""
        self._write(f"trials/{evaluation.number:05}.json", evaluation, Evaluation)

    def save_operands(self, recording: Recording) -> None:
        """Store the operands of the bf16 baseline."""
        self._put(self.operands.name, pack_recording(recording))

    def survey(self) -> SurveyRecord | None:
        """What is known of the space's MACs, or None."""
        has = self._has("survey.json")
        return self._read("survey.json", SurveyRecord) if has else None

    def save_survey(self, record: SurveyRecord) -> None:
        """Store what is known of the space's MACs."""
        self._write("survey.json", record, SurveyRecord)

    def save_baselines(self, baselines: tuple[Baseline, ...]) -> None:
        """Store the baselines."""
        self._write("baselines.json", _Baselines(baselines), _Baselines)

    def save_front(self, front: tuple[FrontPoint, ...], stopped: tuple[Stopped, ...] = ()) -> None:
        """Store the finalists, and who was retrained with them."""
        self._write("front.json", _Front(front, stopped), _Front)

    def replicate(self, point: DesignPoint, seed: int, workload: str = "") -> Replicate | None:
        """A stored training, or None; `workload`: of a veto."""
        name = _replicate_name(point, seed, workload)
        return self._read(name, Replicate) if self._has(name) else None

    def save_replicate(self, replicate: Replicate, workload: str = "") -> None:
        """Store one training; `workload`: of a veto."""
        name = _replicate_name(replicate.point, replicate.seed, workload)
        self._write(name, replicate, Replicate)

    def require_folder(self) -> None:
        """Check that the folder is there, and still the one that was opened.

        Raises:
            AxdseError: it was deleted, moved or replaced.
        """
        if _identity(self.path) != self._folder:
            raise AxdseError(
                "a run needs its folder until its end",
                f"{self.path} was deleted, moved or replaced",
                "search again, or put it back and continue with --resume",
            )

    def _require_files(self) -> None:
        """A link would bring a stranger's file into an export; a pipe may never end."""
        folders = [self.path / name for name in (*FOLDERS, CATALOG, WORKLOAD)]
        files = [self.path / name for name in FILES]
        files += [path for folder in FOLDERS for path in (self.path / folder).glob("*.json")]
        files += [path for name in (CATALOG, WORKLOAD) for path in (self.path / name).rglob("*.*")]
        for path, is_right in (
            *((path, stat.S_ISDIR) for path in folders),
            *((path, stat.S_ISREG) for path in files),
        ):
            with contextlib.suppress(OSError):
                if not is_right(path.lstat().st_mode):
                    rule = "a run holds files and folders of its own, no links and no devices"
                    raise AxdseError(rule, path, "put the file itself there")

    def _require_schema(self) -> None:
        rule = f"a run folder of axdse has a run.json of schema {SCHEMA}"
        remedy = "name the folder that 'axdse search' wrote"
        try:
            text = InputFile(self.path / "run.json", rule, LARGEST, remedy).read()
            schema = TypeAdapter(_Schema).validate_json(text).schema
        except (AxdseError, ValidationError) as error:
            raise AxdseError(rule, self.path, remedy) from error
        if schema != SCHEMA:
            remedy = "open it with the version that wrote it, or search again"
            raise AxdseError(rule, f"{self.path} has schema {schema}", remedy)

    def _load_catalog(self) -> Catalog:
        """The copy that the run holds."""
        copies = (self.path / CATALOG).glob("*")
        catalog = full_catalog(sorted(copies, key=lambda copy: (len(copy.name), copy.name)))
        if catalog.digest != self.info.catalog:
            rule = "the catalogue of a run is the one that its search had"
            raise AxdseError(rule, self.path / CATALOG, "put back its files, or search again")
        return catalog

    def _has(self, name: str) -> bool:
        return (self.path / name).exists()

    def _write(self, name: str, value: Any, kind: Any) -> None:
        self._put(name, seal(_json(value, kind), name))

    def _put(self, name: str, data: bytes) -> None:
        self.require_folder()
        try:
            write_atomically(self.path / name, data)
        except AxdseError:
            self.require_folder()
            raise

    def _read(self, name: str, kind: type[T]) -> T:
        rule = "files of a run must be readable as written"
        remedy = "delete that file and --resume, or search again"
        file = InputFile(self.path / name, rule, LARGEST, remedy)
        try:
            content = unseal(file.read(), name)
            return cast(T, _adapter(kind).validate_json(content, context=self.catalog))
        except (DamagedError, ValidationError) as error:
            raise AxdseError(rule, file.path, remedy) from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a run folder; the kernel lets go of it when this process ends, however it ends.

    Raises:
        AxdseError: another process holds it, or it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise _unusable(error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for folder in (path, *(path / name for name in FOLDERS)):
            remove_parts(folder)
        yield
    except BlockingIOError as error:
        raise AxdseError(
            "one search at a time works on a run", f"{path} is in use", "wait for it or end it"
        ) from error
    finally:
        os.close(descriptor)


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a folder from another one at the same place; None: there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _make_folders(path: Path) -> None:
    try:
        for folder in FOLDERS:
            (path / folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(error) from error


def _is_half_made(entry: Path) -> bool:
    """Whether it may be there before `run.json` is."""
    empty = entry.is_dir() and not any(entry.iterdir())
    return entry.name in ("config.yaml", CATALOG) or (entry.name in FOLDERS and empty)


def _unusable(error: OSError) -> AxdseError:
    return AxdseError("a run is a folder that can be written", error, "choose another place")


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """One for each type: to make it takes ten times as long as to write a trial."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _json(value: Any, kind: Any) -> bytes:
    # Losses may be NaN: pydantic's own JSON would make them null, which does not read back.
    plain = _adapter(kind).dump_python(value, mode="json")
    return json.dumps(plain, indent=1).encode()


def _replicate_name(point: DesignPoint, seed: int, workload: str) -> str:
    texts = (point.name, workload) if workload else (point.name,)
    return f"replicates/{digest(*texts)[:12]}-{seed}.json"


def _info(config: SearchConfig, catalog: Catalog) -> RunInfo:
    tools = (find_tool(name).version for name in TOOLS)
    packages = (f"{name} {version(name)}" for name in ("optuna", "torch", "cocotb", "numpy"))
    return RunInfo(
        schema=SCHEMA,
        axdse=version("axdse"),
        seed=config.seed,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        tools=(*tools, compiler()[1], f"Python {platform.python_version()}", *packages),
        machine=_machine(),
        catalog=catalog.digest,
    )


def _machine() -> str:
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
