"""One breakage: which text of which file becomes which other, and the test that must fail then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StaleMutantError(Exception):
    """The text that a mutant changes is not there, or more than once: the code has moved on."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A breakage of one point of the promise."""

    #: What is broken, in a few words; unique.
    name: str
    #: From the root of the project.
    file: str
    #: Stands in the file exactly once.
    old: str
    new: str
    #: A test by its pytest id, which passes on the code as it is.
    killed_by: str

    def applied_to(self, text: str) -> str:
        """Give the broken text; raises StaleMutantError."""
        if (found := text.count(self.old)) != 1:
            raise StaleMutantError(f"{self.name}: {self.file} has its text {found} times instead of once: {self.old!r}")
        return text.replace(self.old, self.new)

    def apply(self, root: Path) -> str:
        """Break the file below `root`, and give its sound text."""
        path = root / self.file
        sound = path.read_text()
        path.write_text(self.applied_to(sound))
        return sound
