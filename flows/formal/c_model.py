"""What is a C model of RTL? Its gates, a statement each, as plain C for any compiler.

Every variable holds one bit, its lowest; what the others hold does not matter. So the same text
computes as many pairs at once as a word has bits, if its inputs are planes of bits.
"""

from dataclasses import dataclass

from axdse.flows.formal.aig import Aig
from axdse.multipliers.model.object_check import is_pure
from axdse.multipliers.names import C_KEYWORDS


@dataclass(frozen=True)
class _Gate:
    """An and of two literals, or their xor."""

    left: int
    right: int
    is_xor: bool


def c_model(gates: Aig, function: str, told: str) -> str:
    """Write gates as a C function of two patterns, `uint64_t f(uint64_t a, uint64_t b)`.

    Args:
        gates: without unknowns, see `Aig.bounds`; a product of up to 64 bits.
        function: its name.
        told: a comment, without line ends.
    """
    found = _gates(gates)
    names = {0: "0"}
    names |= {1 + bit: f"a{bit}" for bit in range(gates.a_bits)}
    names |= {1 + gates.a_bits + bit: f"b{bit}" for bit in range(gates.b_bits)}
    first = 1 + gates.inputs
    used = {pin >> 1 for gate in found.values() for pin in (gate.left, gate.right)}
    used |= {literal >> 1 for literal in gates.outputs}
    inputs = [names[variable] for variable in range(1, first) if variable in used]
    lines = [f"const uint64_t {name} = {name[0]} >> {name[1:]};" for name in inputs]
    for variable in sorted(found):
        names[variable] = f"n{variable - first}"
        lines.append(f"const uint64_t {names[variable]} = {_value(found[variable], names)};")
    bits = [
        f"(uint64_t)({_literal(literal, names)} & 1) << {bit}"
        for bit, literal in enumerate(gates.outputs)
    ]
    body = "\n".join(f"    {line}" for line in lines)
    operands = "".join(f"    (void){name};\n" for name in "ab" if f"{name} >>" not in body)
    product = "\n        | ".join(bits)
    return (
        f"/* {told} */\n#include <stdint.h>\n\n"
        f"uint64_t {function}(uint64_t a, uint64_t b) {{\n{operands}{body}\n"
        f"    return {product};\n}}\n"
    )


def c_name(module: str) -> str:
    """The name of the C function of a module: its own, unless C has it already."""
    return f"{module}_model" if module in C_KEYWORDS or is_pure(module) else module


def _gates(graph: Aig) -> dict[int, _Gate]:
    """The gates that the outputs need, by variable; an xor stands for the three ands it is."""
    ands = dict(enumerate(graph.ands, graph.first_and))
    found: dict[int, _Gate] = {}
    todo = [literal >> 1 for literal in graph.outputs]
    while todo:
        variable = todo.pop()
        if variable in found or variable not in ands:
            continue
        found[variable] = gate = _xor(ands, *ands[variable]) or _Gate(*ands[variable], False)
        todo += [gate.left >> 1, gate.right >> 1]
    return found


def _xor(ands: dict[int, tuple[int, int]], left: int, right: int) -> _Gate | None:
    """Not both of x and y, nor neither: one of them."""
    if not (left & right & 1 and left >> 1 in ands and right >> 1 in ands):
        return None
    x, y = ands[left >> 1]
    if {x ^ 1, y ^ 1} != set(ands[right >> 1]):
        return None
    # Inverted once for each pin that is.
    return _Gate(x & ~1, (y & ~1) | ((x ^ y) & 1), True)


def _value(gate: _Gate, names: dict[int, str]) -> str:
    if gate.is_xor:
        text = f"{names[gate.left >> 1]} ^ {names[gate.right >> 1]}"
        return f"~({text})" if gate.right & 1 else text
    return f"{_literal(gate.left, names)} & {_literal(gate.right, names)}"


def _literal(literal: int, names: dict[int, str]) -> str:
    name = names[literal >> 1]
    return f"~{name}" if literal & 1 and name != "0" else ("1" if literal & 1 else name)
