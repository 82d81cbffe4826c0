"""`stockrelay dead-letters`: what the vendor refused or nobody could decide, for a person to settle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from tasks.dead_letter_records import LetterState, Place
from tasks.dead_letter_search import MAX_PAGE
from tasks.effects import Effect
from tasks.errors import DamagedRecordError
from tasks.records import CommandRecord, DamagedRecord
from tasks.redis_client import server_ms
from workers.cli.arguments import by_option, filter_options, json_option, key_argument, reason_text, revision_option
from workers.cli.damage import print_damaged
from workers.cli.edits import diff_lines, refusals, values_of
from workers.cli.field_values import field_pair
from workers.cli.records import print_story, read_story
from workers.cli.redrives import redrive
from workers.cli.relay import Relay, with_relay
from workers.cli.screen import Screen, print_json, span, state_name
from workers.cli.story import state_of

if TYPE_CHECKING:
    from tasks.dead_letter_records import DeadLetter, Filter, Page

_LETTERS: Final = "stockrelay dead-letters"
_MARKER_ADVICE: Final = "A replay recognises what is there by its marker [cmd:...] only; without it, it sends again."
_NEWER_ADVICE: Final = "It sets a value: a replay overwrites whatever was set after it. See what is there now."
_CORRECTION: Final = "the corrected command"


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Look at, correct, replay or close dead letters.

    A rejected command was refused by the vendor and its lane went on. A held one needs a person to decide, and its
    lane waits for that.
    """


dead_letters.add_command(redrive)


@dead_letters.command(name="list")
@filter_options
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="At most so many.")
@click.option("--after", metavar="CURSOR", help="Go on behind an earlier list: its `after` of --json.")
@json_option()
@with_relay
async def list_(relay: Relay, *, wanted: Filter, limit: int, after: str | None, as_json: bool) -> None:
    """List the dead letters that fit all that is asked for, newest first, with their reasons.

    --json: total (of these vendors, whether they fit or not), after (null at the
    end), dead_letters [{key, kind, vendor, state, summary, reason, attempts,
    doubted, accepted_ms, died_ms, revision, edited_by, lanes, effect}].
    The state of a record that cannot be read is "damaged", its numbers null.
    """
    with refusals("the list"):
        page = await relay.desk.find(wanted, min(limit, MAX_PAGE), after)
        found = list(page.letters)
        while page.after is not None and len(found) < limit:
            page = await relay.desk.find(wanted, min(limit - len(found), MAX_PAGE), page.after)
            found += page.letters
    if as_json:
        shown = [letter.public() for letter in found]
        print_json({"total": page.total, "after": page.after, "dead_letters": shown})
    else:
        _print_list(found, page, await server_ms(relay.redis), is_filtered=bool(wanted.to_json()))


def _print_list(found: list[DeadLetter], page: Page, now_ms: int, *, is_filtered: bool) -> None:
    screen = Screen()
    if not found:
        screen.line("No dead letters." if not page.total else f"None of {page.total} dead letters fits.")
        return
    rows = [
        (
            letter.key,
            state_name(state_of(letter.record)),
            span((now_ms - letter.died_ms) / 1000),
            letter.kind,
            "\n".join(_about(letter)),
        )
        for letter in found
    ]
    screen.table(("KEY", "STATE", "SINCE", "KIND", "WHAT, AND WHY NOT"), rows)
    if page.after is not None:
        more = "more may fit" if is_filtered else f"{len(found)} of {page.total}"
        screen.line(f"{more}; --limit shows more")


def _about(letter: DeadLetter) -> list[str]:
    edited_by = letter.record.edited_by if isinstance(letter.record, CommandRecord) else None
    return [letter.summary, letter.reason, *([f"corrected by {edited_by}, not replayed yet"] if edited_by else [])]


@dead_letters.command()
@key_argument()
@json_option()
@with_relay
async def show(relay: Relay, key: str, *, as_json: bool) -> None:
    """Tell a dead letter's whole story, and what to do.

    --json: as `stockrelay show --json`.
    """
    letter = await _letter(relay, key)
    if isinstance(letter.record, DamagedRecord):
        # bytes that the list cannot carry are shown as they are kept
        kept = await relay.read(letter.key)
        await print_damaged(relay, kept if isinstance(kept, DamagedRecord) else letter.record, in_json=as_json)
    else:
        print_story(await read_story(relay, letter.record), in_json=as_json)
    if not as_json:
        screen = Screen()
        screen.title("What to do")
        as_seen = f"add --revision {letter.revision}: refused when somebody has decided meanwhile"
        screen.facts([*_advice(letter), ("as seen", as_seen)])


@dead_letters.command()
@key_argument()
@click.argument("edits", type=field_pair, nargs=-1, required=True, metavar="FIELD=VALUE...")
@click.option("--diff", "only_diff", is_flag=True, help="Show what would change, and keep nothing.")
@revision_option()
@by_option()
@json_option()
@with_relay
async def edit(
    relay: Relay,
    key: str,
    edits: tuple[tuple[str, str], ...],
    *,
    only_diff: bool,
    revision: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Correct a dead letter, for its next replay.

    It stays dead, what was asked originally stays on record, and the correction is kept with its author. VALUE is text
    where the field takes text, JSON where it does not (5, true, {"name": "B7"}); null takes the field out. A corrected
    command is checked like a new one. When and where the event was seen cannot be changed.

    --json: {key, kept, changes [{field, old, new}], old_summary, new_summary, old_lanes, new_lanes, leaves_its_lanes,
    revision}.
    """
    record = await _readable(relay, key)
    with refusals(_CORRECTION):
        values = values_of(record, edits)
        if only_diff:
            diff = await relay.desk.preview(record.key, values, revision=revision)
        else:
            diff = await relay.desk.edit(record.key, by, values, revision=revision)
    if as_json:
        print_json({"key": record.key, "kept": not only_diff, **diff.public()})
        return
    screen = Screen()
    screen.title(f"{record.key} {'would change' if only_diff else 'corrected'}" if diff.changes else "Nothing changes.")
    screen.facts(diff_lines(diff))


@dead_letters.command()
@key_argument()
@click.option(
    "--edit",
    "edits",
    type=field_pair,
    multiple=True,
    metavar="FIELD=VALUE",
    help="Correct a field first, as `edit` does; repeatable.",
)
@click.option(
    "--at",
    type=click.Choice([place.value for place in Place]),
    help="Where in its lanes: before all that wait, or behind all.",
)
@revision_option()
@by_option()
@json_option()
@with_relay
async def replay(
    relay: Relay,
    key: str,
    *,
    edits: tuple[tuple[str, str], ...],
    at: str | None,
    revision: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Run a dead letter again, corrected if need be.

    It keeps its key, and the original stays on record. The worker looks for the command's marker at the vendor first:
    what is there already is settled as applied and not sent again. A held command goes on in its place of the lane, a
    rejected one joins at the end, unless --at says otherwise. One whose correction puts it into other lanes needs --at
    when it was held.

    --json: {key, state, summary}.
    """
    record = await _readable(relay, key)
    with refusals(_CORRECTION):
        values = values_of(record, edits)
        place = None if at is None else Place(at)
        state = await relay.desk.replay(record.key, by, values, place, revision=revision)
    replayed = await relay.locate(record.key)
    if as_json:
        print_json({"key": record.key, "state": state.value, "summary": replayed.summary})
    else:
        Screen().line(f"{record.key} replayed, now ", state_name(state), f": {replayed.summary}")


@dead_letters.command()
@key_argument()
@click.option(
    "--reason", type=reason_text, metavar="TEXT", required=True, help="Why it stays undone; kept as evidence."
)
@revision_option()
@by_option()
@json_option()
@with_relay
async def discard(relay: Relay, key: str, *, reason: str, revision: str | None, by: str, as_json: bool) -> None:
    """Close a dead letter for good, undone.

    A lane that it blocked goes on.

    --json: {key, state "discarded", summary}.
    """
    letter = await _letter(relay, key)
    await relay.desk.discard(letter.key, by, reason, revision=revision)
    if as_json:
        print_json({"key": letter.key, "state": "discarded", "summary": letter.summary})
    else:
        Screen().line(f"{letter.key} discarded: {letter.summary}")


async def _letter(relay: Relay, key: str) -> DeadLetter:
    record = await relay.read(key)
    return await relay.desk.read(record.key)


async def _readable(relay: Relay, key: str) -> CommandRecord:
    letter = await _letter(relay, key)
    if isinstance(letter.record, DamagedRecord):
        raise DamagedRecordError(letter.record)
    return letter.record


def _advice(letter: DeadLetter) -> list[tuple[str, str]]:
    never = ("never", f"{_LETTERS} discard {letter.key} --reason TEXT")
    if letter.state is LetterState.DAMAGED:
        first = f"see what {letter.vendor} has: it may have been sent. If it was not, submit it anew after this."
        return [("first", first), never]
    needs_place = letter.state is LetterState.HELD and letter.leaves_its_lanes
    ways = [
        ("again", f"{_LETTERS} replay {letter.key}{' --at tail' if needs_place else ''}"),
        ("corrected", f"{_LETTERS} edit {letter.key} FIELD=VALUE --diff"),
        never,
    ]
    if letter.state is LetterState.HELD:
        waits = f"see what {letter.vendor} has. {_MARKER_ADVICE} Its lane waits for your decision."
        return [("first", waits), *ways]
    if letter.effect in (Effect.SET, Effect.UPSERT):
        return [("first", _NEWER_ADVICE), *ways]
    return ways
