"""Fixtures for every test: a real Valkey server, a clean environment."""

from __future__ import annotations

import contextlib
import os
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest
import redis
import redis.asyncio
import uvloop

from tasks.redis_client import open_redis
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

#: Read before `clean_environment` hides it: an own server for the tests that need no restart.
GIVEN_REDIS_URL = os.environ.get("REDIS_URL")


class MakeValkey(Protocol):
    """Starts a server for one test: `make_valkey()`, `make_valkey({"appendfsync": "everysec"})`."""

    def __call__(self, options: Mapping[str, str] | None = None) -> ValkeyServer: ...


@dataclass(frozen=True)
class SharedValkey:
    """The server of this test session, emptied for this test; never kill or freeze it, use `make_valkey`."""

    url: str


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run tests on the loop of workers and webhooks servers: it does not do everything as asyncio's own does."""
    return {"uvloop": _Loop}


class _Loop(uvloop.Loop):
    """Fails a test that left a connection open: uvloop's own warning, made an error inside it, stops it for ever."""

    def close(self) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            super().close()
        for one in caught:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own settings, so that a test sees only what it sets."""
    for name in list(os.environ):
        if name.startswith(("STOCKRELAY_", "FLOWER_", "REDIS_URL")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedValkey]:
    """The address of one server per session (and per worker process of a parallel run), or of REDIS_URL."""
    if GIVEN_REDIS_URL is None:
        with ValkeyServer(tmp_path_factory.mktemp("valkey")) as server:
            yield SharedValkey(server.url)
        return
    with contextlib.closing(redis.Redis.from_url(GIVEN_REDIS_URL)) as client:
        if client.info("keyspace"):
            pytest.exit("REDIS_URL holds data, and the tests empty the server: give them an empty one", returncode=2)
        yield SharedValkey(GIVEN_REDIS_URL)
        client.flushall()


@pytest.fixture
def valkey(valkey_server: SharedValkey) -> SharedValkey:
    """The shared server with nothing in it."""
    with contextlib.closing(redis.Redis.from_url(valkey_server.url)) as client:
        client.flushall()
    return valkey_server


@pytest.fixture
async def redis_client(valkey: SharedValkey) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the emptied shared server, opened as the product opens it."""
    client = open_redis(valkey.url)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
def make_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeValkey]:
    """A factory of servers that belong to one test, which may `kill`, `restart`, `stop_signal` and `cont` them."""
    with contextlib.ExitStack() as servers:

        def make(options: Mapping[str, str] | None = None) -> ValkeyServer:
            return servers.enter_context(ValkeyServer(tmp_path_factory.mktemp("own-valkey"), options))

        yield make
