"""Which module is put around a design: for its values, its ties, or words in place of bits?"""

import re
from collections.abc import Mapping
from dataclasses import replace

from axdse.flows.scripts import script_word
from axdse.flows.verify.module_ports import Module, ModulePort
from axdse.flows.verify.pins import Pins
from axdse.flows.verilog.sources import Source
from axdse.multipliers.errors import AxdseError, did_you_mean

_BIT = re.compile(r"(?P<word>[A-Za-z]\w*?)_?(?P<bit>\d{1,2})_?", re.ASCII)


def bundled(source: Source, top: Module) -> Source | None:
    r"""The design in a module with words for ports, where the design has a port for each bit.

    So tools write netlists: a_0_, a_1_, ..., once `\\a[0] `. None: it has words, or others.
    """
    words: dict[str, dict[int, ModulePort]] = {}
    alone: list[ModulePort] = []
    for port in top.ports:
        match = _BIT.fullmatch(port.name) if port.bits == 1 else None
        if match is None:
            alone.append(port)
        elif words.setdefault(match["word"], {}).setdefault(int(match["bit"]), port) is not port:
            return None
    taken = {port.name for port in top.ports} & words.keys()
    for bits in words.values():
        if {*bits} != {*range(len(bits))} or len({port.direction for port in bits.values()}) > 1:
            return None
    if taken or len(words) + sum(port.bits > 1 for port in alone) != 3 or not words:
        return None
    ports = [(port.direction, port.bits, port.name) for port in alone]
    ports += [(bits[0].direction, len(bits), word) for word, bits in words.items()]
    header = ", ".join(
        f"{direction} [{bits - 1}:0] {script_word(name)}" for direction, bits, name in ports
    )
    pins = [f".{script_word(port.name)}({port.name})" for port in alone]
    pins += [
        f".{script_word(port.name)}({word}[{bit}])"
        for word, bits in words.items()
        for bit, port in sorted(bits.items())
    ]
    name = f"{top.name}_words"
    body = f"  {script_word(top.name)} core ({', '.join(pins)});\n"
    wrapper = f"module {name} ({header});\n{body}endmodule\n"
    return replace(source, stem=name, text=f"{source.text.rstrip()}\n{wrapper}")


def pinned(source: Source, modules: Mapping[str, Module], pins: Pins) -> Source:
    """The design in a module that gives its parameters values and ties or leaves ports.

    Args:
        source: the design; its stem names its top module.
        modules: of it, with those values, by name.
        pins: what is said of it.

    Raises:
        AxdseError: it has no such parameter or port, or a value does not fit.
    """
    top = modules[source.stem]
    ports = {port.name: port for port in top.ports}
    for option, direction, names in (
        ("--tie", "input", [name for name, _ in pins.ties]),
        ("--ignore", "output", pins.ignored),
    ):
        fitting = [port.name for port in top.ports if port.direction == direction]
        for name in names:
            if name not in fitting:
                rule = f"{option} names an {direction} of {top.name}"
                raise AxdseError(rule, name, did_you_mean(name, fitting))
    connected = []
    for name, value in pins.ties:
        bits = ports[name].bits
        if not 0 <= value < 1 << bits:
            raise AxdseError(f"{name} has {bits} bits", value, "choose a value that fits")
        connected.append(f".{script_word(name)}({bits}'d{value})")
    kept = [port for port in top.ports if port.name not in {*dict(pins.ties), *pins.ignored}]
    connected += [f".{script_word(port.name)}({port.name})" for port in kept]
    connected += [f".{script_word(name)}()" for name in pins.ignored]
    values = ", ".join(f".{script_word(name)}({value})" for name, value in pins.parameters)
    name = f"{top.name}_pinned"
    header = ",\n    ".join(
        f"{port.direction} {'signed ' if port.signed else ''}[{port.bits - 1}:0] {port.name}"
        for port in kept
    )
    wrapper = (
        f"module {name} (\n    {header}\n);\n"
        f"  {script_word(top.name)} {f'#({values}) ' if values else ''}core "
        f"({', '.join(connected)});\nendmodule\n"
    )
    return replace(source, stem=name, text=f"{source.text.rstrip()}\n{wrapper}")
