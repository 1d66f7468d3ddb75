import asyncio
import logging
import time
from pathlib import Path

import pytest

from mapigw.server.log_file import LogFile


async def until(path: Path, content: bytes) -> float:
    """Seconds until the file has the content."""
    started = time.monotonic()
    while path.read_bytes() != content:
        assert time.monotonic() - started < 5
        await asyncio.sleep(0.01)
    return time.monotonic() - started


async def test_lines_are_on_the_disk_within_half_a_second(tmp_path: Path) -> None:
    path = tmp_path / "log" / "access.log"
    file = await LogFile.open(path)
    file.write(b"one\n")
    file.write(b"two\n")
    assert await until(path, b"one\ntwo\n") < 0.5
    file.write(b"three\n")
    assert await until(path, b"one\ntwo\nthree\n") < 0.5
    await file.close()


async def test_close_writes_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    path.write_bytes(b"of an earlier run\n")
    file = await LogFile.open(path)
    file.write(b"last\n")
    await file.close()
    assert path.read_bytes() == b"of an earlier run\nlast\n"


async def test_after_rotation_lines_go_into_the_new_file(tmp_path: Path) -> None:
    path, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    file = await LogFile.open(path)
    file.write(b"before\n")
    path.rename(rotated)
    await file.reopen()
    file.write(b"after\n")
    await file.close()
    assert rotated.read_bytes() == b"before\n"
    assert path.read_bytes() == b"after\n"


async def test_a_failing_reopen_keeps_the_old_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    file = await LogFile.open(path)
    path.rename(rotated)
    path.mkdir()
    await file.reopen()
    file.write(b"after\n")
    await file.close()
    assert rotated.read_bytes() == b"after\n"
    assert "writing on into the old file" in caplog.text


async def test_a_full_disk_is_reported_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    file = await LogFile.open(Path("/dev/full"))
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            file.write(b"lost\n")
            await asyncio.sleep(0.3)
    assert caplog.text.count("No space left on device; log lines are lost") == 1
    await file.close()


async def test_other_threads_may_write(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    file = await LogFile.open(path)
    await asyncio.to_thread(file.write, b"from a thread\n")
    assert await until(path, b"from a thread\n") < 0.5
    await file.close()
