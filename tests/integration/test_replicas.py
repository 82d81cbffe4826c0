"""Where the server wants replicas, what is acknowledged is what they have."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Final

import pytest
import redis as sync_redis
from redis.exceptions import ResponseError

from tasks import script_calls
from tasks.ledger import Ledger
from tasks.records import State, Verdict
from tasks.redis_client import durability_of, open_redis
from tasks.script_calls import NotReplicatedError
from tests.integration.ledger_harness import LEASE_SECONDS, VENDOR, command
from tests.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import MakeValkey
    from tests.valkey import ValkeyServer

#: A replica that is frozen counts as one that follows for as long as this.
FOLLOWING: Final = {"min-replicas-to-write": "1", "min-replicas-max-lag": "3600", "repl-diskless-sync-delay": "0"}


@pytest.fixture
def pair(make_valkey: MakeValkey) -> Iterator[tuple[ValkeyServer, ValkeyServer]]:
    """A primary that takes nothing without a replica, and the replica."""
    primary = make_valkey(FOLLOWING)
    replica = make_valkey({**FOLLOWING, "replicaof": f"127.0.0.1 {primary.port}"})
    with sync_redis.Redis.from_url(primary.url, single_connection_client=True) as client:
        wait_until(lambda: _has_what_is_written(client), "the replica follows")
    yield primary, replica
    replica.cont()


def _has_what_is_written(client: sync_redis.Redis) -> bool:
    with contextlib.suppress(sync_redis.ResponseError):  # while it follows nobody
        client.set("followed", "1")
        return bool(client.wait(1, 100))
    return False


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script_calls, "REPLICATION_MS", 200)


async def test_what_no_replica_has_is_not_acknowledged_and_asked_again_it_is(
    pair: tuple[ValkeyServer, ValkeyServer],
) -> None:
    """A primary that was cut off from its replicas acknowledged forty commands, and the new one knew none of them."""
    primary, replica = pair
    redis, new = open_redis(primary.url), command()
    ledger = Ledger(redis, VENDOR)
    try:
        await ledger.admit([command("part:other")])
        replica.stop_signal()
        with pytest.raises(NotReplicatedError, match="0 of 1 replicas have it"):
            await ledger.admit([new])
        replica.cont()
        (again,) = await ledger.admit([new])
    finally:
        await redis.aclose()

    with sync_redis.Redis.from_url(replica.url, decode_responses=True) as follower:
        known = follower.hget(f"sr:{{{VENDOR}}}:cmd:{new.key}", "state")
    assert (again.key, again.state, again.fresh) == (new.key, State.READY, False)
    assert known == "ready"


async def test_what_another_connection_has_written_is_not_acknowledged_as_known_either(
    pair: tuple[ValkeyServer, ValkeyServer],
) -> None:
    """A call that only reads has nothing of its own to wait for: WAIT answered at once."""
    primary, replica = pair
    new, first, second = command(), open_redis(primary.url), open_redis(primary.url)
    try:
        await Ledger(second, VENDOR).admit([command()])
        replica.stop_signal()
        with pytest.raises(NotReplicatedError):
            await Ledger(first, VENDOR).admit([new])
        with pytest.raises(NotReplicatedError):
            await Ledger(second, VENDOR).admit([new])
    finally:
        await first.aclose()
        await second.aclose()


async def test_what_is_known_is_not_acknowledged_by_a_server_that_takes_no_writes_any_more(
    pair: tuple[ValkeyServer, ValkeyServer],
) -> None:
    """The write that WAIT is to go by was refused, so it went by none: a hung replica had it all, it seemed."""
    primary, replica = pair
    first, new = open_redis(primary.url), command()
    try:
        await Ledger(first, VENDOR).admit([command("part:other")])
        replica.stop_signal()
        with pytest.raises(NotReplicatedError):
            await Ledger(first, VENDOR).admit([new])
        await first.config_set("min-replicas-max-lag", 1)
        while (await first.info("replication"))["min_slaves_good_slaves"]:  # noqa: ASYNC110  the server says when
            await asyncio.sleep(0.01)
    finally:
        await first.aclose()

    second = open_redis(primary.url)
    try:
        with pytest.raises(ResponseError, match="NOREPLICAS"):
            await Ledger(second, VENDOR).admit([new])
    finally:
        await second.aclose()


async def test_an_intent_that_no_replica_has_does_not_let_the_write_go(pair: tuple[ValkeyServer, ValkeyServer]) -> None:
    primary, replica = pair
    redis, new = open_redis(primary.url), command()
    ledger = Ledger(redis, VENDOR)
    try:
        await ledger.admit([new])
        assert (await ledger.claim(new.key, "owner", LEASE_SECONDS)).verdict is Verdict.FRESH
        replica.stop_signal()
        with pytest.raises(NotReplicatedError):
            await ledger.intent(new.key, "owner", {})
    finally:
        await redis.aclose()


async def test_calls_of_one_round_trip_wait_once(pair: tuple[ValkeyServer, ValkeyServer]) -> None:
    redis, ledgers = open_redis(pair[0].url), ["a", "b", "c"]
    try:
        await redis.config_resetstat()
        admitted = await asyncio.gather(*(Ledger(redis, vendor).admit([command()]) for vendor in ledgers))
        waits = (await redis.info("commandstats"))["cmdstat_wait"]["calls"]
    finally:
        await redis.aclose()

    assert [one.fresh for (one,) in admitted] == [True] * 3
    assert waits <= 1 + script_calls.ROUND_TRIPS  # one is the connection's question whether it may


async def test_a_login_that_may_not_wait_goes_on_and_the_server_counts_as_not_durable(
    pair: tuple[ValkeyServer, ValkeyServer],
) -> None:
    """One that was made for a release which did not wait."""
    primary, replica = pair
    with sync_redis.Redis.from_url(primary.url) as admin:
        admin.execute_command("ACL", "SETUSER", "older", "on", ">secret", "~*", "&*", "+@all", "-wait")
    redis = open_redis(re.sub("//", "//older:secret@", primary.url))
    try:
        told = str(await durability_of(redis))
        replica.stop_signal()
        (admitted,) = await Ledger(redis, VENDOR).admit([command()])
    finally:
        await redis.aclose()

    assert told == "WAIT is 'forbidden', needs 'allowed'"
    assert admitted.fresh
