"""OpenBOM behind the vendor client: the application key, the shared access token, and what its answers mean."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

from tasks.errors import RejectedError, RetryableError, VendorBlockedError
from workers.vendors.base import VendorClient
from workers.vendors.evidence import Scrubber, spellings
from workers.vendors.openbom import wire
from workers.vendors.openbom.session import SharedSession, Token
from workers.vendors.request import Call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aiohttp
    from pydantic import SecretStr
    from redis.asyncio import Redis

    from tasks.errors import Exchange, VendorError
    from tasks.ports import Grant, Sending
    from workers.vendors.base import Endpoint, RequestLimiter
    from workers.vendors.models import Request
    from workers.vendors.openbom.session import Login
    from workers.vendors.request import Answer

APP_KEY: Final = "X-OpenBOM-AppKey"
ACCESS_TOKEN: Final = "X-OpenBOM-AccessToken"  # noqa: S105  a header's name

_UNAUTHORIZED, _FORBIDDEN = 401, 403
#: A noun and behind it the id of a document, or of a property table.
_DOCUMENT: Final = re.compile(r"( /\w+/)[^/]+")

R = TypeVar("R")


def secret_headers(login: Login) -> dict[str, SecretStr]:
    """Make the header that every call needs, the login too (document, "Overview")."""
    return {APP_KEY: login.app_key}


class OpenBomClient(VendorClient):
    """Calls the OpenBOM REST API as the login's user; errors as for every vendor client.

    The token is had before a request asks for its permit, so a login never waits for a slot of who waits for it. A 401
    means that the token has ended: the request was not carried out and goes once more with another token. A second 401
    is a `VendorBlockedError`, and so is everything that goes wrong with a login.
    """

    vendor = "openbom"
    key_pattern = r"(?!)"  # keys of OpenBOM have no form of their own
    #: Not about the operation: the application key is wrong, for the next request too.
    closed_statuses: ClassVar[frozenset[int]] = frozenset({_FORBIDDEN})

    def __init__(
        self,
        session: aiohttp.ClientSession,
        limiter: RequestLimiter,
        endpoint: Endpoint,
        login: Login,
        redis: Redis,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(session, limiter, endpoint, clock=clock)
        self._login = login
        for words in (login.username, login.password):
            self._scrubber.hide(words.get_secret_value())
        self._user = Scrubber(spellings(login.username.get_secret_value()), self.key_pattern)
        self._shared = SharedSession(
            redis, login.name(endpoint.base_url), self._log_in, login_seconds=endpoint.timeout_seconds
        )

    def verdict(self, answer: Answer) -> str | None:
        """Take a body without `error` for done; of a write's, the document shows a message.

        An `error` in a 2xx leaves open what was done.
        """
        body = answer.body
        if answer.call.method == "POST" and answer.call.path != wire.LOGIN:
            return "ok" if isinstance(body, dict) and "error" not in body and "message" in body else None
        return "ok" if isinstance(body, list) or (isinstance(body, dict) and "error" not in body) else None

    def named(self, call: Call) -> str:
        return _DOCUMENT.sub(r"\1{id}", call.operation)

    def words(self, body: Any) -> str:
        """Find the error's text; the document has it as a text, and once as an object."""
        error = body.get("error") if isinstance(body, dict) else None
        if isinstance(error, dict):
            error = error.get("message")
        return error if isinstance(error, str) else ""

    async def ask(self, path: str, convert: Callable[[Any], R]) -> R:
        """Read and convert the answer; see `read_as`."""
        return await self._with_token(lambda token: self.read_as(_with(Call.get(path), token), convert))

    async def listed(self, path: str, convert: Callable[[Any], R]) -> R:
        """Do the same for a list that names people: our own user is taken out."""
        return await self.ask(path, lambda body: convert(self._user.whole(body)))

    async def change(self, path: str, request: Request, sending: Sending) -> Exchange:
        """Change something; returning means that the vendor confirmed it."""
        call = Call.post(path, request.body())
        once = _PermittedOnce(sending.key, sending, self._endpoint.timeout_seconds, self._clock)
        return (await self._with_token(lambda token: self.write(_with(call, token), once))).exchange()

    async def _with_token(self, request: Callable[[SecretStr], Awaitable[R]]) -> R:
        token = self._learned(await self._shared.token())
        try:
            return await request(token)
        except VendorBlockedError as error:
            if error.exchange is None or error.exchange.status != _UNAUTHORIZED:
                raise
        return await request(self._learned(await self._shared.renew(token)))

    def _learned(self, token: SecretStr) -> SecretStr:
        self._scrubber.learn(token.get_secret_value())
        return token

    async def _log_in(self) -> Token:
        login = {"username": self._login.username, "password": self._login.password}
        call = Call.post(wire.LOGIN, _Unshown((name, text.get_secret_value()) for name, text in login.items()))
        failed: VendorError
        try:
            answer = await self.read(call)
            return wire.token(answer.body)
        except RetryableError as error:
            if error.unreachable:
                raise
            failed = error
        except RejectedError as error:
            failed = error
        except ValueError as error:
            failed = RetryableError(f"{call.operation}: answer not understood: {error}")
        # Outside of the handlers: no traceback leads back to the answer, which may hold a token in an unknown form.
        exchange = None if failed.exchange is None else replace(failed.exchange, answer=None)
        raise VendorBlockedError(str(failed), throttled=isinstance(failed, RetryableError), exchange=exchange)


@dataclass(slots=True)
class _PermittedOnce:
    """The sender's side of a write that may go out twice: what was refused by a 401 is the same attempt still.

    `seconds` after it was permitted nothing leaves any more, so that a request is over two timeouts later.
    """

    key: str
    sending: Sending
    seconds: float
    clock: Callable[[], float]
    _until: float | None = None

    def ahead(self, grant: Grant) -> None:
        if self._until is None:
            self.sending.ahead(grant)

    async def permitted(self) -> None:
        if self._until is None:
            await self.sending.permitted()
            self._until = self.clock() + self.seconds

    def may_leave(self) -> bool:
        return self._until is not None and self.clock() < self._until and self.sending.may_leave()


class _Unshown(dict[str, str]):
    """A body that shows nothing of itself."""

    def __repr__(self) -> str:
        return "{…}"


def _with(call: Call, token: SecretStr) -> Call:
    return replace(call, headers={ACCESS_TOKEN: token})


class Capability:
    """What every group of OpenBOM requests is made with."""

    def __init__(self, client: OpenBomClient) -> None:
        self._client = client
