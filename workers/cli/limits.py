"""`stockrelay limits`, `pause` and `resume`: a vendor's limits, shown and changed while everything runs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import click

from tasks.redis_client import server_ms
from tasks.registry import vendors
from workers.cli.arguments import by_option, json_option, reason_text, vendor_argument
from workers.cli.relay import Relay, with_relay
from workers.cli.screen import Screen, moment, print_json, span
from workers.limits import MAX_SPAN_SECONDS, LimitPolicy, LimitSnapshot, Rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.cli.screen import Cell


def parse_rates(text: str) -> tuple[Rate, ...]:
    """Read rates by comma, such as 2/1s+5,5000/1d."""
    try:
        return tuple(Rate.parse(part.strip()) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def limits_json(vendor: str, found: LimitSnapshot) -> dict[str, Any]:
    """Give a vendor's limits ready for JSON, with stable keys."""
    return {
        "vendor": vendor,
        "rates": [str(rate) for rate in found.rates],
        "concurrency": found.concurrency,
        "slot_seconds": found.slot_seconds,
        "live": found.live,
        "factor": found.factor,
        "probing": found.probing,
        "in_flight": found.in_flight,
        "ghosts": found.ghosts,
        "paused": found.operator_paused or found.paused_until_ms is not None,
        "paused_until_ms": found.paused_until_ms,
        "operator_paused": found.operator_paused,
        "pause_reason": found.pause_reason,
        "granted_total": found.granted_total,
        "waits_total": found.waits_total,
    }


def limit_facts(vendor: str, found: LimitSnapshot, now_ms: int) -> Iterator[tuple[str, Cell]]:
    """Give a vendor's limits as names and values for people."""
    rates = ", ".join(str(rate) for rate in found.rates) or "none"
    yield "rates", f"{rates} ({'changed live' if found.live else 'by the settings here'})"
    speed = "full" if found.factor >= 1 else f"{found.factor:.0%} of the rates after too many requests (429)"
    yield "speed", speed + (", one request at a time until one is accepted" if found.probing else "")
    ghosts = f", and {found.ghosts} kept for requests of unknown outcome" if found.ghosts else ""
    yield "slots", f"{found.in_flight} of {found.concurrency} in flight{ghosts}"
    yield "paused", _pause(vendor, found, now_ms)


def _pause(vendor: str, found: LimitSnapshot, now_ms: int) -> str:
    if found.operator_paused:
        return f"until `stockrelay resume {vendor}`: {found.pause_reason}"
    if found.paused_until_ms is None:
        return "no"
    left = span((found.paused_until_ms - now_ms) / 1000)
    return f"until {moment(found.paused_until_ms)} (in {left}): {found.pause_reason}"


@click.command()
@vendor_argument(required=False)
@click.option(
    "--rates",
    type=parse_rates,
    metavar="RATES",
    help="Rates that all hold, such as 2/1s+5,5000/1d; +5 may come at once.",
)
@click.option("--concurrency", type=click.IntRange(1, 1000), help="Requests in flight at once, over all processes.")
@click.option("--reset", is_flag=True, help="Back to the workers' own settings.")
@json_option()
@with_relay
async def limits(
    relay: Relay,
    vendor: str | None,
    *,
    rates: tuple[Rate, ...] | None,
    concurrency: int | None,
    reset: bool,
    as_json: bool,
) -> None:
    """Show the limits in force and their use, or change them live.

    A change holds at once in all processes and lasts, over restarts too, until --reset. It starts from what is shown:
    before the first one, that is the settings in this environment, so run it with the workers' STOCKRELAY_ settings.

    --json: [{vendor, rates [text], concurrency, slot_seconds, live, factor,
    probing, in_flight, ghosts, paused, paused_until_ms or null, operator_paused,
    pause_reason or null, granted_total, waits_total}]; factor 1 is full speed.
    """
    if rates is not None or concurrency is not None or reset:
        await _change(relay, vendor, rates, concurrency, reset=reset)
    chosen = vendors() if vendor is None else (vendor,)
    found = {name: await relay.limiter(name).snapshot() for name in chosen}
    if as_json:
        print_json([limits_json(name, snapshot) for name, snapshot in found.items()])
        return
    screen, now_ms = Screen(), await server_ms(relay.redis)
    for name, snapshot in found.items():
        screen.title(name)
        screen.facts((*limit_facts(name, snapshot, now_ms), *_totals(snapshot)))


def _totals(found: LimitSnapshot) -> Iterator[tuple[str, Cell]]:
    yield "a slot lives", f"{found.slot_seconds:g} s at most (by the settings here), if its worker is killed"
    yield "granted", f"{found.granted_total} so far, {found.waits_total} of them after a wait"


async def _change(
    relay: Relay, vendor: str | None, rates: tuple[Rate, ...] | None, concurrency: int | None, *, reset: bool
) -> None:
    if vendor is None:
        raise click.UsageError("name the vendor whose limits are to change")
    if reset and (rates is not None or concurrency is not None):
        raise click.UsageError("--reset goes with neither --rates nor --concurrency")
    limiter = relay.limiter(vendor)
    if reset:
        await limiter.configure(None)
        return
    found = await limiter.snapshot()
    in_force = LimitPolicy(found.rates, found.concurrency, found.slot_seconds)
    given = {"rates": rates, "concurrency": concurrency}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    await limiter.configure(dataclasses.replace(in_force, **changes))


@click.command()
@vendor_argument()
@click.option("--reason", type=reason_text, metavar="TEXT", help="Shown to everyone who asks why nothing is sent.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.001, MAX_SPAN_SECONDS),
    help="End by itself after so long; left out, it lasts until `stockrelay resume`.",
)
@by_option()
@with_relay
async def pause(relay: Relay, vendor: str, *, reason: str | None, seconds: float | None, by: str) -> None:
    """Send nothing to a vendor for a while.

    Accepted commands wait and lose no attempt; requests under way end normally. A longer pause in force stays.
    """
    limiter = relay.limiter(vendor)
    why = f"paused by {by}" + (f": {reason}" if reason else "")
    try:
        await limiter.pause(seconds, why)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--seconds") from None
    found = await limiter.snapshot()
    Screen().line(f"{vendor} is paused {_pause(vendor, found, await server_ms(relay.redis))}")


@click.command()
@vendor_argument()
@with_relay
async def resume(relay: Relay, vendor: str) -> None:
    """End every pause of a vendor, its own included.

    Workers notice within a second. Delayed commands go on when their own time has come.
    """
    limiter = relay.limiter(vendor)
    found = await limiter.snapshot()
    await limiter.resume()
    was_paused = found.operator_paused or found.paused_until_ms is not None
    Screen().line(f"{vendor} goes on" if was_paused else f"{vendor} was not paused")
