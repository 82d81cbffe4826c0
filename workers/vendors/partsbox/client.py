"""PartsBox behind the vendor client: its key, the envelope of its answers, and reads that must be understood."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import SecretStr

from tasks.errors import RejectedError
from workers.vendors.access import check_partsbox_key
from workers.vendors.base import VendorClient
from workers.vendors.request import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.errors import Exchange
    from tasks.ports import Sending
    from workers.vendors.models import Request
    from workers.vendors.request import Answer

CATEGORY: Final = "partsbox.status/category"
MESSAGE: Final = "partsbox.status/message"

#: `not-found` and `conflict`, the vendor's known refusals, are words of Clojure's cognitect.anomalies. These are the
#: words there that do not refuse but tell of a failure on the way, so with a 2xx they say nothing about execution.
_NOT_A_REFUSAL: Final = frozenset({"busy", "fault", "interrupted", "unavailable"})

R = TypeVar("R")


def secret_headers(api_key: SecretStr) -> dict[str, SecretStr]:
    """Make the header that every call needs (document, "Authentication"); ValueError for what can't be a key."""
    key = api_key.get_secret_value()
    try:
        check_partsbox_key(key)
    except ValueError as error:
        raise ValueError(f"api_key: {error}") from None
    return {"Authorization": SecretStr(f"APIKey {key}")}


class PartsBoxClient(VendorClient):
    """Calls operations of the PartsBox API; errors as for every vendor client."""

    vendor = "partsbox"
    key_pattern = r"partsboxapi_[\w-]*"

    def verdict(self, answer: Answer) -> str | None:
        """Take the category's last word: the document says `status/ok`, real answers say `ok`."""
        body = answer.body
        category = body.get(CATEGORY) if isinstance(body, dict) else None
        if not isinstance(category, str):
            return None
        word = category.rsplit("/")[-1].lower()
        if not word or word in _NOT_A_REFUSAL:
            return None
        return word if re.fullmatch(r"[a-z][a-z0-9-]{0,31}", word) else "refused"

    def words(self, body: Any) -> str:
        message = body.get(MESSAGE) if isinstance(body, dict) else None
        return message if isinstance(message, str) else ""

    async def ask(self, operation: str, request: Request, convert: Callable[[Any], R]) -> R:
        """Read by an operation and convert its answer; see `read_as`."""
        return await self.read_as(_call(operation, request), convert)

    async def find(self, operation: str, request: Request, convert: Callable[[Any], R]) -> R | None:
        """Read one record; None where the vendor says that there is none."""
        try:
            return await self.ask(operation, request, convert)
        except RejectedError as refused:
            if refused.code == "not-found":
                return None
            raise

    async def change(self, operation: str, request: Request, sending: Sending) -> Exchange:
        """Change something by an operation; returning means that the vendor confirmed it."""
        return (await self.write(_call(operation, request), sending)).exchange()


def _call(operation: str, request: Request) -> Call:
    return Call.post(operation, request.body(), operation=operation)


class Capability:
    """What every group of PartsBox operations is made with."""

    def __init__(self, client: PartsBoxClient) -> None:
        self._client = client
