"""What the operator sees and hears."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from typing import TYPE_CHECKING

import pytest

from producers.outbox import OutboxState, Stored
from producers.scanner.flows import Tone
from producers.scanner.screen import Documents, FullScreen, Lines, status_text
from producers.scanner.sounds import PROGRAMS_AT_ONCE, Sound, Sounds, checked_sound, sound_of, sound_of_news
from producers.scanner.station import Feedback

if TYPE_CHECKING:
    from pathlib import Path

STORED = Stored(
    seq=1,
    key="k1",
    lanes=(),
    stock_timestamp=1,
    body="{}",
    summary="MOVED 5 x [bold]R-1K -> B-11",
    origin="{}",
    state=OutboxState.STORED,
    attempts=0,
    next_at_ms=0,
    last_error=None,
    result=None,
    sent_at_ms=None,
    offered=False,
)
ASKED = Feedback(Tone.ASK, "ADD", "10 x R-1K?", "scan CONFIRM", None, "same label again", "Ada")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_shows_mode_operator_message_reason_and_next_scan() -> None:
    stream = io.StringIO()
    Lines(stream).feedback(ASKED)

    assert stream.getvalue() == "[ADD Ada] CONFIRM?: 10 x R-1K? (same label again) | scan CONFIRM\n"


def test_a_bounce_is_not_shown_to_people_but_told_to_programs() -> None:
    bounce = Feedback(Tone.BOUNCE, "ADD", "SAME SCAN AT ONCE, COUNTED ONCE", "scan the part")
    lines, documents = io.StringIO(), io.StringIO()
    Lines(lines).feedback(bounce)
    Documents(documents).feedback(bounce)

    assert lines.getvalue() == ""
    assert json.loads(documents.getvalue())["tone"] == "bounce"


def test_every_state_of_a_command_has_a_word() -> None:
    stream = io.StringIO()
    for state in (None, *OutboxState):
        Lines(stream).news(STORED, state, "because")

    assert len(stream.getvalue().splitlines()) == len(OutboxState) + 1
    assert "    REFUSED: MOVED 5 x [bold]R-1K -> B-11 (because) [k1]\n" in stream.getvalue()


def test_the_full_screen_shows_everything_at_once_and_takes_no_name_for_markup() -> None:
    stream = Terminal()
    screen = FullScreen(stream, "ST-01")
    screen.status("OFFLINE 12 waiting")
    screen.note("ttyACM0: lost")
    for number in range(7):
        screen.news(STORED, OutboxState.APPLIED, f"result {number}")
    screen.news(STORED, OutboxState.SENT, "not worth a line")
    screen.feedback(ASKED)
    screen.close()

    last = stream.getvalue().rpartition("ST-01")[2]
    for text in ("Ada", "ADD", "OFFLINE 12 waiting", "10 x R-1K?", "same label again", "scan CONFIRM", "[bold]R-1K"):
        assert text in last
    assert [f"result {number}" in last for number in range(7)] == [False] * 2 + [True] * 5
    assert "not worth a line" not in last


def test_the_status_tells_offline_from_busy() -> None:
    assert status_text(12, "the relay does not answer") == "OFFLINE 12 waiting"
    assert status_text(3, "") == "3 waiting"
    assert status_text(0, "") == "all delivered"


def test_stored_refused_asked_expired_and_late_all_sound_different() -> None:
    heard = []
    for sound in Sound:
        stream = Terminal()
        Sounds("bell", stream, pytest.fail).play(sound)
        heard.append(stream.getvalue())

    assert len({*heard}) == len(Sound)
    assert heard[list(Sound).index(Sound.STORED)] == "\a"
    assert all(set(bells) == {"\a"} for bells in heard)


def test_each_tone_and_each_bad_end_has_its_sound() -> None:
    assert {tone: sound_of(tone) for tone in Tone} == {
        Tone.OK: None,
        Tone.NOTE: None,
        Tone.BOUNCE: None,
        Tone.ASK: Sound.CONFIRM,
        Tone.ERROR: Sound.REFUSED,
        Tone.STORED: Sound.STORED,
        Tone.UNDONE: Sound.STORED,
        Tone.EXPIRED: Sound.EXPIRED,
    }
    late = {state for state in OutboxState if sound_of_news(state) is Sound.LATE}
    assert late == {OutboxState.REFUSED, OutboxState.REJECTED, OutboxState.HELD}
    assert sound_of_news(None) is None


@pytest.mark.parametrize("setting", ["bell", "none"])
def test_no_bell_goes_into_a_file_and_none_is_silent(setting: str) -> None:
    stream = io.StringIO() if setting == "bell" else Terminal()
    Sounds(setting, stream, pytest.fail).play(Sound.STORED)

    assert stream.getvalue() == ""


async def test_a_program_gets_its_words_and_the_sound_without_a_shell(tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    code = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(' '.join(sys.argv[2:]))"
    sounds = Sounds(f"cmd:{sys.executable} -c \"{code}\" {heard} '$HOME;ls'", io.StringIO(), pytest.fail)
    sounds.play(Sound.LATE)
    await sounds.end()

    assert heard.read_text() == "$HOME;ls late"


async def test_a_program_that_is_not_there_is_said_once() -> None:
    said: list[str] = []
    sounds = Sounds("cmd:/nowhere/beep", io.StringIO(), said.append)
    for _ in range(3):
        sounds.play(Sound.STORED)
        await sounds.end()

    assert said == ["the sound cannot be played: /nowhere/beep: No such file or directory"]


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_a_program_that_never_ends_is_stopped_and_few_run_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("producers.scanner.sounds.PROGRAM_SECONDS", 0.05)
    code = "import os, sys, pathlib, time; pathlib.Path(sys.argv[1], str(os.getpid())).touch(); time.sleep(600)"
    sounds = Sounds(f'cmd:{sys.executable} -c "{code}" {tmp_path}', io.StringIO(), pytest.fail)
    for _ in range(50):
        sounds.play(Sound.REFUSED)
    async with asyncio.timeout(60):
        await sounds.end()

    assert len(_names(tmp_path)) <= PROGRAMS_AT_ONCE


@pytest.mark.parametrize("setting", ["", "beep", "cmd:", "cmd:  ", "cmd:play 'x"])
def test_a_sound_that_means_nothing_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"needs|names no program|not a command line"):
        checked_sound(setting)
