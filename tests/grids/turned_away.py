"""Turned away: a 429 with every form of Retry-After, at every write and at what is asked first."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.grids.cell import Ended, Grid, Seen, applied_once, ended, see
from tests.grids.ways import QUIET_MS, WAYS
from tests.sandbox.faults import RETRY_AFTER_FORMS
from tests.simulation.hand import Hand
from tests.simulation.kinds import KINDS
from tests.simulation.plan import Plan, Submit, Trouble
from tests.simulation.warehouse import OPENBOM, PARTBOLT, PARTIUM, PARTSBOX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.checker.evidence import Json
    from tests.grids.ways import Way

#: What the vendor asks for, where the form can say it; and what is waited for after any other form, at least.
ASKED_SECONDS: Final = 7.3
OWN_SECONDS: Final = 1.0
SAYING: Final = ("seconds", "fraction", "http_date")
#: Asked for permission before the vendor's answer was there, and arrived behind it.
UNDER_WAY_SECONDS: Final = 0.2
#: The vendor is asked again at most so long behind the pause, and a quarter of it: that is our own stretch.
LATE_SECONDS: Final = 3.0
STRETCH: Final = 1.25
#: By vendor: a command of somebody else, which is submitted while the vendor is paused.
OTHERS: Final = {
    PARTSBOX: "lot.update",
    PARTIUM: "catalog.upsert_assembly",
    OPENBOM: "catalog.set_property",
    PARTBOLT: "cad.import_part",
}
OTHER_MS: Final = QUIET_MS + 600


class _Row(NamedTuple):
    way: Way
    vendor: str
    #: What is turned away.
    operation: str


def _rows() -> dict[str, _Row]:
    writes = {f"{name}, its write": _Row(way, way.vendor, way.operation) for name, way in WAYS.items()}
    reads = {f"{name}, what is asked first": _Row(way, KINDS[way.kind].vendor, "*") for name, way in WAYS.items()}
    return {**writes, **reads}


_ROWS: Final = _rows()


def _play_row(row: str, offset: int, stride: int) -> Iterator[Ended]:
    for form in RETRY_AFTER_FORMS[offset::stride]:
        seen = see(_plan(_ROWS[row], form))
        wrongs = [*applied_once(seen), *_spent(seen), *_asked_meanwhile(seen, _ROWS[row].vendor, form)]
        yield ended(row, form, seen, wrongs)


def _plan(row: _Row, form: str) -> Plan:
    status = {"kind": "status", "status": 429, "retry_after": form, "retry_after_seconds": ASKED_SECONDS}
    fault = Trouble(QUIET_MS - 1, "vendor_fault", {"vendor": row.vendor, "operation": row.operation, **status})
    return Plan(1, 1, (fault, row.way.submit(), _other(row.vendor)))


def _other(vendor: str) -> Submit:
    kind = KINDS[OTHERS[vendor]]
    hand = Hand(Random(vendor))
    for _ in range(9):  # words that no way has
        hand.word()
    assert kind.draw is not None
    return Submit(OTHER_MS, kind.vendor, kind.name, kind.draw(hand), "ST-02", OTHER_MS)


def _spent(seen: Seen) -> Iterator[str]:
    yield from (f"spent an attempt: {write}" for write in seen.writes if write.entry.attempts != 1)


def _asked_meanwhile(seen: Seen, vendor: str, form: str) -> Iterator[str]:
    """Say whether the vendor was asked within the pause, and whether it was asked again soon after it."""
    if seen.played is None:
        return
    requests: list[Json] = seen.played.evidence.books[vendor].journal["requests"]
    turned_away = [request["arrived_ms"] for request in requests if request["status"] == 429]
    if len(turned_away) != 1:
        yield f"turned away {len(turned_away)} times"
        return
    behind = [(request["arrived_ms"] - turned_away[0]) / 1000 for request in requests]
    gap = min((seconds for seconds in behind if seconds > UNDER_WAY_SECONDS), default=0.0)
    pause = ASKED_SECONDS if form in SAYING else OWN_SECONDS
    if not pause <= gap <= pause * STRETCH + LATE_SECONDS:
        yield f"asked again {gap:.3f} s after the 429, not {pause:g} s"


TURNED_AWAY: Final = Grid("turned-away", "429 with every form of Retry-After", tuple(_ROWS), _play_row)
