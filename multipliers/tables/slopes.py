"""How steep is a table of products? The gradient of a multiplier, by finite differences."""

import numpy as np

from axdse.multipliers.errors import AxdseError


def slopes(products: np.ndarray, half_window: int) -> tuple[np.ndarray, np.ndarray]:
    """The slopes of products along each operand, smoothed.

    Along an operand, products are averaged over a window, and the slope is half the difference of
    the averages on either side (Meng, Burleson, Qian, De Micheli, DATE 2025). Where a window
    leaves the table the slope is that of the nearest operand whose does not; there the paper has
    the range of the row by its length. So slopes of the exact product are the other operand.

    Args:
        products: [A, B], operands ascending.
        half_window: operands on either side that an average has beside its own.

    Returns:
        Two arrays of float64 [A, B]: along first operands, and along second ones.

    Raises:
        AxdseError: no operand has such a window.
    """
    most = (min(products.shape) - 3) // 2
    if not 0 <= half_window <= most:
        rule = f"a window of slopes has 0 to {most} of {min(products.shape)} operands on each side"
        raise AxdseError(rule, half_window, "choose fewer")
    table = products.astype(np.float64)
    return _along_first(table, half_window), _along_first(table.T, half_window).T


def _along_first(table: np.ndarray, half_window: int) -> np.ndarray:
    operands = np.arange(len(table))
    middle = np.clip(operands, half_window + 1, len(table) - half_window - 2)
    # The averages around the next and the last operand share all but two numbers each.
    above = table[middle + half_window] + table[middle + half_window + 1]
    below = table[middle - half_window] + table[middle - half_window - 1]
    return np.asarray((above - below) / (2 * (2 * half_window + 1)))
