"""Servers that do not speak HTTP well, and what the client relies on inside aiohttp."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import InDoubtError, RejectedError, RetryableError, VendorBlockedError, VendorError
from tests.scripted_vendor import API_KEY, OK, Limiter, Permission, call, make, raw_server
from workers.vendors.base import MAX_ANSWER_BYTES, open_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = json.dumps(OK).encode()
WHOLE = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session() as opened:
        yield opened


async def written(
    session: aiohttp.ClientSession, *pieces: bytes, url: str = "", timeout_seconds: float = 10.0
) -> tuple[Any, Limiter]:
    """Write once against a server that answers so; gives the outcome and what became of the slot."""
    limiter = Limiter()
    async with raw_server(*pieces) as (server_url, _):
        client = make(session, limiter, base_url=url or server_url, timeout_seconds=timeout_seconds)
        try:
            return (await client.write(call("stock/add", {}), Permission(limiter))).exchange(), limiter
        except VendorError as error:
            return error, limiter


CUT = {
    "closed without a byte": b"",
    "in the status line": WHOLE[:12],
    "in the headers": WHOLE[:40],
    "in the body": WHOLE[:-3],
    "in a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n30\r\n" + BODY[:10],
    "without a length": HEAD + b"\r\n" + BODY[:-1],
    "in gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + gzip.compress(BODY)[:20],
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a bad length": HEAD + b"Content-Length: many\r\n\r\n" + BODY,
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n" + BODY,
    "a bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a NUL in a header": HEAD + b"X: a\0b\r\n\r\n" + BODY,
    "an endless header": HEAD + b"X: " + b"a" * 100_000 + b"\r\n\r\n" + BODY,
    "not gzip": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
}


@pytest.mark.parametrize("how", CUT)
async def test_an_answer_that_is_cut_or_garbled_leaves_a_write_in_doubt(
    session: aiohttp.ClientSession, how: str
) -> None:
    error, limiter = await written(session, CUT[how])

    assert type(error) is InDoubtError
    assert error.exchange is not None
    assert limiter.log[-1][0] == "ghost"


@pytest.mark.parametrize("how", CUT)
async def test_no_error_of_aiohttp_drags_the_key_along(session: aiohttp.ClientSession, how: str) -> None:
    error, _ = await written(session, CUT[how])

    reachable: list[BaseException] = [error]
    for found in reachable:
        reachable += [
            further for further in (found.__cause__, found.__context__) if further and further not in reachable
        ]
    assert API_KEY not in "".join(f"{found!r} {found} {vars(found)}" for found in reachable)


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE,
        HEAD + b"\r\n" + BODY,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(BODY),
        b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
    ],
    ids=["length", "until the end", "chunked", "gzip", "continue"],
)
async def test_every_proper_form_of_an_answer_is_read(session: aiohttp.ClientSession, answer: bytes) -> None:
    exchange, limiter = await written(session, answer)

    assert exchange.answer == OK
    assert limiter.log[-1][0] == "release"


async def test_a_status_decides_although_its_body_never_comes(session: aiohttp.ClientSession) -> None:
    refused, _ = await written(session, b"HTTP/1.1 409 Conflict\r\nContent-Length: 50\r\n\r\nhalf")
    throttled, _ = await written(session, b"HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 50\r\n\r\n")

    assert (type(refused), refused.code) == (RejectedError, "conflict")
    assert (type(throttled), throttled.retry_after_seconds) == (VendorBlockedError, 7)


async def test_a_compressed_bomb_is_given_up_in_time(session: aiohttp.ClientSession) -> None:
    bomb = gzip.compress(b" " * (20 * MAX_ANSWER_BYTES))
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    tracemalloc.start()
    try:
        error, limiter = await written(session, head, bomb, timeout_seconds=60)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert type(error) is InDoubtError
    assert limiter.log[-1][0] == "ghost"
    assert peak_bytes < 4 * MAX_ANSWER_BYTES


async def test_a_silent_vendor_is_left_after_the_timeout(session: aiohttp.ClientSession) -> None:
    error, limiter = await written(session, timeout_seconds=0.3)

    assert type(error) is InDoubtError
    assert error.exchange is not None
    assert error.exchange.status is None
    assert limiter.log[-1][0] == "ghost"


async def test_no_tls_at_the_other_end_means_nothing_was_sent(session: aiohttp.ClientSession) -> None:
    async with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (url, _):
        error, limiter = await written(session, url=url.replace("http:", "https:"))

    assert type(error) is RetryableError
    assert limiter.log[-1][0] == "release"


async def test_a_handshake_that_never_ends_means_nothing_was_sent(session: aiohttp.ClientSession) -> None:
    async with raw_server() as (url, _):
        error, limiter = await written(session, url=url.replace("http:", "https:"), timeout_seconds=0.9)

    assert type(error) is RetryableError
    assert isinstance(error.__cause__, aiohttp.ConnectionTimeoutError)
    assert limiter.log[-1][0] == "release"


async def test_a_name_that_nobody_knows_means_nothing_was_sent(session: aiohttp.ClientSession) -> None:
    error, limiter = await written(session, url="https://vendor.invalid/api/1")

    assert type(error) is RetryableError
    assert limiter.log[-1][0] == "release"


@pytest.mark.parametrize(("switched_off", "executions"), [(False, 2), (True, 1)])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "GET"])
async def test_the_private_switch_of_aiohttp_stops_its_second_sending(
    method: str, executions: int, *, switched_off: bool
) -> None:
    async with open_session() as session, raw_server(b"") as (url, received):
        if switched_off:
            make(session, base_url=url)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.request(method, url)

        assert len(received) == executions


@settings(max_examples=60, deadline=None)
@given(
    head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", HEAD, HEAD + b"\r\n", WHOLE]),
    tail=st.binary(max_size=200) | st.text(alphabet="\r\n :;,=abc019%", max_size=60).map(str.encode),
)
def test_whatever_bytes_come_only_the_four_errors_come_out(head: bytes, tail: bytes) -> None:
    async def once() -> None:
        async with open_session() as session:
            outcome, limiter = await written(session, head + tail)
        assert outcome.exchange is not None if isinstance(outcome, VendorError) else outcome.answer == OK
        assert limiter.log[-1][0] == ("ghost" if isinstance(outcome, InDoubtError) else "release")

    asyncio.run(once())
