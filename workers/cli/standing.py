"""How everything stands at one moment: Redis, every vendor, every process; read whole, and ready for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import ResponseError

from tasks.envelope import PARKED_STREAM
from tasks.presence import processes
from tasks.records import DamagedRecord, State
from tasks.redis_client import Durability, durability_of, server_ms
from tasks.registry import vendors
from workers.cli.limits import limits_json
from workers.cli.relay import RefusedError
from workers.cli.story import state_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.presence import Seen
    from tasks.records import CommandRecord
    from workers.cli.indexes import BlockedLane
    from workers.cli.relay import Relay
    from workers.limits import LimitSnapshot

OPEN_STATES: Final = (State.WAITING, State.READY, State.SENDING, State.DELAYED, State.IN_DOUBT)


@dataclass(frozen=True, slots=True)
class VendorStatus:
    """How one vendor's commands stand."""

    vendor: str
    counts: Mapping[State, int]
    dead_letters: int
    #: The command that was accepted first of those neither finished nor dead; None when there is none.
    oldest: CommandRecord | DamagedRecord | None
    #: Lanes in which others wait behind a command that is stuck, the longest first.
    blocked: Sequence[BlockedLane]
    #: Commands that wait for a worker of a newer release.
    newer: int
    limits: LimitSnapshot

    @property
    def open(self) -> int:
        """Count the commands that are neither finished nor dead letters."""
        return sum(self.counts.get(state, 0) for state in OPEN_STATES)


@dataclass(frozen=True, slots=True)
class Status:
    """How everything stands at one moment of the Redis server's clock."""

    now_ms: int
    address: str
    #: None where the server does not tell.
    durability: Durability | None
    #: Messages that never reached a task; None where the stream is none.
    parked: int | None
    vendors: Sequence[VendorStatus]
    #: Who was there within the last minute.
    processes: Sequence[Seen]

    def shown(self) -> dict[str, Any]:
        """Give it ready for JSON, with stable keys."""
        return {
            "now_ms": self.now_ms,
            "redis": _redis_json(self),
            "parked": self.parked,
            "vendors": [_vendor_json(each, self.now_ms) for each in self.vendors],
            "processes": [_process_json(each) for each in self.processes],
        }


async def read_status(relay: Relay) -> Status:
    """Ask Redis for all of it; raises RefusedError for a ledger that something else has damaged."""
    durability, parked = await read_durability(relay), await _parked(relay)
    found = [await _read(relay, vendor) for vendor in vendors()]
    now_ms = await server_ms(relay.redis)
    return Status(now_ms, relay.address, durability, parked, found, await processes(relay.redis, now_ms))


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
        await indexes.blocked_lanes(),
        await indexes.newer_count(),
        await relay.limiter(vendor).snapshot(),
    )


async def _parked(relay: Relay) -> int | None:
    """Count the messages that never reached a task; None where the stream is none."""
    try:
        return int(await relay.redis.xlen(PARKED_STREAM))
    except ResponseError:
        return None


async def read_durability(relay: Relay) -> Durability | None:
    """Ask how durable Redis is; None where the server does not tell."""
    try:
        return await durability_of(relay.redis)
    except ResponseError:  # CONFIG is often forbidden on managed servers
        return None


def _redis_json(found: Status) -> dict[str, Any]:
    weak = {} if found.durability is None else found.durability.weak
    return {
        "address": found.address,
        "durable": None if found.durability is None else found.durability.is_durable,
        "weak": {name: {"is": value, "needs": need} for name, (value, need) in weak.items()},
    }


def _vendor_json(each: VendorStatus, now_ms: int) -> dict[str, Any]:
    return {
        "vendor": each.vendor,
        "counts": {state.value: each.counts.get(state, 0) for state in State},
        "dead_letters": each.dead_letters,
        "oldest": _oldest_json(each.oldest, now_ms),
        "blocked_lanes": [asdict(lane) for lane in each.blocked],
        "waiting_for_newer": each.newer,
        "limits": limits_json(each.vendor, each.limits),
    }


def _process_json(each: Seen) -> dict[str, Any]:
    return {**asdict(each.process), "seconds_ago": each.seconds_ago, "silent": each.is_silent}


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
