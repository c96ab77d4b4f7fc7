"""Files that are whole or not there: written atomically, moved out of the way without overwriting anything.

A write goes to a temporary file beside the target, is forced to the disk, and then takes the target's name; the folder
is forced to the disk too, so that the new name survives a power cut. Killed at any point, the target is the old or the
new content. Called by `state_file`; knows nothing of stores or formats.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import count
from pathlib import Path

__all__ = ["set_aside", "write_aside", "write_atomically"]

_OWNER_ONLY = 0o600
"""State may be private; whoever wants to share the file can change its mode in a folder of their own."""


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces a file by one with this content, readable by its owner only.

    The temporary file has one name, so that a killed process leaves at most one, which the next write replaces.

    Raises:
        OSError: no space, no permission, no such folder; the file is as it was.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        _write(temporary, os.O_TRUNC, content)
        os.replace(temporary, path)
    except OSError:
        # On a full disk, half a file would keep the room that others need.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def set_aside(path: Path, reason: str) -> Path:
    """Renames a file to `NAME.REASON-1`, or to the first number that is free.

    Returns:
        The new path.

    Raises:
        OSError: it could not be renamed; it is where it was.
    """
    aside = _claim(path, reason)
    try:
        os.replace(path, aside)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return aside


def write_aside(path: Path, reason: str, content: bytes) -> Path:
    """Keeps a copy of a file's content as `NAME.REASON-1`, or under the first number that is free.

    Returns:
        The path of the copy.

    Raises:
        OSError: it could not be written.
    """
    aside = _claim(path, reason)
    try:
        _write(aside, 0, content)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return aside


def _claim(path: Path, reason: str) -> Path:
    """Makes an empty file under the first free name, so that renaming onto it cannot hit somebody else's."""
    for number in count(1):
        aside = path.with_name(f"{path.name}.{reason}-{number}")
        try:
            os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY))
        except FileExistsError:
            continue
        return aside
    raise AssertionError("count() does not end")  # pragma: no cover


def _write(path: Path, flags: int, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags, _OWNER_ONLY)
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
