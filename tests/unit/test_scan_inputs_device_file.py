"""A device behind a path that comes and goes, with a driver that does as it is told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from producers.scanner.inputs import News
from producers.scanner.inputs.device_file import DeviceFile
from tests.unit.scan_inputs_harness import LOOK_SECONDS, reading

ABSENT = OSError(errno.ENOENT, "absent")


class ScriptedDriver:
    """Opens what the script says: a pipe that holds these bytes and then ends, or an error; then it is absent."""

    def __init__(self, *script: bytes | OSError) -> None:
        self._script = iter(script)
        self.forgot = 0

    def open(self, path: Path) -> int:  # noqa: ARG002  the port's signature
        answer = next(self._script, ABSENT)
        if isinstance(answer, OSError):
            raise answer
        reading_end, writing_end = os.pipe()
        os.set_blocking(reading_end, False)
        os.write(writing_end, answer)
        os.close(writing_end)
        return reading_end

    def decode(self, data: bytes) -> list[bytes | News]:
        return [data]

    def forget(self) -> None:
        self.forgot += 1


async def test_an_absence_is_told_once_however_often_it_is_looked_for() -> None:
    driver = ScriptedDriver(ABSENT, ABSENT, b"one\n", ABSENT, ABSENT, b"two\n")
    device = DeviceFile("device", Path("nowhere"), driver, look_seconds=LOOK_SECONDS)
    async with reading(device) as reader:
        assert [await reader.next_news(), await reader.next_news()] == [News.LOST, News.CONNECTED]
        assert await reader.scan() == b"one"
        assert [await reader.next_news(), await reader.next_news()] == [News.LOST, News.CONNECTED]
        assert await reader.scan() == b"two"


async def test_a_driver_begins_anew_after_a_loss() -> None:
    driver = ScriptedDriver(b"one\n", b"two\n")
    device = DeviceFile("device", Path("nowhere"), driver, look_seconds=LOOK_SECONDS)
    async with reading(device) as reader:
        await reader.scan()
        await reader.news(News.LOST)
        assert driver.forgot == 1
        await reader.scan()
