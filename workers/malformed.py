"""What can be wrong with a message before it reaches a task, each told from its own content only."""

from __future__ import annotations

import re
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from celery.utils.time import maybe_iso8601
from kombu.exceptions import ContentDisallowed

if TYPE_CHECKING:
    from collections.abc import Container


_HINTED: Final = re.compile(r"\d{1,16}:\d{1,16}", re.ASCII)


class Fault(StrEnum):
    """Why a message was parked. Fixed words: nothing of the message itself may reach a log through them."""

    NOT_JSON = "not JSON"
    ENVELOPE = "not a message: properties, delivery tag or delivery info are missing or of the wrong type"
    BODY_ENCODING = "body is not in the encoding that the message names"
    CONTENT_TYPE = "content type not accepted"
    COMPRESSED = "compressed: nothing of ours is, and a small body may unpack to gigabytes"
    BODY = "body cannot be decoded"
    SHAPE = "body is not [args, kwargs, options]"
    NO_TASK = "no task header"
    UNKNOWN_TASK = "unknown task name"
    ID = "no usable task id"
    TIME = "bad eta or expires header"
    TIME_LIMIT = "bad time limit header"
    STAMPS = "bad stamps header"
    REFUSED = "refused by the worker"


def envelope_fault(raw: object) -> Fault | None:
    """Return what keeps kombu from making a message of this JSON value, apart from its body.

    kombu looks the same things up unchecked: in virtual.Message, in the unacked hash, and when it restores a message.
    """
    if not isinstance(raw, dict):
        return Fault.ENVELOPE
    properties, headers = raw.get("properties"), raw.get("headers")
    if not isinstance(properties, dict) or not isinstance(headers, dict | None):
        return Fault.ENVELOPE
    if headers and headers.get("compression"):
        # kombu would unpack it, without a limit, before anybody can look at it
        return Fault.COMPRESSED
    delivery = properties.get("delivery_info")
    routed = isinstance(delivery, dict) and all(_is_text(delivery.get(name)) for name in ("exchange", "routing_key"))
    return None if routed and _is_text(properties.get("delivery_tag")) else Fault.ENVELOPE


def message_fault(message: Any, tasks: Container[str]) -> Fault | None:
    """Return what keeps Celery from handing this kombu message to one of the tasks, or None.

    Only protocol 2, the one Celery has sent since 4.0: the task's name in a header.
    """
    headers = message.headers
    name = headers.get("task")
    if not isinstance(name, str):
        return Fault.NO_TASK
    if name not in tasks:
        return Fault.UNKNOWN_TASK
    if not _is_text(headers.get("id")) or not headers["id"]:
        return Fault.ID
    return _header_fault(headers) or _body_fault(message)


def is_hint(message: Any) -> bool:
    """Tell whether the ledger has published this: only there a delivery tag is `<key>:<ms>:<number>`."""
    key, _, rest = str(message.delivery_tag).partition(":")
    return key == message.headers.get("id") and _HINTED.fullmatch(rest) is not None


def _header_fault(headers: dict[str, Any]) -> Fault | None:
    if not (_is_time(headers.get("eta")) and _is_time(headers.get("expires"))):
        return Fault.TIME
    limits = headers.get("timelimit")
    if limits and not (isinstance(limits, list) and len(limits) == 2 and all(map(_is_limit, limits))):  # noqa: PLR2004 - hard and soft
        return Fault.TIME_LIMIT
    stamped, stamps = headers.get("stamped_headers"), headers.get("stamps")
    names = isinstance(stamped, list | None) and all(isinstance(stamp, str) for stamp in stamped or ())
    return None if names and isinstance(stamps, dict | None) else Fault.STAMPS


def _body_fault(message: Any) -> Fault | None:
    try:
        payload = message.payload
    except ContentDisallowed:
        return Fault.CONTENT_TYPE
    except Exception:  # noqa: BLE001 - a decoder may raise anything, and so may looking for one of that name
        return Fault.BODY
    match payload:
        case [list(), dict(), dict() | None]:
            return None
        case _:
            return Fault.SHAPE


def _is_text(value: object) -> bool:
    """Return whether this is a string that Redis can store (JSON may spell half a surrogate pair, UTF-8 can't)."""
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _is_time(value: object) -> bool:
    if value is None:
        return True
    try:
        maybe_iso8601(value).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, AttributeError):
        return False
    return True


def _is_limit(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and value >= 0)
