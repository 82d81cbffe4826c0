"""Calls of Lua scripts that are made in the same moment share a round trip, and one sync of the append-only file.

An answer is given when as many replicas have the write as the server asks for (`tasks.redis_client`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, cast
from weakref import WeakKeyDictionary

from redis.exceptions import ConnectionError as NoConnectionError
from redis.exceptions import NoScriptError

from tasks.errors import own_error
from tasks.redis_client import bind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

#: Calls in one round trip: a few milliseconds of the server's time, in which nobody else is answered.
MAX_CALLS: Final = 64
#: Under way at once: the server works on one while this process makes the other.
ROUND_TRIPS: Final = 2
#: Replicas have a write within a millisecond or two. One that is away for longer does not count.
REPLICATION_MS: Final = 3_000
#: Written so that there is something to wait for.
REPLICAS_KEY: Final = "sr:{replicas}:"

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class NotReplicatedError(NoConnectionError):
    """The calls were executed, and too few replicas have them: they may be forgotten. As with any lost answer."""


@dataclass(slots=True, eq=False)
class _Call(Generic[Asked, Answered]):
    asked: Asked
    answer: asyncio.Future[Answered]


class Together(Generic[Asked, Answered]):
    """Makes calls together: while round trips are under way, further calls collect for the next, in their order.

    `ask` gives the answer to each call or its own error. A call that is cancelled before it has left is not made.
    With more than one of the `round_trips` under way, a later call may be executed before an earlier one.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Asked]], Awaitable[Sequence[Answered | Exception]]],
        *,
        round_trips: int = 1,
    ) -> None:
        self._ask = ask
        self._round_trips = round_trips
        self._waiting: deque[_Call[Asked, Answered]] = deque()
        self._senders: set[asyncio.Task[None]] = set()
        #: A sender is about to take what waits.
        self._collecting = False

    def ask(self, asked: Asked) -> asyncio.Future[Answered]:
        """Make this call, behind those before it; the future gets its answer, its error, or that of the round trip."""
        loop = asyncio.get_running_loop()
        call: _Call[Asked, Answered] = _Call(asked, loop.create_future())
        self._waiting.append(call)
        if not self._collecting and len(self._senders) < self._round_trips:
            self._collecting = True
            sender = loop.create_task(self._send(), name="script calls")
            self._senders.add(sender)
            sender.add_done_callback(self._ended)
        return call.answer

    async def call(self, asked: Asked) -> Answered:
        """Give the answer to this call; raises its error, or the one of the round trip."""
        return await self.ask(asked)

    def _ended(self, sender: asyncio.Task[None]) -> None:
        if sender in self._senders:  # cancelled before it began
            self._senders.discard(sender)
            self._collecting = False

    async def _send(self) -> None:
        try:
            while self._waiting:
                self._collecting = False
                await self._one_round_trip()
        finally:
            # here and not in a callback, before which another call may be made that would count on this sender
            self._collecting = False
            self._senders.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _one_round_trip(self) -> None:
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_CALLS))]
        calls = [call for call in taken if not call.answer.done()]
        if not calls:
            return
        try:
            answers = await self._ask([call.asked for call in calls])
        except asyncio.CancelledError:
            for call in (*calls, *self._waiting):
                call.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, it is the callers'
            answers = [error] * len(calls)
        for call, answer in zip(calls, answers, strict=True):
            _deliver(call, answer)


class _Run(NamedTuple):
    script: AsyncScript
    keys: Sequence[str]
    args: Sequence[Any]


class ScriptCalls:
    """Runs a script, once for each call, which succeeds or fails for itself.

    All that are made with the same client share its round trips, whichever script they run.
    """

    def __init__(self, redis: Redis, script: AsyncScript, keys: Sequence[str]) -> None:
        self._script = script
        self._keys = keys
        self._together = _together(redis)

    async def run(self, args: Sequence[Any]) -> Any:
        """Run the script once; Redis errors come through as they are."""
        return await self.ask(args)

    def ask(self, args: Sequence[Any]) -> asyncio.Future[Any]:
        """Do the same; the future need not be awaited."""
        return self._together.ask(_Run(self._script, self._keys, args))


#: By client: what is asked by it.
_clients: WeakKeyDictionary[Redis, Together[_Run, Any]] = WeakKeyDictionary()


def _together(redis: Redis) -> Together[_Run, Any]:
    found = _clients.get(redis)
    if found is None:
        found = _clients[redis] = Together(_round_trip, round_trips=ROUND_TRIPS)
    return found


async def _round_trip(runs: Sequence[_Run]) -> list[Any]:
    redis = cast("Redis", runs[0].script.registered_client)
    answers = await _pipeline(redis, runs)
    unknown = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
    if unknown:  # the server was started anew: none of these ran
        for source in {runs[number].script.script for number in unknown}:
            await redis.script_load(source)
        again = await _pipeline(redis, [runs[number] for number in unknown])
        for number, answer in zip(unknown, again, strict=True):
            answers[number] = answer
    return answers


async def _pipeline(redis: Redis, runs: Sequence[_Run]) -> list[Any]:
    async with redis.pipeline(transaction=False) as pipeline:
        replicas = await bind(pipeline)
        for script, keys, args in runs:
            pipeline.evalsha(script.sha, len(keys), *keys, *args)
        if not replicas:
            return await pipeline.execute(raise_on_error=False)
        # what a call has only read may have been written by one that was not acknowledged: WAIT goes by the last write
        pipeline.set(REPLICAS_KEY, "")
        pipeline.wait(replicas, REPLICATION_MS)
        *answers, noted, had = await pipeline.execute(raise_on_error=False)
    for said in (noted, had):
        if isinstance(said, Exception):  # without that write, WAIT would go by an older one
            raise said
    if had < replicas:
        raise NotReplicatedError(f"{had} of {replicas} replicas have it after {REPLICATION_MS} ms")
    return answers


def _deliver(call: _Call[Any, Answered], answer: Answered | Exception) -> None:
    if call.answer.done():  # cancelled meanwhile
        return
    if isinstance(answer, Exception):
        call.answer.set_exception(own_error(answer))
    else:
        call.answer.set_result(answer)
