"""Whatever a stranger puts into the headers of a webhook: one answer, no error of ours, nothing kept."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from tests.integration.hooks_harness import picked, serving_hooks, signed
from tests.unit.webhook_senders import github

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conftest import SharedValkey
    from tests.integration.hooks_harness import HookDoor

BODY = picked()
Headers = list[tuple[str, bytes]]


@pytest.fixture
async def hooks(tmp_path: Path, valkey: SharedValkey) -> AsyncIterator[HookDoor]:
    async with serving_hooks(tmp_path, valkey.url) as served:
        yield served


def good() -> dict[str, bytes]:
    """Sign now: a signature of a while ago would be refused for its age alone."""
    return {name: value.encode() for name, value in signed(BODY).items()}


def hostile() -> dict[str, Headers]:
    headers = good()
    signature, now = headers["webhook-signature"], headers["webhook-timestamp"]

    def with_(**changes: bytes | None) -> Headers:
        given = {**headers, **{f"webhook-{name}": value for name, value in changes.items()}}
        return [(name, value) for name, value in given.items() if value is not None]

    return {
        "no headers at all": [],
        "no signature": with_(signature=None),
        "no timestamp": with_(timestamp=None),
        "no id": with_(id=None),
        "empty signature": with_(signature=b""),
        "no comma": with_(signature=b"v1"),
        "two commas": with_(signature=b"v1,a,b"),
        "only a comma": with_(signature=b","),
        "double blanks": with_(signature=b"v1,AAAA  v1,BBBB"),
        "only blanks and words": with_(signature=b"a b c"),
        "bad base64": with_(signature=b"v1,!!!!"),
        "base64 of the wrong length": with_(signature=b"v1,QUJD"),
        "unpadded base64": with_(signature=signature.rstrip(b"=")),
        "base64 with a blank in it": with_(signature=signature[:10] + b" " + signature[10:]),
        "base64 with rubbish behind": with_(signature=signature + b"x"),
        "bytes that are no text": with_(signature=b"v1,\xff\xfe"),
        "text that is not ASCII": with_(signature="v1,ä".encode()),
        "an asymmetric version": with_(signature=signature.replace(b"v1,", b"v1a,")),
        "an unknown version": with_(signature=signature.replace(b"v1,", b"v9,")),
        "an upper-case version": with_(signature=signature.replace(b"v1,", b"V1,")),
        "thousands of signatures": with_(signature=b"v1,AAAA " * 900),
        "two signature headers": [*with_(), ("webhook-signature", signature)],
        "two id headers": [*with_(), ("webhook-id", b"msg_1")],
        "two timestamp headers": [*with_(), ("webhook-timestamp", now)],
        "another id": with_(id=b"msg_2"),
        "an id that is no text": with_(id=b"\xff\xfe"),
        "an empty id": with_(id=b""),
        "a timestamp with a fraction": with_(timestamp=now + b".0"),
        "a timestamp with a zero in front": with_(timestamp=b"0" + now),
        "a timestamp with a sign": with_(timestamp=b"+" + now),
        "a timestamp with underscores": with_(timestamp=now[:4] + b"_" + now[4:]),
        "nan": with_(timestamp=b"nan"),
        "inf": with_(timestamp=b"inf"),
        "an endless timestamp": with_(timestamp=b"9" * 4000),
        "digits of another script": with_(timestamp="١٢٣".encode()),
        "a timestamp of yesterday": with_(timestamp=str(int(now) - 86_400).encode()),
        "a timestamp of tomorrow": with_(timestamp=str(int(now) + 86_400).encode()),
        "the headers of another scheme": [(name, value.encode()) for name, value in github(BODY).items()],
    }


async def _send(hooks: HookDoor, source: str, headers: Headers) -> tuple[bytes, dict[str, object]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", hooks.port)
    lines = [f"POST /v1/hooks/{source} HTTP/1.1".encode(), b"Host: x", b"Connection: close"]
    lines += [name.encode() + b": " + value for name, value in headers]
    lines += [b"X-Request-ID: r-1", f"Content-Length: {len(BODY)}".encode(), b"", BODY]
    writer.write(b"\r\n".join(lines))
    async with asyncio.timeout(30):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return head.splitlines()[0], json.loads(body)


@pytest.mark.parametrize("name", hostile())
async def test_hostile_headers_get_the_one_answer_and_leave_nothing(
    hooks: HookDoor, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    status, problem = await _send(hooks, "shop", hostile()[name])

    assert status == b"HTTP/1.1 401 Unauthorized"
    assert problem == {
        "type": "urn:stockrelay:problem:unauthorized",
        "title": "Unauthorized",
        "status": 401,
        "detail": "the delivery is not proved to come from a source of this server",
        "code": "unauthorized",
        "request_id": "r-1",
    }
    assert "Traceback" not in caplog.text
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    assert await hooks.held.all() == ()


async def test_an_unknown_source_is_answered_like_a_wrong_signature(hooks: HookDoor) -> None:
    wrong = hostile()["bad base64"]

    answers = [await _send(hooks, source, wrong) for source in ("shop", "nobody", "SHOP", "shop%00", "%2e%2e")]

    assert all(answer == answers[0] for answer in answers)


async def test_the_good_one_among_them_is_taken(hooks: HookDoor) -> None:
    status, answer = await _send(hooks, "shop", list(good().items()))

    assert status.split()[1] in (b"202", b"200")
    assert answer["commands"]
