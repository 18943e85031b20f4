"""A PostgreSQL server of one's own, in a folder, reached through a socket in it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))  # of Debian and Ubuntu
MISSING = "no PostgreSQL server: apt-get install postgresql"


class Server:
    """One that may be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self.url = f"postgresql+psycopg://axdse@/postgres?host={folder}"
        self._folder, self._data = folder, folder / "data"
        # It does not run as root.
        self._user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._user:
            shutil.chown(folder, "postgres")
        self._call("initdb", "-D", self._data, "-A", "trust", "-U", "axdse", "--no-sync")

    def start(self) -> None:
        options = f"-k {self._folder} -c listen_addresses='' -c fsync=off"
        self._call("pg_ctl", "start", "-w", "-D", self._data, "-o", options, "-l", self._log)

    def stop(self) -> None:
        self._call("pg_ctl", "stop", "-m", "immediate", "-D", self._data)

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _call(self, program: str, *arguments: object) -> None:
        command = [*self._user, PROGRAMS[-1] / program, *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder)


@contextmanager
def postgres() -> Iterator[Server]:
    """A server that runs."""
    # Not below pytest's folder, which other users cannot enter; the path of a socket is short.
    with tempfile.TemporaryDirectory(prefix="axdse-pg-") as name:
        server = Server(Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop()
