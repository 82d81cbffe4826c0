"""`stockrelay status` and `stockrelay --check`: how everything stands, and whether it may run at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from redis.exceptions import ResponseError

from tasks.envelope import PARKED_STREAM
from tasks.records import DamagedRecord, State
from tasks.redis_client import Durability, durability_of
from tasks.registry import vendors
from workers.cli.arguments import json_option
from workers.cli.indexes import server_ms
from workers.cli.limits import limit_facts, limits_json
from workers.cli.relay import ConfigurationError, RefusedError, Relay, with_relay
from workers.cli.screen import Screen, print_json, span
from workers.cli.story import state_word
from workers.settings import Settings, SettingsError
from workers.vendor_settings import VENDOR_SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tasks.records import CommandRecord
    from workers.cli.screen import Cell
    from workers.limits import LimitSnapshot

_OPEN = (State.WAITING, State.READY, State.SENDING, State.DELAYED, State.IN_DOUBT)
_FINISHED = (State.APPLIED, State.REJECTED, State.HELD, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class VendorStatus:
    """How one vendor's commands stand."""

    vendor: str
    counts: Mapping[State, int]
    dead_letters: int
    #: The command that was accepted first of those neither finished nor dead; None when there is none.
    oldest: CommandRecord | DamagedRecord | None
    limits: LimitSnapshot


async def _read(relay: Relay, vendor: str) -> VendorStatus:
    ledger, indexes = relay.ledger(vendor), relay.indexes(vendor)
    wrong = await indexes.of_wrong_type()
    if wrong:
        named = ", ".join(f"{name} is a {kind}" for name, kind in wrong.items())
        raise RefusedError(f"the ledger of {vendor} is damaged, something else wrote into this Redis: {named}")
    oldest = await indexes.oldest_open()
    return VendorStatus(
        vendor,
        await ledger.counts(),
        await indexes.dead_count(),
        None if oldest is None else await ledger.read(oldest),
        await relay.limiter(vendor).snapshot(),
    )


async def _parked(relay: Relay) -> int | None:
    """Count the messages that never reached a task; None where the stream is none."""
    try:
        return int(await relay.redis.xlen(PARKED_STREAM))
    except ResponseError:
        return None


async def _durability(relay: Relay) -> Durability | None:
    """Ask how durable Redis is; None where the server does not tell."""
    try:
        return await durability_of(relay.redis)
    except ResponseError:  # CONFIG is often forbidden on managed servers
        return None


@click.command()
@json_option()
@with_relay
async def status(relay: Relay, *, as_json: bool) -> None:
    """Show how Redis and every vendor stand.

    Commands by state, dead letters, the oldest open command (parents of order lines left out), limits and pauses.
    Finished commands are counted since the beginning, also those that were forgotten after the retention.

    --json: now_ms, redis {address, durable (null: the server does not tell),
    weak {setting: {is, needs}}}, parked (messages that never reached a task, in
    the stream sr:parked; null: that is no stream), vendors [{vendor, counts {state: number},
    dead_letters, oldest {key, kind, state, summary, accepted_ms, age_seconds}
    or null, limits as in `stockrelay limits --json`}].
    """
    durability, parked = await _durability(relay), await _parked(relay)
    found = [await _read(relay, vendor) for vendor in vendors()]
    now_ms = await server_ms(relay.redis)
    if as_json:
        shown = [_vendor_json(each, now_ms) for each in found]
        redis = _redis_json(relay, durability)
        print_json({"now_ms": now_ms, "redis": redis, "parked": parked, "vendors": shown})
        return
    screen = Screen()
    screen.title("redis")
    screen.facts([("address", relay.address), ("keeps", _durability_words(durability)), *_parked_facts(parked)])
    for each in found:
        screen.title(each.vendor)
        screen.facts(_facts(each, now_ms))


def _redis_json(relay: Relay, durability: Durability | None) -> dict[str, Any]:
    weak = {} if durability is None else durability.weak
    return {
        "address": relay.address,
        "durable": None if durability is None else durability.is_durable,
        "weak": {name: {"is": value, "needs": need} for name, (value, need) in weak.items()},
    }


def _parked_facts(parked: int | None) -> list[tuple[str, Cell]]:
    if parked is None:
        return [("parked hints", f"cannot be counted: {PARKED_STREAM} is not a stream")]
    return [("parked hints", str(parked))] if parked else []


def _durability_words(durability: Durability | None) -> str:
    if durability is None:
        return "cannot be checked: CONFIG GET is not allowed"
    if durability.is_durable:
        return "every accepted command (durable)"
    return f"NOT every accepted command: {durability}"


def _vendor_json(each: VendorStatus, now_ms: int) -> dict[str, Any]:
    return {
        "vendor": each.vendor,
        "counts": {state.value: each.counts.get(state, 0) for state in State},
        "dead_letters": each.dead_letters,
        "oldest": _oldest_json(each.oldest, now_ms),
        "limits": limits_json(each.vendor, each.limits),
    }


def _oldest_json(oldest: CommandRecord | DamagedRecord | None, now_ms: int) -> dict[str, Any] | None:
    if oldest is None:
        return None
    return {
        "key": oldest.key,
        "kind": oldest.kind,
        "state": state_word(oldest),
        "summary": oldest.summary,
        "accepted_ms": None if isinstance(oldest, DamagedRecord) else oldest.accepted_ms,
        "age_seconds": None if isinstance(oldest, DamagedRecord) else (now_ms - oldest.accepted_ms) / 1000,
    }


def _facts(each: VendorStatus, now_ms: int) -> Iterator[tuple[str, Cell]]:
    for name, states in (("open", _OPEN), ("finished", _FINISHED)):
        yield name, ", ".join(f"{state.value.replace('_', ' ')} {each.counts.get(state, 0)}" for state in states)
    yield "dead letters", str(each.dead_letters)
    if isinstance(each.oldest, DamagedRecord):
        yield "oldest open", f"{each.oldest.key} (damaged: {each.oldest.problem})"
    elif each.oldest is not None:
        age = span((now_ms - each.oldest.accepted_ms) / 1000)
        yield "oldest open", f"{age}: {each.oldest.key} ({each.oldest.state.value.replace('_', ' ')})"
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
    durability = await _durability(relay)
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
            ("keeps", _durability_words(durability)),
        ],
        indent=0,
    )
