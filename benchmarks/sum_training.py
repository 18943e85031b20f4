"""What does the sum of a tensor core do to training, with chunks and without? Paired seeds.

usage: nice -n 19 python benchmarks/sum_training.py [--seeds N]
       writes benchmarks/results/sum_training.json

Exact products of E4M3 operands are added in FP32, by `hopper_fp8` and by a narrower register of
the same kind, in chunks of 128 and without. A training of a design and one of native FP32 with
the same seed have the same weights, batches and order; differences on the test split have
Student's 95 % interval over the seeds. Nothing is chosen by any split: the last epoch counts.

One thread, about half an hour of a core. What the file holds already, with the same settings, is
not trained again, so it goes on where it was ended.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from fidelity import NATIVE, Study, Training, compared, shown, trained
from provenance import provenance
from pydantic import TypeAdapter

from axdse.multipliers.cache import write_output

RESULTS = Path(__file__).parent / "results" / "sum_training.json"
PRODUCTS = "exact(n=4) in fp8_e4m3(product=wide)"
SUMS = (
    "hopper_fp8",
    "hopper_fp8(chunk=128)",
    "dot(terms=32,align=10)",
    "dot(terms=32,align=10,chunk=128)",
)
DESIGNS = (NATIVE, PRODUCTS, *(f"{PRODUCTS} sum {total}" for total in SUMS))
STUDIES = (
    Study("lenet-5", "fashion-mnist-14k", epochs=3, seeds=5),
    Study("resnet-8", "fashion-mnist-14k", epochs=1, seeds=3),
)


def read() -> list[Training]:
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    return TypeAdapter(list[Training]).validate_python(known.get("trainings", []))


def table(study: Study, rows: Sequence[Training]) -> dict[str, object]:
    """Each design over the seeds that it has in common with FP32."""
    found = {(row.design, row.seed): row for row in rows if row.key == study.key}
    designs = []
    for design in DESIGNS:
        seeds = [s for s in range(study.seeds) if {(design, s), (NATIVE, s)} <= found.keys()]
        if seeds:
            ours, native = ([found[d, s] for s in seeds] for d in (design, NATIVE))
            designs.append(compared(ours, native))
    return {"study": study.name, "settings": str(study.settings), "designs": designs}


def write(rows: Sequence[Training]) -> None:
    content = {
        "command": "python benchmarks/sum_training.py",
        **provenance(),
        "tables": [table(study, rows) for study in STUDIES],
        "trainings": [dataclasses.asdict(row) for row in rows],
    }
    write_output(RESULTS, (json.dumps(content, indent=1) + "\n").encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = read()
    done = {(row.key, row.design, row.seed) for row in rows}
    for seed in range(options.seeds):
        for study in STUDIES:
            for design in DESIGNS:
                if seed < study.seeds and (study.key, design, seed) not in done:
                    rows.append(trained(study, design, seed))
                    print(*dataclasses.astuple(rows[-1]), flush=True)
                    write(rows)
    for study in STUDIES:
        print(shown(table(study, rows)), flush=True)


if __name__ == "__main__":
    main()
