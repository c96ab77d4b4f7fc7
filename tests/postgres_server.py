"""A PostgreSQL server of the tests' own, on a free loopback port, with its data in a folder that is removed at the end."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

__all__ = ["Postgres", "find_postgres", "skip_without_postgres"]


def find_postgres() -> Path | None:
    """Returns the folder of `initdb` and `postgres`, None where PostgreSQL is not installed."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name)
    )
    return folders[-1] if folders else None


class Postgres:
    """One server; `dsn()` makes an empty database in it.

    Args:
        binaries: The folder of `initdb` and `postgres`.
        is_durable: Write each commit to the disk; tests need none that survives the machine.
    """

    def __init__(self, binaries: Path, *, is_durable: bool = False) -> None:
        self._binaries = binaries
        self._is_durable = is_durable
        self._folder = Path(tempfile.mkdtemp(prefix="reactive-ws-pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-sync")
        self.start()

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def pid(self) -> int:
        """The number of the server's first process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        self._process = subprocess.Popen(
            [
                self._binaries / "postgres",
                *("-D", self._data, "-p", str(self.port), "-h", "127.0.0.1", "-k", self._folder),
                *("-c", f"fsync={'on' if self._is_durable else 'off'}"),
                *("-c", "max_connections=200"),
            ],
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while subprocess.run(
            [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)],
            check=False,
        ).returncode:
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            assert self._process.poll() is None, "PostgreSQL ended"
            time.sleep(0.05)  # another program starts; nothing in this process can tell when

    def stop(self, mode: str = "fast") -> None:
        """Stops the server: `fast` ends connections, `immediate` is a crash."""
        if self._process is not None:
            self._run("pg_ctl", "stop", "-D", str(self._data), "-m", mode, "-w")
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """Stops the server and removes its data."""
        self.stop("immediate")
        shutil.rmtree(self._folder, ignore_errors=True)

    def dsn(self) -> str:
        """Creates an empty database and returns its URL."""
        name = f"t{uuid.uuid4().hex[:10]}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", name)
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._binaries / program, *arguments],
            check=True,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )


def skip_without_postgres() -> Path:
    """Returns the folder of the programs; skips the test where they are missing, but never in CI."""
    # Here, because the benchmarks start PostgreSQL too, and have no pytest.
    from missing_parts import skip_or_fail

    binaries = find_postgres()
    if binaries is None:
        skip_or_fail("PostgreSQL is not installed (apt-get install postgresql)")
    return binaries
