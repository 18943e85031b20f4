"""The record of benchmarks/loop_overhead.py fits its figures; an epoch has two parts."""

import json
import time

import loop_overhead
import pytest

from axdse.dse.training.workloads import WORKLOADS

RECORD = json.loads(loop_overhead.RESULTS.read_text())


def test_the_record_is_of_shipped_tasks_in_their_order() -> None:
    """A run that was ended leaves those that it came to."""
    tasks = [row["task"] for row in RECORD["rows"]]
    assert tasks == list(WORKLOADS)[: len(tasks)]
    assert {"teacher", "autoenc", "g2p", "charlm", "lenet-300-100"} <= set(tasks)


@pytest.mark.parametrize("row", RECORD["rows"], ids=lambda row: row["task"])
def test_a_verdict_is_that_of_its_median(row: dict[str, list[float]]) -> None:
    over = {"ok": False, "over": True}
    targets = RECORD["targets"]
    overhead, times = row["native_overhead_percent"][1], row["times_native"][1]
    assert over[row["overhead_verdict"]] is (overhead > targets["overhead_percent"])
    assert over[row["step_verdict"]] is (times > targets["times_native"])


def test_step_and_loop_are_all_of_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(loop_overhead.STEPS, "autoenc", 2)
    side = loop_overhead.Side("autoenc", None)
    step = side.step

    def slow(*batch: object) -> object:
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        return step(*batch)

    side.epoch()
    side.step = slow
    found = side.epoch()
    assert found.step > 2 * 0.05
    assert 0 < found.loop < found.step
    assert 0 < found.overhead_percent < 50
