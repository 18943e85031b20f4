"""Which multiplier, and which sum behind it, should train and run this network, at what cost?

    from axdse import convert

    approximate = convert(model, "drum(n=8,k=4) in bf16").model
    mixed = convert(model, {"fc*": {"forward": "drum(n=4,k=3) in float(8,3)"}, "*": "fp32"}).model

What each part is and where: `axdse.multipliers` (what a design is), `axdse.flows` (what hardware
tools say of it), `axdse.gpu` (how a network computes with it), `axdse.dse` (the search).
"""

from typing import TYPE_CHECKING, Any

from axdse.multipliers.reexports import lazily

if TYPE_CHECKING:
    from axdse.gpu.layers.convert import Conversion, convert
    from axdse.multipliers.designs.design_point import DesignPoint, Mac
    from axdse.multipliers.designs.design_point import parse_design_point as design
    from axdse.multipliers.errors import AxdseError

__all__ = ["AxdseError", "Conversion", "DesignPoint", "Mac", "convert", "design"]
_get, __dir__ = lazily(
    __name__,
    {
        "AxdseError": "axdse.multipliers.errors",
        "Conversion": "axdse.gpu.layers.convert",
        "DesignPoint": "axdse.multipliers.designs.design_point",
        "Mac": "axdse.multipliers.designs.design_point",
        "convert": "axdse.gpu.layers.convert",
        "design": "axdse.multipliers.designs.design_point:parse_design_point",
    },
)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("axdse")
    return _get(name)
