"""A request on its way: slot, permit, intent, cancellation, address, and the wait that a 429 asks for."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from tasks.errors import Exchange, InDoubtError, RetryableError, VendorBlockedError
from tests.scripted_vendor import (
    API_KEY,
    KEY,
    SETTLE_SECONDS,
    Limiter,
    Permission,
    Session,
    answering,
    call,
    envelope,
    make,
    read_once,
    write_once,
)
from workers.limits import PausedError
from workers.vendors.base import MAX_RETRY_AFTER_SECONDS, open_session, retry_after_seconds
from workers.vendors.partsbox.client import secret_headers
from workers.vendors.request import Answer, Call

# the way to the first byte


async def test_the_request_is_sent_as_the_vendor_wants_it() -> None:
    session = Session(body=envelope())
    limiter = Limiter()

    await make(session, limiter, base_url="https://vendor.test/api/1/").write(
        call("stock/add", {"a": 1}), Permission(limiter)
    )

    (sent,) = session.sent
    assert sent["url"] == "https://vendor.test/api/1/stock/add"
    assert sent["headers"]["Authorization"] == f"APIKey {API_KEY}"
    assert sent["headers"]["Content-Type"] == "application/json"
    assert sent["allow_redirects"] is False
    assert sent["data"] == b'{"a":1}'
    assert None not in (sent["timeout"].total, sent["timeout"].connect, sent["timeout"].sock_read)
    assert sent["timeout"].connect < sent["timeout"].sock_read < sent["timeout"].total
    assert session._retry_connection is False


@pytest.mark.parametrize(("leaves", "outcome"), [(True, Answer), (False, RetryableError)])
async def test_a_write_that_may_not_leave_any_more_sends_no_byte_and_is_no_doubt(
    leaves: bool,  # noqa: FBT001  a case, not a switch
    outcome: type[object],
) -> None:
    """A process was frozen while it connected, and its lease ended: aiohttp must keep even the headers back."""
    limiter = Limiter()
    async with answering(envelope()) as (url, received), open_session() as session:
        client = make(session, limiter, base_url=url)
        try:
            found: object = await client.write(call("stock/add", {"a": 1}), Permission(limiter, leaves=leaves))
        except RetryableError as error:
            found = error

    assert isinstance(found, outcome)
    assert [head for head in received if head] == received[: int(leaves)]
    assert limiter.log == [("acquire", KEY), ("permitted",), ("release", KEY)]


async def test_a_body_of_megabytes_is_sent_whole() -> None:
    """aiohttp warns of large bytes, and would write them in one go."""
    limiter, items = Limiter(), ["x" * 1000] * 4000
    async with answering(envelope()) as (url, received), open_session() as session:
        found = await make(session, limiter, base_url=url).write(Call.post("lists", items), Permission(limiter))

    assert found.status == 200
    assert b"Content-Length: 4012001\r\n" in received[0]  # and the server read so many


async def test_a_stale_permit_is_exchanged_before_the_intent() -> None:
    limiter = Limiter(fresh=[False, True, True])

    assert isinstance(await write_once(Session(body=envelope()), limiter), Exchange)
    assert limiter.log == [
        ("acquire", KEY),
        ("release", KEY),
        ("acquire", KEY),
        ("permitted",),
        ("release", KEY),
    ]


async def test_a_permit_that_goes_stale_before_the_first_byte_is_exchanged_in_the_moment_of_writing() -> None:
    """A handshake may take longer than a permit lasts: the rate counts what leaves, when it leaves."""
    limiter = Limiter(fresh=[True, False, True])

    async with answering(envelope()) as (url, received), open_session() as session:
        await make(session, limiter, base_url=url).write(call("stock/add", {"a": 1}), Permission(limiter))

    assert len(received) == 1
    assert limiter.log == [("acquire", KEY), ("permitted",), ("acquire", KEY), ("release", KEY)]


async def test_a_vendor_paused_while_it_was_connected_to_gets_no_byte_and_the_command_no_doubt() -> None:
    class Paused(Limiter):
        async def acquire(self, slot_id: str, _: Any = None) -> Any:
            if self.log:
                raise PausedError(30.0, "maintenance", paused=True)
            return await super().acquire(slot_id)

    limiter = Paused(fresh=[True, False])

    async with answering(envelope()) as (url, received), open_session() as session:
        with pytest.raises(PausedError):
            await make(session, limiter, base_url=url).write(call("stock/add", {"a": 1}), Permission(limiter))

    assert not any(received)
    assert limiter.log == [("acquire", KEY), ("permitted",), ("release", KEY)]


@pytest.mark.parametrize("error", [LookupError("lease lost"), asyncio.CancelledError()])
async def test_a_sender_that_does_not_permit_stops_the_write(error: BaseException) -> None:
    limiter, session = Limiter(), Session(body=envelope())

    with pytest.raises(type(error)):
        await make(session, limiter).write(call("stock/add", {}), Permission(limiter, error=error))

    assert session.sent == []
    assert limiter.log == [("acquire", KEY), ("permitted",), ("release", KEY)]


async def test_what_the_limiter_raises_comes_through_before_any_intent() -> None:
    class Paused(Limiter):
        async def acquire(self, slot_id: str, _: Any = None) -> Any:
            raise LookupError(slot_id)

    limiter, session = Paused(), Session(body=envelope())

    with pytest.raises(LookupError):
        await make(session, limiter).write(call("stock/add", {}), Permission(limiter))

    assert session.sent == []
    assert limiter.log == []


async def test_every_read_has_a_slot_of_its_own() -> None:
    limiter = Limiter(fresh=[False])

    await read_once(Session(body=envelope()), limiter)
    await read_once(Session(body=envelope()), limiter)

    first, second = limiter.log[0][1], limiter.log[-1][1]
    assert first != second
    steps = [("acquire", first), ("release", first)]
    assert limiter.log == [*steps, *steps, ("acquire", second), ("release", second)]


@pytest.mark.parametrize("kind", ["read", "write"])
async def test_a_cancelled_request_leaves_a_ghost(kind: str) -> None:
    limiter, session = Limiter(), Session(hanging=asyncio.Event())
    assert session.hanging is not None
    running = asyncio.create_task(cast("Any", {"read": read_once, "write": write_once}[kind](session, limiter)))
    await session.hanging.wait()

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert limiter.log[-1] == ("ghost", limiter.log[0][1], SETTLE_SECONDS)


async def test_without_a_settle_time_no_ghost_is_left() -> None:
    limiter = Limiter()

    with pytest.raises(InDoubtError):
        await make(Session(500), limiter, settle_seconds=0).write(call("stock/add", {}), Permission(limiter))

    assert limiter.log[-1] == ("release", KEY)


# addresses and secrets at construction


@pytest.mark.parametrize(
    "base_url",
    ["https://api.vendor.test/api/1", "http://127.0.0.1:8080/api/1", "http://[::1]:80", "http://localhost:1/x/"],
)
def test_https_and_loopback_addresses_are_accepted(base_url: str) -> None:
    make(Session(), base_url=base_url)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://api.vendor.test/api/1",
        "http://127.0.0.1.vendor.test/",
        "http://localhost.vendor.test/",
        "http://0.0.0.0/",
        "http://192.168.1.5/",
        "http://127.0.0.1@vendor.test/",
        "http://vendor.test\\@127.0.0.1/",
        "https://user:secret@vendor.test/",
        "https://vendor.test/api?mode=edn",
        "https://vendor.test/#x",
        "ftp://vendor.test/",
        "vendor.test/api/1",
        "https://",
        "",
    ],
)
def test_any_other_address_is_refused_at_construction(base_url: str) -> None:
    with pytest.raises(ValueError, match=r"base_url|.") as caught:
        make(Session(), base_url=base_url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("changes", [{"timeout_seconds": 0}, {"timeout_seconds": -1}, {"settle_seconds": -1}])
def test_impossible_durations_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="timeout_seconds"):
        make(Session(), **changes)


@pytest.mark.parametrize(
    "key", ["", "abc", f"APIKey {API_KEY}", f"{API_KEY}\r\nX-Evil: 1", "partsboxapi_", "partsboxapi_ä"]
)
def test_what_is_no_api_key_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ValueError, match="api_key") as caught:
        secret_headers(SecretStr(key))
    assert "0123456789" not in str(caught.value)


def test_a_header_that_would_break_the_request_is_refused() -> None:
    with pytest.raises(ValueError, match="Authorization: must be plain text"):
        make(Session(), secret_headers={"Authorization": SecretStr("a\r\nb: c")})


# Retry-After


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("3600", 3600),
        ("3601", MAX_RETRY_AFTER_SECONDS),
        ("86400", MAX_RETRY_AFTER_SECONDS),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30),
        ("Wednesday, 21-Oct-26 07:28:30 GMT", 30),
        ("Wed Oct 21 07:28:30 2026", 30),
        ("Wed, 21 Oct 2026 07:28:30 -0000", 30),
        ("Thu, 22 Oct 2026 07:28:00 GMT", MAX_RETRY_AFTER_SECONDS),
        ("Wed, 21 Oct 2026 07:27:59 GMT", None),
        ("Wed, 21 Oct 9999 23:59:59 -2359", None),
        ("1775698680652", None),
        ("1775698680", None),
        ("99999999999999999999999", None),
        ("-5", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("5, 10", None),
        ("Wed, 99 Foo", None),
    ],
)
async def test_retry_after_is_believed_only_when_it_makes_sense(value: str, seconds: float | None) -> None:
    headers = {"Retry-After": value, "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}

    error = await write_once(Session(429, envelope(), headers))

    assert isinstance(error, VendorBlockedError)
    assert error.throttled
    assert error.retry_after_seconds == seconds


async def test_without_retry_after_nothing_is_invented() -> None:
    error = await write_once(Session(429))

    assert isinstance(error, VendorBlockedError)
    assert (error.throttled, error.retry_after_seconds) == (True, None)


@pytest.mark.parametrize("status", [301, 401, 402])
async def test_a_closed_vendor_is_not_a_throttled_one(status: int) -> None:
    error = await read_once(Session(status))

    assert isinstance(error, VendorBlockedError)
    assert not error.throttled


@given(st.text(), st.text())
def test_no_retry_after_header_raises(value: str, date: str) -> None:
    found = retry_after_seconds({"Retry-After": value, "Date": date})

    assert found is None or 0 <= found <= MAX_RETRY_AFTER_SECONDS
