"""Redis' own client over the virtual store: its scripts, locks and pipelines are the real ones."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.loop import VirtualLoop
    from tests.simulation.store import Command, Store


class StoreClient(Redis):
    """One process's connections to the store; asks as `tasks.redis_client.open_redis` has it: no call twice."""

    def __init__(self, store: Store, loop: VirtualLoop) -> None:
        super().__init__(connection_pool=_pool())
        self._store = store
        self._loop = loop
        store.open_anew(loop.name)

    async def ask(self, commands: list[Command]) -> list[Any]:
        """Send commands together and wait for their answers."""
        return await self._store.send(self._loop.name, self._loop, commands)

    async def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        (answer,) = await self._store.send(self._loop.name, self._loop, [("EVALSHA", sha, numkeys, *keys_and_args)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return self.read(args, options, (await self.ask([args]))[0])

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> StorePipeline:  # noqa: FBT001, FBT002  redis-py's
        return StorePipeline(self, transaction, shard_hint)

    def read(self, args: Command, options: Mapping[str, Any], answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        options = {name: value for name, value in options.items() if name != "keys"}  # those are for a client's cache
        convert = self.response_callbacks.get(args[0])
        return answer if convert is None else convert(answer, **options)


class StorePipeline(Pipeline):
    """Commands that leave together."""

    def __init__(self, client: StoreClient, transaction: bool, shard_hint: str | None) -> None:  # noqa: FBT001
        super().__init__(client.connection_pool, client.response_callbacks, transaction, shard_hint)
        self._client = client

    async def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002  redis-py's
        stack, self.command_stack = self.command_stack, []
        if not stack:
            return []
        answers = await self._client.ask([args for args, _ in stack])
        found: list[Any] = []
        for (args, options), answer in zip(stack, answers, strict=True):
            try:
                found.append(self._client.read(args, options, answer))
            except Exception as error:
                if raise_on_error:
                    raise
                found.append(error)
        return found

    async def reset(self) -> None:  # type: ignore[override]  # as redis-py itself has it
        self.command_stack = []


@cache
def _pool() -> ConnectionPool:
    """Give the pool that says how everything is encoded; it never opens a connection."""
    return ConnectionPool(decode_responses=True, protocol=2)
