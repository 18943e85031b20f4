"""Shared by all tests: one torch thread a process, as pytest-xdist runs one a core."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
