"""Stage 6, cost: a mapped netlist must compute what the C model says, or its cost is void."""

import numpy as np

from axdse.flows.netlist import Netlist
from axdse.flows.stimulus import Stimulus, core_stimulus
from axdse.flows.unit_stimulus import unit_stimulus
from axdse.multipliers.candidate import Candidate
from axdse.multipliers.catalog import Multiplier
from axdse.multipliers.cmodel import products, tabulate
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.formats import FloatFormat
from axdse.multipliers.unit import unit_products

SEED = 0


def check_design(netlist: Netlist, design: Multiplier | Candidate) -> None:
    """`check_core` or `check_unit`.

    Raises:
        AxdseError: they differ; the first operands are shown.
    """
    if isinstance(design, Candidate):
        check_unit(netlist, design)
    else:
        check_core(netlist, design)


def check_core(netlist: Netlist, multiplier: Multiplier) -> None:
    """Compare a mapped core with its model: a proof up to 8 x 8 bits, beyond that a sample.

    Raises:
        AxdseError: they differ; the first operands are shown.
    """
    stimulus = core_stimulus(multiplier.a_bits, multiplier.b_bits, SEED)
    if stimulus.exhaustive:
        expected = tabulate(multiplier)[stimulus.a, stimulus.b]
    else:
        expected = products(multiplier, stimulus.a, stimulus.b)
    _compare(netlist, multiplier.spec, stimulus, expected)


def check_unit(netlist: Netlist, candidate: Candidate) -> None:
    """Compare a mapped unit with its oracle: a proof up to 9 bits, beyond a sample.

    Raises:
        AxdseError: they differ; the first operands are shown.
    """
    number_format = candidate.format
    if isinstance(number_format, FloatFormat):
        stimulus = unit_stimulus(number_format, SEED)
    else:
        stimulus = core_stimulus(number_format.bits, number_format.bits, SEED)
    expected = unit_products(candidate, stimulus.a, stimulus.b)
    _compare(netlist, candidate.name, stimulus, expected)


def _compare(netlist: Netlist, design: str, stimulus: Stimulus, expected: np.ndarray) -> None:
    got = netlist.simulate(stimulus.a, stimulus.b)
    wrong = np.flatnonzero(got != expected)
    if wrong.size:
        first = int(wrong[0])
        a, b = int(stimulus.a[first]), int(stimulus.b[first])
        raise AxdseError(
            f"the mapped netlist of {design} must compute what the C model does",
            f"a={a:#x}, b={b:#x} gives {int(got[first]):#x}, not {int(expected[first]):#x}",
            "run axdse verify: if the RTL passes, the synthesis is at fault",
        )
