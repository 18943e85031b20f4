"""What do hardware tools say of a candidate? RTL check, area, delay, power."""

from typing import TYPE_CHECKING

from axdse.multipliers.reexports import lazily

if TYPE_CHECKING:
    from axdse.flows.accelerator.network import accelerator_cost
    from axdse.flows.cost.cost import core_cost, unit_cost
    from axdse.flows.verify.check import check, check_all, check_unit

__all__ = ["accelerator_cost", "check", "check_all", "check_unit", "core_cost", "unit_cost"]
__getattr__, __dir__ = lazily(
    __name__,
    {
        "accelerator_cost": "axdse.flows.accelerator.network",
        **dict.fromkeys(("check", "check_all", "check_unit"), "axdse.flows.verify.check"),
        **dict.fromkeys(("core_cost", "unit_cost"), "axdse.flows.cost.cost"),
    },
)
