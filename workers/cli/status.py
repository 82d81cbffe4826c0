"""`stockrelay status` and `stockrelay --check`: how everything stands, and whether it may run at all."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import click

from tasks.records import DamagedRecord, State
from workers.cli.arguments import json_option
from workers.cli.limits import limit_facts
from workers.cli.relay import ConfigurationError, RefusedError, Relay, with_relay
from workers.cli.screen import Screen, print_json, span
from workers.cli.standing import OPEN_STATES, read_durability, read_status
from workers.cli.standing_words import NOBODY_SEEN, blocked_words, durability_words, parked_words, process_words
from workers.cli.watch import MAX_EVERY_SECONDS, MIN_EVERY_SECONDS, watch
from workers.settings import Settings, SettingsError
from workers.vendor_settings import VENDOR_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.cli.screen import Cell
    from workers.cli.standing import Status, VendorStatus

_FINISHED = (State.APPLIED, State.REJECTED, State.HELD, State.CANCELLED)


@click.command()
@click.option("--watch", "is_watching", is_flag=True, help="Show it anew until Ctrl-C; with --json a line each time.")
@click.option(
    "--every",
    "every_seconds",
    type=click.FloatRange(MIN_EVERY_SECONDS, MAX_EVERY_SECONDS),
    default=2.0,
    metavar="SECONDS",
    show_default=True,
    help="Between two looks of --watch.",
)
@json_option()
@with_relay
async def status(relay: Relay, *, is_watching: bool, every_seconds: float, as_json: bool) -> None:
    """Show how Redis, every vendor and every process stand.

    Commands by state, dead letters, the oldest open command (parents of order lines left out), lanes in which others
    wait behind a held, doubtful or delayed command, limits and pauses; the processes seen within the last minute.
    Finished commands are counted since the beginning, also those that were forgotten after the retention.

    --json: now_ms, redis {address, durable (null: the server does not tell),
    weak {setting: {is, needs}}}, parked (messages that never reached a task, in
    the stream sr:parked; null: that is no stream), vendors [{vendor, counts {state: number},
    dead_letters, oldest {key, kind, state, summary, accepted_ms, age_seconds}
    or null, blocked_lanes [{lane, key, state, since_ms or null, behind}],
    waiting_for_newer (commands of kinds or fields that only a newer release has),
    limits as in `stockrelay limits --json`}], processes [{role, serves, host, pid,
    release, started_ms, ahead_seconds (its clock less Redis', or null),
    seconds_ago, silent}].
    """
    read = partial(read_status, relay)
    if is_watching:
        await watch(read, every_seconds, as_json=as_json)
    elif as_json:
        print_json((await read()).shown())
    else:
        _print(await read())


def _print(found: Status) -> None:
    screen = Screen()
    screen.title("redis")
    parked = [("parked hints", words)] if (words := parked_words(found.parked)) else []
    screen.facts([("address", found.address), ("keeps", durability_words(found.durability)), *parked])
    for each in found.vendors:
        screen.title(each.vendor)
        screen.facts(_facts(each, found.now_ms))
    screen.title("processes")
    for seen in found.processes:
        screen.line("  ", process_words(seen, found.now_ms))
    if not found.processes:
        screen.line("  ", NOBODY_SEEN)


def _facts(each: VendorStatus, now_ms: int) -> Iterator[tuple[str, Cell]]:
    for name, states in (("open", OPEN_STATES), ("finished", _FINISHED)):
        yield name, ", ".join(f"{state.value.replace('_', ' ')} {each.counts.get(state, 0)}" for state in states)
    yield "dead letters", str(each.dead_letters)
    if isinstance(each.oldest, DamagedRecord):
        yield "oldest open", f"{each.oldest.key} (damaged: {each.oldest.problem})"
    elif each.oldest is not None:
        age = span((now_ms - each.oldest.accepted_ms) / 1000)
        yield "oldest open", f"{age}: {each.oldest.key} ({each.oldest.state.value.replace('_', ' ')})"
    if each.blocked:
        yield "blocked lanes", f"{len(each.blocked)}, the longest: {blocked_words(each.blocked[0], now_ms)}"
    if each.newer:
        yield "unknown here", f"{each.newer} wait for a worker of a newer release"
    yield from limit_facts(each.vendor, each.limits, now_ms)


def check(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  click's own form
    """Check the settings and Redis as a worker would, and exit."""
    if wanted and not ctx.resilient_parsing:
        _check()
        ctx.exit()


@with_relay
async def _check(relay: Relay) -> None:
    try:
        settings = Settings.from_environment(os.environ)
    except SettingsError as error:
        raise ConfigurationError(str(error)) from None
    durability = await read_durability(relay)
    await relay.redis.ping()
    if durability is not None and not durability.is_durable and not settings.ledger.allow_weak_redis:
        raise RefusedError(f"Redis at {relay.address} would lose accepted commands: {durability}")
    Screen().facts(
        [
            ("settings", "good"),
            *(
                (vendor, "has its secrets" if vendor in settings.vendors else "has no secrets here")
                for vendor in VENDOR_SETTINGS
            ),
            ("redis", relay.address),
            ("keeps", durability_words(durability)),
        ],
        indent=0,
    )
