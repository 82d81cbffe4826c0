"""A process that passes connections on to the primary that the sentinels name: HAProxy with a check of the role, to us.

`python -m tests.network.primary_proxy LISTEN SERVICE SENTINEL…`, addresses as host:port; prints every turn it takes.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.network.forwarder import pass_on, split

#: Between two looks at the sentinels, and how long one of them is waited for.
LOOK_SECONDS: Final = 0.2
ANSWER_SECONDS: Final = 0.5


class PrimaryProxy:
    """Clients are cut off when the primary changes; with no primary nobody gets in."""

    def __init__(self, service: str, sentinels: list[str]) -> None:
        self._service = service
        self._sentinels = [_client(*split(address)) for address in sentinels]
        self._primary: tuple[str, int] | None = None
        self._tunnels: set[asyncio.Task[None]] = set()

    async def serve(self, listen: str) -> None:
        """Listen, and follow the primary, until cancelled."""
        await asyncio.start_server(self._tunnel, *split(listen))
        while True:
            named = await self._named()
            primary = named if named is not None and await _is_primary(named) else None
            # one that is silent or lost keeps its clients until the sentinels have chosen another
            if primary != self._primary and primary is not None:
                self._turn_to(primary)
            await asyncio.sleep(LOOK_SECONDS)

    def _turn_to(self, primary: tuple[str, int]) -> None:
        self._primary = primary
        print(f"turned to {primary[0]}", flush=True)
        for tunnel in self._tunnels:
            tunnel.cancel()

    async def _named(self) -> tuple[str, int] | None:
        """Ask all sentinels; what more than half of them name."""
        answers = await asyncio.gather(*(self._ask(one) for one in self._sentinels))
        named, votes = Counter(answers).most_common(1)[0]
        return named if votes > len(self._sentinels) / 2 else None

    async def _ask(self, sentinel: Redis) -> tuple[str, int] | None:
        try:
            words = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            found: Any = await asyncio.wait_for(sentinel.execute_command(*words), ANSWER_SECONDS)  # type: ignore[no-untyped-call]  # redis
        except (RedisError, OSError):  # TimeoutError is an OSError
            return None
        return (str(found[0]), int(found[1])) if found else None

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tunnel = asyncio.ensure_future(pass_on(reader, writer, self._primary))
        self._tunnels.add(tunnel)
        tunnel.add_done_callback(self._tunnels.discard)


async def _is_primary(address: tuple[str, int]) -> bool:
    client = _client(*address)
    try:
        told: Any = await asyncio.wait_for(client.execute_command("ROLE"), ANSWER_SECONDS)  # type: ignore[no-untyped-call]  # redis
    except (RedisError, OSError):
        return False
    finally:
        await client.aclose()
    return bool(told[0] == "master")


def _client(host: str, port: int) -> Redis:
    return Redis(host=host, port=port, decode_responses=True, socket_connect_timeout=ANSWER_SECONDS)


if __name__ == "__main__":
    asyncio.run(PrimaryProxy(sys.argv[2], sys.argv[3:]).serve(sys.argv[1]))
