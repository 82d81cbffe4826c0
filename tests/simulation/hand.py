"""What a plan is drawn from: seeded choices, things that can be used but once, words that nothing else carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

#: Pieces in one movement: so few that no plan empties a shelf.
MOST_PIECES: Final = 20


class UsedUpError(LookupError):
    """Everything of a kind has been used in this plan."""


class Hand:
    """Draws for one plan; equal randoms draw the same."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._words = 0
        self._used: dict[str, set[str]] = {}

    def choose(self, names: Sequence[str]) -> str:
        """Take any of them."""
        return self.random.choice(names)

    def once(self, purpose: str, names: Sequence[str]) -> str:
        """Take one that was not taken for this purpose; raises UsedUpError when there is none."""
        used = self._used.setdefault(purpose, set())
        left = [name for name in names if name not in used]
        if not left:
            raise UsedUpError(purpose)
        used.add(name := self.random.choice(left))
        return name

    def word(self) -> str:
        """Make a word that is in no other command of the plan, and none of the fixtures."""
        self._words += 1
        return f"w{self._words}"

    def pieces(self) -> int:
        """Take a number of pieces."""
        return self.random.randint(1, MOST_PIECES)
