"""Messages that no worker can run: the worker lives, parks them and goes on with the next."""

from __future__ import annotations

import base64
import gzip
import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tasks.envelope import PARKED_STREAM
from tests.integration.pool_app import QUEUE
from tests.integration.pool_harness import Broker, Worker, open_broker, until
from workers.malformed import Fault
from workers.parking import RAW_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import MakeValkey

#: stands in every bad message: must be found in what is parked and never in the log
MARKER = "warehouse-9-door-code"


@pytest.fixture
def broker(make_valkey: MakeValkey) -> Iterator[Broker]:
    with open_broker(make_valkey()) as broker:
        yield broker


@pytest.fixture
def worker(broker: Broker, tmp_path: Path) -> Iterator[Worker]:
    with Worker(broker, tmp_path, "worker", "-c", "10", "-E", env={}) as worker:
        yield worker


def message(body: object = None, *, raw_body: bytes | None = None, **changes: Any) -> dict[str, Any]:
    """Return a message as Celery stores it, for task `pool.call`, with headers changed by name (None removes one)."""
    text = json.dumps([[MARKER], {}, {"callbacks": None}] if body is None else body).encode()
    headers = {"lang": "py", "task": "pool.call", "id": MARKER, "eta": None, "timelimit": [None, None], **changes}
    return {
        "body": base64.b64encode(text if raw_body is None else raw_body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {name: value for name, value in headers.items() if value is not None},
        "properties": {
            "correlation_id": MARKER,
            "delivery_info": {"exchange": "", "routing_key": QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": f"tag-{MARKER}",
        },
    }


def without_properties() -> dict[str, Any]:
    return {name: value for name, value in message().items() if name != "properties"}


def with_property(name: str, value: object) -> dict[str, Any]:
    changed = message()
    changed["properties"][name] = value
    return changed


BAD: dict[str, tuple[Fault, bytes | dict[str, Any] | object]] = {
    "not JSON": (Fault.NOT_JSON, f"{{{MARKER}".encode()),
    "not UTF-8": (Fault.NOT_JSON, b"\xff\xfe" + MARKER.encode()),
    "nested too deeply": (Fault.NOT_JSON, b"[" * 100_000 + MARKER.encode()),
    "a number of too many digits": (Fault.NOT_JSON, f'{{"{MARKER}": {"9" * 5000}}}'.encode()),
    "a type of kombu's without its value": (Fault.NOT_JSON, {"__type__": [MARKER], "__value__": 1}),
    "a scalar": (Fault.ENVELOPE, MARKER),
    "null": (Fault.ENVELOPE, None),
    "a list": (Fault.ENVELOPE, [MARKER]),
    "no properties": (Fault.ENVELOPE, without_properties()),
    "no delivery info": (Fault.ENVELOPE, with_property("delivery_info", None)),
    "a routing key that is no text": (Fault.ENVELOPE, with_property("delivery_info", {"routing_key": [MARKER]})),
    "no delivery tag": (Fault.ENVELOPE, with_property("delivery_tag", None)),
    "a delivery tag Redis cannot store": (Fault.ENVELOPE, with_property("delivery_tag", "\ud800" + MARKER)),
    "headers that are a list": (Fault.ENVELOPE, {**message(), "headers": [MARKER]}),
    "body not base64": (Fault.BODY_ENCODING, {**message(), "body": "a"}),
    "body that is an object": (Fault.BODY_ENCODING, {**message(), "body": {MARKER: 1}}),
    "unknown body encoding": (Fault.BODY_ENCODING, with_property("body_encoding", "rot13")),
    "body not compressed as it says": (Fault.COMPRESSED, message(compression="application/x-gzip")),
    "compressed junk": (Fault.COMPRESSED, message(raw_body=gzip.compress(b"{"), compression="application/x-gzip")),
    "content type pickle": (Fault.CONTENT_TYPE, {**message(), "content-type": "application/x-python-serialize"}),
    "content type that is a list": (Fault.BODY, {**message(), "content-type": [MARKER]}),
    "body not JSON": (Fault.BODY, message(raw_body=MARKER.encode())),
    "body a scalar": (Fault.SHAPE, message(5)),
    "body an object": (Fault.SHAPE, message({"args": [MARKER]})),
    "body too short": (Fault.SHAPE, message([[MARKER], {}])),
    "args not a list": (Fault.SHAPE, message([MARKER, {}, {}])),
    "kwargs not an object": (Fault.SHAPE, message([[MARKER], [], {}])),
    "options not an object": (Fault.SHAPE, message([[MARKER], {}, 5])),
    "empty body": (Fault.SHAPE, {**message(), "body": ""}),
    "no headers": (Fault.NO_TASK, {**message(), "headers": None}),
    "no task header": (Fault.NO_TASK, message(task=None)),
    "task header not text": (Fault.NO_TASK, message(task=[MARKER])),
    "unknown task name": (Fault.UNKNOWN_TASK, message(task=f"nobody.knows.{MARKER}")),
    "no id": (Fault.ID, message(id=None)),
    "id not text": (Fault.ID, message(id=[MARKER])),
    "eta not a time": (Fault.TIME, message(eta=f"tomorrow {MARKER}")),
    "eta out of range": (Fault.TIME, message(eta="0001-01-01T00:00:00+14:00")),
    "expires not a time": (Fault.TIME, message(expires=[MARKER])),
    "time limit not a pair": (Fault.TIME_LIMIT, message(timelimit=MARKER)),
    "time limit not a number": (Fault.TIME_LIMIT, message(timelimit=[MARKER, None])),
    "stamps not text": (Fault.STAMPS, message(stamped_headers=[[MARKER]])),
}


def raw(content: object) -> bytes:
    return content if isinstance(content, bytes) else json.dumps(content).encode()


def test_every_malformed_message_is_parked_and_the_good_one_behind_runs(worker: Worker, broker: Broker) -> None:
    for _, content in BAD.values():
        broker.client.lpush(QUEUE, raw(content))
    broker.send("call", "good")

    until(lambda: broker.noted("ended", "good"), "the good message runs")
    until(lambda: broker.settled, "the bad ones are acked")
    undecoded: Any
    with closing(redis.Redis.from_url(broker.server.url)) as undecoded:
        parked = [fields for _, fields in undecoded.xrange(PARKED_STREAM)]
    expected = {name: (fault.value, raw(content)[:RAW_BYTES]) for name, (fault, content) in BAD.items()}
    actual = {name: (fields[b"reason"].decode(), fields[b"raw"]) for name, fields in zip(BAD, parked, strict=True)}
    assert actual == expected
    assert {fields[b"queue"] for fields in parked} == {QUEUE.encode()}
    assert MARKER not in worker.output()
    assert worker.stop() == 0


def test_no_more_than_64_kib_of_a_message_are_kept(worker: Worker, broker: Broker) -> None:
    broker.client.lpush(QUEUE, "x" * (RAW_BYTES + 1))
    until(lambda: broker.client.xlen(PARKED_STREAM), "it is parked")
    [(_, fields)] = broker.client.xrange(PARKED_STREAM)
    assert fields["raw"] == "x" * RAW_BYTES


def test_a_message_that_cannot_be_parked_does_not_stop_the_queue(worker: Worker, broker: Broker) -> None:
    broker.client.set(PARKED_STREAM, "no stream")
    broker.client.lpush(QUEUE, "5", json.dumps(message(5)))
    broker.send("call", "good")
    until(lambda: broker.noted("ended", "good") and broker.settled, "the good message runs")
    assert worker.output().count("dropped a message") == 2


def test_a_message_with_wrong_arguments_is_a_failed_task(worker: Worker, broker: Broker) -> None:
    broker.client.lpush(QUEUE, json.dumps(message([[1, 2, 3, 4], {}, None])))
    broker.send("call", "good")
    until(lambda: broker.noted("ended", "good") and broker.settled, "both end")
    assert "TypeError" in worker.output()
    assert not broker.client.exists(PARKED_STREAM)


def test_a_malformed_broadcast_is_ignored(worker: Worker, broker: Broker) -> None:
    assert broker.client.publish("/0.celery.pidbox", "5") == 1
    until(lambda: worker.printed("ignored a broadcast"), "it is noticed")
    assert broker.producer.control.ping([worker.host], timeout=60) == [{worker.host: {"ok": "pong"}}]


def test_what_was_parked_stays_while_the_server_restarts(worker: Worker, broker: Broker) -> None:
    broker.client.lpush(QUEUE, "5")
    until(lambda: broker.client.xlen(PARKED_STREAM), "it is parked")
    broker.server.restart()
    broker.client.lpush(QUEUE, "6")
    until(lambda: broker.client.xlen(PARKED_STREAM) == 2, "the worker goes on parking")
