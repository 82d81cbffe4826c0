"""Bulk replays: written down in order, begun, listed and cancelled; `workers.redrive` moves them on."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final, cast

from redis.exceptions import ResponseError

from tasks.dead_letter_records import Filter, Redrive, RedriveState, Skipped
from tasks.errors import UnknownRedriveError
from tasks.ledger_reading import prefix_of
from tasks.records import CommandRecord
from tasks.registry import InvalidCommandError, Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from redis.asyncio import Redis

    from tasks.dead_letter_search import Search
    from tasks.ledger import Ledger

#: Letters of one bulk replay at one vendor: half a minute of reading, and a few MB while they are put in order.
MAX_LETTERS: Final = 100_000
#: Letters read in one step, and written in one call.
_CHUNK: Final = 500
#: What a process that died before it had begun has written down is gone after this.
_STAGED_SECONDS: Final = 900
#: Bulk replays of a vendor that are listed.
_LISTED: Final = 100
#: 48 bits: two of a month's bulk replays are never the same.
_ID_BYTES: Final = 6


class Redrives:
    """Begins, lists and cancels the bulk replays of all vendors."""

    def __init__(self, redis: Redis, search: Search, ledger_of: Callable[[str], Ledger]) -> None:
        self._redis = redis
        self._search = search
        self._ledger_of = ledger_of

    async def begin(self, wanted: Filter, by: str, per_second: float) -> tuple[Redrive, ...]:
        """Begin one bulk replay for each vendor that has letters which fit now."""
        begun = []
        for vendor, entries in (await self._chosen(wanted)).items():
            redrive_id = secrets.token_hex(_ID_BYTES)
            await self._stage(vendor, redrive_id, entries)
            await self._ledger_of(vendor).begin_redrive(redrive_id, by, wanted.to_json(), per_second)
            begun.append(await self.read(vendor, redrive_id))
        return tuple(redrive for redrive in begun if redrive is not None)

    async def _chosen(self, wanted: Filter) -> dict[str, list[str]]:
        """Find all that can be replayed, in the order they were accepted: so each lane gets them in its order."""
        found: dict[str, list[tuple[int, int, str]]] = {}
        after: str | None = None
        while True:
            page = await self._search.page(wanted, _CHUNK, after)
            for letter in page.letters:
                if isinstance(letter.record, CommandRecord):
                    # lines of one order share its place, and died in their order
                    order = (letter.record.accepted_place, letter.died_ms, f"{letter.revision} {letter.key}")
                    found.setdefault(letter.vendor, []).append(order)
            if max(map(len, found.values()), default=0) > MAX_LETTERS:
                message = f"fits more than {MAX_LETTERS} dead letters of one vendor; narrow it"
                raise InvalidCommandError((Problem("filter", json.dumps(wanted.to_json()), message),))
            if page.after is None:
                break
            after = page.after
        return {vendor: [entry for _, _, entry in sorted(orders)] for vendor, orders in sorted(found.items())}

    async def _stage(self, vendor: str, redrive_id: str, entries: list[str]) -> None:
        name = f"{prefix_of(vendor)}redrive:{redrive_id}:keys"
        for start in range(0, len(entries), _CHUNK):
            async with self._redis.pipeline(transaction=True) as pipeline:
                pipeline.rpush(name, *entries[start : start + _CHUNK])
                pipeline.expire(name, _STAGED_SECONDS)
                await pipeline.execute()

    async def list_of(self, vendor: str) -> list[Redrive]:
        """List a vendor's bulk replays, newest first."""
        ids = cast("list[str]", await self._redis.zrange(prefix_of(vendor) + "redrives", 0, _LISTED - 1, desc=True))
        found = [await self.read(vendor, redrive_id) for redrive_id in ids]
        return [redrive for redrive in found if redrive is not None]

    async def read(self, vendor: str, redrive_id: str) -> Redrive | None:
        """Read one; None for one that is not there, or cannot be read."""
        name = f"{prefix_of(vendor)}redrive:{redrive_id}"
        try:
            fields = await cast("Awaitable[dict[str, str]]", self._redis.hgetall(name))
            skipped = await cast("Awaitable[list[str]]", self._redis.lrange(name + ":left_alone", 0, -1))
            return _redrive(vendor, redrive_id, fields, skipped)
        except (KeyError, ValueError, TypeError, ResponseError):
            return None

    async def cancel(self, vendor: str, redrive_id: str, by: str) -> Redrive:
        """Stop one; raises UnknownRedriveError for one that is not this vendor's."""
        await self._ledger_of(vendor).cancel_redrive(redrive_id, by)
        redrive = await self.read(vendor, redrive_id)
        if redrive is None:
            raise UnknownRedriveError(f"{redrive_id}: no such bulk replay")
        return redrive


def _redrive(vendor: str, redrive_id: str, fields: Mapping[str, str], skipped: list[str]) -> Redrive:
    return Redrive(
        id=redrive_id,
        vendor=vendor,
        state=RedriveState(fields["state"]),
        by=fields["by"],
        filter=Filter.from_json(json.loads(fields["filter"])),
        per_second=float(fields["per_second"]),
        total=int(fields["total"]),
        replayed=int(fields["replayed"]),
        skipped=int(fields["skipped"]),
        left_alone=tuple(Skipped(**json.loads(entry)) for entry in skipped),
        created_ms=int(fields["created_ms"]),
        ended_ms=_maybe_int(fields.get("ended_ms")),
        cancelled_by=fields.get("cancelled_by"),
    )


def _maybe_int(text: Any) -> int | None:
    return None if text is None else int(text)
