"""A small fixed scene: commands of every state that is at rest, made by the real ledger, executors and limiters."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tasks.catalog import UpsertPart
from tasks.presence import KEY, Process
from tasks.records import State
from tasks.routes import Routes
from tasks.stock import AddStock, RemoveStock
from tests.relay import open_relay, settings_of
from tests.sandbox.partium import PartiumSandbox
from tests.sandbox.partsbox import API_USER, PartsBoxSandbox, id_for
from workers.limits import LimitPolicy, Rate

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tasks.commands import Command
    from tests.relay import Relay

PARTSBOX: Final = "partsbox"
PARTIUM: Final = "partium"
ROUTING: Final = "routing"
SHELF: Final = id_for("storage", "shelf")
PARTS: Final = tuple(f"part-{number}" for number in range(8))
#: The moment of the first event; each has its own.
FIRST_MS: Final = 1_790_000_000_000
#: A lost worker's lease.
LEASE_SECONDS: Final = 0.05
#: A live limit, which outlives all processes.
LIVE: Final = LimitPolicy((Rate(40, 1.0, 5),), 4, 60.0)
ROUTES: Final = Routes.model_validate({"routes": {"catalog_part": {PARTSBOX: {"name": "name.en"}}}})
#: What the catalog knows of languages.
CATALOG: Final = "warehouse"
ROUTES_TOML: Final = '[routes.catalog_part.partsbox]\nname = "name.en"\n'
LOST_OWNER: Final = "relay-1:77:lost:0"
BY: Final = "ada"


def stock_up(vendor: PartsBoxSandbox) -> None:
    """Give the vendor what the commands are about."""
    vendor.load.storage("shelf")
    for name in PARTS:
        vendor.load.part(name)


def land(vendor: PartsBoxSandbox, command: dict[str, Any], key: str) -> None:
    """Carry out at the vendor what a lost worker had sent."""
    entry = {f"stock/{name}": command[field] for name, field in _ENTRY.items()}
    vendor.write_as(API_USER, "stock/add", {**entry, "stock/comments": f"[cmd:{key}]"})


_ENTRY: Final = {"part-id": "part_id", "storage-id": "storage_id", "quantity": "quantity"}


@dataclass
class Scene:
    """Plays it; `keys` names every command of it."""

    redis: Redis
    relay: Relay
    keys: dict[str, str]

    async def play(self) -> None:
        """Bring every command into its state."""
        await self._rest_at_partsbox()
        await self._end_at_partsbox()
        await self._share_requests()
        await self._route()
        await self.relay.limiter_of(PARTSBOX).configure(LIVE)
        await self.relay.limiter_of(PARTIUM).pause(None, f"paused by {BY}: stocktaking")
        seconds, _ = await self.redis.time()
        await self.redis.zadd(KEY, {Process.of_this("worker", (PARTSBOX,)).to_json(): seconds * 1000})

    async def _submit(self, name: str, command: Command) -> str:
        accepted = await self.relay.submitter.submit(command, idempotency_key=f"{BY}-{len(self.keys)}", client="erp")
        self.keys[name] = accepted.key
        return accepted.key

    def _stock(self, kind: type[AddStock | RemoveStock], part: int, quantity: int) -> Command:
        given: dict[str, Any] = {"part_id": id_for("part", PARTS[part]), "storage_id": SHELF, "quantity": quantity}
        return kind(**given, stock_timestamp=FIRST_MS + len(self.keys))

    async def _rest_at_partsbox(self) -> None:
        ledger = self.relay.ledger_of(PARTSBOX)
        looked = await self._lost("being looked up", self._stock(AddStock, 5, 11), is_sent=True)
        await ledger.promote()
        await ledger.claim(looked, LOST_OWNER, LEASE_SECONDS)
        await self._submit("ready", self._stock(AddStock, 0, 1))
        await self._submit("waiting", self._stock(AddStock, 0, 2))
        delayed = await self._submit("delayed", self._stock(AddStock, 1, 3))
        await ledger.claim(delayed, LOST_OWNER, 60)
        await ledger.delay(delayed, LOST_OWNER, LEASE_SECONDS, spent=True, reason="status 503")
        await self._lost("claimed", self._stock(AddStock, 2, 4))
        for name, part in (("sent and landed", 3), ("sent and lost", 4)):
            await self._lost(name, self._stock(AddStock, part, 5 + part), is_sent=True)

    async def _lost(self, name: str, command: Command, *, is_sent: bool = False) -> str:
        """Let the worker that has taken a command be killed."""
        key = await self._submit(name, command)
        ledger = self.relay.ledger_of(command.vendor)
        await ledger.claim(key, LOST_OWNER, 60 if is_sent else LEASE_SECONDS)
        if is_sent:
            await ledger.intent(key, LOST_OWNER, {})
            await ledger.renew({key: LOST_OWNER}, LEASE_SECONDS)
        await asyncio.sleep(2 * LEASE_SECONDS)
        return key

    async def _end_at_partsbox(self) -> None:
        ledger, executor = self.relay.ledger_of(PARTSBOX), self.relay.executors[PARTSBOX]
        await executor.deliver(await self._submit("applied", self._stock(AddStock, 6, 20)))
        await executor.deliver(await self._submit("rejected", self._stock(RemoveStock, 7, 9)))
        held = await self._submit("held", self._stock(AddStock, 7, 12))
        await ledger.claim(held, LOST_OWNER, 60)
        await ledger.settle(held, LOST_OWNER, State.HELD, reason="outcome unknown: an entry of ours lost its mark")
        await self._submit("behind the held one", self._stock(AddStock, 7, 13))
        await ledger.cancel(await self._submit("cancelled", self._stock(AddStock, 1, 14)), BY)

    async def _share_requests(self) -> None:
        keys = [await self._submit(f"batched {number}", self._part(f"B-{number}")) for number in range(3)]
        await asyncio.gather(*(self.relay.executors[PARTIUM].deliver(key) for key in keys))
        for number in range(2):
            await self._lost(f"in a lost batch {number}", self._part(f"L-{number}"), is_sent=True)
        await self._submit("alone", self._part("A-1"))

    def _part(self, part_id: str) -> Command:
        name = {"de": part_id}  # no English name: it goes to the catalog only
        return UpsertPart(part_id=part_id, name=name, stock_timestamp=FIRST_MS + len(self.keys))

    async def _route(self) -> None:
        part = UpsertPart(part_id="R-1", name={"en": "D-ROUTED"}, stock_timestamp=FIRST_MS + len(self.keys))
        parent = await self._submit("routed", part)
        prefix = f"sr:{{{PARTIUM}}}:cmd:"
        legs = [key.removeprefix(prefix) async for key in self.redis.scan_iter(match=f"{prefix}*")]
        (leg,) = [key for key in legs if key not in self.keys.values()]
        self.keys["leg at partium"] = leg
        await self.relay.executors[PARTIUM].deliver(leg)
        await self.relay.executors[ROUTING].deliver(parent)


async def played(redis: Redis) -> dict[str, str]:
    """Play the scene on an empty server; gives the commands' keys by name."""
    async with PartsBoxSandbox.running() as partsbox, PartiumSandbox.running(seed_fixture=CATALOG) as partium:
        stock_up(partsbox)
        served = [settings_of(partsbox, rates=LIVE.rates), settings_of(partium)]
        async with open_relay(redis, served, routes=ROUTES) as relay:
            scene = Scene(redis, relay, {})
            await scene.play()
            return scene.keys
