"""What goes over the wire of a play from a vendor back to a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


@dataclass(frozen=True, slots=True)
class Answer:
    """A response on the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    #: False where the connection broke in the middle of the body.
    whole: bool = True


class Response:
    """What a client gets of an answer: aiohttp's response, as far as a `VendorClient` asks one."""

    def __init__(self, answer: Answer) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.content = self
        self._answer = answer

    async def iter_any(self) -> AsyncIterator[bytes]:
        """Give the body; one that was cut off ends in an error."""
        yield self._answer.body
        if not self._answer.whole:
            raise aiohttp.ClientPayloadError("the answer was cut off")
