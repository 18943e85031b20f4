"""What is a candidate? Its parameters, C model, Verilog and look-up table."""

from typing import TYPE_CHECKING

from axdse.multipliers.reexports import lazily

if TYPE_CHECKING:
    from axdse.multipliers.designs.catalog import Catalog, builtin_catalog, full_catalog
    from axdse.multipliers.designs.design_point import (
        Candidate,
        DesignPoint,
        Mac,
        Place,
        parse_design_point,
        parse_mac,
    )
    from axdse.multipliers.designs.family import Family, Multiplier
    from axdse.multipliers.errors import AxdseError
    from axdse.multipliers.formats import FloatFormat, IntFormat, parse_format
    from axdse.multipliers.model.cmodel import products, tabulate
    from axdse.multipliers.tables.error_metrics import error_metrics
    from axdse.multipliers.tables.lut import Lut, build_lut

_POINTS = "axdse.multipliers.designs.design_point"
__all__ = [
    "AxdseError",
    "Candidate",
    "Catalog",
    "DesignPoint",
    "Family",
    "FloatFormat",
    "IntFormat",
    "Lut",
    "Mac",
    "Multiplier",
    "Place",
    "build_lut",
    "builtin_catalog",
    "error_metrics",
    "full_catalog",
    "parse_design_point",
    "parse_format",
    "parse_mac",
    "products",
    "tabulate",
]
__getattr__, __dir__ = lazily(
    __name__,
    {
        "AxdseError": "axdse.multipliers.errors",
        "Candidate": "axdse.multipliers.designs.design_point",
        **dict.fromkeys(
            ("Catalog", "builtin_catalog", "full_catalog"), "axdse.multipliers.designs.catalog"
        ),
        **dict.fromkeys(
            ("DesignPoint", "Mac", "Place", "parse_design_point", "parse_mac"), _POINTS
        ),
        **dict.fromkeys(("Family", "Multiplier"), "axdse.multipliers.designs.family"),
        **dict.fromkeys(("FloatFormat", "IntFormat", "parse_format"), "axdse.multipliers.formats"),
        **dict.fromkeys(("Lut", "build_lut"), "axdse.multipliers.tables.lut"),
        "error_metrics": "axdse.multipliers.tables.error_metrics",
        **dict.fromkeys(("products", "tabulate"), "axdse.multipliers.model.cmodel"),
    },
)
