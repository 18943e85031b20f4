"""What a run says, but for when it was, and how long it took."""

import json
from typing import Any

from axdse.dse.run.run_dir import RunDir

PASSING = {"seal", "seconds", "date"}


def told_by(run: RunDir) -> dict[str, Any]:
    """Each file that holds results, by name."""
    files = sorted(file for file in run.path.rglob("*.json") if file.name != "run.json")
    found = {
        str(file.relative_to(run.path)): _lasting(json.loads(file.read_text())) for file in files
    }
    return found | {"operands": run.operands.read_bytes()}


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key not in PASSING}
    return [_lasting(each) for each in value] if isinstance(value, list) else value
