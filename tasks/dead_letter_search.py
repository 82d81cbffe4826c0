"""Finding dead letters over all vendors: newest first, page by page, from Redis' own indexes."""

from __future__ import annotations

import math
import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from tasks.dead_letter_records import DeadLetter, Filter, Page
from tasks.errors import DamagedRecordError
from tasks.ledger_reading import prefix_of
from tasks.records import CommandRecord, DamagedRecord, State
from tasks.registry import InvalidCommandError, Problem, kinds, vendors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

    from tasks.ledger import Ledger

#: The most letters of one page.
MAX_PAGE: Final = 1_000
#: Letters looked at in one call: about a second of the caller's time.
MAX_LOOKED: Final = 5_000
#: Letters read in one round trip: a few milliseconds of the server's time.
_CHUNK: Final = 100
#: Above every time in the ledger; floats count by ones up to it.
_LAST_MS: Final = 2**53
_CURSOR: Final = re.compile(r"(\d{1,16})\.([a-z]+)\.(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Mark:
    """A dead letter's place in the order: by its death, newest first, then by its vendor's name, then by its key."""

    died_ms: int
    vendor: str
    key: str

    def __str__(self) -> str:
        return f"{self.died_ms}.{self.vendor}.{self.key}"

    def stands_before(self, other: _Mark) -> bool:
        if self.died_ms != other.died_ms:
            return self.died_ms > other.died_ms
        if self.vendor != other.vendor:
            return self.vendor < other.vendor
        # the order in which Redis gives members of one score, turned round
        return self.key > other.key


class Search:
    """Reads dead letters. Redis errors come through as they are."""

    def __init__(self, redis: Redis, ledgers: Mapping[str, Ledger]) -> None:
        self._redis = redis
        self._ledgers = ledgers

    async def page(self, wanted: Filter, limit: int, after: str | None) -> Page:
        """Give one page; raises InvalidCommandError for a filter, limit or cursor that cannot be."""
        _check(wanted, limit)
        start = None if after is None else _parsed(after)
        found: list[DeadLetter] = []
        looked, last = 0, start
        walks = [_Walk(self._redis, vendor, wanted, start) for vendor in _chosen(wanted)]
        # the first look is for a page that fits as it stands, the later ones for a filter that little fits
        chunk = min(limit + 1, _CHUNK)
        ahead = await _next_of(walks, chunk)
        while ahead and looked < MAX_LOOKED:
            for letter, mark in zip(await self._read(ahead), ahead, strict=True):
                if len(found) == limit:
                    return Page(tuple(found), str(last), await self._total(wanted))
                last = mark
                if letter is not None and fits(letter, wanted):
                    found.append(letter)
            looked += len(ahead)
            chunk = min(2 * chunk, _CHUNK)
            ahead = await _next_of(walks, chunk)
        return Page(tuple(found), str(last) if ahead else None, await self._total(wanted))

    async def letter(self, vendor: str, key: str) -> DeadLetter | None:
        """Read one dead letter; None for what is none."""
        (found,) = await self._of_vendor(vendor, [key])
        return found

    async def count(self, vendor: str) -> int:
        """Count a vendor's dead letters."""
        return int(await self._redis.zcard(prefix_of(vendor) + "dead"))

    async def _total(self, wanted: Filter) -> int:
        return sum([await self.count(vendor) for vendor in _chosen(wanted)])

    async def _read(self, marks: Sequence[_Mark]) -> list[DeadLetter | None]:
        found: dict[_Mark, DeadLetter | None] = {}
        for vendor in {mark.vendor for mark in marks}:
            mine = [mark for mark in marks if mark.vendor == vendor]
            found.update(zip(mine, await self._of_vendor(vendor, [mark.key for mark in mine]), strict=True))
        return [found[mark] for mark in marks]

    async def _of_vendor(self, vendor: str, keys: Sequence[str]) -> list[DeadLetter | None]:
        found = await self._ledgers[vendor].letters(keys)
        return [_letter(vendor, key, kept) for key, kept in zip(keys, found, strict=True)]


class _Walk:
    """Walks over one vendor's dead letters, newest first, behind `start`."""

    def __init__(self, redis: Redis, vendor: str, wanted: Filter, start: _Mark | None) -> None:
        self._redis = redis
        self._vendor = vendor
        self._last = start
        self._low = "-inf" if wanted.since_ms is None else str(wanted.since_ms)
        self._high = "+inf" if wanted.until_ms is None else f"({wanted.until_ms}"
        if start is not None and (wanted.until_ms is None or start.died_ms < wanted.until_ms):
            self._high = str(start.died_ms)
        self._offset = 0
        self._ahead: deque[_Mark] = deque()
        self._is_over = False

    async def head(self) -> _Mark | None:
        """Show the next one, without going on."""
        while not self._ahead and not self._is_over:
            await self._look()
        return self._ahead[0] if self._ahead else None

    def go_on(self) -> None:
        """Leave the head behind."""
        self._ahead.popleft()

    async def _look(self) -> None:
        answer = await self._redis.zrange(
            prefix_of(self._vendor) + "dead",
            self._high,
            self._low,
            desc=True,
            byscore=True,
            offset=self._offset,
            num=_CHUNK,
            withscores=True,
        )
        found = [_Mark(_whole_ms(score), self._vendor, key) for key, score in cast("list[tuple[str, float]]", answer)]
        for mark in found:
            if self._last is None or self._last.stands_before(mark):
                self._ahead.append(mark)
                self._last = mark
        self._is_over = len(found) < _CHUNK
        if found:
            reached = str(found[-1].died_ms)
            # more of one moment than fit into one look: they are asked for by their number
            self._offset = self._offset + _CHUNK if reached == self._high else 0
            self._high = reached


async def _next_of(walks: Sequence[_Walk], count: int) -> list[_Mark]:
    """Go on over all vendors, whichever has the newest."""
    taken: list[_Mark] = []
    while len(taken) < count:
        heads = [(head, walk) for walk in walks if (head := await walk.head()) is not None]
        if not heads:
            break
        head, walk = min(heads, key=lambda one: (-one[0].died_ms, one[0].vendor))
        taken.append(head)
        walk.go_on()
    return taken


def fits(letter: DeadLetter, wanted: Filter) -> bool:
    """Tell whether a dead letter is one of those that are wanted; its moment was looked at on the way to it."""
    text = wanted.text.strip().casefold()
    return (
        wanted.kind in (None, letter.kind)
        and wanted.state in (None, letter.state)
        and wanted.reason.strip().casefold() in letter.reason.casefold()
        and any(
            text in place.casefold() for place in (letter.key, f"[cmd:{letter.key}]", letter.summary, *letter.lanes)
        )
    )  # fmt: skip


def _letter(vendor: str, key: str, kept: dict[str, Any]) -> DeadLetter | None:
    if not kept["is_dead"]:
        return None
    fields: dict[str, str] = kept["fields"]
    died_ms, decisions = _whole_ms(float(kept["died_ms"])), fields.get("decisions", "0")
    record = _record(vendor, key, fields, kept.get("problem"))
    return DeadLetter(record, died_ms, f"{died_ms}.{decisions if decisions.isdecimal() else 0}")


def _record(vendor: str, key: str, fields: dict[str, str], problem: str | None) -> CommandRecord | DamagedRecord:
    if not fields:
        return DamagedRecord(key, vendor, problem or "it is empty", fields)
    try:
        record = CommandRecord.from_hash(key, vendor, fields)
    except DamagedRecordError as error:
        return error.record
    if problem is None and record.state not in (State.REJECTED, State.HELD):
        problem = f"field state: {record.state.value} does not fit a dead letter"
    return record if problem is None else DamagedRecord(key, vendor, problem, fields)


def _whole_ms(score: float) -> int:
    return int(min(max(score, 0), _LAST_MS)) if not math.isnan(score) else 0


def _chosen(wanted: Filter) -> tuple[str, ...]:
    return vendors() if wanted.vendor is None else (wanted.vendor,)


def _parsed(after: str) -> _Mark:
    match = _CURSOR.fullmatch(after)
    if match is None or match[2] not in vendors():
        message = "not what a page gave; take it from the page before, or leave it out for the first"
        raise InvalidCommandError((Problem("after", repr(after[:80]), message),))
    return _Mark(int(match[1]), match[2], match[3])


def _check(wanted: Filter, limit: int) -> None:
    problems = []
    if wanted.vendor not in (None, *vendors()):
        problems.append(Problem("vendor", repr(wanted.vendor), f"unknown; send one of {', '.join(vendors())}"))
    if wanted.kind not in (None, *kinds()):
        problems.append(Problem("kind", repr(wanted.kind), f"unknown; send one of {', '.join(kinds())}"))
    if not 1 <= limit <= MAX_PAGE:
        problems.append(Problem("limit", str(limit), f"not 1 to {MAX_PAGE}"))
    if wanted.since_ms is not None and wanted.until_ms is not None and wanted.since_ms >= wanted.until_ms:
        problems.append(Problem("until_ms", str(wanted.until_ms), "not after since_ms, so that nothing can fit"))
    if problems:
        raise InvalidCommandError(tuple(problems))
