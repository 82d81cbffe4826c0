"""`stockrelay dead-letters redrive`: many dead letters replayed at a set rate, watched and stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tasks.redis_client import server_ms
from workers.cli.arguments import by_option, filter_options, json_option
from workers.cli.edits import refusals
from workers.cli.relay import RefusedError, Relay, with_relay
from workers.cli.screen import Screen, print_json, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.dead_letter_records import Filter, Redrive


@click.group()
def redrive() -> None:
    """Replay many dead letters at a set rate; any worker of the vendor moves it on.

    Each keeps its own place: a held one stays where it is, a rejected one joins the end of its lane, in the order they
    were accepted. While the vendor is paused it waits.
    """


@redrive.command()
@filter_options
@click.option("--all", "every", is_flag=True, help="Needed to replay every dead letter, without a filter.")
@click.option(
    "--per-second", type=float, default=1.0, show_default=True, metavar="RATE", help="Replays a second at each vendor."
)
@by_option()
@json_option()
@with_relay
async def start(relay: Relay, *, wanted: Filter, every: bool, per_second: float, by: str, as_json: bool) -> None:
    """Begin to replay all dead letters that fit now; look at them with `dead-letters list` first.

    Prints one bulk replay for each vendor that has any. One that a person decides about meanwhile, or that dies again,
    is not replayed once more.

    --json: [{id, vendor, state, by, filter, per_second, total, replayed, skipped,
    left, left_alone [{key, why}], created_ms, ended_ms, cancelled_by}].
    """
    if not wanted.to_json() and not every:
        raise click.UsageError("say which dead letters: --vendor, --kind, --state, --reason, --text, --since, or --all")
    with refusals("the bulk replay"):
        begun = await relay.desk.redrive(wanted, by, per_second)
    if begun or as_json:
        await _print(relay, begun, in_json=as_json)
    if not begun:
        raise RefusedError("no dead letter that can be replayed fits")


@redrive.command(name="ls")
@json_option()
@with_relay
async def list_(relay: Relay, *, as_json: bool) -> None:
    """List the bulk replays, newest first, with their progress.

    --json: as `redrive start --json`.
    """
    await _print(relay, await relay.desk.redrives(), in_json=as_json)


@redrive.command()
@click.argument("redrive_id", metavar="ID")
@by_option()
@json_option()
@with_relay
async def cancel(relay: Relay, redrive_id: str, *, by: str, as_json: bool) -> None:
    """Stop a bulk replay.

    What was replayed runs on, what was not stays a dead letter. One that has ended stays as it is.

    --json: as `redrive start --json`, one of them.
    """
    stopped = await relay.desk.cancel_redrive(redrive_id, by)
    if as_json:
        print_json(stopped.public())
    else:
        Screen().line(f"{stopped.id} {stopped.state.value}: {_progress(stopped)}")


async def _print(relay: Relay, found: Sequence[Redrive], *, in_json: bool) -> None:
    if in_json:
        print_json([one.public() for one in found])
        return
    screen = Screen()
    if not found:
        screen.line("No bulk replays.")
        return
    now_ms = await server_ms(relay.redis)
    rows = [
        (
            one.id,
            one.vendor,
            one.state.value,
            span((now_ms - one.created_ms) / 1000),
            f"{one.per_second:g}/s",
            f"{_progress(one)}\n{_who(one)}",
        )
        for one in found
    ]
    screen.table(("ID", "VENDOR", "STATE", "SINCE", "RATE", "PROGRESS, AND WHO"), rows)


def _progress(one: Redrive) -> str:
    skipped = f", {one.skipped} left alone: " + "; ".join(_reasons(one)) if one.skipped else ""
    return f"{one.replayed} of {one.total} replayed{skipped}"


def _reasons(one: Redrive) -> list[str]:
    return list(dict.fromkeys(skipped.why for skipped in one.left_alone))


def _who(one: Redrive) -> str:
    wanted = ", ".join(f"{name} {value}" for name, value in one.filter.to_json().items()) or "all"
    return f"by {one.by}: {wanted}" + (f"; cancelled by {one.cancelled_by}" if one.cancelled_by else "")
