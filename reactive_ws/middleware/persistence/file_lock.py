"""A lock between processes: one process uses a state file at a time.

The lock is on a file of its own (`.NAME.lock`), because the state file itself is replaced with each write. The operating
system releases the lock when its process ends, also when it is killed. A lock file that is left behind does not lock. Called by
`storage`.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path

from ...errors import FileUnusable

__all__ = ["FileLock"]

_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})
"""Errors of file systems without locks. There the file is used without a lock."""


class FileLock:
    """The right of this process to use a file.

    Args:
        path: The file, absolute.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        target = Path(path)
        self._lock_path = target.with_name(f".{target.name}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Takes the lock, unless this object has it.

        Raises:
            FileUnusable: another process has it.
            OSError: the lock file cannot be made.
        """
        while self._descriptor is None:
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            descriptor = os.open(self._lock_path, flags, 0o600)
            try:
                _lock(descriptor)
                # Its last holder may have removed the file between the two lines above; then it locks nothing.
                if _is_file(descriptor, self._lock_path):
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, str(os.getpid()).encode())
                    self._descriptor, descriptor = descriptor, -1
            except BlockingIOError:
                raise FileUnusable(self._path, _in_use(descriptor)) from None
            finally:
                if descriptor >= 0:
                    os.close(descriptor)

    def release(self) -> None:
        """Gives the lock back and removes its file."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with suppress(OSError):
                # Before the lock is given back, or the file of the next holder could be removed.
                self._lock_path.unlink(missing_ok=True)
            with suppress(OSError):
                _unlock(descriptor)
            os.close(descriptor)

    def disown(self) -> None:
        """Leaves the lock to the parent process. Called in a child after a fork."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _in_use(descriptor: int) -> str:
    owner = os.pread(descriptor, 20, 0).decode("ascii", "replace") if os.name != "nt" else ""
    who = f"process {owner}" if owner.isdigit() else "another process"
    return f"is in use by {who}; end that program, or give this one another file"


def _is_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


if sys.platform == "win32":  # pragma: no cover - Linux is what is tested
    import msvcrt

    def _lock(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked") from error

    def _unlock(descriptor: int) -> None:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        """Locks the file.

        Raises:
            BlockingIOError: another process has the lock.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise

    def _unlock(descriptor: int) -> None:
        # A child that was forked meanwhile has a copy of the descriptor; closing ours alone would not unlock.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
