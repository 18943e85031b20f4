"""Do the readers of files and texts stand damage? Mutants of valid samples, one reader each.

usage: python benchmarks/attack_readers.py [--seed 1] [--count 10000]
writes benchmarks/results/attack_readers.json

For every reader axdse itself makes a valid sample. A mutant has bits, bytes, chunks or tokens
changed, a member of an archive or a value of a YAML mapping replaced. It is read in a process of
its own with 1 GB of memory beside what it starts with, and 10 s. The outcomes:

refused    one AxdseError, one line of at most 500 characters
same       accepted, and says what the sample says
other      accepted, and says something else: a user may write that
lie        the same of a file that axdse seals: its content is not what was written
traceback, hang, memory, long    what must not happen
"""

import argparse
import io
import json
import multiprocessing
import os
import random
import resource
import struct
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path

import yaml
from reader_samples import READERS, Reader

from axdse.multipliers.errors import LONGEST, AxdseError

RESULTS = Path(__file__).with_name("results") / "attack_readers.json"
MEMORY, LIMIT_S = 1 << 30, 10.0
FAULTS = ("lie", "traceback", "hang", "memory", "long")
NUMBERS = (
    "0",
    "-1",
    "65",
    "1000000000000",
    "9" * 5000,
    "1e999",
    ".nan",
    "0x" + "f" * 3000,
    "true",
)
TOKENS = [
    *(text.encode() for text in NUMBERS),
    *(b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"\x1b[2J", b"\r", b"\n\n", b"\t", b"'", b'"', b"\\"),
    *(b"[" * 3000, b"{" * 3000, b"(" * 3000, b"- " * 3000, b"*a", b"&a ", b"<<: ", b"!!binary "),
    *(b"!!python/name:os.system ", b"---\n", b"/*", b"*/", b"//", b"/dev/zero", b"../" * 40),
    *(b'include_file("/dev/zero");', b'`include "x"', b'$system("x")', b'#include "x"'),
    *(b"NaN", b"Infinity", b"null", b"[]", b"{}", b"n*" * 200, b"2**99", b"1//0"),
]
SCALARS = [None, True, -1, 0, 65, 10**12, 10**60, float("inf"), "x" * 3000, "\0", [], {}, [[]]]


@dataclass(frozen=True)
class Answer:
    """What came of one mutant; `detail` says which, for faults."""

    outcome: str
    detail: str = ""


def flip(data: bytes, draw: random.Random) -> bytes:
    """Flip up to eight bits."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def splice(data: bytes, draw: random.Random) -> bytes:
    """Cut, repeat, move, or end a chunk."""
    start, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    end = min(end, start + draw.choice((1, 8, 200, len(data))))
    chunk, kind = data[start:end], draw.randrange(5)
    at = draw.randrange(len(data) + 1)
    rest = data[:start] + data[end:]
    noise = draw.randbytes(draw.randint(1, 40))
    return (
        rest,
        data[:end] + chunk * draw.choice((1, 2, 50)) + data[end:],
        rest[:at] + chunk + rest[at:],
        data[:start],
        data[:at] + noise + data[at:],
    )[kind]


def token(data: bytes, draw: random.Random) -> bytes:
    """Put a word in, in place of some bytes or between them."""
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice(TOKENS) + data[at + draw.choice((0, 0, 1, 4)) :]


def member(data: bytes, draw: random.Random) -> bytes:
    """Change a member of an archive, its name or its compression; check sums fit again."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    at = draw.randrange(len(members))
    name, content = members[at]
    header, body = content[:128], content[128:]
    shape = b"(%d, %d)" % (draw.choice((0, 3, 1 << 20, 1 << 40)), draw.choice((1, 7, 1 << 40)))
    kind = draw.randrange(6)
    if kind == 0:
        content = flip(content, draw)
    elif kind == 1:
        content = header.replace(b"(", shape + b"#(", 1) + body
    elif kind == 2:
        types = (b"'|O'", b"'<f4'", b"'>i8'", b"'<U9'", b"'|V8'", b"'<f8'", b"'<u1'")
        old = header[header.find(b"'descr': ") + 9 :].split(b",")[0]
        content = header.replace(old, draw.choice(types), 1) + body
    elif kind == 3:
        content = bytes(draw.choice((0, 10, 1 << 22)))
    elif kind == 4:
        name = draw.choice((members[0][0], "../x.npy", "x" * 200 + ".npy", "x", "b.npy"))
    else:
        content = header.replace(b"False", b"True ", 1) + body
    members[at] = name, content
    buffer = io.BytesIO()
    method = draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for entry in {name: (name, content) for name, content in members}.values():
            archive.writestr(*entry)
    return buffer.getvalue()


def directory(data: bytes, draw: random.Random) -> bytes:
    """Change a field of an archive's own list: flags, method, check sum, sizes, offset."""
    entries = [at for at in range(len(data) - 46) if data[at : at + 4] == b"PK\1\2"]
    if not entries:
        return flip(data, draw)
    offset, kind = draw.choice(
        ((8, "<H"), (10, "<H"), (16, "<I"), (20, "<I"), (24, "<I"), (42, "<I"))
    )
    changed = bytearray(data)
    value = draw.choice((1, 12, 99, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)) % (
        1 << 8 * struct.calcsize(kind)
    )
    struct.pack_into(kind, changed, draw.choice(entries) + offset, value)
    return bytes(changed)


def value_of_yaml(data: bytes, draw: random.Random) -> bytes:
    """Replace a value of a YAML document, or a key."""
    document = yaml.safe_load(data)
    places = list(_places(document))
    holder, key = draw.choice(places)
    if isinstance(holder, dict) and draw.random() < 0.2:
        holder[draw.choice(("x", "\x1b", "n" * 300, "<<"))] = holder.pop(key)
    else:
        holder[key] = draw.choice(SCALARS)
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False).encode()


def _places(node: object) -> Iterator[tuple]:
    keys = (
        node.keys()
        if isinstance(node, dict)
        else range(len(node))
        if isinstance(node, list)
        else ()
    )
    for key in list(keys):
        yield node, key
        yield from _places(node[key])


GENERAL = (flip, splice, token)
BY_FORM = {
    "text": (token, splice),
    "binary": (),
    "npz": (member, directory),
    "yaml": (value_of_yaml,) * 2,
}


def mutant(sample: bytes, form: str, draw: random.Random) -> bytes:
    """One or two changes of a sample."""
    data = draw.choice((*GENERAL, *BY_FORM[form]))(sample, draw)
    return draw.choice(GENERAL)(data, draw) if data and draw.random() < 0.2 else data


def judge(reader: Reader, path: Path, data: bytes, expected: object) -> Answer:
    """Read one mutant."""
    path.write_bytes(data)
    try:
        found = reader.read(path)
    except AxdseError as error:
        text = str(error)
        short = len(text) <= LONGEST and text.isprintable()
        return Answer("refused") if short else Answer("long", text[:LONGEST])
    except MemoryError:
        return Answer("memory")
    except BaseException as error:  # noqa: BLE001  what is looked for
        where = error.__traceback__
        while where and where.tb_next:
            where = where.tb_next
        place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where else ""
        return Answer("traceback", f"{type(error).__name__}: {error!s:.200} at {place}")
    if found == expected:
        return Answer("same")
    return Answer("lie" if reader.sealed else "other")


def serve(pipe: Connection) -> None:
    """Judge mutants until there are none, with a bound on memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while True:
        name, path, data, expected = pipe.recv()
        pipe.send(judge(READERS[name], path, data, expected))


class Worker:
    """A process that judges, started again after one that it did not survive."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")  # with every sample's modules loaded
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other,), daemon=True)
        self._process.start()
        other.close()

    def judge(self, name: str, path: Path, data: bytes, expected: object) -> Answer:
        """As the function of that name, bounded."""
        self._pipe.send((name, path, data, expected))
        if self._pipe.poll(LIMIT_S):
            try:
                return self._pipe.recv()
            except EOFError:
                answer = Answer("traceback", "the interpreter crashed")
        else:
            answer = Answer("hang")
        self.close()
        self._start()
        return answer

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()


@contextmanager
def working() -> Iterator[Worker]:
    """A worker, ended at the end."""
    worker = Worker()
    try:
        yield worker
    finally:
        worker.close()


def attack(
    seed: int, count: int, folder: Path, keep: Callable[[str, Answer, bytes], None] | None = None
) -> dict[str, dict[str, int]]:
    """Judge `count` mutants, the readers in turn.

    Args:
        seed: of the mutants.
        count: of mutants in all.
        folder: for samples; it is written.
        keep: is told of every fault.

    Returns:
        how many mutants had each outcome, by reader.
    """
    samples = {}
    for name, reader in READERS.items():
        path = reader.make(folder / name)
        samples[name] = path, path.read_bytes(), reader.read(path)
    counts = {name: Counter[str]() for name in READERS}
    names = list(READERS)
    with working() as worker:
        for number in range(count):
            name = names[number % len(names)]
            path, sample, expected = samples[name]
            draw = random.Random(f"{seed} {number}")
            data = mutant(sample, READERS[name].form, draw)
            answer = worker.judge(name, path, data, expected)
            counts[name][answer.outcome] += 1
            if keep and answer.outcome in FAULTS:
                keep(name, answer, data)
    return {name: dict(sorted(counter.items())) for name, counter in counts.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    arguments = parser.parse_args()
    faults: list[dict[str, str]] = []

    def keep(name: str, answer: Answer, data: bytes) -> None:
        faults.append({"reader": name, **asdict(answer), "mutant": repr(data[:300])})
        print(name, answer.outcome, answer.detail, data[:80])

    with tempfile.TemporaryDirectory() as folder:
        os.environ["AXDSE_CACHE"] = f"{folder}/cache"  # one entry for each library that parses
        counts = attack(arguments.seed, arguments.count, Path(folder), keep)
    RESULTS.write_text(
        json.dumps(
            {
                "date": datetime.now(UTC).date().isoformat(),
                "seed": arguments.seed,
                "mutants": arguments.count,
                "versions": [
                    f"{name} {version(name)}" for name in ("axdse", "numpy", "PyYAML", "torch")
                ],
                "outcomes": counts,
                "faults": faults,
            },
            indent=1,
        )
        + "\n"
    )
    print(json.dumps(counts, indent=1))


if __name__ == "__main__":
    main()
