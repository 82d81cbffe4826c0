"""PartsBox behind the vendor client: its key, the envelope of its answers, and reads that must be understood."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import SecretStr, ValidationError

from tasks.errors import RetryableError
from workers.vendors.access import check_partsbox_key
from workers.vendors.base import VendorClient

if TYPE_CHECKING:
    from collections.abc import Callable

CATEGORY: Final = "partsbox.status/category"
MESSAGE: Final = "partsbox.status/message"

#: `not-found` and `conflict`, the vendor's known refusals, are words of Clojure's cognitect.anomalies. These are the
#: words there that do not refuse but tell of a failure on the way, so with a 2xx they say nothing about execution.
_NOT_A_REFUSAL: Final = frozenset({"busy", "fault", "interrupted", "unavailable"})

_Read = TypeVar("_Read")


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

    key_pattern = r"partsboxapi_[\w-]*"

    def verdict(self, body: Any) -> str | None:
        """Take the category's last word: the document says `status/ok`, real answers say `ok`."""
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

    async def read_as(self, operation: str, body: dict[str, Any], convert: Callable[[dict[str, Any]], _Read]) -> _Read:
        """Read and convert; an answer in another form than documented is a `RetryableError`.

        What the vendor echoed of our secrets is taken out first: all that is read here may be stored and shown.
        """
        answer = await self.read(operation, body)
        try:
            return convert(self.without_secrets(answer.body))
        except RecursionError:
            where = "nested too deep"
        except ValueError as error:
            # Pydantic's own text quotes what the vendor sent; the exchange keeps that, scrubbed.
            where = _places(error) if isinstance(error, ValidationError) else str(error)
        raise RetryableError(f"{operation}: answer not understood: {where}", exchange=answer.exchange())


class Capability:
    """What every group of PartsBox operations is made with."""

    def __init__(self, client: PartsBoxClient) -> None:
        self._client = client


def _places(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, item['loc']))} {item['type']}" for item in found[:3])
