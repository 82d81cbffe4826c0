"""One token for all processes at OpenBOM: got by one login, renewed by one, whoever dies on the way."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from redis.exceptions import ConnectionError as RedisConnectionError

from tasks.errors import Exchange, RetryableError, VendorBlockedError
from tasks.redis_client import open_redis
from tasks.registry import parse_command
from tests.integration.limiter_harness import policy_of
from tests.openbom_account import ADDRESS, APP_KEY, BOM, LOGIN, PASSWORD, SET, TOKEN, USER, Account, openbom, until
from tests.process import free_port
from tests.scripted_vendor import KEY, Limiter, Permission
from workers.vendors.openbom import Login
from workers.vendors.openbom.session import Token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from tests.conftest import SharedValkey
    from tests.integration.limiter_harness import MakeLimiter
    from workers.vendors.openbom import OpenBom

#: For what comes about soon or never.
SOON_SECONDS = 60.0


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
async def other_redis(valkey: SharedValkey) -> AsyncIterator[Redis]:
    """The client of another process."""
    client = open_redis(valkey.url)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
def vendor(account: Account, redis_client: Redis) -> OpenBom:
    return openbom(account, Limiter(), redis_client)


@pytest.fixture
def other(account: Account, other_redis: Redis) -> OpenBom:
    return openbom(account, Limiter(), other_redis)


async def key_of(redis: Redis, *, lock: bool = False) -> str:
    """Find the key of the token, or of the login's lock."""
    (found,) = [key async for key in redis.scan_iter("sr:{openbom}:session*") if key.endswith(":login") is lock]
    return str(found)


async def together(*reads: Any) -> list[Any]:
    async with asyncio.timeout(SOON_SECONDS):
        return await asyncio.gather(*reads, return_exceptions=True)


def set_property(vendor: OpenBom, permission: Permission) -> Any:
    command: Any = parse_command("bom.set_property", SET)
    return vendor.set_bom_property(command, permission)


# one login


async def test_eight_requests_of_two_processes_without_a_token_make_one_login(
    account: Account, vendor: OpenBom, other: OpenBom
) -> None:
    go = asyncio.Event()
    account.on_login = go.wait
    requests = asyncio.ensure_future(together(*(client.bom(BOM) for client in (vendor, other) * 4)))
    await until(lambda: account.logins == 1)
    go.set()

    assert [answer.document_id for answer in await requests] == [BOM] * 8
    assert account.logins == 1
    assert account.requests == [(f"bom/{BOM}", f"{TOKEN}1")] * 8


async def test_a_login_is_a_post_of_both_words_in_a_slot_of_its_own_before_the_requests_permit(
    account: Account, redis_client: Redis
) -> None:
    limiter = Limiter()

    await openbom(account, limiter, redis_client).bom(BOM)

    (login,) = account.bodies
    assert login == b'{"username":"Ann.Lee+bom@example.test","password":"hard \\"to\\" guess"}'
    steps = [step[0] for step in limiter.log]
    assert steps == ["acquire", "release", "acquire", "release"]
    assert limiter.log[0][1] == limiter.log[1][1] != limiter.log[2][1]


async def test_a_token_serves_who_comes_later_in_any_process(account: Account, vendor: OpenBom, other: OpenBom) -> None:
    for client in (vendor, other, vendor):
        await client.bom(BOM)

    assert account.logins == 1


async def test_a_requester_that_is_cancelled_leaves_the_login_to_the_others(account: Account, vendor: OpenBom) -> None:
    go = asyncio.Event()
    account.on_login = go.wait
    first, second = asyncio.ensure_future(vendor.bom(BOM)), asyncio.ensure_future(vendor.bom(BOM))
    await until(lambda: account.logins == 1)

    first.cancel()
    go.set()

    assert await second is not None
    assert first.cancelled()
    assert account.logins == 1


@pytest.mark.parametrize("change", ["address", "user", "key"])
def test_no_login_uses_the_token_of_another(change: str) -> None:
    changed = {
        "address": ("https://other.test/v1", LOGIN),
        "user": (ADDRESS, Login(LOGIN.app_key, SecretStr("bob@example.test"), LOGIN.password)),
        "key": (ADDRESS, Login(SecretStr("other"), LOGIN.username, LOGIN.password)),
    }
    address, login = changed[change]

    assert login.name(address) != LOGIN.name(ADDRESS)


async def test_a_key_in_redis_shows_nobody_and_ends_before_the_token_does(
    account: Account, vendor: OpenBom, redis_client: Redis
) -> None:
    account.life_seconds = 1000

    await vendor.bom(BOM)

    key = await key_of(redis_client)
    assert key.startswith("sr:{openbom}:session:")
    assert not any(secret in key for secret in (APP_KEY, USER, PASSWORD))
    assert await redis_client.get(key) == f"{TOKEN}1"
    assert 800_000 < await redis_client.pttl(key) <= 900_000
    assert await redis_client.keys("*:login") == []


@pytest.mark.parametrize(
    ("life", "kept"), [(86_400, 86_100), (10, 9), (0, 0.9), (-5, 0.9), (10**12, 7 * 86_400 - 300), (0.5, 0.9)]
)
def test_a_token_is_handed_out_for_less_than_its_life_and_for_a_while_in_any_case(life: float, kept: float) -> None:
    assert Token(SecretStr("t"), life).kept_seconds() == pytest.approx(kept)


@pytest.mark.parametrize("damage", ["", "two words", "tok\n", "t\u00f6k"])
async def test_what_is_no_token_in_redis_is_replaced(
    damage: str, account: Account, vendor: OpenBom, redis_client: Redis
) -> None:
    await vendor.bom(BOM)
    await redis_client.set(await key_of(redis_client), damage)

    await vendor.bom(BOM)

    assert (account.logins, account.refusals) == (2, 0)


async def test_without_redis_nothing_is_sent(account: Account) -> None:
    redis = open_redis(f"redis://127.0.0.1:{free_port()}")

    with pytest.raises(RedisConnectionError):
        await openbom(account, Limiter(), redis).bom(BOM)

    assert (account.logins, account.requests) == (0, [])
    await redis.aclose()


# a token that ended


async def test_eight_requests_with_an_ended_token_are_renewed_by_one_login(
    account: Account, vendor: OpenBom, other: OpenBom
) -> None:
    await together(vendor.bom(BOM), other.bom(BOM))
    account.end_tokens()
    account.requests.clear()

    async def all_are_out(_: str) -> None:
        await until(lambda: len(account.requests) >= 8)

    account.on_request = all_are_out

    found = await together(*(client.bom(BOM) for client in (vendor, other) * 4))

    assert [answer.document_id for answer in found] == [BOM] * 8
    assert account.logins == 2
    assert sorted(token for _, token in account.requests) == [f"{TOKEN}1"] * 8 + [f"{TOKEN}2"] * 8


async def test_a_refusal_that_comes_late_renews_nothing_more(account: Account, vendor: OpenBom, other: OpenBom) -> None:
    await vendor.bom(BOM)
    account.end_tokens()
    late = asyncio.Event()

    async def hold_the_first(token: str) -> None:
        if len(account.requests) == 2:
            await late.wait()

    account.on_request = hold_the_first
    held = asyncio.ensure_future(vendor.bom(BOM))
    await until(lambda: len(account.requests) == 2)
    await together(vendor.bom(BOM), other.bom(BOM))
    late.set()

    assert await held is not None
    assert account.logins == 2


async def test_a_second_refusal_closes_the_vendor_after_one_renewal(account: Account, vendor: OpenBom) -> None:
    await vendor.bom(BOM)
    account.end_tokens()
    account.requests.clear()
    account.tokens_are_good = False

    with pytest.raises(VendorBlockedError) as caught:
        await vendor.bom(BOM)

    assert caught.value.exchange is not None
    assert caught.value.exchange.status == 401
    assert [token for _, token in account.requests] == [f"{TOKEN}1", f"{TOKEN}2"]
    assert account.logins == 2


async def test_a_vendor_that_gives_the_same_token_again_is_believed(
    account: Account, vendor: OpenBom, other: OpenBom
) -> None:
    account.constant = True
    await vendor.bom(BOM)
    account.end_tokens()

    await together(vendor.bom(BOM))
    logins = account.logins
    await together(*(client.bom(BOM) for client in (vendor, other, vendor)))

    assert logins == account.logins == 2


# writes


async def test_a_write_that_was_refused_is_the_same_attempt_when_it_goes_again(
    account: Account, redis_client: Redis
) -> None:
    limiter = Limiter()
    vendor = openbom(account, limiter, redis_client)
    await vendor.bom(BOM)
    account.end_tokens()
    limiter.log.clear()

    exchange = await set_property(vendor, Permission(limiter))

    assert isinstance(exchange, Exchange)
    assert exchange.status == 200
    login = limiter.log[3][1]
    assert limiter.log == [
        ("acquire", KEY),
        ("permitted",),
        ("release", KEY),
        ("acquire", login),
        ("release", login),
        ("acquire", KEY),
        ("release", KEY),
    ]
    assert account.bodies[-1] == account.bodies[-3]


async def test_a_write_that_may_not_leave_any_more_does_not_go_again(account: Account, redis_client: Redis) -> None:
    limiter = Limiter()
    vendor = openbom(account, limiter, redis_client)
    await vendor.bom(BOM)
    account.end_tokens()
    permission = Permission(limiter)

    async def lose_the_lease() -> None:
        permission.leaves = False

    account.on_login = lose_the_lease
    with pytest.raises(RetryableError, match="not sent"):
        await set_property(vendor, permission)

    assert [token for path, token in account.requests if path.endswith("propertyvalue")] == [f"{TOKEN}1"]


async def test_a_write_does_not_go_again_a_whole_timeout_after_its_intent(
    account: Account, redis_client: Redis
) -> None:
    now, limiter = [0.0], Limiter()
    vendor = openbom(account, limiter, redis_client, clock=lambda: now[0])
    await vendor.bom(BOM)

    async def take(seconds: float) -> None:
        now[0] += seconds

    for seconds, sent, outcome in ((29.0, 2, Exchange), (30.0, 1, RetryableError)):
        account.end_tokens()
        account.requests.clear()
        account.on_login = partial(take, seconds)
        (found,) = await together(set_property(vendor, Permission(limiter)))
        assert type(found) is outcome
        assert len(account.requests) == sent


@pytest.mark.parametrize("ended", [False, True])
async def test_with_one_slot_for_all_nobody_waits_for_a_login_that_waits_for_him(
    ended: bool,  # noqa: FBT001  a case, not a switch
    account: Account,
    redis_client: Redis,
    other_redis: Redis,
    make_limiter: MakeLimiter,
) -> None:
    policy = policy_of("1000/1s+100", concurrency=1)
    clients = [openbom(account, make_limiter(policy), redis, settle=0) for redis in (redis_client, other_redis)]
    if ended:
        await together(*(client.bom(BOM) for client in clients))
        account.end_tokens()
    logins = account.logins
    writes = [set_property(client, Permission(Limiter(), key=f"write {n}")) for n, client in enumerate(clients * 2)]

    found = await together(*(client.bom(BOM) for client in clients * 2), *writes)

    assert [answer for answer in found if isinstance(answer, BaseException)] == []
    assert account.logins == logins + 1
