"""Which files of a folder belong together? Verilog, its C file, its tables of products."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from axdse.flows.verilog.reduced import named_words
from axdse.flows.verilog.sources import VHDL, Library, tops_of
from axdse.multipliers.cache import digest
from axdse.multipliers.errors import AxdseError
from axdse.multipliers.files import LARGEST_SOURCE, InputFile, without_comments
from axdse.multipliers.model.translation_unit import source_files
from axdse.multipliers.sandbox.compiler import CPP_ENDS
from axdse.multipliers.tables.product_files import TABLES, is_table

MODELS, VERILOG = (".c", ".inl", *CPP_ENDS), (".v", ".sv")
# mul8u_1JFF_pdk45.v maps mul8u_1JFF.v to cells of a library.
MAPPED = re.compile(r"_pdk\d+$")
# AppMult has mul7u_06Q_sop.blif, mul7u_06Q_lutfp.txt and mul7u_06Q_lutfp+bp_avg_4_4.txt of
# mul7u_06Q.v: each is the same design.
_VARIANT = re.compile(r"(?:_pdk\d+|_sop)$")
_NAMED = re.compile(r"\"([^\"\n\0]{1,200})\"")  # files to include, or with what a memory holds
_OF_YOSYS = re.compile(rb"\s*\{\s*\"creator\"\s*:\s*\"Yosys")
_OF_VHDL = "'axdse verify --rtl X.vhd' takes it, by GHDL"
_C_ALONE = "a C file that belongs to no Verilog of its name"
_OF_TABLES = re.compile(r"_(?:lut|table|products)[a-z]*(?:\+\w*)?$")


@dataclass(frozen=True)
class Pair:
    """A Verilog file, and the C file or the table that belongs to it; None: there is none.

    A table alone has no Verilog.

    Attributes:
        tables: other tables of the same design, which are to have the same products.
    """

    name: str
    model: Path | None
    rtl: Path | None
    tables: tuple[Path, ...] = ()

    @property
    def is_mapped(self) -> bool:
        """Whether the name says that its Verilog is of the cells of a library."""
        return bool(self.rtl and MAPPED.search(self.rtl.stem))

    def __str__(self) -> str:
        return str(self.rtl or self.model)


@dataclass(frozen=True)
class Found:
    """What a folder holds.

    Attributes:
        pairs: Verilog with C or a table, designs of Verilog alone, and tables alone.
        parts: files that are no design by themselves: other files use them, or benches.
        library: all Verilog files, of which designs take what they name.
        copies: how many designs are there once more, and count once.
        unread: files of which nothing is made, by the reason.
    """

    pairs: tuple[Pair, ...]
    parts: tuple[Path, ...]
    library: Library
    copies: int = 0
    unread: tuple[tuple[str, tuple[Path, ...]], ...] = ()


def find_pairs(folder: Path, cells: Sequence[Path] = ()) -> Found:
    """Find the designs of a folder, at any depth; `cells` are Verilog of a library's.

    A C file is that of the Verilog file of the same stem, in the same folder or, if it is the only
    one, or the only one in a folder of that name, in another; so are tables of products, whose
    names may end in `_lut` or the like. Copies of a pair count once: EvoApproxLib has a design in
    the folder of each front that it is on, and a comment names the front.

    Raises:
        AxdseError: it is no folder, or has no Verilog and no table; or a file cannot be read.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    verilog = [path for path in files if path.suffix in VERILOG]
    tables = [path for path in files if is_table(path)]
    netlists = [path for path in files if _is_netlist(path)]
    vhdl = tuple(path for path in files if path.suffix in VHDL)
    if not (tables or verilog or netlists):
        raise AxdseError(
            "a folder to import has designs X.v, pairs X.c and X.v, or tables of products",
            f"{folder} has VHDL alone, such as {vhdl[0].name}" if vhdl else folder,
            _OF_VHDL if vhdl else "name the folder that holds them",
        )
    library = Library(dict.fromkeys([*verilog, *cells]))
    designs = [*verilog, *netlists]
    tops = {*tops_of(Library(verilog)), *netlists}
    models = _Beside([path for path in files if path.suffix in MODELS], designs)
    products = _Beside(tables, designs)
    pairs: dict[tuple[str, str, str], Pair] = {}
    parts: list[Path] = []
    copies = 0
    for rtl in designs:
        own, listed = models.of(rtl), products.of(rtl)
        if not own and not listed and rtl not in tops:
            parts.append(rtl)
            continue
        model, *others = (*own[:1], *listed) or (None,)
        key = (rtl.stem, _model_content(model) if model else "", _content(rtl))
        if key in pairs and (first := pairs[key].rtl):
            # The same text may have other parts around it.
            if _all_content(first, library) == (whole := _all_content(rtl, library)):
                copies += 1
                continue
            key = (*key[:2], whole)
            copies += key in pairs
        pairs.setdefault(key, Pair(rtl.stem, model, rtl, tuple(filter(None, others))))
    for table in tables:
        first, *others = products.alike(table)
        if table == first and table not in products.taken:
            pairs[(table.stem, str(table), "")] = Pair(table.stem, table, None, tuple(others))
    found = tuple(sorted(pairs.values(), key=lambda pair: pair.name))
    alone = tuple(path for path in models.files if path not in models.taken)
    unread = ((f"VHDL is not read here; {_OF_VHDL}", vhdl), (_C_ALONE, alone))
    return Found(found, tuple(parts), library, copies, tuple(each for each in unread if each[1]))


def _is_netlist(path: Path) -> bool:
    """Whether a file is BLIF, or JSON that Yosys wrote."""
    if path.suffix != ".json":
        return path.suffix == ".blif"
    try:
        with path.open("rb") as file:
            return _OF_YOSYS.match(file.read(200)) is not None
    except OSError:
        return False


class _Beside:
    """C files, or tables, by the stems of the Verilog that they belong to."""

    def __init__(self, files: Sequence[Path], designs: Sequence[Path]) -> None:
        self._roots: dict[str, list[Path]] = {}
        for path in sorted(files, key=lambda path: (len(path.stem), path)):
            self._roots.setdefault(_root(path), []).append(path)
        self.files = tuple(files)
        self._designs = {(design.parent, design.stem) for design in designs}
        self.taken: set[Path] = set()

    def of(self, rtl: Path) -> list[Path]:
        """Those of a Verilog file: in its folder, or else in the only other one."""
        for root in dict.fromkeys((rtl.stem, _VARIANT.sub("", rtl.stem))):
            known = self._roots.get(root, [])
            found = [path for path in known if path.parent == rtl.parent]
            if not found:
                # ariths-gen has verilog_circuits/flat and c_circuits/flat, hier beside both.
                alike = [path for path in known if path.parent.name == rtl.parent.name]
                folders = {path.parent for path in alike or known}
                if len(folders) == 1 and (*folders, root) not in self._designs:
                    found = alike or known
            if found:
                self.taken |= set(found)
                return found
        return []

    def alike(self, path: Path) -> list[Path]:
        """Those of one folder that belong to the same design."""
        return [each for each in self._roots[_root(path)] if each.parent == path.parent]


def _root(path: Path) -> str:
    """The stem of the design that a C file or a table belongs to."""
    return _OF_TABLES.sub("", path.stem) if path.suffix in TABLES else path.stem


def _all_content(rtl: Path, library: Library) -> str:
    """What tells a design from another: its files, what they read, and what is said of it."""
    found: dict[Path, str] = {}
    todo = [rtl, *filter(Path.is_file, [rtl.with_suffix(".yaml")])]
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found[path] = text = _content(path)
        owners = (library.owner(word, path) for word in sorted(named_words(text)))
        named = (path.parent / name for name in _NAMED.findall(text))
        todo += [*filter(None, owners), *(each for each in named if each.is_file())]
    return digest(*found.values())


def _model_content(model: Path) -> str:
    """What tells a C file, with its headers, or a table from another."""
    if model.suffix in TABLES:
        return _content(model)
    try:
        return digest(_content(model), *list(source_files(model).values())[1:])
    except AxdseError:  # told when it is read
        return _content(model)


def _content(path: Path) -> str:
    """What tells a design's file from another: its lines without comments and blank ones.

    One that cannot be read, which its verdict says, is told by its name.
    """
    try:
        source = InputFile(path, "a source is a readable file", LARGEST_SOURCE).read()
    except AxdseError:
        return str(path)
    # Comments may be in any encoding; this one tells all bytes apart.
    if path.suffix in TABLES:
        return digest(source)
    code = without_comments(source.decode("latin-1"), literals=path.suffix in MODELS)
    lines = (line.strip() for line in code.split("\n"))
    return "\n".join(filter(None, lines))
