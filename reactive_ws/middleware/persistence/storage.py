"""Where the content of persisted stores is kept: the protocol, and files that are whole or not there.

`StateStorage` is a protocol of four methods; a program may bring its own. `FileStorage` writes to a temporary file beside
the target, forces it to the disk, and gives it the name of the target; then it forces the folder to the disk. A process
that is killed at any point leaves the old or the new content. Knows nothing of stores or formats. `state_file` calls it.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ...engine import check_kind, refuse_copy
from .file_lock import FileLock

__all__ = ["FileStorage", "StateStorage", "write_atomically"]

_OWNER_ONLY = 0o600
"""State may be private. A user who wants to share the file can change its mode in a folder of their own."""


class StateStorage(Protocol):
    """Keeps named pieces of bytes, each written whole. `PersistFile` makes one call at a time, on any thread.

    `PersistFile` uses the name of its file, and `NAME.corrupt-1` and the like for content that it sets aside. Any exception
    of a method counts as "not now": `PersistFile` reports it and tries again later.
    """

    def read(self, name: str) -> bytes | None:
        """Returns the content under a name, or None when there is none.

        Raises:
            OSError: it cannot be read now.
        """
        ...

    def write(self, name: str, content: bytes) -> None:
        """Replaces the content under a name, whole or not at all.

        Raises:
            OSError: it cannot be written now; the old content is still there.
        """
        ...

    def delete(self, name: str) -> None:
        """Removes the content under a name; nothing happens for a name without content.

        Raises:
            OSError: it cannot be removed now.
        """
        ...

    def close(self) -> None:
        """Ends the use of the storage."""
        ...


class FileStorage:
    """A file and the files beside it, for one process at a time. Only the owner can read what it writes.

    Args:
        path: The file whose lock this holds; names are those of files in its folder. The folder may come later.

    Raises:
        FileUnusable: another process holds the file.
        UsageError: `path` is not a path.
    """

    __reduce_ex__ = refuse_copy

    def __init__(self, path: str | os.PathLike[str]) -> None:
        check_kind(path, (str, os.PathLike), "path=", '"state.json"', is_required=True)
        self._folder = Path(os.path.realpath(path)).parent
        self._lock = FileLock(os.path.realpath(path))
        # Where there is no folder yet, or no right to write, the first write reports it.
        with suppress(OSError):
            self._lock.acquire()

    def read(self, name: str) -> bytes | None:
        """Returns the content of a file, or None when there is none.

        Raises:
            OSError: it cannot be read, or is a folder, a pipe or a device.
        """
        path = self._folder / name
        # Opening a pipe would wait for a writer.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            return None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file", str(path))
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)

    def write(self, name: str, content: bytes) -> None:
        """Replaces a file, whole or not at all.

        Raises:
            OSError: no space, no permission, no such folder, or another process holds the file.
        """
        self._lock.acquire()
        write_atomically(self._folder / name, content)

    def delete(self, name: str) -> None:
        """Removes a file; nothing happens when it is not there.

        Raises:
            OSError: it cannot be removed, or another process holds the file.
        """
        self._lock.acquire()
        path = self._folder / name
        path.unlink(missing_ok=True)
        _sync_folder(path.parent)

    def close(self) -> None:
        """Lets other processes use the file."""
        self._lock.release()

    def disown(self) -> None:
        """Leaves the lock to the parent process. Called in a child after a fork."""
        self._lock.disown()


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file by one with this content. Only its owner can read it, from its first byte on.

    The temporary file has one name, so that a killed process leaves at most one, which the next write removes. It is
    always a new file: one that another user prepared, or a link, is removed and not followed.

    Raises:
        OSError: no space, no permission, no such folder; the file is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        _write_new(temporary, content)
        os.replace(temporary, path)
    except OSError:
        # On a full disk, half a file would keep the room that others need.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _write_new(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags, _OWNER_ONLY)
    except FileExistsError:
        path.unlink()
        descriptor = os.open(path, flags, _OWNER_ONLY)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Windows has no way to open a folder, and renames there need none.
    if os.name == "nt":  # pragma: no cover - Linux is what is tested
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
