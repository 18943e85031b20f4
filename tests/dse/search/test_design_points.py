"""Design points of several places: evaluated, costed, retrained, exported and reported as one is.

The run is real: tools, images and trainings; its trials are chosen here, as no search proposes
more than one MAC yet.
"""

import dataclasses
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from mac_recordings import recording, trace

from axdse.dse.cli import run as axdse
from axdse.dse.jobs.workers import Workers
from axdse.dse.report.export.mac import mac_name
from axdse.dse.run.config import SearchConfig
from axdse.dse.run.evaluation import Evaluation, FrontPoint
from axdse.dse.run.run_dir import RunDir
from axdse.dse.search.evaluate import Hurdle, demand_of, evaluate
from axdse.dse.search.finalists import finish
from axdse.dse.search.on_array import OnArray
from axdse.dse.search.progress import Unwatched
from axdse.dse.search.recost import stale_evaluations
from axdse.dse.search.replicates import train_baselines
from axdse.flows.cost.cost import unit_cost
from axdse.flows.cost.point import Demand, point_cost
from axdse.flows.power.recorded_source import Recorded
from axdse.multipliers.designs.design_point import (
    DesignPoint,
    load_design_point,
    parse_design_point,
)
from axdse.multipliers.errors import AxdseError

Make = Callable[..., SearchConfig]
Out = pytest.CaptureFixture[str]
OPEN = Hurdle("", 0.0, 1.0, 0.0, 0.01, (1.0, 1.0))
DRUM, EXACT = "drum(n=4,k=3) in float(8,3)", "exact(n=4) in float(8,3)"
PLACES = f"fc1:*=exact(n=8) in bf16; *:forward={DRUM}; *={EXACT}"
DESIGNS = ["exact(n=8) in bf16", DRUM, EXACT]


@dataclass(frozen=True)
class Case:
    """A run whose trials are the point of several places and an exact reference."""

    run: RunDir
    demand: Demand
    found: Evaluation
    front: tuple[FrontPoint, ...]

    def evaluated(self, text: str) -> Evaluation:
        point = parse_design_point(text)
        return evaluate(0, point, self.run.config, self.demand, lambda cost: OPEN)

    @property
    def finalist(self) -> FrontPoint:
        return next(p for p in self.front if p.evaluation.point == self.found.point)


@pytest.fixture(scope="module")
def case(tiny_config: Make, tmp_path_factory: pytest.TempPathFactory) -> Case:
    run = RunDir.create(tmp_path_factory.mktemp("points") / "run", tiny_config("trials: 2"))
    with Workers(1) as workers:
        baselines = train_baselines(run, workers, Unwatched())
        demand = demand_of(run.config, run.operands)
        for number, text in enumerate((EXACT, PLACES)):
            point = parse_design_point(text)
            run.save_evaluation(evaluate(number, point, run.config, demand, lambda cost: OPEN))
        evaluations = RunDir(run.path).results().evaluations
        front = finish(run, evaluations, baselines, workers, Unwatched())
    return Case(run, demand, evaluations[1], front)


@pytest.fixture(scope="module")
def exported(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "out"
    assert axdse(["export", str(case.run.path), "-o", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def folder(exported: Path) -> Path:
    (found,) = exported.glob("points/*_assignment*")
    return found


def test_an_evaluation_has_a_certificate_and_a_cost_of_each_mac(case: Case) -> None:
    found = case.found
    assert found.status == "complete"
    assert found.point == parse_design_point(PLACES)
    assert found.design == found.point.name
    assert found.cost is not None
    assert [unit.design for unit in found.cost.units] == DESIGNS
    cores = [design.partition(" in ")[0] for design in DESIGNS]
    assert [certificate.design for certificate in found.certificates] == cores
    assert all(certificate.passed for certificate in found.certificates)


def test_area_adds_up_delay_is_the_largest_energy_is_weighed(case: Case) -> None:
    cost = case.found.cost
    assert cost is not None
    assert cost.area_um2 == pytest.approx(sum(unit.area_um2 for unit in cost.units))
    assert cost.cells == sum(unit.cells for unit in cost.units)
    assert cost.delay_ns == max(unit.delay_ns for unit in cost.units)
    # The layers of LeNet-300-100: 784 x 300, 300 x 100, 100 x 10; the first has no input gradient.
    first, rest = 784 * 300, 300 * 100 + 100 * 10
    total = 2 * first + 3 * rest
    assert cost.shares == pytest.approx((2 * first / total, rest / total, 2 * rest / total))
    energies = [unit.recorded.energy_fj for unit in cost.units if unit.recorded]
    weighed = sum(share * fj for share, fj in zip(cost.shares, energies, strict=True))
    assert cost.energy_fj == pytest.approx(weighed)


def test_a_mac_is_costed_under_the_operands_of_its_products() -> None:
    traces = [trace("fc1", multiplications=100), trace("head", multiplications=300)]
    both = recording(traces)
    point = parse_design_point(f"fc1={DRUM}; *={EXACT}")
    cost = point_cost(point, Demand(both, "run.npz"))
    assert cost.shares == (0.25, 0.75)
    for unit, mac, own in zip(cost.units, point.macs, traces, strict=True):
        alone = unit_cost(mac.candidate, activity=Recorded(recording([own]), "run.npz"))
        assert unit.recorded is not None
        assert alone.recorded is not None
        assert unit.recorded.energy_fj == alone.recorded.energy_fj


def test_what_makes_no_product_is_not_on_the_chip() -> None:
    point = parse_design_point(f"fc={EXACT}; *={DRUM}")
    cost = point_cost(point, Demand(recording(), "run.npz"))
    assert [unit.design for unit in cost.units] == [EXACT]
    assert cost.shares == (1.0,)


def test_each_product_has_the_energy_of_its_mac(case: Case) -> None:
    on_array = case.finalist.on_array
    assert on_array is not None
    for layer in on_array.layers:
        mac = case.found.point.mac(layer.layer, layer.product)
        assert mac is not None
        assert layer.design == mac.candidate.name
    assert len(on_array.macs) == 3


def test_results_of_points_read_back_equal(case: Case) -> None:
    again = RunDir(case.run.path).results()
    assert again.evaluations[1] == case.found
    assert again.front == case.front
    stored = json.loads((case.run.path / "trials" / "00001.json").read_text())
    assert stored["point"] == parse_design_point(PLACES).name
    assert not stale_evaluations(case.run, again.evaluations)


def test_another_basis_of_one_mac_is_stale(case: Case) -> None:
    assert case.found.cost is not None
    *units, last = case.found.cost.units
    other = dataclasses.replace(last, basis="another")
    cost = dataclasses.replace(case.found.cost, units=(*units, other))
    old = dataclasses.replace(case.found, cost=cost)
    assert stale_evaluations(case.run, [old]) == [old]


def test_the_export_has_a_folder_for_each_mac(exported: Path, folder: Path) -> None:
    for mac in parse_design_point(PLACES).macs:
        path = exported / "macs" / mac_name(mac)
        assert f"`../../macs/{path.name}/`" in (folder / "README.md").read_text()
        assert (path / "filelist.f").read_text().split()
        assert (path / "certificate_unit.json").exists()
        assert "axdse verify" in (path / "README.md").read_text()
    assert not list(folder.glob("*.v"))
    assert load_design_point(folder / "assignment.yaml") == parse_design_point(PLACES)


def test_the_commands_of_the_export_give_its_numbers_again(
    case: Case, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Out
) -> None:
    monkeypatch.chdir(folder)
    lines = (folder / "README.md").read_text().splitlines()
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("axdse ")]
    assert [command[0] for command in commands] == ["cost", "energy", "train", "train", "train"]
    answers = []
    for command in commands[:3]:
        assert axdse([*command, "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    (cost,), (energy,), (course,) = answers
    (history,) = course["histories"]
    told = json.loads((folder / "cost.json").read_text())
    assert cost["shares"] == told["shares"]
    assert [unit["recorded"] for unit in cost["units"]] == [u["recorded"] for u in told["units"]]
    assert energy["layers"] == json.loads((folder / "energy.json").read_text())["layers"]
    trained = case.finalist.histories[0]
    assert [e["train_loss"] for e in history["epochs"]] == [e.train_loss for e in trained.epochs]


def test_the_report_shows_the_point_and_its_macs(exported: Path) -> None:
    html = (exported / "report.html").read_text()
    text = PLACES.replace("fc1:*=", "fc1=")
    assert text in html
    assert html.count(f"% of the products of {text}") == 3
    front = (exported / "front.csv").read_text()
    assert text in front


@pytest.mark.parametrize(
    "text",
    [f"*={DRUM}", f"*:forward={DRUM}; *:input_gradient={DRUM}; *:weight_gradient={DRUM}"],
    ids=["all", "each"],
)
def test_a_uniform_point_by_places_has_the_figures_of_its_mac(text: str, case: Case) -> None:
    plain, placed = case.evaluated(DRUM), case.evaluated(text)
    assert placed.cost == plain.cost
    assert placed.certificates == plain.certificates
    assert placed.status == plain.status
    assert losses(placed) == losses(plain)
    config, operands = case.run.config, case.run.operands
    arrays = [OnArray(e.point, config, operands).run() for e in (plain, placed)]
    assert arrays[0] == arrays[1]


def losses(evaluation: Evaluation) -> list[tuple[float, float]]:
    assert evaluation.history is not None
    return [(e.train_loss, e.validation_score) for e in evaluation.history.epochs]


# Bad input.

MISTAKES = [
    (f"fcc={DRUM}; *={EXACT}", "a place of a design point fits a layer: 'fcc'; did you mean 'fc"),
    (
        f"fc1:forward={DRUM}; fc1:forward=exact(n=8) in bf16; *={EXACT}",
        "each product of a layer has one MAC, that of the first place that fits: 'fc1:forward=",
    ),
    (f"fc1:backward={DRUM}; *={EXACT}", "a place is a pattern of layers, then : and a product"),
]


@pytest.mark.parametrize(("text", "message"), MISTAKES)
@pytest.mark.parametrize("command", ["train", "energy", "cost"])
def test_bad_points_are_one_line(
    command: str, text: str, message: str, case: Case, capsys: Out
) -> None:
    operands = str(case.run.operands)
    line = {
        "train": ["train", "lenet-300-100", text],
        "energy": ["energy", operands, text],
        "cost": ["cost", text, "--activity", operands],
    }[command]
    assert axdse(line) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *MISTAKES[:1],
        (f"fc1=fp32; *={EXACT}", "where every product of a network has a MAC: fc1:forward stays"),
        ("fp32", "where every product of a network has a MAC: fc1:forward stays native FP32"),
    ],
)
def test_points_that_do_not_fit_the_network_are_refused(
    text: str, message: str, case: Case
) -> None:
    with pytest.raises(AxdseError, match=message.replace("(", r"\(")):
        case.evaluated(text)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["train", "lenet-300-100", DRUM, "--format", "int8"],
            "a design point names its own: int8",
        ),
        (["cost", PLACES], "weighed by the products of a training"),
        (["cost", PLACES, "--fast"], "costed as whole units, in full"),
        (["cost", f"{DRUM} sum hopper"], "a unit alone has the sum of its format"),
        (["train", "teacher", "list.yaml"], "list.yaml must fit its schema"),
        (
            ["train", "lenet-300-100", "absent.yaml"],
            "a readable YAML file of places and MACs: absent.yaml",
        ),
        (["train", "teacher", "twice.yaml"], "each key once"),
    ],
)
def test_mistakes_of_commands_are_one_line(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Out,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.yaml").write_text("- 1\n")
    Path("twice.yaml").write_text(f"fc1: {DRUM}\nfc1: {EXACT}\n")
    assert axdse(words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_points_cross_processes(case: Case) -> None:
    assert isinstance(case.found.point, DesignPoint)
    assert case.finalist.certified
    assert len(case.finalist.unit_certificates) == 3
    assert len(case.finalist.test) == 3
