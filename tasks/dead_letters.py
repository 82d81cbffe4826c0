"""The dead-letter desk: what a person may ask about commands that were refused or held, and may decide."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from tasks.dead_letter_edits import corrected, diff_of, schema_of, stored
from tasks.dead_letter_records import Lane, LetterState, Neighbour
from tasks.dead_letter_redrives import Redrives
from tasks.dead_letter_search import Search
from tasks.errors import DamagedRecordError, TransitionRefusedError, UnknownCommandError, UnknownRedriveError
from tasks.ledger import RETENTION_DAYS, Ledger
from tasks.people import person_name, reason_words
from tasks.records import CommandRecord, DamagedRecord
from tasks.registry import InvalidCommandError, Problem, vendors
from tasks.submit import to_new_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio import Redis

    from tasks.dead_letter_records import DeadLetter, Diff, Filter, Page, Place, Redrive
    from tasks.records import NewCommand, State

#: The fastest bulk replay: a thousand commands are in the queue after ten seconds, which a person can still stop.
MAX_PER_SECOND: Final = 100.0
#: The slowest: one an hour.
MIN_PER_SECOND: Final = 1 / 3600
#: So many of a lane are named.
_NEIGHBOURS: Final = 5
#: A refused text is quoted back this long, no longer.
_SHOWN_LENGTH: Final = 80


class DeadLetters:
    """The desk over all vendors, shared by the command line and the page.

    Every decision takes `by`, the person's name, which is kept as evidence, and may take `revision`, that of the dead
    letter as it was shown: it is refused when the letter has changed since. Errors:

    - UnknownCommandError (no such command) and UnknownRedriveError (no such bulk replay);
    - TransitionRefusedError: not a dead letter (any more), changed since it was shown, or a place must be chosen;
    - DamagedRecordError: its record cannot be read, so that it can only be discarded;
    - InvalidCommandError: its `problems` name every field of the correction, or argument, that is wrong;
    - Redis errors come through as they are: then nothing is promised, and the letter must be looked at again.
    """

    def __init__(self, redis: Redis, *, retention_days: float = RETENTION_DAYS) -> None:
        self._ledgers = {vendor: Ledger(redis, vendor, retention_days=retention_days) for vendor in vendors()}
        self._search = Search(redis, self._ledgers)
        self._redrives = Redrives(redis, self._search, self._ledgers.__getitem__)

    # looking

    async def find(self, wanted: Filter, limit: int = 50, after: str | None = None) -> Page:
        """Find dead letters, newest first; `after` is the `after` of the page before. `limit`: 1 to 1,000.

        One call looks at 5,000 dead letters at most, so a page may be short and still go on.
        """
        return await self._search.page(wanted, limit, after)

    async def counts(self) -> dict[str, int]:
        """Count the dead letters of each vendor."""
        return {vendor: await self._search.count(vendor) for vendor in self._ledgers}

    async def read(self, key: str) -> DeadLetter:
        """Read one dead letter."""
        for vendor in self._ledgers:
            letter = await self._search.letter(vendor, key)
            if letter is not None:
                return letter
        for ledger in self._ledgers.values():
            record = await ledger.read(key)
            if record is not None:
                raise TransitionRefusedError(f"{key} is {_standing(record)}, not a dead letter")
        raise UnknownCommandError(f"{key}: no such command; finished ones are forgotten after the retention")

    async def evidence(self, key: str) -> list[dict[str, Any]]:
        """Read what was seen, sent and answered, and what people did, oldest first, free of secrets as it was kept.

        Every entry has `at_ms` and `what`; where there are any: `attempt`, `owner`, `before` (the before-image),
        `exchange` {operation, request, status, answer, elapsed_ms}, `after` (the vendor's entries), `note`, `by`.
        """
        letter = await self.read(key)
        return await self._ledgers[letter.vendor].evidence(key)

    async def lanes(self, key: str) -> tuple[Lane, ...]:
        """Tell how long the lanes are that it stands in, or would, and who stands at their heads."""
        letter = await self.read(key)
        ledger = self._ledgers[letter.vendor]
        found = []
        for name in letter.lanes:
            length, keys = await ledger.lane(name, _NEIGHBOURS)
            records = [(other, await ledger.read(other)) for other in keys]
            found.append(Lane(name, length, tuple(_neighbour(other, record) for other, record in records)))
        return tuple(found)

    def schema(self, kind: str) -> dict[str, Any]:
        """Give the JSON schema of a kind's command; the fields that never change are `readOnly`."""
        return schema_of(kind)

    # deciding

    async def preview(self, key: str, edits: Mapping[str, Any], *, revision: str | None = None) -> Diff:
        """Tell what a correction would change, checked like a new command; nothing is kept.

        `edits` are JSON values by field; None takes a field out. They change the command as corrected so far.
        """
        letter, record = await self._readable(key)
        if revision is not None and revision != letter.revision:
            raise TransitionRefusedError(f"{key} is {_standing(record)}, and has changed since it was looked at")
        return diff_of(record, corrected(record, edits), letter.revision)

    async def edit(self, key: str, by: str, edits: Mapping[str, Any], *, revision: str | None = None) -> Diff:
        """Keep a correction with its author; the letter stays dead, and a replay sends it so.

        What was asked originally stays on record, and each correction is evidence. One that leads back to the command
        as it was sent takes the kept correction back.
        """
        by = _checked("by", by, person_name)
        letter, record = await self._readable(key)
        diff, new = _corrected(letter, record, edits)
        is_back = json.loads(new.command) == stored(record.command)
        await self._ledgers[letter.vendor].edit(
            key,
            by,
            None if is_back else new,
            revision=revision or letter.revision,
            changes=[asdict(change) for change in diff.changes],
        )
        return diff

    async def replay(
        self,
        key: str,
        by: str,
        edits: Mapping[str, Any] | None = None,
        at: Place | None = None,
        *,
        revision: str | None = None,
    ) -> State:
        """Run a dead letter again under its key, corrected first where `edits` says so; returns its state now.

        A held one stays in its place and a rejected one joins the tail, unless `at` says otherwise. A held one whose
        correction puts it into other lanes has no place there: `at` must say one.
        """
        by = _checked("by", by, person_name)
        letter, record = await self._readable(key)
        ledger = self._ledgers[letter.vendor]
        if not edits:
            return await ledger.replay(key, by, at=at, revision=revision)
        diff, new = _corrected(letter, record, edits)
        changes = [asdict(change) for change in diff.changes]
        return await ledger.replay(key, by, new, at=at, revision=revision or letter.revision, changes=changes)

    async def discard(self, key: str, by: str, reason: str, *, revision: str | None = None) -> None:
        """Close a dead letter for good, undone; a lane that it blocked goes on."""
        by, reason = _checked("by", by, person_name), _checked("reason", reason, reason_words)
        letter = await self.read(key)
        await self._ledgers[letter.vendor].discard(key, by, reason, revision=revision)

    # many at once

    async def redrive(self, wanted: Filter, by: str, per_second: float) -> tuple[Redrive, ...]:
        """Begin to replay all that fit now, in the order they were accepted, so many a second at each vendor.

        Gives one bulk replay for each vendor that has any; damaged ones are left out. Each letter is replayed in its
        own place, once: one that a person decided about meanwhile is skipped. Survives any process, and waits while the
        vendor is paused.
        """
        by = _checked("by", by, person_name)
        if not (math.isfinite(per_second) and MIN_PER_SECOND <= per_second <= MAX_PER_SECOND):
            message = f"not between one an hour and {MAX_PER_SECOND:g} a second"
            raise InvalidCommandError((Problem("per_second", str(per_second), message),))
        return await self._redrives.begin(wanted, by, per_second)

    async def redrives(self) -> tuple[Redrive, ...]:
        """List the bulk replays, newest first; ended ones are forgotten after the retention."""
        found = [redrive for vendor in self._ledgers for redrive in await self._redrives.list_of(vendor)]
        return tuple(sorted(found, key=lambda redrive: redrive.created_ms, reverse=True))

    async def cancel_redrive(self, redrive_id: str, by: str) -> Redrive:
        """Stop a bulk replay: what was not replayed yet stays a dead letter. One that has ended stays as it is."""
        by = _checked("by", by, person_name)
        for vendor in self._ledgers:
            if await self._redrives.read(vendor, redrive_id) is not None:
                return await self._redrives.cancel(vendor, redrive_id, by)
        raise UnknownRedriveError(f"{redrive_id}: no such bulk replay; ended ones are forgotten after the retention")

    async def _readable(self, key: str) -> tuple[DeadLetter, CommandRecord]:
        letter = await self.read(key)
        if isinstance(letter.record, DamagedRecord):
            raise DamagedRecordError(letter.record)
        return letter, letter.record


def _checked(field: str, text: str, rule: Callable[[str], str]) -> str:
    try:
        return rule(text)
    except ValueError as error:
        raise InvalidCommandError((Problem(field, json.dumps(text)[:_SHOWN_LENGTH], str(error)),)) from None


def _corrected(letter: DeadLetter, record: CommandRecord, edits: Mapping[str, Any]) -> tuple[Diff, NewCommand]:
    command = corrected(record, edits)
    diff = diff_of(record, command, letter.revision)
    if not diff.changes:
        message = "they change nothing; leave them out to replay the command as it is"
        raise InvalidCommandError((Problem("edits", ", ".join(edits) or "none", message),))
    return diff, to_new_command(command, record.key, record.client)


def _standing(record: CommandRecord | DamagedRecord) -> str:
    if isinstance(record, DamagedRecord):
        return LetterState.DAMAGED.value
    return "discarded" if record.discarded_by else record.state.value.replace("_", " ")


def _neighbour(key: str, record: CommandRecord | DamagedRecord | None) -> Neighbour:
    if isinstance(record, CommandRecord):
        return Neighbour(key, record.state.value, record.summary)
    return Neighbour(key, LetterState.DAMAGED.value, "" if record is None else record.summary)
