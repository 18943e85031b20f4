"""What does a long command tell whoever watches it?"""

from typing import Protocol


class Progress(Protocol):
    """A watcher of phases with a known number of steps."""

    def begin(self, phase: str, total: int, done: int) -> None:
        """A phase starts; `done` of its `total` steps were there already."""
        ...

    def advance(self, note: str, steps: int = 1) -> None:
        """Something is finished, as a rule a step; `note` says in a few words what came of it."""
        ...


class Unwatched:
    """A progress that nobody watches."""

    def begin(self, phase: str, total: int, done: int) -> None:
        """Say nothing."""

    def advance(self, note: str, steps: int = 1) -> None:
        """Say nothing."""
