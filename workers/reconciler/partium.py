"""Comparing Partium: part types and assemblies as they were written last, and those that were deleted."""

from __future__ import annotations

import asyncio
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from tasks.catalog import comparable
from workers.reconciler.cells import compare
from workers.reconciler.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from tasks.ledger import Ledger
    from tasks.ports import Record
    from workers.reconciler.claims import Subject
    from workers.reconciler.comparison import Look
    from workers.reconciler.standings import Standing

#: What its reads cannot tell.
NOTE: Final = (
    "the catalog tells neither who wrote a record nor how often: the last value applied is compared with what is "
    "there, so a doubled write cannot be seen, and a record that nobody here has written is not looked at"
)
#: Records read at once: the adapter puts those that wait together into one request.
CHUNK_RECORDS: Final = 200


async def compare_partium(look: Look, port: Any, ledger: Ledger) -> None:
    """Note every difference."""
    await _compare_noun(look, "catalog part", port.part, ledger)
    await _compare_noun(look, "assembly", port.assembly, ledger)


async def _compare_noun(look: Look, noun: str, ask: Callable[[str], Awaitable[Record | None]], ledger: Ledger) -> None:
    for chunk in _chunks(look.of(noun)):
        what = f"{len(chunk)} records from {chunk[0][0]} to {chunk[-1][0]}"
        read = await look.read(what, partial(_together, ask, [subject.id for subject, _ in chunk]))
        if read is None:
            continue
        for (subject, standing), record in zip(chunk, read[0], strict=True):
            found = None if record is None else record.fields
            returned = Finding.MISSING
            if standing.gone is not None and found is not None:
                returned = await _returned(ledger, standing.gone.key, found)
            compare(look.findings, subject, standing, found, place=str(subject), same=_same, returned=returned)


def _chunks(found: Mapping[Subject, Standing]) -> Iterator[list[tuple[Subject, Standing]]]:
    left = iter(found.items())
    while chunk := list(islice(left, CHUNK_RECORDS)):
        yield chunk


async def _together(ask: Callable[[str], Awaitable[Record | None]], ids: Sequence[str]) -> list[Record | None]:
    return await asyncio.gather(*(ask(record_id) for record_id in ids))


async def _returned(ledger: Ledger, key: str, found: Mapping[str, Any]) -> Finding:
    """Tell a record that was never deleted, or is back as it was, from one that someone has made anew."""
    befores = [entry["before"] for entry in await ledger.evidence(key) if isinstance(entry.get("before"), dict)]
    was = befores[-1].get("fields") if befores else None
    return Finding.MISSING if was is None or comparable(was) == comparable(found) else Finding.FOREIGN


def _same(name: str, there: Any, wanted: Any) -> bool:
    return comparable({name: there}) == comparable({name: wanted})
