"""What must a library have so that any design can be mapped to it?"""

from axdse.flows.liberty.library import Library
from axdse.multipliers.errors import AxdseError

FEWEST_CELLS = 3  # with fewer ABC has no library
INVERTER, BUFFER = [[True, False]], [[False, True]]


def mappable(library: Library, *, timed: bool = False) -> Library:
    """Return the library; ABC crashes, or says nothing of use, for want of a cell.

    Args:
        library: to map to.
        timed: a clock is to be met, which takes buffers.

    Raises:
        AxdseError: a kind of cell is missing.
    """
    functions = [cell.truth.tolist() for cell in library.cells]
    lacks = {
        "an inverter": INVERTER not in functions,
        "a 2-input NAND": not any(cell.is_nand2 for cell in library.cells),
        "a buffer": timed and BUFFER not in functions,
        f"{FEWEST_CELLS} combinational cells": len(functions) < FEWEST_CELLS,
    }
    missing = [what for what, lacking in lacks.items() if lacking]
    if missing:
        needs = "an inverter, a 2-input NAND and a third cell" + (", and a buffer" * timed)
        raise AxdseError(
            f"a library has {needs}",
            f"{library.path} lacks {', '.join(missing)}",
            "choose a complete standard-cell library",
        )
    return library
