"""Which design points are allowed? Bounds on objectives, such as `mac.area <= 20000`."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from axdse.dse.run.objectives import ACCURACY, Measured, Objective, find_objective
from axdse.multipliers.errors import AxdseError

EXACT = "exact"
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TEXT = re.compile(
    rf"\s*(?P<name>[\w.]+)\s*(?P<sign><=|>=)\s*(?:(?P<exact>{EXACT})(?:\s*-\s*(?P<less>{NUMBER}))?"
    rf"|(?P<bound>{NUMBER}))\s*",
    re.ASCII,
)


@dataclass(frozen=True)
class Constraint:
    """A bound on an objective.

    Attributes:
        objective: what is bounded.
        bound: of its value; of a score as it is compared, higher is better.
        loss: of a score, what it may lose against the exact baseline, in place of a bound.
    """

    objective: Objective
    bound: float = math.nan
    loss: float | None = None

    @property
    def text(self) -> str:
        """What `parse_constraint` reads back."""
        if self.loss is not None:
            return f"{self.objective.name} >= {EXACT} - {self.loss:.17g}"
        return f"{self.objective.name} {self._sign} {self.bound:.17g}"

    @property
    def _sign(self) -> str:
        return "<=" if self.objective.direction == "minimise" else ">="

    def least(self, exact: float) -> float:
        """The least score that it lets through, if exact arithmetic reaches `exact`."""
        return self.bound if self.loss is None else exact - self.loss

    def excess(self, measured: Measured) -> float:
        """Value of a cost over its bound; at most 1 is allowed."""
        return self.objective.of(measured) / self.bound

    def refusal(self, measured: Measured) -> str:
        """Why a point is not allowed, for people."""
        value = self.objective.text(self.objective.of(measured))
        return f"{self.objective.label} of {value} is more than {self.objective.text(self.bound)}"


def parse_constraint(text: str) -> Constraint:
    """Read a constraint.

    Args:
        text: `COST <= NUMBER` of any objective that is a cost; `score >= NUMBER`, of scores as
            they are compared, or `score >= exact - NUMBER`, against the exact baseline.

    Raises:
        AxdseError: it is none.
    """
    rule = "a constraint is COST <= NUMBER, or score >= exact - NUMBER"
    match = _TEXT.fullmatch(text)
    if match is None:
        raise AxdseError(rule, repr(text), "write for example 'mac.area <= 20000'")
    try:
        objective = find_objective(match["name"])
    except ValueError as error:
        raise AxdseError(rule, f"{text}: {error}", "name an objective") from error
    is_score = objective == ACCURACY
    if (match["sign"] == ">=") != is_score or (match["exact"] and not is_score):
        remedy = "scores have a least value, costs a largest"
        raise AxdseError(rule, text, remedy)
    if match["exact"]:
        return Constraint(objective, loss=float(match["less"] or 0))
    bound = float(match["bound"])
    if not is_score and not 0 < bound < math.inf:
        raise AxdseError("a cost is bounded by a number above 0", text, "raise it")
    return Constraint(objective, bound)


def broken(constraints: Sequence[Constraint], measured: Measured) -> Constraint | None:
    """The first constraint of a cost that a point breaks."""
    costs = (each for each in constraints if each.objective != ACCURACY)
    return next((each for each in costs if each.excess(measured) > 1), None)
