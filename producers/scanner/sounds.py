"""What the operator hears: a pattern of terminal bells, or a program of the house, or nothing."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from producers.outbox import OutboxState
from producers.scanner.flows import Tone

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

BELL: Final = "bell"
NONE: Final = "none"
PROGRAM: Final = "cmd:"
#: A program that has not ended by then is stopped.
PROGRAM_SECONDS: Final = 5.0
#: More at once would only be noise; what comes on top is not played.
PROGRAMS_AT_ONCE: Final = 4


class Sound(StrEnum):
    """What happened, as it is told to the program: each sounds different."""

    STORED = "stored"
    REFUSED = "refused"
    CONFIRM = "confirm"
    EXPIRED = "expired"
    #: A stored command came to nothing later.
    LATE = "late"


#: BEL (0x07) so many times.
_BELLS: Final = {Sound.STORED: 1, Sound.REFUSED: 2, Sound.CONFIRM: 3, Sound.EXPIRED: 4, Sound.LATE: 5}
_OF_TONE: Final = {
    Tone.STORED: Sound.STORED,
    Tone.UNDONE: Sound.STORED,
    Tone.ERROR: Sound.REFUSED,
    Tone.ASK: Sound.CONFIRM,
    Tone.EXPIRED: Sound.EXPIRED,
}
_BAD_NEWS: Final = frozenset({OutboxState.REFUSED, OutboxState.REJECTED, OutboxState.HELD})


def checked_sound(text: str) -> str:
    """Check a setting of the sound; ValueError says what is wrong."""
    if text in (BELL, NONE):
        return text
    if not text.startswith(PROGRAM):
        raise ValueError(f"needs {BELL}, {NONE} or {PROGRAM} and a program")
    try:
        words = shlex.split(text.removeprefix(PROGRAM))
    except ValueError as error:
        raise ValueError(f"is not a command line: {error}") from error
    if not words:
        raise ValueError(f"names no program after {PROGRAM}")
    return text


def sound_of(tone: Tone) -> Sound | None:
    """Give the sound of a feedback; None for one without."""
    return _OF_TONE.get(tone)


def sound_of_news(state: OutboxState | None) -> Sound | None:
    """Give the sound of what became of a stored command; None where it is as expected."""
    return Sound.LATE if state in _BAD_NEWS else None


class Sounds:
    """Plays sounds as `setting` says, without ever holding up a scan. A program gets the sound's name behind its words.

    Bells go to a terminal only. `complain` is told once when the program cannot be started.
    """

    def __init__(self, setting: str, stream: TextIO, complain: Callable[[str], None]) -> None:
        self._bells = setting == BELL and stream.isatty()
        self._program = shlex.split(setting.removeprefix(PROGRAM)) if setting.startswith(PROGRAM) else []
        self._stream = stream
        self._complain = complain
        self._complained = False
        self._running: set[asyncio.Task[None]] = set()

    def play(self, sound: Sound | None) -> None:
        """Begin to play and return at once."""
        if sound is None:
            return
        if self._bells:
            self._stream.write("\a" * _BELLS[sound])
            self._stream.flush()
        if self._program and len(self._running) < PROGRAMS_AT_ONCE:
            task = asyncio.get_running_loop().create_task(self._run(sound))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def end(self) -> None:
        """Let what is playing end."""
        await asyncio.gather(*self._running)

    async def _run(self, sound: Sound) -> None:
        quiet = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                *self._program, sound.value, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True
            )
        except OSError as error:
            if not self._complained:
                self._complained = True
                self._complain(f"the sound cannot be played: {self._program[0]}: {error.strerror}")
            return
        try:
            async with asyncio.timeout(PROGRAM_SECONDS):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
