"""Shared by all tests: one torch thread a process, as pytest-xdist runs one a core."""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
# What several folders of tests share is importable by its file name.
sys.path.insert(0, str(Path(__file__).parent / "contracts"))
