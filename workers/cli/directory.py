"""`stockrelay directory`: what ids and part numbers stand for, as the stations are told. It shows no stock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from tasks.directory import MAX_CODE, Directory, ThingType
from workers.cli.arguments import json_option
from workers.cli.relay import RefusedError, Relay, with_relay
from workers.cli.screen import Screen, moment, print_json, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.directory import Summary, Thing
    from workers.cli.screen import Cell

_PLURALS: Final = {
    ThingType.PART: "parts",
    ThingType.STORAGE: "storage locations",
    ThingType.LOT: "lots",
    ThingType.ORDER: "open orders",
}


def code_text(text: str) -> str:
    """Read an id or a part number as it is typed or scanned."""
    code = text.strip()
    if not code or len(code) > MAX_CODE or not code.isprintable():
        raise click.BadParameter(f"is no id and no part number: 1 to {MAX_CODE} characters of plain text")
    return code


@click.command()
@click.argument("code", type=code_text, required=False, metavar="[ID_OR_MPN]")
@json_option()
@with_relay
async def directory(relay: Relay, *, code: str | None, as_json: bool) -> None:
    """Show how many things the directory knows and how old it is, or what one id or part number stands for.

    What is not found (exit code 1) is asked of the vendor by its worker with the next refresh.

    --json: {refreshed_ms, age_seconds, counts {part, storage, lot, order: number, null where the vendor refuses the
    list}, codes}, all null before the first refresh; with an id or part number [{id, type, name, archived,
    manufacturer}], several where a part number is not unique.
    """
    known = Directory(relay.redis)
    if code is None:
        _print_summary(await known.summary(), in_json=as_json)
        return
    thing = await known.resolve(code.lower())
    found = await known.parts_of(code) if thing is None else (thing,)
    if not found:
        asked = await known.wanted(code)
        raise RefusedError(f"{code}: not in the directory" + ("; a refresh is asked for" if asked else ""))
    _print_things(found, in_json=as_json)


def _print_summary(summary: Summary | None, *, in_json: bool) -> None:
    if in_json:
        print_json(_summary_json(summary))
        return
    screen = Screen()
    if summary is None:
        screen.line("The directory is empty: no worker has read it from the vendor yet.")
        return
    screen.facts(_facts(summary), indent=0)


def _summary_json(summary: Summary | None) -> dict[str, Any]:
    if summary is None:
        return {"refreshed_ms": None, "age_seconds": None, "counts": None, "codes": None}
    return {
        "refreshed_ms": summary.refreshed_ms,
        "age_seconds": summary.age_seconds,
        "counts": {each.value: count for each, count in summary.counts.items()},
        "codes": summary.codes,
    }


def _facts(summary: Summary) -> Iterator[tuple[str, Cell]]:
    for each, count in summary.counts.items():
        yield _PLURALS[each], "not shown to our key" if count is None else str(count)
    yield "part numbers", str(summary.codes)
    yield "age", f"{span(summary.age_seconds)} (read at {moment(summary.refreshed_ms)})"


def _print_things(found: tuple[Thing, ...], *, in_json: bool) -> None:
    if in_json:
        print_json([_thing_json(thing) for thing in found])
        return
    screen = Screen()
    screen.table(("ID", "TYPE", "NAME"), [(thing.id, thing.type.value, _named(thing)) for thing in found])
    if len(found) > 1:
        screen.line(f"{len(found)} parts have this number; scan a label with an id to name one")


def _thing_json(thing: Thing) -> dict[str, Any]:
    return {
        "id": thing.id,
        "type": thing.type.value,
        "name": thing.name,
        "archived": thing.archived,
        "manufacturer": thing.manufacturer,
    }


def _named(thing: Thing) -> str:
    maker = f" by {thing.manufacturer}" if thing.manufacturer else ""
    return f"{thing.name}{maker}{' (archived)' if thing.archived else ''}"
