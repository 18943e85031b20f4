"""What is read of files that somebody else may have written, and how much at most?

Comments are found in time that grows with the text alone; a regular expression would look for the
end of each once for each beginning.
"""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from axdse.multipliers.errors import AxdseError

MIB = 1 << 20
LARGEST_SOURCE = 4 * MIB  # of C and Verilog
_LITERALS = {
    '"': re.compile(r"\"(?:\\.|[^\"\\\n])*+(\"?)", re.DOTALL),
    "'": re.compile(r"'(?:\\.|[^'\\\n])*+('?)", re.DOTALL),
}


@dataclass(frozen=True)
class InputFile:
    """A file that is read with care: it may be a device, a pipe, endless, or something else.

    Attributes:
        path: where it is.
        rule: what it must be, for errors.
        limit: its largest size in bytes.
        remedy: what to do if it is something else.
    """

    path: Path
    rule: str
    limit: int
    remedy: str = "check the path"

    def refusal(self, reason: object) -> AxdseError:
        """The error that says why this file is not what it must be."""
        return AxdseError(self.rule, f"{self.path} ({reason})", self.remedy)

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The file, open for reading.

        Raises:
            AxdseError: it is missing, unreadable, too large, or no regular file.
        """
        try:
            # Opening a pipe would wait for a writer.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self.refusal(error.strerror) from error
        except ValueError as error:  # NUL, or what the file system's encoding has not
            raise self.refusal("no name of a file") from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise AxdseError(self.rule, f"{self.path} is no regular file", self.remedy)
            if status.st_size > self.limit:
                raise self.refusal(f"more than {size_text(self.limit)}")
            file = os.fdopen(descriptor, "rb")
        except BaseException:
            os.close(descriptor)
            raise
        with file:
            yield file

    def read(self) -> bytes:
        """The content.

        Raises:
            AxdseError: as `opened`.
        """
        with self.opened() as file:
            try:
                # Files of /proc state no size; and as much as is asked for is allocated.
                size = min(self.limit, max(os.fstat(file.fileno()).st_size, MIB))
                data = file.read(size + 1)
            except OSError as error:
                raise self.refusal(error.strerror) from error
        if len(data) > size:
            raise self.refusal(f"more than {size_text(size)}")
        return data

    def text(self) -> str:
        """The content as text, lines ended by a line feed.

        Raises:
            AxdseError: as `opened`; or it is not UTF-8, or holds a NUL, which ends it for some.
        """
        return self.exact_text().replace("\r\n", "\n").replace("\r", "\n")

    def exact_text(self) -> str:
        """The content as text, its line ends as they are.

        Raises:
            AxdseError: as `text`.
        """
        data = self.read()
        if b"\0" in data:
            line = data.count(b"\n", 0, data.index(b"\0")) + 1
            raise AxdseError(self.rule, f"{self.path} (line {line} holds a NUL)", "remove it")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            reason = f"{self.path} (line {line} is not UTF-8)"
            raise AxdseError(self.rule, reason, "save it as UTF-8") from error


def size_text(size: int) -> str:
    """A limit for people: `4 MiB`."""
    return f"{size // MIB} MiB" if size >= MIB else f"{size} bytes"


def without_comments(text: str, *, literals: bool = False) -> str:
    """Return the text with a space for each comment; `/*` without its end is none.

    Args:
        text: C or Verilog.
        literals: in strings and characters of C there are no comments.
    """
    kept, at, position = [], 0, 0
    # Where what began in vain would have gone on: the same beginning is vain up to there.
    vain = dict.fromkeys(("/*", *_LITERALS), 0)
    begins = re.compile(r"/\*|//[^\n]*|[\"']" if literals else r"/\*|//[^\n]*")
    while found := begins.search(text, position):
        start, begin = found.start(), found[0]
        if start < vain.get(begin, 0):
            position = start + 1
        elif begin in _LITERALS:
            literal = _LITERALS[begin].match(text, start)
            assert literal
            position = literal.end() if literal[1] else start + 1
            vain[begin] = 0 if literal[1] else literal.end()
        elif begin == "/*" and text.find("*/", found.end()) < 0:
            position, vain[begin] = start + 1, len(text)
        else:
            kept.append(text[at:start])
            at = position = text.find("*/", found.end()) + 2 if begin == "/*" else found.end()
    return " ".join([*kept, text[at:]])
