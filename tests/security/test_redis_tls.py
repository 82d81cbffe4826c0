"""Redis by TLS: the ledger's client and Celery's both speak it, and neither says a word to a server that is another.

The embedded server is built without TLS, so a TLS server stands in front of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import pytest
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as NoConnectionError

from tasks.redis_client import check_address, open_redis
from tests.integration.ledger_harness import Desk
from tests.security.tls_front import AUTHORITY, tls_in_front_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import SharedValkey

PASSWORD: Final = "invented-redis-password"


def port_of(server: SharedValkey) -> int:
    return int(server.url.rpartition(":")[2].partition("/")[0])


def celery_pings(url: str) -> Any:
    """Do what a worker or Flower does first."""
    options = {"socket_connect_timeout": 20, "socket_timeout": 20}
    with Connection(url, transport_options=options) as connection:  # type: ignore[no-untyped-call]  # kombu
        connection.ensure_connection(max_retries=1, timeout=20)
        return connection.default_channel.client.ping()


@pytest.fixture
def front(valkey: SharedValkey, request: pytest.FixtureRequest) -> Iterator[tuple[int, list[bytes]]]:
    with tls_in_front_of(port_of(valkey), getattr(request, "param", "server")) as opened:
        yield opened


async def test_a_command_goes_through_tls_and_back(front: tuple[int, list[bytes]]) -> None:
    port, received = front
    url = f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=required&ssl_ca_certs={AUTHORITY}"

    check_address(url)
    redis = open_redis(url)
    desk = Desk.at(redis)
    key = await desk.admit("part:a")
    _, claim = await desk.claim(key)
    await redis.aclose()

    assert claim.record is not None
    assert b"EVALSHA" in b"".join(received)
    assert await asyncio.to_thread(celery_pings, url)


@pytest.mark.parametrize(
    ("front", "authority"),
    [("server", ""), ("other", ""), ("other", f"&ssl_ca_certs={AUTHORITY}")],
    indirect=["front"],
    ids=["an unknown authority", "an unknown authority and name", "the certificate of another server"],
)
async def test_nothing_is_said_to_a_server_that_is_not_proved(front: tuple[int, list[bytes]], authority: str) -> None:
    port, received = front
    url = f"rediss://user:{PASSWORD}@127.0.0.1:{port}/0?ssl_cert_reqs=required{authority}"

    redis = open_redis(url)
    with pytest.raises(NoConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        await redis.ping()
    await redis.aclose()
    with pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED") as refused:
        await asyncio.to_thread(celery_pings, url)

    assert received == []
    assert PASSWORD not in str(refused.value)
