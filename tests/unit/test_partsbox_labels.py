"""The public QR codes of PartsBox: an image or nothing, and never our key."""

from __future__ import annotations

from typing import Any, cast

import pytest
from pydantic import SecretStr

from tasks.errors import RejectedError, RetryableError, VendorBlockedError
from tests.scripted_vendor import API_KEY, Limiter, Session, envelope, raw_server
from workers.vendors.base import Endpoint, open_session
from workers.vendors.partsbox import PartsBox
from workers.vendors.partsbox.client import secret_headers
from workers.vendors.partsbox.labels import PNG_SIGNATURE, PartsBoxLabels

THING = "6n1n9dhjsagyw92ebhewhxgs7d"
IMAGE = PNG_SIGNATURE + b"\x00\x00\x00\rIHDR\xff\xfe"


def endpoint(base_url: str = "https://vendor.test/api/1") -> Endpoint:
    return Endpoint(base_url, secret_headers(SecretStr(API_KEY)), 30, 60)


def labels(session: Session, limiter: Limiter | None = None) -> PartsBoxLabels:
    return PartsBox(cast("Any", session), limiter or Limiter(), endpoint()).labels


async def test_an_image_is_fetched_by_get_with_the_id_in_the_query() -> None:
    session, limiter = Session(body=IMAGE), Limiter()

    assert await labels(session, limiter).qr_code(THING) == IMAGE

    (request,) = session.sent
    assert (request["method"], request["url"]) == ("GET", "https://vendor.test/api/1/id-anything-qr")
    assert request["params"] == {"id": THING}
    assert request["data"] == b""
    assert request["headers"]["Accept"] == "image/png"
    assert [step for step, *_ in limiter.log] == ["acquire", "release"]


async def test_no_key_leaves_the_machine_with_it() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n" % len(IMAGE)
    async with raw_server(head + IMAGE) as (address, received), open_session() as session:
        assert await PartsBox(session, Limiter(), endpoint(address)).labels.qr_code(THING) == IMAGE

    (request,) = received
    assert request.startswith(b"GET /api/1/id-anything-qr?id=" + THING.encode())
    assert API_KEY.encode() not in request
    assert b"authorization" not in request.lower()


@pytest.mark.parametrize(
    "body", [b"", PNG_SIGNATURE[:-1], b"GIF89a", b"<html>", envelope(), b" " + IMAGE, envelope(category="busy")]
)
async def test_a_success_without_an_image_is_none(body: bytes) -> None:
    with pytest.raises(RetryableError, match="id-anything-qr"):
        await labels(Session(body=body)).qr_code(THING)


@pytest.mark.parametrize(
    ("session", "error"),
    [
        (Session(body=envelope(category="not-found")), RejectedError),
        (Session(status=404, body=IMAGE), RejectedError),
        (Session(status=429, body=IMAGE), VendorBlockedError),
        (Session(status=500, body=IMAGE), RetryableError),
        (Session(status=302, body=IMAGE), VendorBlockedError),
    ],
)
async def test_a_refusal_is_told_as_for_every_read(session: Session, error: type[Exception]) -> None:
    with pytest.raises(error, match="id-anything-qr"):
        await labels(session).qr_code(THING)


def test_the_rest_of_the_vendor_still_has_its_key() -> None:
    vendor = PartsBox(cast("Any", Session()), Limiter(), endpoint())

    assert vendor._client._endpoint.secret_headers["Authorization"].get_secret_value() == f"APIKey {API_KEY}"
    assert vendor.labels._endpoint.secret_headers == {}
