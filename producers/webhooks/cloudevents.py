"""CloudEvents 1.0.2 over HTTP: structured, binary and batch content, and the sender's question whether it is welcome.

"HTTP Protocol Binding for CloudEvents" and "HTTP 1.1 Web Hooks for Event Delivery" of github.com/cloudevents/spec.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from tasks.strict_json import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

STRUCTURED: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
#: More is a mistake, or a day's work in one request.
MAX_EVENTS: Final = 500
_PREFIX: Final = "ce-"
_REQUIRED: Final = ("id", "source", "type")
#: Section 3.1 of the specification: lower-case letters and digits.
_ATTRIBUTE: Final = re.compile(r"[a-z0-9]{1,40}")
#: Section 3.1.1 of the JSON format names a media type JSON by its subtype.
_JSON_TYPE: Final = re.compile(r"[^/;\s]+/(?:json|[^/;\s]+\+json)\s*(?:;.*)?", re.IGNORECASE)


class CloudEventError(ValueError):
    """The request holds no CloudEvent; the text says why."""


def read_events(headers: Mapping[str, str], body: bytes, parse: Callable[[bytes], Any]) -> list[dict[str, Any]]:
    """Read the events of a request, in their order, each as the JSON format writes it.

    `headers` by lower-case name; `parse` reads JSON and raises ValueError. Raises CloudEventError.
    """
    try:
        return [_checked(event) for event in _read(headers, body, parse)]
    except CloudEventError:
        raise
    except ValueError as error:
        raise CloudEventError(str(error)) from None


def identity_of(event: Mapping[str, Any]) -> str:
    """Give what is the same for every delivery of an event: its source and id together (section 3.1)."""
    return json.dumps([event["source"], event["id"]])


def allowance(origin: str | None, allowed: Collection[str], rate: int) -> dict[str, str]:
    """Answer the sender's question (`OPTIONS`, WebHook-Request-Origin): the headers that say it may send, or none.

    `rate` is the number of requests per minute that it may send; 0 is any number.
    """
    if origin is None or origin not in allowed:
        return {}
    return {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": str(rate) if rate else "*"}


def _read(headers: Mapping[str, str], body: bytes, parse: Callable[[bytes], Any]) -> list[Any]:
    content_type = headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == STRUCTURED:
        return [parse(body)]
    if media_type != BATCH:
        if media_type.startswith("application/cloudevents"):
            raise CloudEventError(f"{media_type}: send {STRUCTURED} or {BATCH}")
        return [_binary(headers, content_type, body, parse)]
    events = parse(body)
    if not isinstance(events, list):
        raise CloudEventError("a batch is a JSON array of events")
    if len(events) > MAX_EVENTS:
        raise CloudEventError(f"{len(events)} events in one batch; the most are {MAX_EVENTS}")
    return events


def _binary(headers: Mapping[str, str], content_type: str, body: bytes, parse: Callable[[bytes], Any]) -> Any:
    if f"{_PREFIX}specversion" not in headers:
        raise CloudEventError(f"no CloudEvent: neither {STRUCTURED} nor a ce-specversion header")
    event: dict[str, Any] = {
        name.removeprefix(_PREFIX): _decoded(value) for name, value in headers.items() if name.startswith(_PREFIX)
    }
    if content_type:
        event["datacontenttype"] = content_type
    if not body:
        return event
    if not content_type or _JSON_TYPE.fullmatch(content_type):
        return {**event, "data": parse(body)}
    try:
        return {**event, "data": body.decode()} if content_type.startswith("text/") else _with_bytes(event, body)
    except UnicodeDecodeError:
        return _with_bytes(event, body)


def _with_bytes(event: dict[str, Any], body: bytes) -> dict[str, Any]:
    return {**event, "data_base64": base64.b64encode(body).decode()}


def _decoded(value: str) -> str:
    """Undo the quotes and the percent-encoding of a header (HTTP binding 3.1.3.2)."""
    text = value.strip()
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise CloudEventError("a ce- header is not percent-encoded UTF-8") from None


def _checked(event: Any) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise CloudEventError("an event is a JSON object")
    if event.get("specversion") != "1.0":
        raise CloudEventError(f"specversion: {shown(event.get('specversion'))}, must be 1.0")
    for name in _REQUIRED:
        if not isinstance(event.get(name), str) or not event[name]:
            raise CloudEventError(f"{name}: {shown(event.get(name))}, must be text and not empty")
    names: Sequence[str] = [name for name in event if name not in ("data", "data_base64")]
    wrong = [name for name in names if _ATTRIBUTE.fullmatch(name) is None]
    if wrong:
        raise CloudEventError(f"{wrong[0][:40]!r}: an attribute's name has lower-case letters and digits only")
    if "data" in event and "data_base64" in event:
        raise CloudEventError("data and data_base64: an event has one of them")
    return event
