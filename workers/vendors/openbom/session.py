"""One access token for all processes: kept in Redis, fetched by one login at a time."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections import deque
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr
from redis.exceptions import RedisError

from tasks import telemetry
from tasks.errors import shared
from workers.vendors.access import check_openbom_app_key, check_openbom_username

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from redis.asyncio import Redis
    from redis.asyncio.lock import Lock

logger = logging.getLogger(__name__)

#: The lock outlives a login by this: longer than a Redis call and a busy event loop take.
LOCK_MARGIN_SECONDS: Final = 5.0
#: Renewals of the lock in its life, while the login waits for its turn at the limiter.
RENEWALS_PER_LOCK: Final = 3
#: How often a process looks whether another one's login is done.
LOOK_SECONDS: Final = 0.1
#: After a login that failed nobody tries another for so long: by then the vendor is paused for all.
FAILED_LOGIN_SECONDS: Final = 1.0
#: A token is given up this long before its end, or a tenth of its life: a request may wait a minute for its turn.
EARLY_SECONDS: Final = 300.0
#: The vendor documents a day. What it says beyond a week, or below a second, is a mistake.
MAX_LIFE_SECONDS: Final = 7 * 86_400.0
MIN_LIFE_SECONDS: Final = 1.0
#: Refused tokens that are remembered: of more than the last few no request is under way.
REFUSED_KEPT: Final = 8
#: What can stand in a header; anything else in Redis is damage.
PLAIN: Final = r"^[\x21-\x7e]+$"


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are at OpenBOM; shows nothing of itself. ValueError for what cannot be that."""

    app_key: SecretStr
    username: SecretStr
    password: SecretStr

    def __post_init__(self) -> None:
        try:
            check_openbom_app_key(self.app_key.get_secret_value())
        except ValueError as error:
            raise ValueError(f"app_key: {error}") from None
        try:
            check_openbom_username(self.username.get_secret_value())
        except ValueError as error:
            raise ValueError(f"username: {error}") from None
        if not self.password.get_secret_value():
            raise ValueError("password: must not be empty")

    def name(self, base_url: str) -> str:
        """Name this login at this address, so that no other's token is used; without the password, not to be undone."""
        who = f"{base_url}\n{self.app_key.get_secret_value()}\n{self.username.get_secret_value()}"
        return hashlib.sha256(who.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Token:
    """An access token, and how many seconds it lives from now."""

    secret: SecretStr
    life_seconds: float

    def kept_seconds(self) -> float:
        """Tell how long to hand it out."""
        life = min(max(self.life_seconds, MIN_LIFE_SECONDS), MAX_LIFE_SECONDS)
        return life - min(life / 10, EARLY_SECONDS)


class SharedSession:
    """Hands out the token; logs in when there is none, once for all who wait, in this process and in every other.

    Redis errors come through. What `log_in` raises comes through to every waiter of this process.
    """

    def __init__(
        self, redis: Redis, name: str, log_in: Callable[[], Awaitable[Token]], *, login_seconds: float
    ) -> None:
        self._redis = redis
        self._key = f"sr:{{openbom}}:session:{name}"
        self._log_in = log_in
        self._lock_seconds = login_seconds + LOCK_MARGIN_SECONDS
        self._login: asyncio.Task[SecretStr] | None = None
        #: What the vendor answered with a 401 here: Redis may still hold it, an answer of Redis on its way too.
        self._refused: deque[SecretStr] = deque(maxlen=REFUSED_KEPT)

    async def token(self) -> SecretStr:
        """Give the token that is in force."""
        while (token := await self._stored() or await self._logged_in()) in self._refused:
            pass  # a login that was under way had found the one that was refused meanwhile
        return token

    async def renew(self, refused: SecretStr) -> SecretStr:
        """Give another token than the one that the vendor has just refused; logs in only if there is none yet."""
        if refused not in self._refused:
            self._refused.append(refused)
        return await self.token()

    async def _stored(self) -> SecretStr | None:
        found = await self._redis.get(self._key)
        if not isinstance(found, str) or not re.fullmatch(PLAIN, found):
            return None
        token = SecretStr(found)
        return None if token in self._refused else token

    async def _logged_in(self) -> SecretStr:
        """Join the login of this process, which goes on whoever stops waiting for it."""
        if self._login is None or self._login.done():
            self._login = asyncio.create_task(self._alone(), name="login at OpenBOM")
        return await shared(self._login)

    async def _alone(self) -> SecretStr:
        """Log in while no other process does, or take what another one got."""
        lock = self._redis.lock(f"{self._key}:login", timeout=self._lock_seconds, thread_local=False)
        while not await lock.acquire(blocking=False):
            if token := await self._stored():
                return token
            await asyncio.sleep(LOOK_SECONDS)
        async with self._kept(lock):
            return await self._stored() or await self._new()

    async def _new(self) -> SecretStr:
        token = await self._log_in()
        await self._redis.set(self._key, token.secret.get_secret_value(), px=int(token.kept_seconds() * 1000))
        with suppress(ValueError):  # the vendor may give the same one again: it has just confirmed it
            self._refused.remove(token.secret)
        return token.secret

    @asynccontextmanager
    async def _kept(self, lock: Lock) -> AsyncIterator[None]:
        """Keep the lock while the block runs, however long it waits for the limiter; then let the next one in."""
        over, failed = asyncio.Event(), True
        keeping = asyncio.create_task(self._keep(lock, over), name="lock of the login at OpenBOM")
        try:
            yield
            failed = False
        finally:
            over.set()
            await keeping
            with _unreachable_is_told():
                await (lock.extend(FAILED_LOGIN_SECONDS, replace_ttl=True) if failed else lock.release())

    async def _keep(self, lock: Lock, over: asyncio.Event) -> None:
        # ended by an event: a cancel may be lost in a write to Redis (Python 3.11)
        while not over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._lock_seconds / RENEWALS_PER_LOCK):
                    await over.wait()
                    return
            with _unreachable_is_told():
                await lock.extend(self._lock_seconds, replace_ttl=True)


@contextmanager
def _unreachable_is_told() -> Iterator[None]:
    """Go on without the lock: it ends by itself, and a second login beside this one does no harm."""
    try:
        yield
    except RedisError as error:
        logger.warning(telemetry.LEDGER_UNREACHABLE, extra={"vendor": "openbom", "error": type(error).__name__})
