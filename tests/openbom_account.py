"""A user's account at OpenBOM, played over a scripted session: logins, tokens that end, and one document."""

from __future__ import annotations

import asyncio
import json
import traceback
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import SecretStr

from tests.open_writer import open_writer
from tests.scripted_vendor import SETTLE_SECONDS
from workers.vendors.base import Endpoint
from workers.vendors.openbom import Login, OpenBom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import aiohttp
    from redis.asyncio import Redis

    from workers.vendors.base import RequestLimiter

APP_KEY: Final = "app-key-0f1e2d3c"
USER: Final = "Ann.Lee+bom@example.test"
PASSWORD: Final = 'hard "to" guess'
TOKEN: Final = "eyJ.tok-"
#: Of the user and the password every spelling that an answer may have.
SECRETS: Final = (APP_KEY, USER, USER.lower(), "Ann.Lee%2Bbom%40example.test", PASSWORD, r"hard \"to\" guess", TOKEN)
LOGIN: Final = Login(SecretStr(APP_KEY), SecretStr(USER), SecretStr(PASSWORD))
ADDRESS: Final = "https://vendor.test/v1"
BOM: Final = "49c6f1f3-7006-48fc-86f1-f3700628fcff"
DONE: Final = {"message": "property value updated."}
SET: Final = {
    "bom_id": BOM,
    "part_number": "Leg/1",
    "property": "Quantity",
    "value": "25",
    "stock_timestamp": 1_700_000_000_000,
}


@dataclass
class Account:
    """Answers requests as `aiohttp.ClientSession` would: a token of the last login reads and writes, others get a 401.

    Of every request the hooks are awaited while it is open; `login_answer` is given instead of a token.
    """

    login_answer: tuple[int, bytes] | None = None
    login_trouble: Exception | None = None
    on_login: Callable[[], Awaitable[object]] | None = None
    on_request: Callable[[str], Awaitable[None]] | None = None
    life_seconds: int = 86_400
    #: Every login gives the same token.
    constant: bool = False
    #: False: even the token of the last login gets a 401.
    tokens_are_good: bool = True
    logins: int = 0
    #: Path and token of every request but logins, in order of arrival.
    requests: list[tuple[str, str]] = field(default_factory=list)
    #: Of every request that has one, logins too.
    bodies: list[bytes] = field(default_factory=list)
    refusals: int = 0
    token: str = ""
    _retry_connection: bool = True

    @asynccontextmanager
    async def request(self, method: str, url: object, **options: Any) -> AsyncIterator[Any]:
        sent: list[bytes] = []
        writer = open_writer(_collector(sent))
        await options["data"].write_with_length(writer, None)
        headers = options["headers"]
        assert headers["X-OpenBOM-AppKey"] == APP_KEY
        path = str(url).removeprefix(f"{ADDRESS}/")
        self.bodies += filter(None, sent)
        status, body = await self._login(headers) if path == "login" else await self._answer(method, path, headers)
        yield SimpleNamespace(status=status, headers={}, content=SimpleNamespace(iter_any=lambda: _whole(body)))

    def end_tokens(self) -> None:
        """Let no token be good any more, until the next login."""
        self.token = ""

    async def _login(self, headers: dict[str, str]) -> tuple[int, bytes]:
        assert "X-OpenBOM-AccessToken" not in headers
        self.logins += 1
        if self.on_login is not None:
            await self.on_login()
        if self.login_trouble is not None:
            raise self.login_trouble
        if self.login_answer is not None:
            return self.login_answer
        self.token = f"{TOKEN}{0 if self.constant else self.logins}"
        answer = {"access_token": self.token, "refresh_token": f"{TOKEN}r", "token_type": "Bearer"}
        return 200, json.dumps(answer | {"expires_in": self.life_seconds}).encode()

    async def _answer(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        token = headers["X-OpenBOM-AccessToken"]
        good = token == self.token and self.tokens_are_good
        self.requests.append((path, token))
        self.refusals += not good
        if self.on_request is not None:
            await self.on_request(token)
        if not good:
            return 401, json.dumps({"error": f"Missing or invalid access token. {token}"}).encode()
        return 200, json.dumps(DONE if method == "POST" else {"columns": ["Part Number"], "cells": []}).encode()


def _collector(sent: list[bytes]) -> Callable[..., Awaitable[None]]:
    async def write(piece: bytes, **_: Any) -> None:
        sent.append(bytes(piece))

    return write


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body


def openbom(account: object, limiter: RequestLimiter, redis: Redis | object, **options: Any) -> OpenBom:
    endpoint = Endpoint(
        ADDRESS, OpenBom.secret_headers(LOGIN), timeout_seconds=30, settle_seconds=options.pop("settle", SETTLE_SECONDS)
    )
    login = options.pop("login", LOGIN)
    return OpenBom(cast("aiohttp.ClientSession", account), limiter, endpoint, login, cast("Redis", redis), **options)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what must come about."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  a script's count has no event
            await asyncio.sleep(0.01)


def everything_of(error: BaseException) -> str:
    """Give everything a log, a traceback or a store could show of the error and all it drags along."""
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(getattr(error, "exchange", None))
    for further in (error.__cause__, error.__context__):
        shown += repr(further) + repr(vars(further)) if further is not None else ""
    return shown
