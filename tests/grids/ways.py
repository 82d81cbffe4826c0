"""Every way of using every kind of command, and the write that a trouble is to hit."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Final

from tests.simulation import warehouse
from tests.simulation.hand import Hand
from tests.simulation.kinds import KINDS
from tests.simulation.plan import Submit

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.kinds import Fields

#: By then a worker has read what it reads when it starts, and nothing else is under way.
QUIET_MS: Final = 3_000


@dataclass(frozen=True, slots=True)
class Way:
    """One command, and which of the writes that it comes to is looked at."""

    name: str
    kind: str
    fields: Fields
    #: The kind that does the write: the command's own, or that of a descendant.
    writer: str

    @property
    def vendor(self) -> str:
        """The vendor that is written to."""
        return KINDS[self.writer].vendor

    @property
    def operation(self) -> str:
        """The vendor's operation that the write is."""
        return KINDS[self.writer].operation

    def submit(self, at_ms: int = QUIET_MS, source: str = "ST-01") -> Submit:
        """Give the command as a plan has it."""
        return Submit(at_ms, KINDS[self.kind].vendor, self.kind, self.fields, source, at_ms)


def _ways() -> dict[str, Way]:
    own = [_way(name, name) for name, kind in KINDS.items() if kind.draw is not None and kind.operation]
    others = [
        _way("order.receive of all lines", "order.receive_line", "order.receive", lambda given: "lines" not in given),
        _way("order.receive of one line", "order.receive_line", "order.receive", _is_one_line),
        _way("part.upsert of a new part", "part.create", "part.upsert", lambda given: not _is_known(given)),
        _way("part.upsert of a known part", "part.update", "part.upsert", _is_known),
        _way("catalog.upsert_part routed to PartsBox", "part.create", "catalog.upsert_part", _is_new_there),
        _way("catalog.upsert_part routed to OpenBOM", "catalog.set_property", "catalog.upsert_part", _is_shared),
        _way("cad.import_part", "catalog.upsert_part", "cad.import_part"),
    ]
    return {way.name: way for way in (*own, *others)}


def _way(name: str, writer: str, kind: str = "", fits: Callable[[Fields], bool] = lambda _: True) -> Way:
    """Draw fields until they fit; a kind that may go to several vendors goes to its own alone where nothing is said."""
    kind = kind or writer
    draw = KINDS[kind].draw
    assert draw is not None
    alone = kind == name == "catalog.upsert_part"
    for number in itertools.count():
        fields = draw(Hand(Random(f"{name} {number}")))
        if fits(fields) and not (alone and _is_shared(fields)):
            return Way(name, kind, fields, writer)
    raise AssertionError


def _is_one_line(given: Fields) -> bool:
    return len(given.get("lines", ())) == 1


def _is_known(given: Fields) -> bool:
    return given["name"] in warehouse.NAMED_BEFORE


def _is_shared(given: Fields) -> bool:
    return str(given["part_id"]).startswith("ST-")


def _is_new_there(given: Fields) -> bool:
    name = str(given["part_id"]).removeprefix("ST-")
    return _is_shared(given) and name not in warehouse.SHARED_BEFORE


#: By name, in the order of their kinds.
WAYS: Final = _ways()
