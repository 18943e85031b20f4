"""The configuration: what it accepts, that it round-trips, one line for each mistake."""

from collections.abc import Callable
from pathlib import Path

import pytest

from axdse.dse.run.config import SearchConfig, dump_config, load_config, parse_config
from axdse.multipliers.errors import AxdseError

Make = Callable[..., SearchConfig]
EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_loads_and_round_trips(path: Path) -> None:
    config = load_config(path)
    assert parse_config(dump_config(config), path) == config


def test_everything_round_trips(tiny_config: Make, tmp_path: Path) -> None:
    config = tiny_config(
        "ranges: {truncated: {t: [1, 3], c: 1}}",
        "objectives: [mac.delay, accuracy, mac.area]",
        "sums: [bf16, fp32, hopper_fp8]",
        "resolution: 0.02",
        "library: cells.lib",
        "sampler: nsga2",
        folder=tmp_path,
    )
    assert config.ranges == {"truncated": {"t": (1, 3), "c": (1, 1)}}
    assert config.library == tmp_path / "cells.lib"
    assert parse_config(dump_config(config), tmp_path / "elsewhere" / "config.yaml") == config


def test_exact_is_always_searched(tiny_config: Make) -> None:
    assert tiny_config("families: drum").families == ("exact", "drum")


def test_formats_are_canonical(tiny_config: Make) -> None:
    config = tiny_config('formats: ["bf16", "float(8,7,product=wide)", int8]')
    assert config.formats == ("bf16", "int8")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("trails: 4", "unknown key .*trails; did you mean 'trials'"),
        ("training: {epoch: 4}", "unknown key .*training.epoch; did you mean 'epochs'"),
        ("epochs: 4", "unknown key .*: epochs; write it under training"),
        ("training: {seed: 4}", "unknown key .*training.seed; write it at the top level"),
        ("name: area", "unknown key .*: name; choose from"),
        ("trials: 6\ntrials: 7", "each key once: key 'trials' is given twice"),
        ("trials: many", "schema: trials is 'many'; .*valid integer"),
        ("trainings: 0", "schema: trainings is 0; .*greater than or equal to 1"),
        ("places: per-layer-and-so", "pattern of layers has letters|hold every product"),
        ("places: [fc1]", "hold every product of every layer: fc1; add .* as the last one"),
        ("places: ['*', fc1]", "comes after all that it could fit"),
        ("places: ['*:forwards', '*']", "product of a training step: 'forwards'"),
        ("distinct: 0", "distinct is 0"),
        ("finalist_seeds: 2", "schema: finalist_seeds is 2; .*greater than or equal to 3"),
        ("sampler: nsga3", "unknown sampler: nsga3; did you mean 'nsga2'"),
        ("device: tpu", "schema: device is 'tpu'; .*'cpu' or 'cuda'"),
        ("workload: lenet-6", "lenet-6.*did you mean 'lenet-5'"),
        ("dataset: fashion", "fashion.*"),
        ("families: [drumm]", "unknown family: drumm; did you mean 'drum'"),
        ("formats: [int9]", "up to 8 bits: 'int9'"),
        ("formats: []", "schema: formats"),
        ('formats: ["float(8,9)"]', "m = 7: float.8,9.; choose fewer fraction bits"),
        ("formats: [fp16]", "m = 7: fp16; choose fewer fraction bits"),
        ("formats: [fp8_e4m3fn]", "fp8_e4m3fn for numbers.*choose fp8_e4m3,"),
        (
            "objectives: [area, delay]",
            "score, alone or with costs: area, delay, energy, mac.area, mac.delay, mac.energy "
            "and array.energy",
        ),
        ("objectives: [score]\nclock_ns: 5", "needs an objective that is a cost: clock_ns"),
        (
            "objectives: [score]\nconstraints: ['mac.area <= 9']",
            "needs an objective that is a cost: constraint mac.area <= 9",
        ),
        (
            "sums: hopper_fp8",
            "a sum of a recipe is costed in whole MACs: objective area, .*; write mac.area",
        ),
        ("sums: [bf17]", "sum"),
        ("objectives: [accuracy, area, area]", "each objective stands once"),
        (
            "objectives: [accuracy, array.energy]\nactivity: uniform",
            "array.energy is of the products that a recorded training makes",
        ),
        ("objectives: [accuracy, {area: 1}]", "schema: objectives.1 is {'area': 1}"),
        ("objectives: [accuracy, power]", "schema: objectives.1 is 'power'"),
        ("ranges: {drum: {k: 4}}", "belong to a family of the search: drum"),
        ("ranges: {drun: {k: 4}}", "unknown family: drun; did you mean 'drum'"),
        ("ranges: {truncated: {k: 4}}", "unknown parameter of truncated: k"),
        ("ranges: {truncated: {t: [4, 2]}}", "a range is .low, high.: truncated.t: .4, 2."),
    ],
)
def test_mistakes_are_one_line(tiny_config: Make, line: str, message: str) -> None:
    with pytest.raises(AxdseError, match=message) as error:
        tiny_config(line)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "- 1", "words", "a: [", "a: !!python/name:os.system"])
def test_no_mapping(text: str, tmp_path: Path) -> None:
    with pytest.raises(AxdseError):
        parse_config(text, tmp_path / "x.yaml")


def test_missing_key(tmp_path: Path) -> None:
    with pytest.raises(AxdseError, match=r"missing in x\.yaml"):
        parse_config("workload: lenet-5", tmp_path / "x.yaml")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AxdseError, match="readable YAML file"):
        load_config(tmp_path / "none.yaml")
