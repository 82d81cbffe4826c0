"""What a kind of command is to a play: how one is drawn, and how its effect is known at the vendor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tasks.registry import command_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.hand import Hand

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of command. `about` and `word` are formats over its fields: `part:{part_id}`, `{name[en]}`."""

    name: str
    #: The vendor's operation that its write is; empty where it writes nothing itself.
    operation: str
    #: How often it is drawn, beside the others; 0 for what only becomes of another command.
    weight: int
    #: Draws the fields of a new one; raises UsedUpError when there can be no more in this plan.
    draw: Callable[[Hand], Fields] | None
    #: The subject of its effect; empty where only the vendor knows.
    about: str
    #: Text whose last word no other command carries; empty for what carries our marker.
    word: str
    #: It happens to its subject but once, and is known by that.
    deed: bool

    @property
    def vendor(self) -> str:
        """The vendor that is asked."""
        return command_type(self.name).vendor

    def subject(self, fields: Fields) -> str:
        """Name what the effect of such a command is about."""
        return self.about.format(**fields)

    def carries(self, fields: Fields) -> str:
        """Give what its effect alone carries; nothing for what carries our marker."""
        if self.deed:
            return f"{self.operation} {self.subject(fields)}"
        return self.word.format(**fields).split()[-1] if self.word else ""


#: By name.
KINDS: Final[dict[str, Kind]] = {}


def becomes(name: str, operation: str, *, about: str = "", word: str = "") -> None:
    """Enter a kind that is never submitted: other commands become it."""
    KINDS[name] = Kind(name, operation, 0, None, about, word, deed=False)


def kind(
    name: str, operation: str = "", *, about: str = "", word: str = "", deed: bool = False, weight: int = 1
) -> Callable[[Callable[[Hand], Fields]], Callable[[Hand], Fields]]:
    """Enter a kind by the function that draws its fields; see `Kind`."""

    def enter(draw: Callable[[Hand], Fields]) -> Callable[[Hand], Fields]:
        KINDS[name] = Kind(name, operation, weight, draw, about, word, deed)
        return draw

    return enter
