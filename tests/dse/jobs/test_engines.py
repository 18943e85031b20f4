"""Engines: the same jobs on each; what is none, or may not work on this search, is one line."""

import dataclasses
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

import pytest
from dask_cluster import dask, dask_scheduler, dask_workers
from worker_jobs import FileOf, Inline, KilledOnce, Refuse, Say, wait_until

from axdse.dse.jobs import work as work_module
from axdse.dse.jobs.engines import Engine, open_engine
from axdse.dse.jobs.freight import Freight, pack, parcel, unpack
from axdse.dse.jobs.versions import Versions, versions
from axdse.dse.jobs.work import Order, work
from axdse.dse.jobs.workers import Job, Workers
from axdse.multipliers.errors import AxdseError, MachineError

distributed = pytest.importorskip("distributed")
LIMIT_S = 60


class Silent(Executor):
    """Takes jobs and never answers."""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


def elsewhere(executor: Executor) -> Engine:
    return Engine("elsewhere", executor, lambda: 4, lambda: None)


def results(workers: Workers, *jobs: Job[object]) -> list[tuple[object, str]]:
    found = {o.job: (o.result, o.failure) for o in workers.run(iter(jobs))}
    return [found[job] for job in jobs]


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dask_scheduler(tmp_path_factory.mktemp("dask")) as address:
        yield address


@pytest.fixture(scope="module")
def cluster(scheduler: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two workers, in a working folder of their own."""
    with dask_workers(tmp_path_factory.mktemp("workers"), scheduler, 2):
        yield f"dask://{scheduler}"


def test_dask_does_what_processes_do(cluster: str, tmp_path: Path) -> None:
    text = tmp_path / "there.txt"
    text.write_text("what it says")
    jobs = (*map(Say, range(20)), FileOf(text), Refuse())
    with Workers(open_engine(cluster, 0)) as there, Workers(2) as here:
        there.greet(None, None, LIMIT_S)
        found = results(there, *jobs)
        *same, own, refused = results(here, *jobs)
    assert [*found[:-2], found[-1]] == [*same, refused]
    (place, content), _ = found[-2]  # type: ignore[misc]
    assert (content, own) == ("what it says", ((text, "what it says"), ""))
    assert place != text
    assert place.name == text.name


def test_a_job_that_a_killed_worker_of_dask_had_runs_again(cluster: str, tmp_path: Path) -> None:
    with Workers(open_engine(cluster, 0)) as workers:
        workers.greet(None, None, LIMIT_S)
        said = results(workers, KilledOnce(str(tmp_path / "killed")), *map(Say, range(4)))
    assert [result for result, _ in said] == ["done", 0, 1, 2, 3]


def test_a_worker_of_several_threads_is_refused(scheduler: str, tmp_path: Path) -> None:
    with (
        dask(tmp_path, "worker", f"tcp://{scheduler}", "--nthreads", "2"),
        distributed.Client(f"tcp://{scheduler}", set_as_default=False) as client,
    ):
        wait_until(lambda: 2 in client.nthreads().values())
        with pytest.raises(AxdseError, match=r"one job at a time: .* has 2 threads; .*--nthreads"):
            open_engine(f"dask://{scheduler}", 0)
    # A scheduler forgets it only after a while.
    with distributed.Client(f"tcp://{scheduler}", set_as_default=False) as client:
        wait_until(lambda: 2 not in client.nthreads().values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "unknown engine: nonsense; write processes, dask://HOST:PORT or pack"),
        ("dask://127.0.0.1:1", "an engine answers within 1 s: dask://127.0.0.1:1: OSError"),
        ("dask://nonsense", "an engine answers within 1 s: dask://nonsense"),
        ("worker_jobs:nothing", "returns a concurrent.*worker_jobs:nothing: AttributeError"),
        ("worker_jobs:Say", r"returns a concurrent.*: TypeError: Say.__init__"),
        ("worker_jobs:wait", "worker_jobs:wait returns a NoneType; wrap it in one"),
    ],
)
def test_what_is_no_engine_is_one_line(text: str, message: str) -> None:
    with pytest.raises(AxdseError, match=message) as error:
        open_engine(text, 2, 1.0)
    assert "\n" not in str(error.value)


def test_a_pool_of_a_user_is_an_engine() -> None:
    with Workers(open_engine("worker_jobs:pool", 0)) as workers:
        workers.greet(None, None, LIMIT_S)
        assert results(workers, Say(1), Refuse()) == [(1, ""), (None, "a rule: a value; a remedy")]


def test_an_engine_without_workers_is_refused() -> None:
    with pytest.raises(AxdseError, match=r"of an engine answers within 0.1 s: elsewhere: Timeout"):
        Workers(elsewhere(Silent())).greet(None, None, 0.1)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Versions)])
def test_workers_of_another_version_are_refused(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = dataclasses.replace(versions(None), **{field: "other"})
    monkeypatch.setattr(work_module, "versions", lambda library: theirs)
    monkeypatch.setattr(work_module, "code_version", lambda: Versions(theirs.code))
    with pytest.raises(AxdseError, match=f"may give other bits: .*{field}: other, not") as error:
        Workers(elsewhere(Inline())).greet(None, None)
    assert "\n" not in str(error.value)


def test_a_process_that_finds_other_code_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(elsewhere(Inline()))
    monkeypatch.setattr(work_module, "code_version", lambda: Versions("other"))
    with pytest.raises(AxdseError, match="code: other, not"):
        results(workers, Say(1))


def test_what_was_sent_once_is_not_sent_again(tmp_path: Path) -> None:
    text = tmp_path / "there.txt"
    text.write_text(tmp_path.name)  # content that no other test has
    executor = Inline()
    first, second = results(Workers(elsewhere(executor)), FileOf(text), FileOf(text, 2))
    assert first[0][1] == second[0][1] == tmp_path.name  # type: ignore[index]
    assert [len(order.sent) for order in executor.orders] in ([0, 0, 1, 1], [0, 1, 0])


def test_a_folder_travels_whole(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "own.h").write_text("beside")
    (tmp_path / "models" / "own.c").write_text(f"of {tmp_path}")
    workers = Workers(elsewhere(Inline()))
    workers.carry([tmp_path])
    ((place, _), _) = results(workers, FileOf(tmp_path / "models" / "own.c"))[0]  # type: ignore[misc]
    assert not place.is_relative_to(tmp_path)
    assert place.with_name("own.h").read_text() == "beside"


def test_a_file_that_was_written_again_is_another(tmp_path: Path) -> None:
    text = tmp_path / "there.txt"
    workers = Workers(elsewhere(Inline()))
    for content in ("first", "then another"):
        text.write_text(content)
        assert results(workers, FileOf(text))[0][0][1] == content  # type: ignore[index]


def test_a_shared_folder_has_what_jobs_need(tmp_path: Path) -> None:
    text, shared = tmp_path / "there.txt", tmp_path / "shared"
    text.write_text(str(tmp_path))
    executor = Inline()
    workers = Workers(elsewhere(executor))
    workers.greet(None, shared)
    assert results(workers, FileOf(text))[0][0][1] == str(tmp_path)  # type: ignore[index]
    assert not any(order.sent for order in executor.orders)
    with workers:
        assert len(list(shared.glob("axdse-*"))) == 1
    assert not list(shared.glob("axdse-*"))


def test_a_shared_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="the output must be writable"):
        Workers(elsewhere(Inline())).greet(None, tmp_path / "file")


def test_a_damaged_parcel_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "there.txt").write_text("content")
    found = parcel(tmp_path / "there.txt")
    assert not unpack(found.data[:-1], found.name, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    assert unpack(found.data, found.name, tmp_path / "b")
    assert (tmp_path / "b" / "there.txt").read_text() == "content"


def test_equal_jobs_have_equal_names_whatever_they_share(tmp_path: Path) -> None:
    text = "a text that is long enough not to be interned"
    twice, once = (text, text), (text, "".join(text))
    assert pack(Say(twice)) == pack(Say((once[0], str(once[1].encode(), "utf-8"))))
    places = [tmp_path / name / "same.txt" for name in "ab"]
    for place in places:
        place.parent.mkdir()
        place.write_text("same")
    first, second = (Freight().pack(FileOf(place)) for place in places)
    assert first == second


class Losing(Inline):
    """Loses the first job that it takes, so many times."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self._losses, self._first = losses, ""

    def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self._first = self._first or args[0].name
        if args[0].name != self._first or not self._losses:
            return super().submit(function, *args, **kwargs)
        self._losses -= 1
        lost: Future[Any] = Future()
        lost.set_exception(RuntimeError("gone"))
        return lost


@pytest.mark.parametrize("losses", [3, 4])
def test_a_job_is_sent_three_times_again_and_then_failed(
    losses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others have outcomes between, so that it is not the machine's fault."""
    monkeypatch.setattr("axdse.dse.jobs.workers.PAUSE_S", 0.0)
    engine = dataclasses.replace(elsewhere(Losing(losses)), slots=lambda: 2)
    lost, *others = jobs = [Say("lost"), *map(Say, range(9))]
    outcomes = {o.job: o for o in Workers(engine).run(iter(jobs))}
    failure = "" if losses == 3 else "it was lost 4 times: RuntimeError gone"
    assert outcomes[lost].failure == failure
    assert [outcomes[job].result for job in others] == [job.value for job in others]


def test_an_engine_that_loses_all_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("axdse.dse.jobs.workers.PAUSE_S", 0.0)
    with pytest.raises(MachineError, match="a job needs its worker: RuntimeError gone"):
        results(Workers(elsewhere(Losing(9))), Say(1))


def test_two_answers_to_one_job_are_one(tmp_path: Path) -> None:
    class Twice(Inline):
        """Runs each job twice, as an engine that thought it was lost."""

        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            super().submit(function, *args, **kwargs)
            return super().submit(function, *args, **kwargs)

    outcomes = list(Workers(elsewhere(Twice())).run(iter(map(Say, range(5)))))
    assert [outcome.result for outcome in outcomes] == list(range(5))


def test_work_never_raises() -> None:
    assert "UnpicklingError" in work(Order(b"nonsense", "", Versions(""), 1)).failure
