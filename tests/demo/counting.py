"""The counts that must be 0: writes, marks, order, stock and records. Each can fail; see its unit test."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.checker.evidence import Json, Step
    from tests.demo.books import Shelf
    from tests.demo.scenario import Write


@dataclass
class Wrongs:
    """What is wrong at one vendor; everything must be empty."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    over_limit: list[str] = field(default_factory=list)
    not_applied: list[str] = field(default_factory=list)
    wrong_at_end: list[str] = field(default_factory=list)
    spent_in_pauses: list[str] = field(default_factory=list)
    fault_not_fired: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, list[str]]:
        """Give every count that must be 0."""
        return dict(vars(self))

    @property
    def any(self) -> bool:
        """Tell whether anything is wrong."""
        return any(self.counts().values())


def count_writes(wrongs: Wrongs, planned: list[Write], found: list[Write]) -> None:
    """Compare the writes themselves, without any help of the ledger."""
    wanted, there = Counter(planned), Counter(found)
    wrongs.lost += map(str, (wanted - there).elements())
    for write in (there - wanted).elements():
        (wrongs.doubled if write in wanted else wrongs.unexpected).append(str(write))


def count_markers(wrongs: Wrongs, effects: list[Json]) -> None:
    """One command's mark on two effects is a double, even where two alike were planned."""
    marks = Counter(effect["marker"] for effect in effects if effect["marker"])
    wrongs.doubled += [f"marker {marker}" for marker, count in marks.items() if count > 1]


def count_stock_order(wrongs: Wrongs, steps: Sequence[Step], effects: list[Json]) -> None:
    """On each part the vendor's entries must come in the order in which the commands were accepted."""
    accepted = [step.key for step in steps if step.state == "accepted"]
    position = {f"[cmd:{key}]": number for number, key in enumerate(accepted)}
    by_part: dict[str, list[int]] = defaultdict(list)
    for effect in effects:
        # an order names no parts: of two that are read at the same time, either's line may come first
        if effect["operation"] != "order/receive":
            for part in effect["part_ids"]:
                by_part[part].append(position.get(effect["marker"], -1))
    wrongs.out_of_order += [f"part {part}: {found}" for part, found in by_part.items() if found != sorted(found)]


def count_record_order(wrongs: Wrongs, planned: list[Write], found: list[Write]) -> None:
    """What replaces something must come in the order in which its one sender posted it."""
    wanted, there = _by_subject(planned), _by_subject(found)
    for subject, writes in wanted.items():
        if Counter(writes) == Counter(there[subject]) and writes != there[subject]:
            wrongs.out_of_order.append(f"{subject}: " + ", then ".join(write.value for write in there[subject]))


def _by_subject(writes: list[Write]) -> dict[str, list[Write]]:
    found: dict[str, list[Write]] = defaultdict(list)
    for write in writes:
        if not write.moves_stock:
            found[write.subject].append(write)
    return found


def count_state(wrongs: Wrongs, morning: Shelf, planned: list[Write], evening: Shelf) -> None:
    """What is there must be what was there in the morning, and the plan done to it."""
    expected = dict(morning)
    for write in planned:
        if write.moves_stock:
            expected[write.subject] = str(int(expected.get(write.subject, 0)) + int(write.value))
        elif write.operation.endswith("/delete"):
            expected.pop(write.subject, None)
        else:
            expected[write.subject] = write.value
    for subject in sorted({*expected, *evening}):
        wanted, there = expected.get(subject), evening.get(subject)
        if wanted != there and {wanted, there} != {None, "0"}:
            wrongs.wrong_at_end.append(f"{subject}: {_shown(there)} instead of {_shown(wanted)}")


def _shown(value: str | None) -> str:
    return "nothing" if value is None else value or "no text"


def count_reads(wrongs: Wrongs, wanted: set[str], requests: list[Json]) -> None:
    """Of a vendor that is only read, everything wanted must have been read, and nothing else."""
    read = {subject for request in requests if request["outcome"] == "ok" for subject in request["subjects"]}
    wrongs.lost += sorted(wanted - read)
    wrongs.unexpected += sorted(read - wanted)
