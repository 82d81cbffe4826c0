"""The QR codes of PartsBox: id-anything-qr, a public image."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from workers.vendors.partsbox.client import PartsBoxClient
from workers.vendors.request import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from workers.vendors.base import Endpoint, RequestLimiter
    from workers.vendors.request import Answer

#: How every PNG file begins (RFC 2083, 12.11).
PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"


class PartsBoxLabels(PartsBoxClient):
    """Fetches QR codes: public, so it knows no key and none goes out. Session and limiter are shared."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        limiter: RequestLimiter,
        endpoint: Endpoint,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(session, limiter, replace(endpoint, secret_headers={}), clock=clock)

    def verdict(self, answer: Answer) -> str | None:
        """Take what begins as a PNG for one: it has no envelope, and an envelope that says ok is no image."""
        if (answer.raw or b"").startswith(PNG_SIGNATURE):
            return "ok"
        word = super().verdict(answer)
        return None if word == "ok" else word

    async def qr_code(self, vendor_id: str) -> bytes:
        """Fetch the PNG image of the QR code of a vendor's id; errors as for every read."""
        image = {"Accept": SecretStr("image/png")}
        answer = await self.read(
            Call("id-anything-qr", "GET", "id-anything-qr", query={"id": vendor_id}, headers=image)
        )
        return answer.raw or b""
