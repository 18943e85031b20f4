"""Which errors are the machine's, and what they say is missing."""

import errno
from pathlib import Path

import numpy as np
import pytest

from axdse.multipliers.errors import MachineError
from axdse.multipliers.machine import machine_failure, unwritable


def short_write() -> OSError:
    with pytest.raises(OSError, match="written") as error:
        np.zeros(1 << 20).tofile("/dev/full")
    return error.value


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "x"), "/x (No space left on device); free some space there or y"),
        (OSError(errno.EFBIG, "x"), "/x (File too large); raise the limit of file sizes"),
        (OSError(errno.EACCES, "x"), "/x (Permission denied); y"),
        (OSError("of a kind of its own"), "/x (of a kind of its own); y"),
    ],
)
def test_what_a_place_lacks(error: OSError, says: str) -> None:
    assert says in str(unwritable("a rule", Path("/x"), error, "y"))


def test_a_write_that_numpy_cut_short_is_a_full_disk() -> None:
    error = short_write()
    assert error.errno is None
    assert "No space left on device" in str(unwritable("a rule", Path("/x"), error, "y"))
    assert isinstance(machine_failure(error), MachineError)


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "x"), OSError("x"), ValueError("x")])
def test_other_errors_are_not_the_machine_s(error: Exception) -> None:
    assert machine_failure(error) is None
