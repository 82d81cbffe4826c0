"""The hint is the message that the installed Celery itself would have put into Redis."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tasks.app import create_app
from tasks.envelope import hint_template, queue_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

    from tests.conftest import SharedValkey

KEY = "abcdefghij2345672345"
QUEUE = "vendor.partsbox"
SUMMARY = 'add 3 of part "x"…'


@pytest.fixture
def application(valkey: SharedValkey) -> Iterator[Celery]:
    app = create_app(valkey.url)
    yield app
    app.close()


def hint(**fields: str) -> dict[str, Any]:
    text = hint_template(QUEUE)
    filled = {"kind": "stock.add", "key": KEY, "args": json.dumps(SUMMARY), "tag": f"{KEY}:1:1"} | fields
    for name, value in filled.items():
        text = text.replace(f"@{name}@", value)
    message: dict[str, Any] = json.loads(text)
    return message


def never_run() -> None:
    raise AssertionError("a producer only sends")


def produced(app: Celery, url: str) -> dict[str, Any]:
    """Let Celery send the same task, and take the message out of Redis."""
    task: Any = app.task(name="stock.add")(never_run)
    task.apply_async(task_id=KEY, queue=QUEUE)
    with contextlib.closing(redis.Redis.from_url(url, decode_responses=True)) as client:
        message: dict[str, Any] = json.loads(str(client.rpop(QUEUE)))
    return message


def test_the_hint_equals_celerys_own_message_header_by_header(application: Celery, valkey: SharedValkey) -> None:
    ours, celerys = hint(args=json.dumps("()")), produced(application, valkey.url)
    # who sent it, where to answer, which nobody does, and the tag, unique to each
    assert celerys["headers"].pop("origin") == f"gen{os.getpid()}@{socket.gethostname()}"
    assert ours["headers"].pop("origin") == f"{os.getpid()}@{socket.gethostname()}"
    for name in ("delivery_tag", "reply_to"):
        assert isinstance(ours["properties"].pop(name), str)
        assert isinstance(celerys["properties"].pop(name), str)
    assert ours["headers"] == celerys["headers"]
    assert ours["properties"] == celerys["properties"]
    assert ours == celerys


def test_a_stock_consumer_takes_the_hint_from_redis(application: Celery, valkey: SharedValkey) -> None:
    with contextlib.closing(redis.Redis.from_url(valkey.url)) as client:
        client.lpush(QUEUE, json.dumps(hint()))
    with application.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as queue:
        message = queue.get(timeout=10)
        assert message.decode() == [[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
        assert (message.headers["id"], message.headers["task"]) == (KEY, "stock.add")
        message.ack()


def test_every_placeholder_is_filled_and_no_other_sign_looks_like_one() -> None:
    template = hint_template(QUEUE)
    assert {name: template.count(f"@{name}@") for name in ("kind", "key", "args", "tag")} == {
        "kind": 1,
        "key": 3,
        "args": 1,
        "tag": 1,
    }


def test_the_queue_of_a_vendor_is_named_after_it() -> None:
    assert queue_of("partsbox") == QUEUE


def test_the_hint_holds_nothing_of_the_command_but_its_key_kind_and_summary() -> None:
    text = json.dumps(hint())
    assert KEY in text
    assert json.loads(text)["properties"]["delivery_info"] == {"exchange": "", "routing_key": QUEUE}
    assert json.loads(text)["properties"]["delivery_mode"] == 2
