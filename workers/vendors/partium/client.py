"""Partium behind the vendor client: its key, the forms of its answers, its maintenance mode."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from tasks import tracing
from workers.vendors.access import check_partium_key
from workers.vendors.base import VendorClient
from workers.vendors.partium import wire
from workers.vendors.request import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.vendors.request import Call

_OK, _UNAVAILABLE = 200, 503
#: Of the vendor's words, in a message.
_SHOWN_CHARS: Final = 200


def secret_headers(api_key: SecretStr) -> dict[str, SecretStr]:
    """Make the header that every call needs; ValueError for what can't be an API key or access token."""
    key = api_key.get_secret_value()
    try:
        check_partium_key(key)
    except ValueError as error:
        raise ValueError(f"api_key: {error}") from None
    return {"Authorization": SecretStr(f"Bearer {key}")}


class PartiumClient(VendorClient):
    """Calls the catalog API of Partium; errors as for every vendor client."""

    vendor = "partium"
    #: The form of an API key is not documented; an access token is a JWT.
    key_pattern = r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    #: No path names a record and one request carries hundreds: these are about our key, our address or how we send.
    closed_statuses = frozenset({403, 404, 405, 411, 415})

    def verdict(self, answer: Answer) -> str | None:
        return "ok" if answer.status == _OK and wire.is_documented(answer.call, answer.body) else None

    def words(self, body: Any) -> str:
        detail = body.get("detail") if isinstance(body, dict) else None
        if isinstance(detail, list):  # a 422 says what is wrong with each field
            return "; ".join(str(one.get("msg", "")) for one in detail if isinstance(one, dict))
        return detail if isinstance(detail, str) else ""

    def takes_no_writes(self, answer: Answer) -> bool:
        return answer.status == _UNAVAILABLE and self.words(answer.body).strip() == wire.MAINTENANCE

    async def read_when_permitted(self, make: Callable[[], Call]) -> Answer:
        """Read by a request that is made only when it is permitted: others may join it until then."""
        slot_id, asked = f"read:{secrets.token_hex(8)}", tracing.now()
        permit = await self._fresh_permit(slot_id)
        granted = tracing.now()
        try:
            call = make()
            tracing.waited(asked, granted)
            answer = Answer(call, call.payload(), self._scrubber)
        except BaseException:
            self._leave(slot_id, working=False)
            raise
        await self._request(answer, slot_id, permit, None)
        return answer

    def shown(self, value: Any) -> Any:
        """Make evidence of a part of a request or answer: without secrets, and short."""
        return self._scrubber.tree(value)

    def said(self, value: Any) -> str:
        """Quote the vendor's words about one item, whatever form they have: without secrets, on one line."""
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return "".join(c if c.isprintable() else " " for c in self._scrubber.text(text)[:_SHOWN_CHARS])
