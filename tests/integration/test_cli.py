"""`stockrelay` on a real server: status, show, cancel, exit codes, and what it prints where."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
import redis.asyncio

from tasks.envelope import PARKED_STREAM
from tasks.records import State
from tests.integration.cli_harness import (
    EXCHANGE,
    LEASE_SECONDS,
    ORDER,
    OTHER_PART,
    OWNER,
    PART,
    STORAGE,
    VENDOR,
    Operator,
    command,
    operator,
)
from tests.process import free_port
from workers.limiter import Limiter
from workers.limits import LimitPolicy, Rate

if TYPE_CHECKING:
    from tests.conftest import MakeValkey, SharedValkey


@pytest.fixture
def person(valkey: SharedValkey, redis_client: redis.asyncio.Redis) -> Operator:
    return operator(valkey.url, redis_client)


async def test_status_counts_commands_by_state(person: Operator) -> None:
    await person.admit(command(1), command(2), command(3, part_id=OTHER_PART))
    await person.dead(command(4, part_id=STORAGE))

    (vendor, *_) = (await person.json("status"))["vendors"]

    assert vendor["vendor"] == VENDOR
    assert {name: count for name, count in vendor["counts"].items() if count} == {
        "ready": 2,
        "waiting": 1,
        "rejected": 1,
    }
    assert vendor["dead_letters"] == 1


async def test_status_of_an_empty_system_is_all_zero(person: Operator) -> None:
    (vendor, *_) = (await person.json("status"))["vendors"]

    assert set(vendor["counts"].values()) == {0}
    assert (vendor["dead_letters"], vendor["oldest"]) == (0, None)


@pytest.mark.parametrize("state", [State.READY, State.SENDING, State.DELAYED, State.IN_DOUBT])
async def test_the_oldest_open_command_is_found_in_every_state(person: Operator, state: State) -> None:
    (oldest,) = await person.admit(command(1))
    if state is not State.READY:
        await person.ledger.claim(oldest, OWNER, LEASE_SECONDS)
    if state is State.DELAYED:
        await person.ledger.delay(oldest, OWNER, 60, spent=False, reason="paused")
    if state is State.IN_DOUBT:
        await person.ledger.doubt(oldest, OWNER, 60, reason="answer lost")
    await _accepted_earlier(person, oldest, 7_000)
    await person.admit(command(2, part_id=OTHER_PART))

    (vendor, *_) = (await person.json("status"))["vendors"]

    assert (vendor["oldest"]["key"], vendor["oldest"]["state"]) == (oldest, state.value)
    assert vendor["oldest"]["age_seconds"] >= 7


async def test_the_oldest_open_command_may_wait_behind_a_held_one(person: Operator) -> None:
    await person.dead(command(1), State.HELD)
    behind, _ = await person.admit(command(2), command(3, part_id=OTHER_PART))
    await _accepted_earlier(person, behind, 5_000)

    (vendor, *_) = (await person.json("status"))["vendors"]

    assert vendor["oldest"]["key"] == behind


async def test_the_oldest_open_command_is_found_among_more_than_a_page(person: Operator) -> None:
    keys = await person.admit(*(command(number, part_id=f"{number:026d}") for number in range(600)))
    await _accepted_earlier(person, keys[431], 5_000)

    (vendor, *_) = (await person.json("status"))["vendors"]

    assert vendor["oldest"]["key"] == keys[431]


async def _accepted_earlier(person: Operator, key: str, earlier_ms: int) -> None:
    """Age a command: real time would have to pass otherwise."""
    client = redis.asyncio.Redis.from_url(person.url)
    await client.hincrby(f"sr:{{{VENDOR}}}:cmd:{key}", "accepted_ms", -earlier_ms)
    await client.aclose()


async def test_status_shows_limits_and_pause(person: Operator, redis_client: redis.asyncio.Redis) -> None:
    limiter = Limiter(redis_client, VENDOR, LimitPolicy((Rate(3, 1.0, 2),), 7, 95))
    await limiter.configure(LimitPolicy((Rate(3, 1.0, 2),), 7, 95))
    await limiter.acquire("one")
    await limiter.acquire("two")
    await limiter.ghost("two", 60)
    await limiter.pause(None, "stock take")

    (vendor, *_) = (await person.json("status"))["vendors"]
    text = (await person.run("status")).stdout

    shown = vendor["limits"]
    assert (shown["rates"], shown["concurrency"], shown["in_flight"], shown["ghosts"]) == (["3/1s+2"], 7, 1, 1)
    assert (shown["paused"], shown["operator_paused"], shown["pause_reason"]) == (True, True, "stock take")
    assert "until `stockrelay resume partsbox`: stock take" in text
    assert "1 of 7 in flight, and 1 kept for requests of unknown outcome" in text


async def test_status_counts_parked_messages_whatever_bytes_they_are(
    person: Operator, redis_client: redis.asyncio.Redis
) -> None:
    assert (await person.json("status"))["parked"] == 0
    assert "parked" not in (await person.run("status")).stdout
    await redis_client.xadd(PARKED_STREAM, {"reason": "not JSON", "raw": b"\xff\xfe", "queue": "q", "at": 1})

    assert (await person.json("status"))["parked"] == 1
    assert re.search(r"parked hints +1\n", (await person.run("status")).stdout)


async def test_status_names_what_is_weak_about_redis(make_valkey: MakeValkey) -> None:
    server = make_valkey({"appendfsync": "everysec"})
    async with redis.asyncio.Redis.from_url(server.url, decode_responses=True) as client:
        person = operator(server.url, client)

        shown = (await person.json("status"))["redis"]
        text = (await person.run("status")).stdout
        checked = await person.run("--check", code=1)
        allowed = await person.run("--check", env={"STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS": "1"})

    assert shown["durable"] is False
    assert shown["weak"] == {"appendfsync": {"is": "everysec", "needs": "always"}}
    assert "appendfsync is 'everysec', needs 'always'" in text
    assert "would lose accepted commands" in checked.stderr
    assert "NOT every accepted command" in allowed.stdout


async def test_check_accepts_good_settings_and_a_durable_redis(person: Operator) -> None:
    result = await person.run("--check", env={"STOCKRELAY_PARTSBOX_API_KEY": "partsboxapi_invented"})

    assert "every accepted command (durable)" in result.stdout
    assert "partsboxapi_invented" not in result.output


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STOCKRELAY_LEDGER_RETENTION_DAYS", "soon"),
        ("STOCKRELAY_PARTSBOX_RATES", "2 per second"),
        ("STOCKRELAY_WORKER_LEASES", "15"),
        ("STOCKRELAY_WROKER_LEASE_SECONDS", "15"),
        ("STOCKRELAY_PARTSBOX_URL", "http://vendor.example"),
        ("STOCKRELAY_PARTSBOX_API_KEY", ""),
        ("REDIS_URL", "rediss://127.0.0.1:6379"),
        ("REDIS_URL", "127.0.0.1:6379"),
    ],
)
async def test_check_refuses_a_wrong_setting_by_its_name(person: Operator, name: str, value: str) -> None:
    result = await person.run("--check", code=2, env={name: value})

    assert name in result.stderr


async def test_a_password_in_the_address_is_never_printed(person: Operator) -> None:
    port = free_port()
    for address in (f"redis://op:pass3word@127.0.0.1:{port}/0", f"redis://op:pass3word#@127.0.0.1:{port}/0"):
        result = await person.run("status", code=75 if "#" not in address else 2, env={"REDIS_URL": address})

        assert "pass3word" not in result.output


async def test_an_unreachable_redis_asks_to_try_later(person: Operator) -> None:
    for words in (
        ("status",),
        ("show", "abcdef"),
        ("dead-letters", "list"),
        ("limits",),
        ("pause", VENDOR),
        ("--check",),
    ):
        result = await person.run(*words, code=75, env={"REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"})

        assert "try again later" in result.stderr


async def test_a_login_that_redis_refuses_is_a_wrong_setting(make_valkey: MakeValkey) -> None:
    server = make_valkey()
    async with redis.asyncio.Redis.from_url(server.url, decode_responses=True) as client:
        await client.config_set("requirepass", "pass3word")
        result = await operator(server.url, client).run("status", code=2)

    assert "REDIS_URL" in result.stderr
    assert "refuses this login" in result.stderr


async def test_show_tells_every_step_with_request_answer_and_proof(person: Operator) -> None:
    key = await person.claimed(command(1, comments="from dock 4"))
    await person.ledger.intent(key, OWNER, {"timestamps": [11, 12]})
    delayed = {"what": "delayed", "attempt": 1, "owner": OWNER, "note": "429", "exchange": {**EXCHANGE, "status": 429}}
    await person.ledger.delay(key, OWNER, 0, spent=False, reason="429", evidence=delayed)
    await person.ledger.claim(key, OWNER, LEASE_SECONDS)
    applied = {
        "what": "applied",
        "attempt": 1,
        "owner": OWNER,
        "before": {"timestamps": [11, 12]},
        "exchange": EXCHANGE,
        "after": [{"part_id": PART, "timestamp_ms": 13, "quantity": 5, "comments": f"from dock 4 [cmd:{key}]"}],
    }
    receipt = {"proof": "marker", "entries": [{"part_id": PART, "timestamp_ms": 13, "quantity": 5}]}
    await person.ledger.settle(key, OWNER, State.APPLIED, receipt=receipt, evidence=applied)

    text = " ".join((await person.run("show", key)).stdout.split())
    shown = await person.json("show", key)

    for words in (
        f"{key} stock.add applied",
        "client station-1",
        f"delayed attempt 1 worker {OWNER} note 429",
        "answer 429",
        "before 2 stock entries: 12, 11",
        'request stock/add {"stock/part-id"',
        'answer 200 {"data": {"stock/quantity": 5}} (after 31 ms)',
        f"comments from dock 4 [cmd:{key}]",
        "Receipt proof read back at the vendor, by its marker",
    ):
        assert words in text
    assert [entry["what"] for entry in shown["evidence"]] == ["delayed", "applied"]
    assert shown["evidence"][1]["exchange"] == EXCHANGE
    assert (shown["receipt"], shown["command"]["comments"]) == (receipt, "from dock 4")


async def test_show_says_what_a_command_waits_behind(person: Operator) -> None:
    held = await person.dead(command(1), State.HELD)
    (waiting,) = await person.admit(command(2))

    assert f"behind    {held} (held)" in (await person.run("show", waiting)).stdout
    assert [other["key"] for other in (await person.json("show", waiting))["ahead"]] == [held]


async def test_show_lists_the_lines_of_an_order_with_their_progress(person: Operator) -> None:
    parent = await person.claimed(command(1, "order.receive", order_id=ORDER, part_id=None, quantity=None))
    first, second = (
        command(1, "order.receive_line", order_id=ORDER, stock_id=number * 26, part_id=part)
        for number, part in (("4", PART), ("5", OTHER_PART))
    )
    await person.ledger.expand(parent, OWNER, [first, second])
    assert [other["key"] for other in (await person.json("show", second.key))["ahead"]] == [first.key]
    await person.ledger.claim(first.key, OWNER, LEASE_SECONDS)
    await person.ledger.settle(first.key, OWNER, State.APPLIED)

    text = (await person.run("show", parent)).stdout
    shown = await person.json("show", parent)
    child = await person.json("show", second.key)

    assert "Lines: 1 of 2 done, 0 of them not applied" in text
    assert shown["progress"] == {"done": 1, "total": 2, "failed": 0}
    assert [(line["key"], line["state"]) for line in shown["children"]] == [
        (first.key, "applied"),
        (second.key, "ready"),
    ]
    assert child["parent"] == parent
    refused = await person.run("cancel", parent, code=1)
    assert "has become 2 commands" in refused.stderr


async def test_a_command_is_found_by_its_marker_or_the_start_of_its_key(person: Operator) -> None:
    (key,) = await person.admit(command(1))

    for given in (key, f"[cmd:{key}]", key[:6], key.upper(), f" {key} "):
        assert (await person.json("show", given))["key"] == key


async def test_an_ambiguous_start_of_a_key_is_refused_with_the_candidates(person: Operator) -> None:
    (key,) = await person.admit(command(1))
    twin = command(2, part_id=OTHER_PART)
    twin_key = key[:8] + ("a" if key[8] != "a" else "b") * 12
    await person.admit(type(twin)(twin_key, twin.kind, twin.command, twin.summary, twin.lanes, twin.digest))

    result = await person.run("show", key[:8], code=1)

    assert "ambiguous, 2 keys" in result.stderr
    assert key in result.stderr
    assert twin_key in result.stderr


async def test_an_unknown_key_is_not_found_and_a_malformed_one_is_wrong_usage(person: Operator) -> None:
    assert "no such command" in (await person.run("show", "a" * 20, code=1)).stderr
    assert "no command's key begins so" in (await person.run("cancel", "abcdef", code=1)).stderr
    for malformed in ("abc", "abcdef1", "a" * 21, "abcde*"):
        assert "is no key" in (await person.run("show", malformed, code=2)).stderr


async def test_cancel_takes_a_command_back_and_its_lane_goes_on(person: Operator) -> None:
    first, second = await person.admit(command(1), command(2))

    await person.run("cancel", first, "--by", "Ada")

    cancelled, following = await person.ledger.find(first), await person.ledger.find(second)
    assert cancelled is not None
    assert following is not None
    assert (cancelled.state, cancelled.reason, following.state) == (State.CANCELLED, "cancelled by Ada", State.READY)


async def test_a_command_that_a_worker_has_begun_cannot_be_cancelled(person: Operator) -> None:
    key = await person.claimed(command(1))

    result = await person.run("cancel", key, code=1)

    assert "cannot cancel a command that is sending" in result.stderr
    assert (await person.json("show", key))["state"] == "sending"


async def test_cancelling_a_dead_letter_points_to_discard(person: Operator) -> None:
    key = await person.dead(command(1))

    assert "dead-letters discard" in (await person.run("cancel", key, code=1)).stderr
