"""Workloads as text: what is read, and how what is none is refused."""

import pytest

from axdse.dse.training.workloads import Workload, find_workload
from axdse.multipliers.errors import AxdseError


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("teacher", "teacher", {}),
        (" lenet-5 ( dataset = mnist-5k ) ", "lenet-5", {"dataset": "mnist-5k"}),
        ("my.task:make()", "my.task:make", {}),
        (
            "m:f(a=1, b=-2.5,c=True,d=None,e='x, (y)',g=(1, 2),h=/data/c10,i=['a'])",
            "m:f",
            {
                "a": 1,
                "b": -2.5,
                "c": True,
                "d": None,
                "e": "x, (y)",
                "g": (1, 2),
                "h": "/data/c10",
                "i": ("a",),
            },
        ),
    ],
)
def test_a_workload_is_read(text: str, name: str, arguments: dict[str, object]) -> None:
    workload = find_workload(text)
    assert (workload.name, dict(workload.arguments)) == (name, arguments)
    assert find_workload(workload.text) == workload


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lenet-6", "did you mean 'lenet-5'"),
        ("", "unknown workload"),
        ("teacher(", "unknown workload|is NAME"),
        ("teacher(3)", "name=value"),
        ("teacher(width=3,width=4)", "each name once"),
        ("teacher(width=__import__('os'))", "put text with signs in quotes"),
        ("teacher(width={1:2})", "a value is a number"),
        ("my_task.py:f", "write it as a module: my_task:f"),
        ("my-task:f", "unknown workload"),
        ("x" * 5_000, "is NAME or package"),
        ("m:f(a=" + "(" * 300 + ")", "a value is|name=value"),
    ],
)
def test_what_is_no_workload_is_refused(text: str, expected: str) -> None:
    with pytest.raises(AxdseError, match=expected):
        find_workload(text)


def test_another_dataset_replaces_the_first() -> None:
    workload = find_workload("lenet-5(score=loss,dataset=a)").on("b")
    assert workload == Workload("lenet-5", (("score", "loss"), ("dataset", "b")))
