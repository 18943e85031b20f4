"""Which C calls a model? What is appended to its unit, for a harness of integers or of floats."""

from axdse.multipliers.designs.c_call import INTEGERS, OPERANDS, IntegerCall
from axdse.multipliers.sandbox.compiler import Language

_SIGNATURE = (
    "the signature of a C model must be uint64_t f(uint64_t a, uint64_t b), or with other integers"
)
_FLOAT_SIGNATURE = "the signature of a float model must be float f(float a, float b)"
# Appended to what the preprocessor leaves: no macro is there any more to change its meaning, but
# functions of any name.
_C_TYPES = """
;_Static_assert(sizeof(&{function}) > 0, "{signature}");
_Static_assert(_Generic((__typeof__({function}({zeros})) *)0, {returns}, default : 0),
    "{signature}");
enum {{ axdse_kinds = _Generic(&{function}, {kinds}, default : 0) }};
_Static_assert(axdse_kinds, "{signature}");
"""
_CPP_TYPES = """
;namespace {{
template <class T> constexpr int axdse_kind = 0;
{traits}
template <class R, class... P> constexpr int axdse_kinds_of(R (*)(P...)) {{
    constexpr int each[] = {{axdse_kind<P>..., 0, 0}};
    return axdse_kind<R> && sizeof...(P) == {count} ? each[{a}] * 1000 + each[{b}] : 0;
}}
constexpr int axdse_kinds = axdse_kinds_of(&{function});
static_assert(axdse_kinds / 1000 && axdse_kinds % 1000, "{signature}");
}}
"""
_INTEGER_CALLS = """
{shown}__attribute__((externally_visible)) const int axdse_kinds_{build};
const int axdse_kinds_{build} = axdse_kinds;
{shown}__attribute__((externally_visible)) const int axdse_signed_{build};
const int axdse_signed_{build} = {signs};
{shown}__attribute__((externally_visible)) const int axdse_result_{build};
const int axdse_result_{build} = {result};
{shown}__attribute__((externally_visible, noinline, no_sanitize_address)) void axdse_call_{build}(
    const unsigned long *__restrict axdse_a, const unsigned long *__restrict axdse_b,
    unsigned long *__restrict axdse_product, unsigned long axdse_count) {{
    axdse_top = (unsigned long)__builtin_frame_address(0);
    for (unsigned long axdse_i = 0; axdse_i < axdse_count; axdse_i++)
        axdse_product[axdse_i] = (unsigned long){function}({arguments});
}}
"""
_FLOAT_CALLS = """
;_Static_assert(_Generic(&{function}, float (*)(float, float) : 1, default : 0), "{signature}");
static inline float axdse_float(unsigned bits) {{
    return ((union {{ unsigned bits; float value; }}){{bits}}).value;
}}
__attribute__((externally_visible, noinline, no_sanitize_address)) void axdse_row_{build}(
    unsigned axdse_a, unsigned axdse_b, unsigned axdse_step, unsigned axdse_count,
    unsigned *restrict axdse_product) {{
    axdse_top = (unsigned long)__builtin_frame_address(0);
    for (unsigned axdse_i = 0; axdse_i < axdse_count; axdse_i++) {{
        union {{ float value; unsigned bits; }} axdse_each = {{
            {function}(axdse_float(axdse_a), axdse_float(axdse_b + axdse_i * axdse_step))}};
        axdse_product[axdse_i] = axdse_each.bits;
    }}
}}
"""


def integer_calls(function: str, build: str, call: IntegerCall, language: Language) -> str:
    """C that calls a model of integers for `harness.h`: `axdse_call_BUILD` and its traits."""
    zeros = ", ".join("0" for _ in call.arguments)
    places = {operand: call.arguments.index(operand) for operand in OPERANDS}
    types = _CPP_TYPES if language.is_cpp else _C_TYPES
    return (types + _INTEGER_CALLS).format(
        function=function,
        build=build,
        shown='extern "C" ' if language.is_cpp else "extern ",
        zeros=zeros,
        returns=", ".join(f"{name} * : 1" for name in INTEGERS),
        kinds="" if language.is_cpp else _c_kinds(function, call),
        traits="\n".join(
            f"template <> constexpr int axdse_kind<{_cpp(name)}> = {_kind(name)};"
            for name in INTEGERS
        ),
        count=len(call.arguments),
        **places,
        signature=_SIGNATURE,
        signs=sum(sign << place for place, sign in enumerate(call.signs)),
        arguments=call.text("axdse_a[axdse_i]", "axdse_b[axdse_i]"),
        result=f"8 * sizeof({function}({zeros}))" if call.extends else "64",
    )


def _c_kinds(function: str, call: IntegerCall) -> str:
    """The kinds of a and b by the type of the function, whose result is known."""
    returns = f"__typeof__({function}({', '.join('0' for _ in call.arguments)}))"
    found = []
    for a in INTEGERS:
        for b in INTEGERS:
            operands = {"a": a, "b": b}
            takes = (operands.get(each) or each.rpartition(" ")[0] for each in call.arguments)
            kinds = f"{_kind(a)} * 1000 + {_kind(b)}"
            found.append(f"{returns} (*)({', '.join(takes)}) : {kinds}")
    return ", ".join(found)


def _kind(name: str) -> str:
    return "((char)-1 < 0 ? 108 : 8)" if name == "char" else str(INTEGERS[name])


def _cpp(name: str) -> str:
    return "bool" if name == "_Bool" else name


def float_calls(function: str, build: str) -> str:
    """C that calls a model of floats for `float_harness.c`: `axdse_row_BUILD`."""
    return _FLOAT_CALLS.format(function=function, build=build, signature=_FLOAT_SIGNATURE)
