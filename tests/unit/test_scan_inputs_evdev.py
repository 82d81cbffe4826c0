"""Reading a Linux input device: struct bytes through a FIFO, losses, and two scanners at once."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING

import pytest

from producers.scanner.inputs import DeviceNews, News
from producers.scanner.inputs.evdev import EV_KEY, INPUT_EVENT, EvdevDriver, evdev_input
from tests.unit.scan_inputs_harness import (
    DROPPED_EVENTS,
    LEFT_SHIFT,
    LOOK_SECONDS,
    REPORT,
    Plug,
    events,
    grabs_nothing,
    reading,
    typed,
)

if TYPE_CHECKING:
    from pathlib import Path

    from producers.scanner.inputs.device_file import DeviceFile

LABEL = "[)>\x1e06\x1dP0-133714\x1d1Plm358\x1dQ25\x1e\x04"


def _scanner(path: Path) -> DeviceFile:
    return evdev_input(path, grab=grabs_nothing, look_seconds=LOOK_SECONDS)


def test_an_event_is_24_bytes_on_the_machines_we_run_on() -> None:
    assert INPUT_EVENT.size == 24


async def test_a_label_arrives_whole_with_its_separators(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    async with reading(_scanner(plug.path)) as reader:
        await reader.news(News.CONNECTED)

        plug.send(events(typed(LABEL)))

        assert await reader.scan() == LABEL.encode()


async def test_a_scan_split_inside_an_event_is_one_scan(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    stream = events(typed("Ab1"))
    driver = EvdevDriver(grabs_nothing)

    found = [part for place in range(len(stream)) for part in driver.decode(stream[place : place + 1])]

    assert found == [b"A", b"b", b"1", b"\r"]
    async with reading(_scanner(plug.path)) as reader:
        plug.send(stream[:100])
        await reader.news(News.CONNECTED)
        plug.send(stream[100:])
        assert await reader.scan() == b"Ab1"


async def test_two_scanners_at_once_never_mix_their_characters(tmp_path: Path) -> None:
    left, right = Plug(tmp_path / "left"), Plug(tmp_path / "right")
    streams = [events(typed("UPPER{1}" * 8)), events(typed("lower-2" * 8))]
    async with reading(_scanner(left.path), _scanner(right.path)) as reader:
        for place in range(0, max(map(len, streams)), 40):
            left.send(streams[0][place : place + 40])
            right.send(streams[1][place : place + 40])
            await asyncio.sleep(0)

        assert set(await reader.scans(2)) == {b"UPPER{1}" * 8, b"lower-2" * 8}


async def test_a_scan_names_its_device(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    async with reading(_scanner(plug.path)) as reader:
        plug.send(events(typed("one")))

        assert await reader.next() == DeviceNews(f"evdev:{plug.path}", News.CONNECTED)
        scan = await reader.next()

    assert scan.device == f"evdev:{plug.path}"


async def test_dropped_events_drop_the_partial_scan_and_its_tail_and_are_told(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    async with reading(_scanner(plug.path)) as reader:
        await reader.news(News.CONNECTED)

        lost = DROPPED_EVENTS + events(typed("9", suffix=0))
        plug.send(events(typed("10", suffix=0)) + lost + events(typed("00")))
        plug.send(events(typed("good")))

        await reader.news(News.DROPPED)
        assert await reader.scan() == b"good"


def test_after_lost_events_a_pause_begins_a_new_scan_even_when_the_suffix_was_lost() -> None:
    driver = EvdevDriver(grabs_nothing)
    driver.decode(events(typed("10", suffix=0), at=100.0))

    found = driver.decode(DROPPED_EVENTS + REPORT + events(typed("0", suffix=0), at=100.1))
    assert found == [News.DROPPED]
    assert driver.decode(events(typed("good"), at=101.0)) == [b"good\r"]


def test_a_modifier_whose_release_was_lost_is_not_held_for_ever() -> None:
    driver = EvdevDriver(grabs_nothing)
    driver.decode(events([(LEFT_SHIFT, 1)], at=1.0))
    driver.decode(DROPPED_EVENTS + REPORT)

    assert driver.decode(events(typed("abc"), at=9.0)) == [b"abc\r"]


def test_what_the_kernel_adds_before_the_next_report_belongs_to_the_loss() -> None:
    driver = EvdevDriver(grabs_nothing)
    driver.decode(DROPPED_EVENTS + INPUT_EVENT.pack(0, 0, EV_KEY, LEFT_SHIFT, 1) + REPORT)

    assert driver.decode(events(typed("abc"), at=9.0)) == [b"abc\r"]


def test_a_loss_that_shares_a_read_with_whole_scans_takes_only_its_own() -> None:
    driver = EvdevDriver(grabs_nothing)
    stream = (
        events(typed("one") + typed("tw", suffix=0), at=1.0) + DROPPED_EVENTS + REPORT + events(typed("three"), at=5.0)
    )

    assert driver.decode(stream) == [b"one\rtw", News.DROPPED, b"three\r"]


async def test_a_scanner_that_is_pulled_out_is_awaited_and_its_half_scan_dropped(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    async with reading(_scanner(plug.path)) as reader:
        await reader.news(News.CONNECTED)
        plug.send(events(typed("one")) + events(typed("half", suffix=0)))
        assert await reader.scan() == b"one"

        plug.pull_out()
        assert (await reader.news(News.LOST)).reason == "unplugged"
        plug.put_in()
        plug.send(events(typed("two")))

        assert await reader.next_news() is News.CONNECTED
        assert await reader.scan() == b"two"


async def test_a_path_that_names_another_device_by_now_is_opened_again(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    async with reading(_scanner(plug.path)) as reader:
        await reader.news(News.CONNECTED)

        plug.vanish()
        await reader.news(News.LOST)
        plug.put_in()
        plug.send(events(typed("two")))

        assert await reader.scan() == b"two"


async def test_a_scanner_that_is_not_there_yet_is_told_once_and_awaited(tmp_path: Path) -> None:
    path = tmp_path / "scanner"
    async with reading(_scanner(path)) as reader:
        assert await reader.next() == DeviceNews(f"evdev:{path}", News.LOST, "not plugged in")
        plug = Plug(path)
        plug.send(events(typed("one")))

        assert await reader.next_news() is News.CONNECTED
        assert await reader.scan() == b"one"


async def test_a_file_that_is_no_input_device_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("5\n")
    async with reading(evdev_input(path, look_seconds=LOOK_SECONDS)) as reader:
        assert await reader.next() == DeviceNews(f"evdev:{path}", News.LOST, "not a device of this kind")


async def test_a_scanner_that_another_program_has_grabbed_is_told_and_awaited(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    answers = iter([*[OSError(errno.EBUSY, "busy")] * 3, OSError(errno.EACCES, "denied"), None])

    def grab(descriptor: int) -> None:
        answer = next(answers)
        if answer is not None:
            raise answer

    async with reading(evdev_input(plug.path, grab=grab, look_seconds=LOOK_SECONDS)) as reader:
        assert (await reader.news(News.LOST)).reason == "another program holds it"
        assert "group" in (await reader.news(News.LOST)).reason
        assert await reader.next_news() is News.CONNECTED


async def test_characters_without_a_suffix_are_dropped_after_a_silence_and_told(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    scanner = evdev_input(plug.path, grab=grabs_nothing, look_seconds=LOOK_SECONDS, silence_seconds=0.05)
    async with reading(scanner) as reader:
        plug.send(events(typed("5", suffix=0)))
        await reader.news(News.UNFINISHED)
        plug.send(events(typed("100")))

        assert await reader.scan() == b"100"


async def test_a_finished_scan_is_not_called_unfinished(tmp_path: Path) -> None:
    plug = Plug(tmp_path / "scanner")
    scanner = evdev_input(plug.path, grab=grabs_nothing, look_seconds=LOOK_SECONDS, silence_seconds=0.0)
    async with reading(scanner) as reader:
        await reader.news(News.CONNECTED)
        plug.send(events(typed("one")))
        assert await reader.scan() == b"one"
        plug.pull_out()

        assert await reader.next_news() is News.LOST


@pytest.mark.parametrize("junk", [b"\xff" * 24 * 50, bytes(24 * 50)], ids=["ones", "zeros"])
def test_garbage_events_are_no_keys(junk: bytes) -> None:
    assert EvdevDriver(grabs_nothing).decode(junk) == []
