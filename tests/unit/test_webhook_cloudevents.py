"""CloudEvents, read as the reference SDK writes them, in all three content modes."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import pytest
from cloudevents.core.bindings.http import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from producers.webhooks.cloudevents import (
    BATCH,
    MAX_EVENTS,
    STRUCTURED,
    CloudEventError,
    allowance,
    identity_of,
    read_events,
)
from producers.webhooks.mapping import parse_event
from producers.webhooks.unpacking import Unpacking
from tests.unit.webhook_senders import source

if TYPE_CHECKING:
    from collections.abc import Mapping

ATTRIBUTES: dict[str, Any] = {
    "id": "A 1/ö%41",
    "source": "/rack/7",
    "type": "com.example.picked",
    "specversion": "1.0",
    "time": dt.datetime(2026, 11, 2, 10, tzinfo=dt.UTC),
    "subject": 'say "hi" €',
    "datacontenttype": "application/json",
    "traceparent": "00-abc",
}
WELCOME = {"WebHook-Allowed-Origin": "eventemitter.example"}
DATA = {"part": "pö", "quantity": 3}


def read(headers: Mapping[str, str], body: bytes | str) -> list[dict[str, Any]]:
    raw = body.encode() if isinstance(body, str) else body
    return read_events({name.lower(): value for name, value in headers.items()}, raw, parse_event)


def expected() -> dict[str, Any]:
    return {**ATTRIBUTES, "time": "2026-11-02T10:00:00Z", "data": DATA}


def test_what_the_sdk_writes_as_structured_content_is_read() -> None:
    message = to_structured(CloudEvent(ATTRIBUTES, DATA), JSONFormat())

    (event,) = read({name: str(value) for name, value in message.headers.items()}, message.body)

    assert event == expected()


def test_what_the_sdk_writes_as_binary_content_is_read() -> None:
    message = to_binary(CloudEvent(ATTRIBUTES, DATA), JSONFormat())

    (event,) = read({name: str(value) for name, value in message.headers.items()}, message.body)

    assert event == expected()


def test_bytes_that_the_sdk_writes_are_kept_as_base64() -> None:
    attributes = {**ATTRIBUTES, "datacontenttype": "application/octet-stream"}
    for message in (
        to_binary(CloudEvent(attributes, b"\x00\xff"), JSONFormat()),
        to_structured(CloudEvent(attributes, b"\x00\xff"), JSONFormat()),
    ):
        (event,) = read({name: str(value) for name, value in message.headers.items()}, message.body)

        assert event["data_base64"] == base64.b64encode(b"\x00\xff").decode()


def test_a_batch_is_its_events_in_order() -> None:
    events = [{**expected(), "id": str(number)} for number in range(3)]

    found = read({"Content-Type": f"{BATCH}; charset=utf-8"}, json.dumps(events))

    assert [event["id"] for event in found] == ["0", "1", "2"]


def test_an_event_is_told_from_others_by_source_and_id_together() -> None:
    pairs = [("/a", "1"), ("/a", "2"), ("/b", "1"), ('/a", "1', "x")]

    assert len({identity_of({"source": source_, "id": id_}) for source_, id_ in pairs}) == len(pairs)


@pytest.mark.parametrize(
    ("headers", "body", "reason"),
    [
        ({}, "{}", "no CloudEvent: neither"),
        ({"content-type": "application/json"}, "{}", "no CloudEvent: neither"),
        ({"content-type": "application/cloudevents+avro"}, "{}", r"application/cloudevents\+avro: send"),
        ({"content-type": STRUCTURED}, "[]", "an event is a JSON object"),
        ({"content-type": STRUCTURED}, "{", "not JSON"),
        ({"content-type": STRUCTURED}, json.dumps({**expected(), "specversion": "0.3"}), "specversion"),
        ({"content-type": STRUCTURED}, json.dumps({**expected(), "id": ""}), "id: "),
        ({"content-type": STRUCTURED}, json.dumps({**expected(), "id": 7}), "id: 7, must be text"),
        ({"content-type": STRUCTURED}, json.dumps({**expected(), "source": None}), "source: null"),
        ({"content-type": STRUCTURED}, json.dumps({**expected(), "Bad_Name": 1}), "'Bad_Name': an attribute's name"),
        ({"content-type": STRUCTURED}, json.dumps({**expected(), "data_base64": "AA=="}), "data and data_base64"),
        ({"content-type": BATCH}, "{}", "a batch is a JSON array"),
        ({"content-type": BATCH}, json.dumps([expected(), 7]), "an event is a JSON object"),
        ({"content-type": BATCH}, json.dumps([expected()] * (MAX_EVENTS + 1)), "501 events in one batch"),
        ({"ce-specversion": "1.0", "ce-id": "%ff", "ce-source": "/", "ce-type": "t"}, "", "percent-encoded UTF-8"),
        ({"ce-specversion": "1.0", "ce-source": "/", "ce-type": "t"}, "", "id: null"),
        (
            {
                "ce-specversion": "1.0",
                "ce-id": "1",
                "ce-source": "/",
                "ce-type": "t",
                "content-type": "application/json",
            },
            "{",
            "not JSON",
        ),
    ],
)
def test_what_is_no_cloudevent_is_said_to_be_none(headers: dict[str, str], body: str, reason: str) -> None:
    with pytest.raises(CloudEventError, match=reason):
        read(headers, body)


def test_one_event_of_a_batch_can_be_kept_alone_and_read_again() -> None:
    unpacking = Unpacking("rack", source("bearer", format="cloudevents", id=None))
    events = [{**expected(), "id": str(number)} for number in range(2)]

    kept = unpacking.unpack({"content-type": BATCH}, json.dumps(events).encode())[1]
    (again,) = unpacking.unpack(kept.headers, kept.body)

    assert again.delivered.event == events[1]
    assert again.delivered.key == kept.delivered.key


@pytest.mark.parametrize(
    ("origin", "rate", "answer"),
    [
        (
            "eventemitter.example",
            120,
            {**WELCOME, "WebHook-Allowed-Rate": "120"},
        ),
        ("eventemitter.example", 0, {**WELCOME, "WebHook-Allowed-Rate": "*"}),
        ("other.example", 120, {}),
        (None, 120, {}),
    ],
)
def test_only_a_configured_sender_is_told_that_it_is_welcome(
    origin: str | None, rate: int, answer: dict[str, str]
) -> None:
    assert allowance(origin, ["eventemitter.example"], rate) == answer
