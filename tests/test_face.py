"""The public face: curated names, each of one home, imported when they are used."""

import importlib
import subprocess
import sys

import pytest

import axdse
from axdse.multipliers.designs.design_point import parse_design_point

PACKAGES = ("axdse", "axdse.multipliers", "axdse.flows", "axdse.gpu", "axdse.dse")


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_has_a_home(name: str) -> None:
    package = importlib.import_module(name)
    assert sorted(package.__all__) == package.__all__
    assert dir(package) == package.__all__
    assert all(getattr(package, each) is not None for each in package.__all__)
    with pytest.raises(AttributeError, match=f"'{name}' has no attribute 'nothing'"):
        _ = package.nothing


def test_a_design_is_read_from_text() -> None:
    text = "fc1=fp32; *=drum(n=8,k=4) in bf16"
    assert axdse.design(text) == parse_design_point(text)
    assert axdse.__version__.count(".") >= 2


def test_the_face_imports_nothing_heavy() -> None:
    heavy = "sorted({'torch', 'numpy'} & set(sys.modules))"
    code = f"import sys, {', '.join(PACKAGES)}; print({heavy})"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"
