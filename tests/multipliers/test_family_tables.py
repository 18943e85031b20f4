"""Each C model against a second, plain statement of what its paper says, over whole tables."""

import numpy as np
import pytest
import tables_array
import tables_log
import tables_segment
import tables_signed

from axdse.multipliers.designs.catalog import builtin_catalog
from axdse.multipliers.model.cmodel import tabulate, twos_complement

MODULES = (tables_array, tables_log, tables_segment, tables_signed)
WIDTHS = {"integer": {"n": (3, 4, 5, 8)}, "significand": {"m": (2, 4, 5, 6, 7)}}
ONE_IN = {8: 5, 7: 3}


def statement(family):
    """The function of the family's name in one of the modules."""
    for module in MODULES:
        if hasattr(module, family.name):
            return getattr(module, family.name)
    return pytest.fail(f"state {family.name} in a module of tests/multipliers/statements")


def designs():
    """All values of all parameters at narrow widths; one design in a few at the widest."""
    for family in builtin_catalog().families.values():
        if family.name != "exact":
            for name, widths in WIDTHS[family.kind].items():
                for width in widths:
                    yield from list(family.grid(**{name: width}))[:: ONE_IN.get(width, 1)]


@pytest.mark.parametrize("design", list(designs()), ids=lambda design: design.spec)
def test_the_model_is_what_its_paper_says(design):
    table = tabulate(design)
    if design.family.signed:
        table = twos_complement(table, design.product_bits)

    np.testing.assert_array_equal(table, statement(design.family)(**dict(design.values)))


@pytest.mark.parametrize(
    ("k", "rows"),
    [
        (4, "1354 39C5 5C93 4531"),
        (8, "01122332 12457883 1469BC83 259CEB72 27BEC952 38CB9641 38875421 23322110"),
    ],
)
def test_the_factors_of_realm_are_the_integrals(k, rows):
    written = [[int(digit, 16) for digit in row[::-1]] for row in reversed(rows.split())]

    assert tables_log.realm_factors(k).tolist() == written
