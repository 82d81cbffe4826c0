"""The Redis users of docs/security.md over several machines: what each program does, and what a producer's may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import redis

from tests.network.books import Books, books_of
from tests.network.servers import client_of, server_on
from tests.network.site import Site
from tests.security.redis_users import ADMIN, documented_users, password_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.network.machines import Network

pytestmark = pytest.mark.slow

HINTS: Final = "vendor.partsbox"


@pytest.fixture
def site(network: Network, tmp_path: Path) -> Iterator[Site]:
    """Every program as its own user."""
    host, file = network["redis-a"], tmp_path / "users.acl"
    file.write_text("\n".join([*documented_users().values(), ADMIN.format(password_of("admin"))]) + "\n")

    def url_of(user: str) -> str:
        return f"redis://{user}:{password_of(user)}@{host.address}:6379/0"

    urls = {"producer": url_of("producer")}
    with (
        server_on(host, tmp_path, {"aclfile": str(file)}),
        Site(network, tmp_path, url_of("worker"), urls=urls) as opened,
    ):
        yield opened


def test_each_program_does_its_work_as_its_own_user_from_its_own_machine(site: Site) -> None:
    host = site.network["redis-a"]
    admin: dict[str, Any] = {"username": "admin", "password": password_of("admin")}
    site.open("worker-a", "worker-b")

    site.submit(120)
    site.until_applied()

    assert books_of(site) == Books()
    assert set(site.settled_by(host, **admin).values()) == {"worker-a", "worker-b"}
    with client_of(host, **admin) as client:
        users: Any = {one["user"]: one["addr"].partition(":")[0] for one in client.client_list()}
        refused: Any = client.acl_log()
    assert refused == []
    addresses = {user: users[user] for user in ("producer", "worker")}
    assert addresses["producer"] == site.network["producer"].address
    assert addresses["worker"] in {site.network[name].address for name in ("worker-a", "worker-b")}

    _is_refused_what_only_a_worker_may(site)


def _is_refused_what_only_a_worker_may(site: Site) -> None:
    host, seen_from = site.network["redis-a"], site.network["producer"]
    words = (
        ("RPOP", HINTS),
        ("GET", "sr:{openbom}:session:x"),
        ("HSET", "sr:{partsbox}:limit:state", "paused_us", "1"),
    )
    answers = {}
    for user in ("producer", "worker"):
        with client_of(host, seen_from=seen_from, username=user, password=password_of(user)) as client:
            answers[user] = [_refusal(client, *one) for one in words]
    with client_of(host, seen_from=seen_from) as stranger:
        assert "already authenticated" in _refusal(stranger, "PING")

    assert all("has no permissions" in one or "No permissions" in one for one in answers["producer"])
    assert answers["worker"] == ["", "", ""]


def _refusal(client: redis.Redis, *words: str) -> str:
    try:
        client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis
    except redis.RedisError as error:
        return str(error)
    return ""
