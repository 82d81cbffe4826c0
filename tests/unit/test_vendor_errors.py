"""What an answer, or none, means: the error class and what becomes of the slot."""

from __future__ import annotations

import asyncio
import gzip
import json
from contextlib import asynccontextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import Exchange, InDoubtError, RejectedError, RetryableError, VendorBlockedError, VendorError
from tests.scripted_vendor import (
    API_KEY,
    KEY,
    OK,
    SETTLE_SECONDS,
    Limiter,
    Permission,
    Session,
    call,
    envelope,
    make,
    read_once,
    write_once,
)
from workers.vendors.base import MAX_ANSWER_BYTES
from workers.vendors.partsbox.wire import stock as wire

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiohttp.client_reqrep import ConnectionKey


def refused(code: str) -> Callable[[Any], bool]:
    return lambda error: type(error) is RejectedError and error.code == code


def is_a(kind: type[VendorError]) -> Callable[[Any], bool]:
    return lambda error: type(error) is kind


BLOCKED, DOUBT, RETRY = is_a(VendorBlockedError), is_a(InDoubtError), is_a(RetryableError)
KEYED: Any = SimpleNamespace(host="vendor.test", port=443, ssl=True)
NO_CONNECTION: list[Exception] = [
    aiohttp.ClientConnectorError(cast("ConnectionKey", KEYED), OSError(111, "refused")),
    aiohttp.ClientConnectorDNSError(cast("ConnectionKey", KEYED), OSError(-2, "name unknown")),
    aiohttp.ClientConnectorCertificateError(cast("ConnectionKey", KEYED), ValueError("expired")),
    aiohttp.ConnectionTimeoutError("connecting took too long"),
]
CUT: list[Exception] = [
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientOSError(104, "reset by peer"),
    aiohttp.ClientConnectionResetError("closing transport"),
    aiohttp.SocketTimeoutError("silence"),
    aiohttp.ClientPayloadError("not all of it"),
    TimeoutError(),
    OSError("network down"),
    ValueError("whatever"),
    RuntimeError("Session is closed"),
    UnicodeError("whatever"),
]

CERTAIN = [
    *((status, refused("invalid")) for status in (400, 411, 422)),
    (403, refused("forbidden")),
    (404, refused("not-found")),
    *((status, refused("unsupported")) for status in (405, 415)),
    *((status, refused("conflict")) for status in (409, 412)),
    (413, refused("too-large")),
    *((status, BLOCKED) for status in (300, 301, 302, 303, 304, 307, 308, 399, 401, 402, 429)),
]
UNCLEAR = [202, 408, 500, 501, 502, 503, 504, 599, 406, 418, 425, 451, 499, 101, 600, 999]


# classes


@pytest.mark.parametrize("body", [envelope(), envelope(category="fault"), b"", b"<html>"])
@pytest.mark.parametrize(("status", "expected"), CERTAIN)
async def test_a_certain_status_decides_whatever_the_body_says(
    status: int, expected: Callable[[Any], bool], body: bytes
) -> None:
    limiter = Limiter()

    assert expected(await write_once(Session(status, body), limiter))
    assert limiter.log[-1] == ("release", KEY)
    assert expected(await read_once(Session(status, body)))


@pytest.mark.parametrize(("status", "expected"), CERTAIN)
async def test_a_certain_status_decides_even_when_the_body_is_cut(status: int, expected: Callable[[Any], bool]) -> None:
    limiter = Limiter()

    assert expected(await write_once(Session(status, b"xy", within=aiohttp.ClientPayloadError()), limiter))
    assert limiter.log[-1] == ("release", KEY)


@pytest.mark.parametrize("body", [envelope(), envelope(category="not-found"), b"", b"<html>"])
@pytest.mark.parametrize("status", UNCLEAR)
async def test_an_unclear_status_leaves_a_write_in_doubt_and_a_ghost(status: int, body: bytes) -> None:
    limiter = Limiter()

    assert DOUBT(await write_once(Session(status, body), limiter))
    assert limiter.log[-1] == ("ghost", KEY, SETTLE_SECONDS)


@pytest.mark.parametrize(("write", "outcome"), [(True, InDoubtError), (False, VendorBlockedError)])
async def test_a_503_slows_everything_down_and_its_retry_after_is_passed_on(
    write: bool,  # noqa: FBT001  a case, not a switch
    outcome: type[InDoubtError | VendorBlockedError],
) -> None:
    session = Session(503, b"<html>", {"Retry-After": "30"})

    error = await (write_once if write else read_once)(session)

    assert type(error) is outcome
    assert error.retry_after_seconds == 30
    assert getattr(error, "overloaded" if write else "throttled")


@pytest.mark.parametrize("status", [status for status in UNCLEAR if status != 503])
async def test_an_unclear_status_lets_a_read_be_repeated(status: int) -> None:
    limiter = Limiter()

    assert RETRY(await read_once(Session(status, envelope()), limiter))
    assert limiter.log[-1][0] == ("ghost" if status == 504 else "release")


@pytest.mark.parametrize("category", ["ok", "OK", "status/ok", "partsbox.status/ok"])
@pytest.mark.parametrize("status", [200, 201])
async def test_the_category_ok_is_success_in_every_spelling(status: int, category: str) -> None:
    limiter = Limiter()
    body = envelope(category=category)

    exchange = await write_once(Session(status, body), limiter)

    assert isinstance(exchange, Exchange)
    assert (exchange.operation, exchange.status, exchange.request) == ("stock/add", status, {"stock/quantity": 1})
    assert exchange.answer == json.loads(body)
    assert limiter.log == [("acquire", KEY), ("permitted",), ("release", KEY)]
    assert (await read_once(Session(status, body))).body == json.loads(body)


@pytest.mark.parametrize(
    ("category", "code"),
    [
        ("not-found", "not-found"),
        ("status/conflict", "conflict"),
        ("Missing-Stock", "missing-stock"),
        ("error", "error"),
        ("not ok", "refused"),
        ("x" * 99, "refused"),
        (API_KEY, "refused"),
    ],
)
async def test_200_with_another_category_is_a_refusal_with_that_code(category: str, code: str) -> None:
    assert refused(code)(await write_once(Session(body=envelope(category=category))))
    assert refused(code)(await read_once(Session(body=envelope(category=category))))


@pytest.mark.parametrize("category", ["fault", "status/unavailable", "interrupted", "busy", "", "status/", None, 5, []])
async def test_200_with_a_category_that_refuses_nothing_is_in_doubt(category: object) -> None:
    assert DOUBT(await write_once(Session(body=envelope(category=category))))
    assert RETRY(await read_once(Session(body=envelope(category=category))))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"ok"',
        b"{}",
        b'{"data": {}}',
        b'{"partsbox.status/category": "ok"',
        b"<html>ok</html>",
        b"\xff\xfe\x00",
        b'{"partsbox.status/category": NaN}',
        b"[" * 100_000,
        b"9" * 5_000,
        gzip.compress(envelope()),
        b" " * (MAX_ANSWER_BYTES + 1) + envelope(),
    ],
    ids=range(14),
)
async def test_200_with_a_body_that_says_nothing_is_in_doubt(body: bytes) -> None:
    limiter = Limiter()

    assert DOUBT(await write_once(Session(body=body), limiter))
    assert limiter.log[-1] == ("ghost", KEY, SETTLE_SECONDS)
    assert RETRY(await read_once(Session(body=body)))


@pytest.mark.parametrize("trouble", NO_CONNECTION, ids=lambda error: type(error).__name__)
async def test_without_a_connection_nothing_was_sent(trouble: Exception) -> None:
    limiter = Limiter()

    assert RETRY(await write_once(Session(before=trouble), limiter))
    assert limiter.log[-1] == ("release", KEY)
    assert RETRY(await read_once(Session(before=trouble), limiter))
    assert limiter.log[-1][0] == "release"


@pytest.mark.parametrize("place", ["before", "within"])
@pytest.mark.parametrize("trouble", CUT, ids=lambda error: type(error).__name__)
async def test_any_other_trouble_may_have_come_after_the_first_byte(trouble: Exception, place: str) -> None:
    limiter = Limiter()
    session = Session(body=envelope(), **cast("Any", {place: trouble}))

    error = await write_once(session, limiter)

    assert DOUBT(error)
    assert isinstance(error, InDoubtError)
    assert error.__cause__ is trouble
    assert limiter.log[-1] == ("ghost", KEY, SETTLE_SECONDS)
    assert RETRY(await read_once(session, limiter))
    assert limiter.log[-1][0] == "ghost"


@pytest.mark.parametrize("trouble", NO_CONNECTION, ids=lambda error: type(error).__name__)
async def test_after_a_status_no_trouble_means_that_nothing_was_sent(trouble: Exception) -> None:
    limiter = Limiter()

    assert DOUBT(await write_once(Session(body=envelope(), within=trouble), limiter))
    assert limiter.log[-1] == ("ghost", KEY, SETTLE_SECONDS)


async def test_trouble_behind_a_whole_answer_changes_nothing() -> None:
    class Unpleasant(Session):
        @asynccontextmanager
        async def request(self, method: str, url: object, **options: Any) -> AsyncIterator[Any]:
            async with super().request(method, url, **options) as response:
                yield response
            raise aiohttp.ClientOSError(104, "reset while closing")

    assert isinstance(await write_once(Unpleasant(body=envelope())), Exchange)


@pytest.mark.parametrize(
    ("session", "rewards"),
    [
        (Session(body=envelope()), 1),
        (Session(409), 1),
        (Session(body=envelope(category="conflict")), 1),
        (Session(429), 0),
        (Session(401), 0),
        (Session(500), 0),
        (Session(before=NO_CONNECTION[0]), 0),
    ],
)
async def test_the_limiter_hears_of_each_request_that_the_vendor_took(session: Session, rewards: int) -> None:
    limiter = Limiter()

    await write_once(session, limiter)

    assert limiter.rewards == rewards


async def test_every_error_carries_what_was_asked_and_answered() -> None:
    body = envelope(category="conflict", message="Not enough stock")
    ticks = iter([10.0, 10.0421])
    limiter = Limiter()
    client = make(Session(409, body), limiter)
    client._clock = lambda: next(ticks)

    with pytest.raises(RejectedError, match="stock/add: HTTP 409 “Not enough stock”: refused") as caught:
        await client.write(call("stock/add", {"stock/price": Decimal("0.10")}), Permission(limiter))

    assert caught.value.exchange == Exchange("stock/add", {"stock/price": 0.1}, 409, json.loads(body), 42)


async def test_an_unreadable_read_is_retryable_and_names_the_place_not_the_value() -> None:
    stock = [{"stock/quantity": "12 or so", "stock/timestamp": 1}]
    body = json.dumps(OK | {"data": {"part/id": "p", "part/stock": stock}}).encode()

    with pytest.raises(RetryableError, match=r"part/stock\.0\.stock/quantity") as caught:
        await make(Session(body=body)).read_as(call("part/get", {}), lambda answer: wire.stock_entries(answer, "p"))

    assert "12 or so" not in str(caught.value)
    assert caught.value.exchange is not None
    assert caught.value.exchange.answer == json.loads(body)


# anything


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
_ENTRY = st.dictionaries(
    st.sampled_from(
        ["stock/quantity", "stock/timestamp", "stock/status", "stock/comments", "stock/price", "stock/user"]
    ),
    _JSON,
)
_ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "partsbox.status/category": st.just("ok") | st.text() | _JSON,
        "partsbox.status/message": _JSON,
        "data": _JSON | st.fixed_dictionaries({"part/id": st.just("p"), "part/stock": st.lists(_ENTRY, max_size=3)}),
    },
)
_BODIES = st.binary() | (_JSON | _ENVELOPES).map(lambda value: json.dumps(value).encode())
_STATUSES = st.sampled_from([200, 200, 200, 201, 204]) | st.integers(100, 999)
_TROUBLES = st.sampled_from([None, None, None, *NO_CONNECTION, *CUT])


@settings(max_examples=300, deadline=None)
@given(
    status=_STATUSES,
    body=_BODIES,
    headers=st.dictionaries(st.sampled_from(["Retry-After", "Date"]), st.text()),
    before=_TROUBLES,
    within=_TROUBLES,
)
def test_whatever_comes_back_only_the_four_errors_come_out(
    status: int, body: bytes, headers: dict[str, str], before: Exception | None, within: Exception | None
) -> None:
    session = Session(status, body, headers, before, within)
    limiter = Limiter()
    four = (RetryableError, InDoubtError, RejectedError, VendorBlockedError)

    async def both() -> None:
        written = await write_once(session, limiter)
        assert type(written) in {Exchange, *four}
        ended = limiter.log[-1]
        assert ended[0] == ("ghost" if isinstance(written, InDoubtError) else "release")
        exchange = written if isinstance(written, Exchange) else written.exchange
        assert isinstance(exchange, Exchange)
        json.dumps(exchange.answer, allow_nan=False, ensure_ascii=False).encode()
        try:
            await make(session).read_as(call("part/get", {}), lambda answer: wire.stock_entries(answer, "p"))
        except VendorError as error:
            assert type(error) in set(four) - {InDoubtError}  # noqa: PT017  success is allowed too
            assert error.exchange is not None  # noqa: PT017  the same

    asyncio.run(both())
