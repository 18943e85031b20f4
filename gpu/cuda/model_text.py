"""How does the C model of an inlined multiplication become device code?

The model's own text and that of its float unit are compiled into the GEMM, so a GPU runs the
source that was verified. Parameters are macros only while these texts are read.
"""

import re

from axdse.gpu.multiplication.inlined import Inlined
from axdse.multipliers.model.unit_model import UNIT_MODEL, unit_macros

_INCLUDE = re.compile(r"^\s*#\s*include\b.*$", re.MULTILINE)
_TYPES = """typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef {} uint64_t;
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
#define UINT32_C(x) x##u
#define UINT64_C(x) x##ull
"""


def model_text(inlined: Inlined, exchanged: bool) -> str:
    """C that defines `uint64_t AXDSE_CORE(x, y)`: fractions in, {carry, fraction} out.

    Args:
        inlined: the multiplication; where 32-bit integers were shown to do, uint64_t is one.
        exchanged: x is the second operand of the multiplier.
    """
    lane = "unsigned int" if inlined.proof.lane_bits == 32 else "unsigned long long"
    macros = [macro.partition("=") for macro in unit_macros(inlined.candidate)]
    kept = [(name, value) for name, _, value in macros if name != "FP_CORE_FILE"]
    defined = "".join(f"#define {name} {value}\n" for name, value in kept)
    undefined = "".join(f"#undef {name.partition('(')[0]}\n" for name, _ in kept)
    texts = [path.read_text() for path in (inlined.candidate.multiplier.family.model, UNIT_MODEL)]
    order = "y, x" if exchanged else "x, y"
    return (
        f"namespace model {{\n{_TYPES.format(lane)}{defined}"
        f"{''.join(_INCLUDE.sub('', text) for text in texts)}\n{undefined}"
        f"}}  // namespace model\n#define AXDSE_CORE(x, y) model::fp_core({order})\n"
    )
