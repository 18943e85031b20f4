"""What does a long command tell whoever watches it?"""

import math
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class View:
    """What a search has found so far.

    Attributes:
        front: trials that no other dominates.
        share: hypervolume of the front, as a share of what a design without any cost would have
            that is as good as the baselines; NaN before an exact core is there to compare with.
        best: the cheapest trial that scores as the baselines do; empty if there is none.
        failed: trials.
        running: jobs.
    """

    front: int
    share: float
    best: str
    failed: int
    running: int

    @property
    def text(self) -> str:
        """One line, such as `front 5 (hypervolume 41 %), best drum(n=8,k=4) in int8: 900 um2`."""
        volume = "" if math.isnan(self.share) else f" (hypervolume {self.share:.0%})"
        best = f"at equal score {self.best}" if self.best else "none at equal score"
        failed = f"{self.failed} failed, " if self.failed else ""
        return f"front {self.front}{volume}, {best}; {failed}{self.running} running"


class Progress(Protocol):
    """A watcher of phases with a known number of steps."""

    def begin(self, phase: str, total: int, done: int) -> None:
        """A phase starts; `done` of its `total` steps were there already."""
        ...

    def advance(self, note: str, steps: int = 1) -> None:
        """Something is finished, as a rule a step; `note` says in a few words what came of it."""
        ...

    def show(self, view: View) -> None:
        """More is found."""
        ...


class Unwatched:
    """A progress that nobody watches."""

    def begin(self, phase: str, total: int, done: int) -> None:
        """Say nothing."""

    def advance(self, note: str, steps: int = 1) -> None:
        """Say nothing."""

    def show(self, view: View) -> None:
        """Say nothing."""
