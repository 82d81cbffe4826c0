"""The one place where HTTP happens: one request, its slot at the limiter, and what its outcome means."""

from __future__ import annotations

import json
import re
import secrets
import socket
import struct
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar

import aiohttp
from pydantic import ValidationError
from yarl import URL

from tasks import tracing
from tasks.errors import InDoubtError, RejectedError, RetryableError, VendorBlockedError, VendorError
from workers import metrics
from workers.vendors.access import check_address
from workers.vendors.evidence import Scrubber
from workers.vendors.request import Answer, LastLook

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pydantic import SecretStr

    from tasks.ports import Grant, Sending
    from workers.vendors.request import Call

R = TypeVar("R")

#: Decompressed. A part with 50,000 stock entries is about 10 MiB; more is not an answer but a fault.
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
#: Two lost SYN packets (1 s + 2 s) fit; after more the request would leave long after its permit.
MAX_CONNECT_SECONDS: Final = 5.0
#: Servers close what was idle for two seconds (gunicorn) to a minute or more (load balancers).
WARM_SECONDS: Final = 1.0
#: Closing throws away what has not arrived (SO_LINGER on, 0 s), also at SIGKILL. Else the system goes on delivering it
#: for minutes, and a write comes out of a long cut when it was looked for in vain and sent again.
_DISCARD_AT_CLOSE: Final = struct.pack("ii", 1, 0)
#: After so many in a row were closed something is wrong with more than them.
CONNECTIONS_TRIED: Final = 5
#: Joined addresses that are kept: more than any vendor has operations.
MAX_ADDRESSES: Final = 100
#: A longer wish is cut to this: ask again after an hour rather than sleep through an early end.
MAX_RETRY_AFTER_SECONDS: Final = 3600.0
#: Nobody means more than a week: such a number is a timestamp or a fault.
_BELIEVABLE_RETRY_AFTER_SECONDS: Final = 7 * 86_400.0

#: Refused before it was carried out (RFC 9110, 15.5). A status that is not listed says nothing certain.
REFUSALS: Final = MappingProxyType(
    {400: "invalid", 411: "invalid", 422: "invalid", 403: "forbidden", 404: "not-found", 413: "too-large"}
    | {405: "unsupported", 415: "unsupported", 409: "conflict", 412: "conflict"}
)
_TOO_MANY_REQUESTS, _UNAVAILABLE, _GATEWAY_TIMEOUT = 429, 503, 504
#: Not executed, nor will the next one be: key, plan or address are wrong (any 3xx), or we are too fast.
_CLOSED: Final = frozenset({401, 402, _TOO_MANY_REQUESTS, *range(300, 400)})
#: 202 is only a promise.
_DONE: Final = frozenset(range(200, 300)) - {202}


class Permit(Protocol):
    """The limiter's leave to send one request."""

    def fresh(self) -> bool:
        """Tell whether it still holds; asked right before sending."""


class RequestLimiter(Protocol):
    """What a client needs of a vendor's limiter. A slot is named by its id; its lease outlasts any request."""

    async def acquire(self, slot_id: str, ahead: Callable[[Grant], None] | None = None) -> Permit:
        """Wait for the rate and a slot; leave nothing behind when this raises or is cancelled.

        `ahead` may be called when Redis is asked, with how it will tell this grant.
        """

    def leave(self, slot_id: str, *, ghost_seconds: float = 0.0, taken: bool = False) -> None:
        """Give the slot back without waiting, or keep it taken for so long: the vendor may still be working on it.

        `taken`: the vendor took the request, so what a 429 slowed down may speed up again. Raises nothing.
        """


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A vendor's address and secrets, and how long to wait for it; refuses an address that would leak them.

    `timeout_seconds` bounds one whole request. `settle_seconds` is how long the vendor may still commit a request
    after our connection closed.
    """

    base_url: str
    secret_headers: Mapping[str, SecretStr]
    timeout_seconds: float
    settle_seconds: float

    def __post_init__(self) -> None:
        try:
            check_address(self.base_url)
        except ValueError as error:
            raise ValueError(f"base_url: {error}") from None
        if not (self.timeout_seconds > 0 and self.settle_seconds >= 0):
            raise ValueError("timeout_seconds: must be above 0, and settle_seconds not below it")
        for name, secret in self.secret_headers.items():
            if not re.fullmatch(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*", secret.get_secret_value()):
                raise ValueError(f"{name}: must be plain text on one line")


def open_session() -> aiohttp.ClientSession:
    """Open a session as a `VendorClient` wants it; close it with `async with`.

    A connection is used again only while it is warm: one that the vendor closes in the moment of sending would leave a
    write in doubt for the whole settle time. Nothing of a request arrives once its connection was closed.
    """
    # no limit here: the limiter limits
    connector = aiohttp.TCPConnector(keepalive_timeout=WARM_SECONDS, limit=0, socket_factory=_open_socket)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, *_ = address
    opened = socket.socket(family, kind, protocol)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_AT_CLOSE)
    return opened


class VendorClient(ABC):
    """Sends one request per call, once; raises one of the four vendor errors or succeeds.

    It waits for the limiter and the answer only. By `verdict` and `words` a vendor says how to read its answers.
    """

    #: As the vendor's commands and queues name it.
    vendor: ClassVar[str]
    #: What this vendor's keys look like: one that is not ours is recognised too.
    key_pattern: ClassVar[str]

    def __init__(
        self,
        session: aiohttp.ClientSession,
        limiter: RequestLimiter,
        endpoint: Endpoint,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        session._retry_connection = False  # noqa: SLF001  aiohttp re-sends PUT, DELETE and GET; no public switch
        self._session = session
        self._limiter = limiter
        self._url = URL(endpoint.base_url)
        self._addresses: dict[str, URL] = {}
        self._endpoint = endpoint
        self._clock = clock
        secret_values = [secret.get_secret_value() for secret in endpoint.secret_headers.values()]
        self._scrubber = Scrubber(secret_values, self.key_pattern)
        seconds = endpoint.timeout_seconds
        # Less than the whole, so that it is this timeout that ends a connecting: certainly before the first byte.
        connect = min(MAX_CONNECT_SECONDS, seconds / 3)
        self._timeout = aiohttp.ClientTimeout(seconds, connect=connect, sock_connect=connect, sock_read=seconds * 2 / 3)

    #: Statuses by which this vendor closes itself to us altogether, beyond those that every vendor has.
    closed_statuses: ClassVar[frozenset[int]] = frozenset()

    @abstractmethod
    def verdict(self, answer: Answer) -> str | None:
        """Read a 2xx answer: "ok" for done, another short word for refused, None when it says neither."""

    @abstractmethod
    def words(self, body: Any) -> str:
        """Find the vendor's message for people in a body, or an empty text."""

    def takes_no_writes(self, answer: Answer) -> bool:  # noqa: ARG002  a vendor without maintenance has nothing to look at
        """Tell whether an answer says that nothing is written now, and that this was not: announced maintenance."""
        return False

    def named(self, call: Call) -> str:
        """Name what is asked for without the ids in it."""
        return call.operation

    def without_secrets(self, body: Any) -> Any:
        """Give a parsed answer whose texts hold no secret of ours, whole in everything else: ids, markers, numbers."""
        return self._scrubber.whole(body)

    async def read(self, call: Call) -> Answer:
        """Ask without changing anything; every unclear outcome is a `RetryableError`."""
        answer = Answer(call, call.payload(), self._scrubber)
        slot_id, asked = f"read:{secrets.token_hex(8)}", tracing.now()
        permit = await self._fresh_permit(slot_id)
        tracing.waited(asked, tracing.now())
        await self._request(answer, slot_id, permit, None)
        return answer

    async def read_as(self, call: Call, convert: Callable[[Any], R]) -> R:
        """Read and convert the body; an answer in another form than documented is a `RetryableError`.

        What the vendor echoed of our secrets is taken out first: all that is read here may be stored and shown.
        """
        answer = await self.read(call)
        try:
            clean = self._scrubber.is_clean(answer.raw)
            return convert(answer.body if clean else self.without_secrets(answer.body))
        except RecursionError:
            where = "nested too deep"
        except ValueError as error:
            # Pydantic's own text quotes what the vendor sent; the exchange keeps that, scrubbed.
            where = _places(error) if isinstance(error, ValidationError) else str(error)
        raise RetryableError(f"{call.operation}: answer not understood: {where}", exchange=answer.exchange())

    async def write(self, call: Call, sending: Sending) -> Answer:
        """Send a change once; after `sending.permitted()` every unclear outcome is an `InDoubtError`."""
        return await self.write_when_permitted(lambda: call, sending)

    async def write_when_permitted(self, make: Callable[[], Call], sending: Sending) -> Answer:
        """Do the same with a request that is made only when it is permitted: others may join it until then."""
        asked = tracing.now()
        permit = await self._fresh_permit(sending.key, sending.ahead)
        granted = tracing.now()
        try:
            await sending.permitted()
            call = make()
            tracing.waited(asked, granted)
            answer = Answer(call, call.payload(), self._scrubber)
        except BaseException:
            self._leave(sending.key, working=False)
            raise
        await self._request(answer, sending.key, permit, sending)
        return answer

    async def _fresh_permit(self, slot_id: str, ahead: Callable[[Grant], None] | None = None) -> Permit:
        while not (permit := await self._limiter.acquire(slot_id, ahead)).fresh():
            self._leave(slot_id, working=False)
        return permit

    async def _look(self, slot_id: str, permit: Permit, sending: Sending | None) -> None:
        """Hold a request back that may not leave now: the connection took its time, or the process was frozen."""
        while not permit.fresh():
            permit = await self._limiter.acquire(slot_id)
        if sending is not None and not sending.may_leave():
            raise RetryableError("not sent: the lease may have ended while the connection was made")

    async def _request(self, answer: Answer, slot_id: str, permit: Permit, sending: Sending | None) -> None:
        write = sending is not None
        working, taken = True, False  # until proved otherwise: a cancelled request may still be carried out
        try:
            await self._send_on_open_connection(answer, partial(self._look, slot_id, permit, sending))
            if answer.held_back is not None and not isinstance(answer.held_back, VendorError):
                working = False
                raise answer.held_back  # the limiter's or the worker's own word
            error = self._error(answer, InDoubtError if write else RetryableError)
            unknown = isinstance(error, InDoubtError | RetryableError) and not answer.never_sent
            working = unknown and (write or answer.raw is None or answer.status == _GATEWAY_TIMEOUT)
            taken = error is None or isinstance(error, RejectedError)
        finally:
            self._leave(slot_id, working=working, taken=taken)
        if error is not None:
            # aiohttp keeps the request's headers, with the secret, inside its response errors.
            raise error from None if isinstance(answer.trouble, aiohttp.ClientResponseError) else answer.trouble

    async def _send_on_open_connection(self, answer: Answer, look: Callable[[], Awaitable[None]]) -> None:
        """Send; again where the vendor had closed the kept connection before a byte was written to it."""
        with tracing.request(self.vendor, self.named(answer.call), answer.call.method) as span:
            for _ in range(CONNECTIONS_TRIED):
                answer.closed_before, answer.trouble = False, None
                await self._send(answer, LastLook(answer, look))
                if not answer.closed_before:
                    break
            answer.show(span)

    async def _send(self, answer: Answer, body: LastLook) -> None:
        call = answer.call
        plain = {"Accept": "application/json", "User-Agent": "stockrelay"}
        if call.body is not None:
            plain["Content-Type"] = "application/json"
        secrets_of_it = {**self._endpoint.secret_headers, **call.headers}
        secret = {name: value.get_secret_value() for name, value in secrets_of_it.items()}
        started = self._clock()
        try:
            async with self._session.request(
                call.method,
                self._address(call.path),
                params=call.query or None,
                data=body,
                headers=plain | secret,
                skip_auto_headers=("Content-Type",),
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                answer.status = response.status
                answer.retry_after_seconds = retry_after_seconds(response.headers)
                answer.raw = await _whole_body(response.content)
        except Exception as error:  # noqa: BLE001  whatever it is: the request may have been carried out
            answer.trouble = error
        finally:
            if answer.raw is None:  # from here on nothing more of it arrives, which the settle time counts on
                body.cut()
        elapsed = self._clock() - started
        answer.elapsed_ms = round(elapsed * 1000)
        if not answer.never_sent:
            metrics.REQUESTS.labels(self.vendor, call.method, str(answer.status or "none")).inc()
            metrics.REQUEST_SECONDS.labels(self.vendor).observe(elapsed)
        answer.body = _parsed(answer.raw)

    def _address(self, path: str) -> URL:
        # few operations have an id in their path: these are joined once
        found = self._addresses.get(path)
        if found is None:
            found = self._url / path
            if len(self._addresses) < MAX_ADDRESSES:
                self._addresses[path] = found
        return found

    def _error(self, answer: Answer, unclear: type[InDoubtError | RetryableError]) -> VendorError | None:
        """Decide by HTTP status first, then by the vendor's verdict, never by its message."""
        status = answer.status
        verdict = self.verdict(answer) if status in _DONE else None
        if verdict == "ok":
            return None
        about = self._about(answer)
        exchange = answer.exchange()
        closed = status in _CLOSED or status in self.closed_statuses
        if code := verdict or (None if closed else REFUSALS.get(status or 0)):
            return RejectedError(f"{about}: refused ({code})", code=code, exchange=exchange)
        wait = answer.retry_after_seconds
        # a read's 503 says that nothing is taken now; a write's may be the last word of a proxy in between
        throttled = status == _TOO_MANY_REQUESTS or (status == _UNAVAILABLE and unclear is RetryableError)
        throttled = throttled or self.takes_no_writes(answer)
        if throttled or closed:
            return VendorBlockedError(about, throttled=throttled, retry_after_seconds=wait, exchange=exchange)
        if answer.never_sent:
            unreachable = answer.held_back is None
            return RetryableError(f"{about}: not sent", unreachable=unreachable, exchange=exchange)
        if unclear is InDoubtError:
            overloaded = status == _UNAVAILABLE
            return InDoubtError(f"{about}: unclear", overloaded=overloaded, retry_after_seconds=wait, exchange=exchange)
        return RetryableError(f"{about}: unclear", exchange=exchange)

    def _about(self, answer: Answer) -> str:
        said = "".join(c if c.isprintable() else " " for c in self._scrubber.text(self.words(answer.body))[:200])
        status = "no answer" if answer.status is None else f"HTTP {answer.status}"
        trouble = "" if answer.trouble is None else f" ({type(answer.trouble).__name__})"
        return f"{answer.call.operation}: {status}{trouble}" + (f" “{said}”" if said else "")

    def _leave(self, slot_id: str, *, working: bool, taken: bool = False) -> None:
        """Free the slot, or leave a ghost in it."""
        ghost_seconds = self._endpoint.settle_seconds if working else 0.0
        self._limiter.leave(slot_id, ghost_seconds=ghost_seconds, taken=taken)


async def _whole_body(content: aiohttp.StreamReader) -> bytes | None:
    body = bytearray()
    async for chunk in content.iter_any():  # aiohttp decompresses piece by piece, so a bomb is seen in time
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            return None
    return bytes(body)


def _places(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, item['loc']))} {item['type']}" for item in found[:3])


def _parsed(raw: bytes | None) -> Any:
    try:
        return json.loads(raw or b"")
    except (ValueError, RecursionError):
        return None


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After (RFC 9110, 10.2.3), a date against the answer's own; None unless usable, an hour at most."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    if re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", text):
        seconds = float(text)
    elif until := _http_date(text):
        seconds = (until - (_http_date(headers.get("Date", "")) or datetime.now(UTC))).total_seconds()
    else:
        return None
    return min(seconds, MAX_RETRY_AFTER_SECONDS) if 0 <= seconds <= _BELIEVABLE_RETRY_AFTER_SECONDS else None


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date
    except (ValueError, TypeError, OverflowError):
        return None
