"""Whatever JSON a message is, it is either good or has a named fault; nothing else comes out of looking at it."""

from __future__ import annotations

import base64
import tracemalloc
import zlib
from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from kombu.transport import virtual
from kombu.utils.json import dumps

from workers.malformed import Fault, envelope_fault, message_fault
from workers.parking import MalformedError, ParkingMessage

#: what kombu's channel offers a message that decodes its body
CHANNEL: Any = SimpleNamespace(
    decode_body=virtual.Channel.decode_body.__get__(virtual.Channel.__new__(virtual.Channel))
)

HEADERS = ("task", "id", "eta", "expires", "timelimit", "stamped_headers", "stamps", "compression")
NAMES = st.sampled_from((*HEADERS, "body", "headers", "properties", "delivery_info", "delivery_tag", "content-type"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(max_size=4), inner, max_size=5),
    max_leaves=20,
)


def good() -> dict[str, Any]:
    return {
        "body": "W1tdLHt9LHt9XQ==",
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "t", "id": "1"},
        "properties": {
            "delivery_tag": "1",
            "delivery_info": {"exchange": "", "routing_key": "q"},
            "body_encoding": "base64",
        },
    }


def changed(path: list[str], value: object) -> Any:
    message: Any = good()
    place = message
    for name in path[:-1]:
        place = place.setdefault(name, {})
        if not isinstance(place, dict):
            return value
    place[path[-1]] = value
    return message


PATHS = st.sampled_from(
    [
        *([name] for name in ("body", "content-type", "content-encoding", "headers", "properties")),
        *(["headers", name] for name in HEADERS),
        *(["properties", name] for name in ("delivery_info", "delivery_tag", "body_encoding")),
        *(["properties", "delivery_info", name] for name in ("exchange", "routing_key")),
    ]
)


def look(raw: object) -> Fault | None:
    """Do what the worker does with a raw message before a task is chosen."""
    try:
        message = ParkingMessage(raw, channel=CHANNEL)
    except MalformedError as error:
        return error.fault
    if message.errors:
        return Fault.BODY
    message.accept = {"application/json"}
    # what kombu writes into the unacked hash, under the delivery tag
    message.delivery_tag.encode()
    dumps([raw, message.delivery_info["exchange"], message.delivery_info["routing_key"]])  # type: ignore[no-untyped-call]  # kombu
    return message_fault(message, {"t"})


def test_a_good_message_has_no_fault() -> None:
    assert envelope_fault(good()) is None
    assert look(good()) is None


def test_a_compressed_body_of_half_a_megabyte_filled_the_memory_of_the_worker() -> None:
    bomb = base64.b64encode(zlib.compress(b" " * 50_000_000)).decode()
    raw = good() | {"body": bomb, "headers": {"task": "t", "id": "1", "compression": "application/x-gzip"}}
    tracemalloc.start()
    try:
        fault = look(raw)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert fault is Fault.COMPRESSED
    assert peak_bytes < 5_000_000


@settings(deadline=None)  # the machine may be busy
@given(JSON)
def test_any_json_is_good_or_has_a_fault(raw: object) -> None:
    assert look(raw) in {None, *Fault}


@settings(deadline=None)  # the machine may be busy
@given(PATHS, JSON)
def test_a_message_with_anything_anywhere_is_good_or_has_a_fault(path: list[str], value: object) -> None:
    assert look(changed(path, value)) in {None, *Fault}
