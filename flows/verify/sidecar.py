"""What does somebody say of a design, in X.yaml beside it, that its files leave open?"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from axdse.flows.evidence.report import Order
from axdse.flows.verify.bring_your_own import Pins
from axdse.multipliers import strict_yaml
from axdse.multipliers.designs.family import Kind
from axdse.multipliers.files import InputFile
from axdse.multipliers.tables.product_tables import Index

Level = Literal[0, 1]
Latency = Annotated[int, Field(ge=0, le=64)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Sidecar:
    """The options of `axdse verify` for two files of one's own; those left out are found."""

    function: str = ""
    top: str = ""
    order: Order | None = None
    signed: bool | None = None
    index: Index | None = None
    arguments: dict[str, int] = Field(default_factory=dict)
    parameters: dict[str, int] = Field(default_factory=dict)
    ties: dict[str, int] = Field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    clock: str = ""
    latency: Latency | None = None
    reset: str = ""
    reset_level: Level | None = None
    enable: str = ""
    enable_level: Level | None = None
    start: str = ""
    done: str = ""
    ready: str = ""
    kind: Kind | None = None


def pins_beside(rtl: Path, pins: Pins) -> Pins:
    """The pins of a design: those of the YAML file beside it, if there is one, before `pins`.

    Raises:
        AxdseError: it is no such file.
    """
    path = rtl.with_suffix(".yaml")
    if not path.exists():
        return pins
    file = InputFile(path, "what is said of a design is a readable YAML", strict_yaml.LARGEST)
    said = strict_yaml.build(Sidecar, strict_yaml.load(file.text(), path.name) or {}, path.name)
    return replace(
        pins,
        function=said.function,
        top=said.top,
        order=said.order,
        index=said.index,
        signed=None if said.signed is None else (said.signed, said.signed),
        arguments=tuple(said.arguments.items()),
        parameters=tuple(said.parameters.items()),
        ties=tuple(said.ties.items()),
        ignored=said.ignored,
        clock=said.clock,
        latency=said.latency,
        reset=said.reset,
        reset_level=said.reset_level,
        enable=said.enable,
        enable_level=said.enable_level,
        start=said.start,
        done=said.done,
        ready=said.ready,
        kind=said.kind or pins.kind,
    )
