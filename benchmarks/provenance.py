"""Where and when was a record made? What stands at the head of each JSON file of results."""

import dataclasses

from axdse.dse.bench.machine_record import record

NAMES = ("date", "cpu", "cores", "load_before", "system", "versions")


def provenance(load_before: float | None = None) -> dict[str, object]:
    """Date, machine and versions, for a JSON record; the load if it was measured."""
    about = dataclasses.asdict(record((), load_before or 0.0, False))
    return {
        name: about[name] for name in NAMES if name != "load_before" or load_before is not None
    }
