"""Two workers under load, one of them told to end every two seconds and another started: each command once."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tests.drills.bookings import Bookings, Books

if TYPE_CHECKING:
    from pathlib import Path

COMMANDS: Final = 3_000
EVERY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of it."""

    restarts: int
    seconds: float
    exit_codes: dict[int, int]
    books: Books

    @property
    def is_right(self) -> bool:
        return self.books.is_right and set(self.exit_codes) == {0}

    def lines(self) -> list[str]:
        """Tell it to a person."""
        restarts = f"{self.restarts} restarts in {self.seconds:.0f} s, exit codes {self.exit_codes}"
        return [f"{self.books.commands} commands, {restarts}", *self.books.lines()]


def run(folder: Path, commands: int = COMMANDS) -> Findings:
    """Play the drill; raises TimeoutError when the commands are not applied."""
    with Bookings(folder, commands) as bookings:
        crew, restarts, codes = bookings.crew, 0, Counter[int]()
        while not bookings.are_done():
            restarts += 1
            time.sleep(max(0.0, restarts * EVERY_SECONDS - bookings.seconds()))
            oldest = crew.workers.pop(0)
            oldest.terminate()
            crew.hire(1)
            codes[oldest.wait(60)] += 1
        return Findings(restarts, bookings.seconds(), dict(codes), bookings.judge())
