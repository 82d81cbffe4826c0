"""`stockrelay show` and `stockrelay cancel`: one command, looked at or taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tasks.records import DamagedRecord, State
from tasks.redis_client import server_ms
from workers.cli.arguments import by_option, json_option, key_argument
from workers.cli.damage import print_damaged
from workers.cli.relay import RefusedError, Relay, with_relay
from workers.cli.screen import Screen, print_json
from workers.cli.story import Story, as_json, tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tasks.records import CommandRecord


async def read_story(relay: Relay, record: CommandRecord) -> Story:
    """Read everything that is known of a command."""
    ledger, indexes = relay.ledger(record.vendor), relay.indexes(record.vendor)

    async def found(names: Iterable[str]) -> list[CommandRecord | DamagedRecord]:
        # a child at another vendor is named with it, as vendor:key
        parted = [name.rpartition(":") for name in names]
        places = [(relay.ledger(vendor) if vendor else ledger, key) for vendor, _, key in parted]
        return [other for place, key in places if (other := await place.read(key)) is not None]

    return Story(
        record=record,
        evidence=await ledger.evidence(record.key),
        children=await found(record.children),
        ahead=await found(await indexes.ahead_of(record)) if record.state is State.WAITING else [],
        now_ms=await server_ms(relay.redis),
    )


@click.command()
@key_argument()
@json_option()
@with_relay
async def show(relay: Relay, key: str, *, as_json: bool) -> None:
    """Tell a command's whole story.

    What was asked, where it stands, every try with its before-image, request and answer, and the proof.

    KEY is the command's key, its first 6 or more characters, or the marker [cmd:...] from a vendor's comment.

    --json: key, kind, vendor, state, summary, reason, client, attempts, waits,
    looks, failed_looks, crashes, doubted, accepted_ms, updated_ms, due_ms, now_ms,
    command, original, corrected, edited_by, lanes, before, refusal, confirmed, receipt, parent,
    progress {done, total, failed} or null, children and ahead [{key, state,
    summary}], replayed_by, discarded_by, evidence [as it was kept, oldest first].
    Of a record that cannot be read: key, vendor, state "damaged", reason,
    fields {name: text as it is kept}, evidence.
    """
    record = await relay.read(key)
    if isinstance(record, DamagedRecord):
        await print_damaged(relay, record, in_json=as_json)
    else:
        print_story(await read_story(relay, record), in_json=as_json)


def print_story(told: Story, *, in_json: bool) -> None:
    """Print a story in the form asked for."""
    if in_json:
        print_json(as_json(told))
    else:
        tell(told, Screen())


@click.command()
@key_argument()
@by_option()
@with_relay
async def cancel(relay: Relay, key: str, *, by: str) -> None:
    """Take back a command that no worker has begun.

    Its lane goes on without it. What may have reached the vendor cannot be taken back: send the opposite movement.
    """
    record = await relay.locate(key)
    if record.total:
        raise RefusedError(
            f"{record.key} has become {record.total} commands, one per line; `stockrelay show` lists them"
        )
    if await relay.indexes(record.vendor).is_dead_letter(record.key):
        raise RefusedError(f"{record.key} is a dead letter; close it with `stockrelay dead-letters discard`")
    await relay.ledger(record.vendor).cancel(record.key, by)
    Screen().line(f"{record.key} cancelled: {record.summary}")
