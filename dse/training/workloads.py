"""Which network is trained, on what? A factory by name, with its arguments; no torch.

It is written `teacher`, `lenet-5(dataset=mnist-5k)`, `mypackage.mymodule:factory(width=32)`.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from axdse.multipliers.errors import AxdseError, did_you_mean

Value = str | int | float | bool | None | tuple["Value", ...]
IMAGES = "axdse.dse.training.tasks.images"
TEXT = "axdse.dse.training.tasks.text"
# What ships, and its factory.
WORKLOADS = {
    "teacher": "axdse.dse.training.tasks.teacher:teacher",
    "autoenc": f"{IMAGES}:autoenc",
    "g2p": f"{TEXT}:g2p",
    "charlm": f"{TEXT}:charlm",
    "lenet-300-100": f"{IMAGES}:lenet_300_100",
    "lenet-5": f"{IMAGES}:lenet_5",
    "resnet-8": f"{IMAGES}:resnet_8",
    "resnet-20": f"{IMAGES}:resnet_20",
    "resnet-18": f"{IMAGES}:resnet_18",
    "resnet-50": f"{IMAGES}:resnet_50",
    "vit": f"{IMAGES}:vit",
    "depthwise-cnn": f"{IMAGES}:depthwise_cnn",
}
LONGEST = 2_000  # characters
LARGEST_SIZE = 1 << 20  # of what an argument of a task that ships counts: widths, blocks, pixels
_CALL = re.compile(r"(?P<name>[^()]*)(?:\((?P<arguments>.*)\))?", re.DOTALL)
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
_ARGUMENT = re.compile(r"\s*([A-Za-z_]\w*)\s*=(.*)", re.ASCII | re.DOTALL)
_BARE = re.compile(r"[\w./~+-]+", re.ASCII)  # a text that needs no quotes


@dataclass(frozen=True)
class Workload:
    """What makes a task: a network, its data, its loss and its metric.

    Attributes:
        name: of one that ships, or `package.module:factory`, found from the working folder too.
        arguments: of the factory, by name.
    """

    name: str
    arguments: tuple[tuple[str, Value], ...] = ()

    @property
    def text(self) -> str:
        """What `find_workload` reads back."""
        if not self.arguments:
            return self.name
        return f"{self.name}({','.join(f'{key}={_shown(v)}' for key, v in self.arguments)})"

    @property
    def factory(self) -> str:
        """`package.module:factory`."""
        return WORKLOADS.get(self.name, self.name)

    @property
    def ships(self) -> bool:
        """Whether its factory is one of axdse."""
        return self.name in WORKLOADS

    def on(self, dataset: str) -> "Workload":
        """The same network on another dataset."""
        return self.given("dataset", dataset)

    def given(self, argument: str, value: Value) -> "Workload":
        """The same with another argument."""
        return replace(self, arguments=tuple((dict(self.arguments) | {argument: value}).items()))


def find_workload(text: str) -> Workload:
    """Read the name of a workload, perhaps with arguments; what is not its own is not imported.

    Args:
        text: `NAME`, `NAME(argument=value,...)` or `package.module:factory(...)`; values are
            numbers, True, False, None, tuples of them, and text, in quotes where it has signs.

    Raises:
        AxdseError: it is none, or none of that name ships.
    """
    match = _CALL.fullmatch(text.strip()) if len(text) <= LONGEST else None
    if match is None:
        rule = "a workload is NAME or package.module:factory, then perhaps (argument=value,...)"
        raise AxdseError(rule, text, "write for example 'lenet-5(dataset=mnist-5k)'")
    name = match["name"].strip()
    is_file = ".py:" in name
    if name not in WORKLOADS and (is_file or not _FACTORY.fullmatch(name)):
        remedy = did_you_mean(name, WORKLOADS)
        if is_file:
            remedy = f"write it as a module: {name.replace('.py:', ':').replace('/', '.')}"
        raise AxdseError("unknown workload", name, remedy)
    return Workload(name, tuple(_arguments(match["arguments"] or "")))


def check_arguments(workload: Workload, factory: Callable[..., object]) -> None:
    """Look whether a factory takes the arguments of a workload, and gets all that it needs.

    Raises:
        AxdseError: it does not.
    """
    try:
        known = inspect.signature(factory).parameters
    except ValueError:  # one that is not of Python does not say what it takes
        return
    if any(each.kind is each.VAR_KEYWORD for each in known.values()):
        return
    given = [key for key, _ in workload.arguments]
    for key in given:
        if key not in known:
            rule = f"unknown argument of {workload.name}"
            raise AxdseError(rule, key, did_you_mean(key, known))
        if workload.ships:
            _check_value(key, workload, known[key].default)
    for key, parameter in known.items():
        named = parameter.kind is not parameter.VAR_POSITIONAL
        if named and parameter.default is parameter.empty and key not in given:
            rule = f"{workload.name} takes {key}"
            raise AxdseError(rule, "none given", f"write {workload.name}({key}=...)")


def _check_value(key: str, workload: Workload, default: object) -> None:
    """Look whether an argument of a workload that ships is of the type of its default.

    Raises:
        AxdseError: it is not, or counts less than one, or beyond all machines.
    """
    value = dict(workload.arguments)[key]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, bool | str):
        kind = "a text" if isinstance(default, str) else "True or False"
        fits = isinstance(value, type(default))
    elif isinstance(default, int):
        kind = f"a whole number 1..{LARGEST_SIZE}"
        fits = number and isinstance(value, int) and 1 <= value <= LARGEST_SIZE
    else:
        kind, fits = "a number", number
    if not fits:
        rule = f"{key} of {workload.name} is {kind}"
        raise AxdseError(rule, repr(value), f"the default is {default!r}")


def _arguments(text: str) -> Iterator[tuple[str, Value]]:
    seen = set()
    for part in _parts(text):
        match = _ARGUMENT.fullmatch(part)
        if match is None or match[1] in seen:
            rule = "an argument of a workload is name=value, each name once"
            raise AxdseError(rule, part.strip(), "write for example (width=32,dataset=mnist-5k)")
        seen.add(match[1])
        yield match[1], _value(match[2].strip())


def _parts(text: str) -> Iterator[str]:
    """What commas part, but for those in quotes and parentheses."""
    start, depth, quote = 0, 0, ""
    for at, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == "," and not depth:
            yield text[start:at]
            start = at + 1
        else:
            depth += (sign in "([") - (sign in ")]")
    if text[start:].strip():
        yield text[start:]


def _value(text: str) -> Value:
    try:
        return _plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        if _BARE.fullmatch(text):
            return text
        rule = "a value is a number, True, False, None, a tuple of them, or text"
        raise AxdseError(rule, text, "put text with signs in quotes") from error


def _plain(value: object) -> Value:
    if isinstance(value, list | tuple):
        return tuple(map(_plain, value))
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ValueError(value)


def _shown(value: Value) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value):
        try:
            ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return value
    return repr(value)
