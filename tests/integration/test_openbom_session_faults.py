"""A login that goes wrong: a holder that died, a vendor that refuses or breaks, and no secret in what is said of it."""

from __future__ import annotations

import asyncio
import json
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
from pydantic import SecretStr
from redis.exceptions import LockNotOwnedError

from tasks.errors import RetryableError, VendorBlockedError
from tests.openbom_account import (
    APP_KEY,
    BOM,
    LOGIN,
    PASSWORD,
    SECRETS,
    TOKEN,
    USER,
    Account,
    everything_of,
    openbom,
    until,
)
from tests.scripted_vendor import Limiter
from workers.limits import PausedError
from workers.vendors.openbom.session import SharedSession, Token

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from tests.conftest import SharedValkey

LOCK = f"sr:{{openbom}}:session:{LOGIN.name('https://vendor.test/v1')}:login"
#: Held long enough to be seen, short enough to be waited for.
DEAD_MS = 400


async def blocked(account: Account, redis: Redis, limiter: Limiter | None = None) -> VendorBlockedError:
    with pytest.raises(VendorBlockedError) as caught:
        await openbom(account, limiter or Limiter(), redis).bom(BOM)
    return caught.value


# the lock


async def test_a_holder_that_died_is_replaced_when_its_lock_ends(redis_client: Redis, valkey: SharedValkey) -> None:
    account = Account()
    seen: list[Any] = []

    async def look() -> None:
        seen.append(await redis_client.get(LOCK))

    account.on_login = look
    await redis_client.set(LOCK, "dead", px=DEAD_MS)

    found = await asyncio.gather(*(openbom(account, Limiter(), redis_client).bom(BOM) for _ in range(3)))

    assert None not in found
    assert account.logins == 1
    assert seen != ["dead"]


async def test_while_another_process_logs_in_nobody_does_and_its_token_is_taken(redis_client: Redis) -> None:
    account = Account(token=f"{TOKEN}9")
    await redis_client.set(LOCK, "another process", px=60_000)
    vendor = openbom(account, Limiter(), redis_client)
    request = asyncio.ensure_future(vendor.bom(BOM))

    await redis_client.set(LOCK.removesuffix(":login"), f"{TOKEN}9")

    assert await request is not None
    assert account.logins == 0
    assert await redis_client.get(LOCK) == "another process"


async def test_the_lock_outlives_the_longest_login_and_ends_by_itself(redis_client: Redis) -> None:
    account, life = Account(), []

    async def look() -> None:
        life.append(await redis_client.pttl(LOCK))

    account.on_login = look
    await openbom(account, Limiter(), redis_client).bom(BOM)

    assert 30_000 < life[0] <= 35_000


class Lock:
    """A lock that notes what is asked of it."""

    def __init__(self, *, lost: bool = False) -> None:
        self.log: list[str] = []
        self.lost = lost

    async def acquire(self, *, blocking: bool) -> bool:
        assert not blocking
        self.log.append("acquire")
        return True

    async def extend(self, seconds: float, *, replace_ttl: bool) -> None:
        assert replace_ttl
        self.log.append(f"extend {seconds:.2f}")
        if self.lost:
            raise LockNotOwnedError("gone")

    async def release(self) -> None:
        self.log.append("release")
        if self.lost:
            raise LockNotOwnedError("gone")


@pytest.mark.parametrize("lost", [False, True])
async def test_the_lock_is_kept_while_a_login_waits_and_given_back_after_it(
    lost: bool,  # noqa: FBT001  a case, not a switch
    redis_client: Redis,
) -> None:
    lock = Lock(lost=lost)

    async def log_in() -> Token:
        await until(lambda: len(lock.log) >= 3)
        return Token(SecretStr(f"{TOKEN}1"), 100)

    redis = SimpleNamespace(get=redis_client.get, set=redis_client.set, lock=lambda *_, **__: lock)
    token = await SharedSession(cast("Any", redis), "n", log_in, login_seconds=-4.94).token()

    assert token.get_secret_value() == f"{TOKEN}1"
    assert lock.log[:3] == ["acquire", "extend 0.06", "extend 0.06"]
    assert lock.log[-1] == "release"


async def test_who_joins_a_login_that_found_the_token_he_was_refused_with_gets_another() -> None:
    """The first one's login finds what another process has stored; meanwhile the vendor refuses that very token."""
    lock, leave = Lock(), asyncio.Event()
    stored: list[str | None] = [None, f"{TOKEN}1", f"{TOKEN}1", f"{TOKEN}1", f"{TOKEN}1", f"{TOKEN}1"]

    async def get(_: str) -> str | None:
        return stored.pop(0)

    async def release() -> None:
        lock.log.append("release")
        await leave.wait()

    async def log_in() -> Token:
        return Token(SecretStr(f"{TOKEN}2"), 100)

    async def keep(_: str, token: str, *, px: int) -> None:
        assert px > 0
        stored[:] = [token] * 5

    lock.release = release  # type: ignore[method-assign]
    redis = SimpleNamespace(get=get, set=keep, lock=lambda *_, **__: lock)
    shared = SharedSession(cast("Any", redis), "n", log_in, login_seconds=30)
    first = asyncio.ensure_future(shared.token())
    await until(lambda: lock.log == ["acquire", "release"])
    second = asyncio.ensure_future(shared.renew(SecretStr(f"{TOKEN}1")))
    await until(lambda: len(stored) == 3)
    leave.set()

    assert [token.get_secret_value() for token in await asyncio.gather(first, second)] == [f"{TOKEN}2"] * 2


async def test_an_answer_of_redis_that_is_older_than_the_login_gives_no_refused_token(redis_client: Redis) -> None:
    """Seen where a machine stood still: a second 401 then closed the vendor to every command for a minute."""
    logins, late, read = 0, asyncio.Event(), []

    async def log_in() -> Token:
        nonlocal logins
        logins += 1
        return Token(SecretStr(f"{TOKEN}{logins}"), 100)

    async def get(key: str) -> Any:
        found = await redis_client.get(key)
        read.append(found)
        if len(read) == 3:
            await late.wait()
        return found

    redis = SimpleNamespace(get=get, set=redis_client.set, lock=redis_client.lock)
    shared = SharedSession(cast("Any", redis), "n", log_in, login_seconds=30)
    refused = await shared.token()
    slow = asyncio.ensure_future(shared.renew(refused))
    await until(lambda: read == [None, None, f"{TOKEN}1"])
    quick = await shared.renew(refused)
    late.set()

    assert [token.get_secret_value() for token in (refused, quick, await slow)] == [f"{TOKEN}{n}" for n in (1, 2, 2)]
    assert logins == 2


# refusals


async def test_a_refused_login_is_told_to_all_who_wait_and_not_tried_again_by_them(redis_client: Redis) -> None:
    account = Account(login_answer=(401, json.dumps({"error": f"Unable to authenticate user[{USER}]"}).encode()))
    go, read = asyncio.Event(), []
    account.on_login = go.wait

    async def get(key: str) -> Any:
        read.append(await redis_client.get(key))
        return read[-1]

    redis = SimpleNamespace(get=get, set=redis_client.set, lock=redis_client.lock)
    vendor = openbom(account, Limiter(), redis)
    requests = [asyncio.ensure_future(vendor.bom(BOM)) for _ in range(5)]
    # each of them and the login: with what it has read, each joins the login in the same moment
    await until(lambda: len(read) == 6 and account.logins == 1)
    go.set()

    found = await asyncio.gather(*requests, return_exceptions=True)

    assert [type(error) for error in found] == [VendorBlockedError] * 5
    assert (account.logins, account.requests) == (1, [])
    assert 0 < await redis_client.pttl(LOCK) <= 1_000
    account.login_answer = None
    assert await vendor.bom(BOM) is not None
    assert account.logins == 2


CLOSED = [(400, b'{"error": "no username"}'), (401, b"{}"), (402, b"{}"), (403, b"{}"), (404, b""), (301, b"")]
BROKEN = [
    (429, b"{}"),
    (503, b"{}"),
    (500, b'{"error": "Something went wrong."}'),
    (202, b'{"access_token": "eyJ.tok-9"}'),
    (200, b""),
    (200, b'{"access_token": "eyJ.tok-9'),
    (200, b'["eyJ.tok-9"]'),
    (200, b'{"access_token": ["eyJ.tok-9"], "other": "eyJ.tok-9"}'),
    (200, b'{"access_token": "eyJ.tok-9", "expires_in": "eyJ.tok-9"}'),
    (200, b'{"access_token": "eyJ.tok-9", "error": "no"}'),
]


@pytest.mark.parametrize(("answer", "throttled"), [*((a, False) for a in CLOSED), *((a, True) for a in BROKEN)])
async def test_a_login_that_fails_is_the_vendors_trouble_and_no_commands(
    answer: tuple[int, bytes],
    throttled: bool,  # noqa: FBT001  a case, not a switch
    redis_client: Redis,
) -> None:
    account, limiter = Account(login_answer=answer), Limiter()

    error = await blocked(account, redis_client, limiter)

    assert error.throttled is throttled
    assert account.requests == []
    assert limiter.log[0][0] == "acquire"
    assert await redis_client.get(LOCK.removesuffix(":login")) is None
    shown = everything_of(error)
    assert [secret for secret in SECRETS if secret in shown] == []


async def test_a_login_that_finds_no_connection_says_so(redis_client: Redis) -> None:
    account = Account(login_trouble=aiohttp.ConnectionTimeoutError("too long"))

    with pytest.raises(RetryableError) as caught:
        await openbom(account, Limiter(), redis_client).bom(BOM)

    assert caught.value.unreachable


async def test_a_login_whose_answer_is_lost_costs_no_command_an_attempt(redis_client: Redis) -> None:
    account = Account(login_trouble=aiohttp.ServerDisconnectedError())

    assert (await blocked(account, redis_client)).throttled


async def test_what_the_limiter_says_of_a_login_comes_through(redis_client: Redis) -> None:
    class Paused(Limiter):
        async def acquire(self, *_: Any) -> Any:
            raise PausedError(30.0, "maintenance", paused=True)

    account = Account()

    with pytest.raises(PausedError):
        await openbom(account, Paused(), redis_client).bom(BOM)

    assert account.logins == 0


async def test_nobody_hears_of_a_login_that_failed_when_nobody_waits_any_more(
    redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    account, go = Account(login_answer=(500, b"{}")), asyncio.Event()
    account.on_login = go.wait
    request = asyncio.ensure_future(openbom(account, Limiter(), redis_client).bom(BOM))
    await until(lambda: account.logins == 1)
    request.cancel()
    (login,) = [task for task in asyncio.all_tasks() if task.get_name() == "login at OpenBOM"]
    go.set()
    await asyncio.wait({login})
    del login

    assert [record for record in caplog.records if record.name == "asyncio"] == []


# secrets


ECHO = f"user[{USER}] ({USER.lower()}, Ann.Lee%2Bbom%40example.test) password[{PASSWORD}] app_key[{APP_KEY}]"


@pytest.mark.parametrize("status", [200, 202, 400, 401, 403, 500])
@pytest.mark.parametrize("body", [json.dumps({"error": ECHO}), json.dumps({"error": {"message": ECHO}}), ECHO])
async def test_no_login_shows_who_we_are(
    status: int, body: str, redis_client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    error = await blocked(Account(login_answer=(status, body.encode())), redis_client)

    shown = everything_of(error) + "".join(repr(vars(record)) for record in caplog.records)
    assert [secret for secret in SECRETS if secret in shown] == []
    assert "Ann.Lee" not in shown
    assert "guess" not in shown


async def test_no_token_of_any_age_is_shown(redis_client: Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    account = Account()
    vendor = openbom(account, Limiter(), redis_client)
    errors = []
    for _ in range(3):
        await vendor.bom(BOM)
        account.tokens_are_good = False
        with pytest.raises(VendorBlockedError) as caught:
            await vendor.bom(BOM)
        errors.append(caught.value)
        account.tokens_are_good = True

    shown = "".join(map(everything_of, errors)) + "".join(repr(vars(record)) for record in caplog.records)
    assert TOKEN not in shown
    made = {name: value for name, value in vars(vendor._client).items() if name != "_session"}
    assert TOKEN not in repr([made, vars(vendor._client._shared)])
