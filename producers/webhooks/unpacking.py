"""From the body of a genuine delivery to its events: what each is, and what tells it from any other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from producers.webhooks.cloudevents import BATCH, STRUCTURED, CloudEventError, identity_of, read_events
from producers.webhooks.expressions import Expression, ExpressionError, Tables
from producers.webhooks.mapping import Delivered, event_key, parse_event
from producers.webhooks.signatures import VISIBLE, digest_of
from tasks.strict_json import shown
from tasks.trace_context import TRACEPARENT, read_traceparent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from producers.webhooks.sources import EventId, Source

#: Stripe: the event's own id, which the signature covers.
_STRIPE_ID: Final = Expression("event.id")


class UnpackError(ValueError):
    """A delivery has no events that can be told apart. `key` is the same whenever these bytes come again."""

    def __init__(self, text: str, key: str) -> None:
        super().__init__(text)
        self.key = key


@dataclass(frozen=True, slots=True)
class Unpacked:
    """One event, and the request that would bring it alone."""

    delivered: Delivered
    headers: Mapping[str, str]
    body: bytes


class Unpacking:
    """Reads the deliveries of one source."""

    def __init__(self, name: str, source: Source) -> None:
        self._name = name
        self._source = source
        self._tables = Tables(source.tables)

    def unpack(self, headers: Mapping[str, str], body: bytes) -> Sequence[Unpacked]:
        """Give the events in their order; raises UnpackError. `headers` by lower-case name."""
        try:
            if self._source.format == "cloudevents":
                return self._cloudevents(headers, body)
            event = parse_event(body)
            identity = self._identity(event, headers, body)
        except ValueError as error:
            key = event_key(self._name, f"unreadable {digest_of(body, headers.get('content-type', ''))}")
            raise UnpackError(f"source {self._name}: {error}", key) from None
        return (Unpacked(Delivered(self._name, identity, event, headers, _trace_in(headers)), headers, body),)

    def _cloudevents(self, headers: Mapping[str, str], body: bytes) -> Sequence[Unpacked]:
        events = read_events(headers, body, parse_event)
        if not events:
            raise CloudEventError("a batch without events")
        is_batch = headers.get("content-type", "").partition(";")[0].strip().lower() == BATCH
        return [
            Unpacked(
                Delivered(self._name, identity_of(event), event, headers, _trace_in(event) or _trace_in(headers)),
                {**headers, "content-type": STRUCTURED} if is_batch else headers,
                json.dumps(event).encode() if is_batch else body,
            )
            for event in events
        ]

    def _identity(self, event: Any, headers: Mapping[str, str], body: bytes) -> str:
        way = self._source.id
        if way is None:
            found, where = self._of_scheme(event, headers)
        elif way.content:
            return f"sha256:{hashlib.sha256(body).hexdigest()}"
        else:
            found, where = self._configured(way, event, headers)
        if isinstance(found, int) and not isinstance(found, bool):
            found = str(found)
        if not isinstance(found, str) or VISIBLE.fullmatch(found) is None:
            raise ValueError(f"id: {where} gave {shown(found)}, no 1 to 255 visible characters")
        return found

    def _of_scheme(self, event: Any, headers: Mapping[str, str]) -> tuple[Any, str]:
        match self._source.scheme:
            case "stripe":
                return self._find(_STRIPE_ID, event, headers), _STRIPE_ID.text
            case "github":
                return headers.get("x-github-delivery"), "header x-github-delivery"
            case "shopify":
                # one event for several subscriptions has one event id and several webhook ids
                event_id = headers.get("x-shopify-event-id") or headers.get("x-shopify-webhook-id")
                return event_id, "header x-shopify-event-id"
            case _:
                name = f"{self._source.header_prefix}-id"
                return headers.get(name), f"header {name}"

    def _configured(self, way: EventId, event: Any, headers: Mapping[str, str]) -> tuple[Any, str]:
        if way.header is not None:
            return headers.get(way.header), f"header {way.header}"
        if way.field is None:
            raise TypeError("an id has one of header, field, content")
        return self._find(way.field, event, headers), way.field.text

    def _find(self, expression: Expression, event: Any, headers: Mapping[str, str]) -> Any:
        try:
            return expression.find({"event": event, "headers": headers}, self._tables)
        except ExpressionError as error:
            raise ValueError(f"id: {error}") from None


def _trace_in(said: Mapping[str, Any]) -> str:
    """Read the trace context of headers, or of an event's extension "distributed tracing", which is the nearer one."""
    told = said.get(TRACEPARENT)
    return read_traceparent([told]) if isinstance(told, str) else ""
