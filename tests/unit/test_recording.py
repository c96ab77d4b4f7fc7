"""Reading recordings: exact frames out of good files, one clear reason out of bad ones."""

import gzip
from pathlib import Path

import pytest

from reactive_ws.commands.recording import RecordedFrame, read_recording
from reactive_ws.errors import FileUnusable

GOOD = b"""\
{"t":0,"dir":"out","frame":{"type":"subscribe"}}
{"t":0.5,"dir":"in","frame":{"price":"0.10", "n":1.0}}
{"t":0.5,"dir":"in","frame":[]}
"""
FRAMES = (
    RecordedFrame(0.0, False, '{"type":"subscribe"}'),
    RecordedFrame(0.5, True, '{"price":"0.10", "n":1.0}'),
    RecordedFrame(0.5, True, "[]"),
)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_frames_come_out_exactly_as_recorded(tmp_path: Path, pack: type) -> None:
    path = tmp_path / "recording"
    path.write_bytes(pack(GOOD))
    assert read_recording(path) == FRAMES


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello", "is not a recording: line 1: JSON is malformed"),
        (GOOD + b"\n", "is not a recording: line 4: Input data was truncated"),
        (
            GOOD + b'{"t":1,"dir":"in"}',
            "is not a recording: line 4: Object missing required field `frame`",
        ),
        (
            GOOD + b'{"t":1,"dir":"up","frame":1}',
            "is not a recording: line 4: Invalid enum value 'up'",
        ),
        (
            GOOD + b'{"t":0.4,"dir":"in","frame":1}',
            "is not a recording: line 4: its time goes back",
        ),
        (b'{"t":-1,"dir":"in","frame":1}', "is not a recording: line 1: its time goes back"),
        (b"\xff\xfe\x00", "is not a recording: line 1: JSON is malformed"),
        (gzip.compress(GOOD, mtime=0)[:-12], "is cut off or damaged"),
        (gzip.compress(GOOD, mtime=0)[:12] + b"\x00" * 40, "is cut off or damaged"),
        (gzip.compress(GOOD, mtime=0) + b"more", "is cut off or damaged"),
    ],
)
def test_what_is_no_recording_says_where_and_why(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "recording"
    path.write_bytes(content)
    with pytest.raises(FileUnusable) as caught:
        read_recording(path)
    assert caught.value.reason.startswith(reason)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable) as caught:
        read_recording(tmp_path / "nothing")
    assert caught.value.path == str(tmp_path / "nothing")
    assert caught.value.reason == (
        "cannot be read: no such file or directory; give the path of a recording"
    )
