"""Calls of one Lua script that are made in the same moment share a round trip, and one sync of the append-only file."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from redis.exceptions import NoScriptError

from tasks.errors import own_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

#: Calls in one round trip: a few milliseconds of the server's time, in which nobody else is answered.
MAX_CALLS: Final = 64

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


@dataclass(slots=True, eq=False)
class _Call(Generic[Asked, Answered]):
    asked: Asked
    answer: asyncio.Future[Answered]


class Together(Generic[Asked, Answered]):
    """Makes calls together: while one round trip is under way, further calls collect for the next, in their order.

    `ask` gives the answer to each call or its own error. A call that is cancelled before it has left is not made.
    """

    def __init__(self, ask: Callable[[Sequence[Asked]], Awaitable[Sequence[Answered | Exception]]]) -> None:
        self._ask = ask
        self._waiting: deque[_Call[Asked, Answered]] = deque()
        self._sender: asyncio.Task[None] | None = None

    async def call(self, asked: Asked) -> Answered:
        """Give the answer to this call; raises its error, or the one of the round trip."""
        loop = asyncio.get_running_loop()
        call: _Call[Asked, Answered] = _Call(asked, loop.create_future())
        self._waiting.append(call)
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send(), name="script calls")
        return await call.answer

    async def _send(self) -> None:
        while self._waiting:
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_CALLS))]
            calls = [call for call in taken if not call.answer.done()]
            if not calls:
                continue
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


class ScriptCalls:
    """Runs a script, once for each call, which succeeds or fails for itself."""

    def __init__(self, redis: Redis, script: AsyncScript, keys: Sequence[str]) -> None:
        self._redis = redis
        self._script = script
        self._keys = keys
        self._together: Together[Sequence[Any], Any] = Together(self._round_trip)

    async def run(self, args: Sequence[Any]) -> Any:
        """Run the script once; Redis errors come through as they are."""
        return await self._together.call(args)

    async def _round_trip(self, calls: Sequence[Sequence[Any]]) -> list[Any]:
        if len(calls) == 1:
            return [await self._script(keys=self._keys, args=calls[0])]
        answers = await self._pipeline(calls)
        unknown = [number for number, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:  # the server was started anew: none of these ran
            await self._redis.script_load(self._script.script)
            again = await self._pipeline([calls[number] for number in unknown])
            for number, answer in zip(unknown, again, strict=True):
                answers[number] = answer
        return answers

    async def _pipeline(self, calls: Sequence[Sequence[Any]]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for args in calls:
                pipeline.evalsha(self._script.sha, len(self._keys), *self._keys, *args)
            return await pipeline.execute(raise_on_error=False)


def _deliver(call: _Call[Any, Answered], answer: Answered | Exception) -> None:
    if call.answer.done():  # cancelled meanwhile
        return
    if isinstance(answer, Exception):
        call.answer.set_exception(own_error(answer))
    else:
        call.answer.set_result(answer)
