"""`stockrelay dead-letters`: what the vendor refused or nobody could decide, for a person to settle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from tasks.errors import DamagedRecordError
from tasks.records import CommandRecord, DamagedRecord, State
from tasks.registry import InvalidCommandError, vendors
from tasks.submit import to_new_command
from workers.cli.arguments import by_option, json_option, key_argument, reason_text
from workers.cli.damage import print_damaged
from workers.cli.edits import corrected, parse_edit
from workers.cli.indexes import server_ms
from workers.cli.records import print_story, read_story
from workers.cli.relay import RefusedError, Relay, with_relay
from workers.cli.screen import Screen, print_json, span, state_name, visible
from workers.cli.story import state_of, state_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tasks.records import NewCommand

_MARKER_ADVICE: Final = "A replay recognises what is there by its marker [cmd:...] only; without it, it sends again."


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Look at, correct, replay or close dead letters.

    A rejected command was refused by the vendor and its lane went on. A held one needs a person to decide, and its
    lane waits for that.
    """


@dead_letters.command(name="list")
@click.option("--vendor", type=click.Choice(vendors()), help="Only this vendor's.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@json_option()
@with_relay
async def list_(relay: Relay, *, vendor: str | None, limit: int, as_json: bool) -> None:
    """List the dead letters, newest first, with their reasons.

    --json: total, dead_letters [{key, kind, vendor, state, summary, reason,
    attempts, doubted, accepted_ms, updated_ms}]; updated_ms is when it died.
    The state of a record that cannot be read is "damaged", its numbers null.
    """
    chosen = vendors() if vendor is None else (vendor,)
    total = sum([await relay.indexes(name).dead_count() for name in chosen])
    found = [record for name in chosen for record in await relay.ledger(name).dead_letters(limit)]
    found = sorted(found, key=lambda record: record.updated_ms or 0, reverse=True)[:limit]
    if as_json:
        print_json({"total": total, "dead_letters": [_listed(record) for record in found]})
        return
    screen = Screen()
    if not found:
        screen.line("No dead letters.")
        return
    now_ms = await server_ms(relay.redis)
    rows = [
        (
            record.key,
            state_name(state_of(record)),
            "unknown" if record.updated_ms is None else span((now_ms - record.updated_ms) / 1000),
            record.kind,
            f"{record.summary}\n{_why(record)}",
        )
        for record in found
    ]
    screen.table(("KEY", "STATE", "SINCE", "KIND", "WHAT, AND WHY NOT"), rows)
    if total > len(found):
        screen.line(f"{len(found)} of {total}; --limit shows more")


@dead_letters.command()
@key_argument()
@json_option()
@with_relay
async def show(relay: Relay, key: str, *, as_json: bool) -> None:
    """Tell a dead letter's whole story, and what to do.

    --json: as `stockrelay show --json`.
    """
    record = await _read_dead(relay, key)
    if isinstance(record, DamagedRecord):
        await print_damaged(relay, record, in_json=as_json)
    else:
        print_story(await read_story(relay, record), in_json=as_json)
    if not as_json:
        screen = Screen()
        screen.title("What to do")
        screen.facts(_advice(record))


@dead_letters.command()
@key_argument()
@click.option(
    "--edit", "edits", type=parse_edit, multiple=True, metavar="FIELD=VALUE", help="Correct a field first; repeatable."
)
@by_option()
@with_relay
async def replay(relay: Relay, key: str, *, edits: tuple[tuple[str, str], ...], by: str) -> None:
    """Run a dead letter again, corrected if need be.

    It keeps its key, and the original stays on record. The worker looks for the command's marker at the vendor first:
    what is there already is settled as applied and not sent again. A held command goes on in its place of the lane, a
    rejected or corrected one joins at the end.

    VALUE is text where the field takes text, JSON where it does not (5, true, {"name": "B7"}); null takes the field
    out. A corrected command is checked like a new one. When and where the event was seen cannot be changed.
    """
    record = await _read_dead(relay, key)
    if isinstance(record, DamagedRecord):
        raise DamagedRecordError(record)
    new = _corrected(record, dict(edits)) if edits else None
    state = await relay.ledger(record.vendor).replay(record.key, by, new)
    Screen().line(f"{record.key} replayed, now ", state_name(state), f": {new.summary if new else record.summary}")


@dead_letters.command()
@key_argument()
@click.option(
    "--reason", type=reason_text, metavar="TEXT", required=True, help="Why it stays undone; kept as evidence."
)
@by_option()
@with_relay
async def discard(relay: Relay, key: str, *, reason: str, by: str) -> None:
    """Close a dead letter for good, undone.

    A lane that it blocked goes on.
    """
    record = await _read_dead(relay, key)
    await relay.ledger(record.vendor).discard(record.key, by, reason)
    Screen().line(f"{record.key} discarded: {record.summary}")


def _corrected(record: CommandRecord, edits: Mapping[str, str]) -> NewCommand:
    try:
        return to_new_command(corrected(record, edits), record.key, record.client)
    except InvalidCommandError as error:
        problems = "\n".join(f"  {visible(str(problem))}" for problem in error.problems)
        raise click.UsageError(f"the corrected command is refused:\n{problems}") from None


async def _read_dead(relay: Relay, key: str) -> CommandRecord | DamagedRecord:
    record = await relay.read(key)
    if not await relay.indexes(record.vendor).is_dead_letter(record.key):
        discarded = isinstance(record, CommandRecord) and record.discarded_by
        state = "discarded" if discarded else state_word(record).replace("_", " ")
        raise RefusedError(f"{record.key} is {state}, not a dead letter")
    return record


def _why(record: CommandRecord | DamagedRecord) -> str:
    return record.problem if isinstance(record, DamagedRecord) else record.reason


def _listed(record: CommandRecord | DamagedRecord) -> dict[str, Any]:
    readable = None if isinstance(record, DamagedRecord) else record
    return {
        "key": record.key,
        "kind": record.kind,
        "vendor": record.vendor,
        "state": state_word(record),
        "summary": record.summary,
        "reason": _why(record),
        "attempts": readable and readable.attempts,
        "doubted": readable and readable.doubted,
        "accepted_ms": readable and readable.accepted_ms,
        "updated_ms": record.updated_ms,
    }


def _advice(record: CommandRecord | DamagedRecord) -> list[tuple[str, str]]:
    letters = "stockrelay dead-letters"
    never = ("never", f"{letters} discard {record.key} --reason TEXT")
    if isinstance(record, DamagedRecord):
        first = f"see what {record.vendor} has: it may have been sent. If it was not, submit it anew after this."
        return [("first", first), never]
    ways = [
        ("again", f"{letters} replay {record.key}"),
        ("corrected", f"{letters} replay {record.key} --edit FIELD=VALUE"),
        never,
    ]
    if record.state is not State.HELD:
        return ways
    return [("first", f"see what {record.vendor} has. {_MARKER_ADVICE} Its lane waits for your decision."), *ways]
