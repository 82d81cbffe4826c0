"""Ambiguity: every outcome of the conformance suite for every kind of write, against that suite's own table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.conformance.fault_classes import CLOSED, REFUSALS, UNCLEAR
from tests.grids.cell import Ended, Grid, Write, ended, see
from tests.grids.ways import WAYS
from tests.simulation.kinds import KINDS
from tests.simulation.plan import Plan, Trouble

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.fault_classes import Ending, FaultClass
    from tests.grids.ways import Way

OUTCOMES: Final = (*UNCLEAR, *REFUSALS, *CLOSED)
#: How a write ends that nothing happens to.
UNTOUCHED: Final = ("applied", 1, 1)


def _happens(way: Way, outcome: FaultClass) -> bool:
    return not outcome.vendors or way.vendor in outcome.vendors


def _plan(way: Way, outcome: FaultClass) -> Plan:
    options: dict[str, Any] = {"kind": outcome.kind, "count": outcome.count, **outcome.options}
    if outcome.item_option:
        options[outcome.item_option] = _subject(way)
    fault = {"vendor": way.vendor, "operation": way.operation, **options}
    return Plan(1, 1, (Trouble(0, "vendor_fault", fault), way.submit()))


def _subject(way: Way) -> str:
    """Name the item of a batch that an outcome is about; where the command does not say it, the first."""
    return KINDS[way.writer].subject(way.fields) if way.kind == way.writer else ""


def _play_row(row: str, offset: int, stride: int) -> Iterator[Ended]:
    outcome = next(one for one in OUTCOMES if str(one) == row)
    for way in [way for way in WAYS.values() if _happens(way, outcome)][offset::stride]:
        seen = see(_plan(way, outcome))
        writes = seen.of(way.writer)
        wrongs = [*_not_as_in_the_table(writes, outcome)]
        if not seen.fired():
            wrongs.append("the outcome never came about")
        yield ended(row, way.name, seen, wrongs, _shown(outcome.ending))


def _not_as_in_the_table(writes: list[Write], outcome: FaultClass) -> Iterator[str]:
    """Of several writes of a kind, an outcome that comes about a counted number of times hits one."""
    wanted = _tuple(outcome.ending)
    hit = [write for write in writes if write.ending == wanted]
    others = [write for write in writes if write.ending != wanted]
    if not hit:
        yield f"none ended {_shown(outcome.ending)}"
    yield from (f"not {_shown(outcome.ending)}: {write}" for write in others if not _may_be_untouched(write, outcome))


def _may_be_untouched(write: Write, outcome: FaultClass) -> bool:
    return outcome.count is not None and write.ending == UNTOUCHED


def _tuple(ending: Ending) -> tuple[str, int, int]:
    return ending.state.value, ending.effects, ending.attempts


def _shown(ending: Ending) -> str:
    effects = "1 effect" if ending.effects == 1 else f"{ending.effects} effects"
    return f"{ending.state.value}, {effects}, {ending.attempts} sent"


AMBIGUITY: Final = Grid(
    "ambiguity", "every outcome for every kind of write", tuple(str(outcome) for outcome in OUTCOMES), _play_row
)
