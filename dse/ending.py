"""How does a command end that is told to: by Ctrl-C, by kill, by a terminal that closes?

The first signal raises `Ended`, and everything is tidied on the way out. Those of an impatient
user change nothing; one that comes later, when the tidying hangs, ends the process at once. That
loses nothing either: files are whole at any moment, and workers end when their parent is gone.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE_S = 5.0
AGAIN_S = 0.05


class Ended(KeyboardInterrupt):
    """A signal asked this process to end.

    Args:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def asked_to_end(error: BaseException) -> bool:
    """Whether an exception is of a signal: code that runs in a command may raise the like."""
    by_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return isinstance(error, Ended) or (by_default and isinstance(error, KeyboardInterrupt))


class _Listener:
    """The handler of the signals: the first one counts."""

    def __init__(self) -> None:
        self.first = 0.0

    def listen(self) -> None:
        for number in SIGNALS:
            # Of nohup, or of a shell that starts us in the background.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self)
        sys.unraisablehook = self._unraisable

    def settle(self) -> None:
        """From now on it is too late to interrupt anything, until the interpreter is gone."""
        self.first = self.first or time.monotonic()
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.first:
            self.first = time.monotonic()
            raise Ended(number)
        if time.monotonic() - self.first > PATIENCE_S:
            _end_children()
            os._exit(128 + number)

    def _unraisable(self, found: Any) -> None:
        """Of a signal that came while an object was deleted, nothing but a traceback is left."""
        if not isinstance(found.exc_value, Ended):
            sys.__unraisablehook__(found)
            return
        self.first = 0.0
        again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), found.exc_value.number))
        again.daemon = True
        again.start()


def tidily(work: Callable[[], int]) -> int:
    """Return the exit code of a whole command, 128 + N if signal N ended it, with one line."""
    listener = _Listener()
    listener.listen()
    try:
        code = work()
        listener.settle()
    except KeyboardInterrupt as error:
        number = signal.Signals(error.number if isinstance(error, Ended) else signal.SIGINT)
        what = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
        # A terminal that closed takes no line.
        with contextlib.suppress(OSError):
            line = "; ".join((what, *getattr(error, "__notes__", ())))
            print(f"axdse: {line}", file=sys.stderr, flush=True)
        listener.settle()
        return 128 + number
    return code


@contextlib.contextmanager
def going_on(how: str) -> Iterator[None]:
    """Let the line of a command that is ended in this block say how it goes on."""
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(how)
        raise


@contextlib.contextmanager
def first_asks(ask: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C in this block only ask for an end; the next one is as all are.

    Args:
        ask: is called in the handler: it may set a flag.
    """
    then = signal.getsignal(signal.SIGINT)
    ours = threading.current_thread() is threading.main_thread()
    if not ours or then in (signal.SIG_IGN, None):
        yield
        return

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, then)
        ask()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, then)


def _end_children() -> None:
    """Tools, and workers, which end theirs, have process groups of their own."""
    with contextlib.suppress(OSError):
        for task in Path("/proc/self/task").iterdir():
            for pid in map(int, (task / "children").read_text().split()):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGTERM)
