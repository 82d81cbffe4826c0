"""Redis as docs/security.md sets it up: its users with invented passwords, and the real programs under theirs."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final, Self

import redis

from tests.backing import ROOT
from tests.stack import Stack
from tests.valkey import ValkeyServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.process import Process

DOCUMENT: Final = ROOT / "docs" / "security.md"
#: Where the document leaves the password out.
_HASH: Final = re.compile(r"#<sha256 of its password>")
#: By program of the Procfile; what is not here is a worker.
PROGRAMS: Final = {"webhooks": "producer", "files": "producer", "flower": "flower"}
#: Everything at once, for the test's own looks; not in the document.
ADMIN: Final = "user admin on >{} ~* &* +@all"


def password_of(user: str) -> str:
    """Invent the password of a user."""
    return f"invented-{user}-password"


def documented_users() -> dict[str, str]:
    """Give the ACL file's lines of the document by user, with passwords filled in."""
    block = DOCUMENT.read_text().split("```acl\n")[1].split("```")[0]
    lines = {line.split()[1]: line for line in block.splitlines() if line}
    return {user: _HASH.sub(f">{password_of(user)}", line) for user, line in lines.items()}


class GuardedValkey(ValkeyServer):
    """A server with the users of the document."""

    def __init__(self, folder: Path) -> None:
        self._users = folder / "users.acl"
        folder.mkdir(parents=True)
        # the default user may still come in, so that the server can be waited for
        self._users.write_text("user default on nopass ~* &* +@all\n")
        super().__init__(folder, {"aclfile": str(self._users)})

    def __enter__(self) -> Self:
        super().__enter__()
        lines = [*documented_users().values(), ADMIN.format(password_of("admin"))]
        self._users.write_text("\n".join(lines) + "\n")
        with contextlib.closing(redis.Redis(port=self.port)) as client:
            client.acl_load()
        return self

    def url_of(self, user: str) -> str:
        """Give the address under which a user comes in."""
        return f"redis://{user}:{password_of(user)}@127.0.0.1:{self.port}/0"

    def client(self, user: str) -> redis.Redis:
        """Open a client of a user."""
        return redis.Redis.from_url(self.url_of(user), decode_responses=True)


class GuardedStack(Stack):
    """The system of which each program comes to Redis as its own user."""

    def __init__(self, folder: Path, server: GuardedValkey, **options: Any) -> None:
        self._server = server
        super().__init__(folder, **options)

    def _process(
        self,
        name: str,
        command: str,
        is_ready: Callable[[Process], bool],
        settings: Mapping[str, str] | None = None,
    ) -> Process:
        url = self._server.url_of(PROGRAMS.get(name, "worker"))
        return super()._process(name, command, is_ready, {**(settings or {}), "REDIS_URL": url})
