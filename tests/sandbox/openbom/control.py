"""The control calls that only this vendor has."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from tests.sandbox.openbom.server import OpenBomSandbox

Call = Callable[[web.Request], Awaitable[Any]]


def calls(sandbox: "OpenBomSandbox") -> dict[tuple[str, str], Call]:
    """Give the calls for one sandbox, by method and path."""

    async def expire_tokens(_request: web.Request) -> Any:
        """End every access token now."""
        return {"ended": sandbox.accounts.expire_tokens()}

    async def revoke_app_key(request: web.Request) -> Any:
        """Refuse an app key from now on: `{"app_key": "..."}`."""
        sandbox.accounts.revoke_app_key((await request.json())["app_key"])
        return {}

    async def commit_queued(_request: web.Request) -> Any:
        """Commit the writes that were answered with 202."""
        return {"committed": sandbox.queued.commit_all()}

    return {
        ("POST", "/tokens/expire"): expire_tokens,
        ("POST", "/app-keys/revoke"): revoke_app_key,
        ("POST", "/queued/commit"): commit_queued,
    }
