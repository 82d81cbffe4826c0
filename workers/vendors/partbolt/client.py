"""PartBolt behind the vendor client: its token, the envelope of its answers, and reads of any documented path."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import SecretStr

from workers.vendors.access import check_partbolt_token
from workers.vendors.base import VendorClient
from workers.vendors.partbolt import wire
from workers.vendors.request import Call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.vendors.request import Answer

#: The document's header; everywhere else it is called Authorization.
HEADER: Final = "Authentication"

R = TypeVar("R")

_PATH: Final = re.compile(r"[A-Za-z0-9_-]{1,64}(?:/[A-Za-z0-9_-]{1,64}){0,7}")
_PARAMETER: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

#: What the document's error codes mean where the HTTP status says nothing. The others tell of our key, our plan or a
#: failure, and nothing certain about the request.
_REFUSALS: Final = MappingProxyType(
    {"forbidden": "forbidden", "invalid_params": "invalid", "missing_params": "invalid", "not_found": "not-found"}
)


def secret_headers(token: SecretStr, header: str = HEADER) -> dict[str, SecretStr]:
    """Make the header that every call needs (document, "Making requests"); ValueError for what can't be a token."""
    text = token.get_secret_value()
    try:
        check_partbolt_token(text)
    except ValueError as error:
        raise ValueError(f"token: {error}") from None
    return {header: SecretStr(f"PartBoltAPI {text}")}


class PartBoltClient(VendorClient):
    """Reads PartBolt; errors as for every vendor client."""

    vendor = "partbolt"
    key_pattern = r"partbolt_token_[\w-]*"

    def verdict(self, answer: Answer) -> str | None:
        """Read the envelope; an error in a 2xx is what its code says, where that is a refusal."""
        status, code = wire.outcome(answer.body)
        return "ok" if status == "ok" else _REFUSALS.get(code)

    def words(self, body: Any) -> str:
        return wire.words(body)

    async def get(self, path: str, parameters: Mapping[str, str], convert: Callable[[Any], R]) -> R:
        """Read a path of the endpoint reference, such as `parts/get`, and convert the answer; see `read_as`.

        Raises ValueError for a path or a parameter's name that the reference cannot have.
        """
        if not _PATH.fullmatch(path):
            raise ValueError(f"path: must be plain words between slashes, like parts/get: {path!r:.80}")
        for name in parameters:
            if not _PARAMETER.fullmatch(name):
                raise ValueError(f"parameters: not a name: {name!r:.80}")
        return await self.read_as(Call.get(path, parameters, operation=path), convert)


class Capability:
    """What every group of PartBolt reads is made with."""

    def __init__(self, client: PartBoltClient) -> None:
        self._client = client
