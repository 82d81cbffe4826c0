"""What goes to PartBolt and what its answers mean."""

from __future__ import annotations

import json
import traceback
from typing import TYPE_CHECKING, Any, cast

import pytest
from pydantic import SecretStr

from tasks.errors import RejectedError, RetryableError, VendorBlockedError, VendorError
from tests.scripted_vendor import SETTLE_SECONDS, Limiter, Session
from workers.vendors.base import Endpoint
from workers.vendors.partbolt import PartBolt

if TYPE_CHECKING:
    import aiohttp

TOKEN = "tok-5e6f7a8b"
PART: dict[str, Any] = {"id": "1", "lots": [{"quantity": 3, "location": None}], "price": 0.5}


def partbolt(session: Session, limiter: Limiter | None = None, **header: str) -> PartBolt:
    secret = PartBolt.secret_headers(SecretStr(TOKEN), **header)
    endpoint = Endpoint("https://vendor.test", secret, timeout_seconds=30, settle_seconds=SETTLE_SECONDS)
    return PartBolt(cast("aiohttp.ClientSession", session), limiter or Limiter(), endpoint)


def answering(body: Any, status: int = 200) -> Session:
    return Session(status, body if isinstance(body, bytes) else json.dumps(body).encode())


def failing(code: object, status: int, **fields: str) -> Session:
    return answering({"status": "error", "error": {"code": code, "message": "No.", **fields}}, status)


async def part(session: Session) -> Any:
    try:
        return await partbolt(session).part("1")
    except VendorError as error:
        return error


# what is sent


async def test_a_part_is_asked_for_with_the_documents_header() -> None:
    session, limiter = answering({"status": "ok", "data": PART}), Limiter()

    assert await partbolt(session, limiter).part("A b&id=2") == PART

    (sent,) = session.sent
    assert (sent["method"], sent["url"], sent["data"]) == ("GET", "https://vendor.test/parts/get", b"")
    assert sent["params"] == {"id": "A b&id=2"}
    assert sent["headers"]["Authentication"] == f"PartBoltAPI {TOKEN}"
    assert "Authorization" not in sent["headers"]
    assert sent["allow_redirects"] is False
    assert [step[0] for step in limiter.log] == ["acquire", "release"]


async def test_the_header_has_another_name_where_it_is_told_so() -> None:
    session = answering({"status": "ok", "data": PART})

    await partbolt(session, header="Authorization").part("1")

    assert session.sent[0]["headers"]["Authorization"] == f"PartBoltAPI {TOKEN}"
    assert "Authentication" not in session.sent[0]["headers"]


@pytest.mark.parametrize("token", ["", "PartBoltAPI tok", "tok\n", "t\u00f6k"])
def test_what_can_be_no_token_is_refused_and_not_quoted(token: str) -> None:
    with pytest.raises(ValueError, match="token: must be the token alone") as caught:
        PartBolt.secret_headers(SecretStr(token))

    assert caught.value.__cause__ is None
    assert not token or token not in str(caught.value)


async def test_any_documented_path_can_be_read() -> None:
    session = answering({"status": "ok", "data": [1, {"a": None}]})

    assert await partbolt(session).get("lots/list", {"part-id": "7"}) == [1, {"a": None}]
    assert await partbolt(session).get("stats") == [1, {"a": None}]

    assert [(sent["url"], sent["params"]) for sent in session.sent] == [
        ("https://vendor.test/lots/list", {"part-id": "7"}),
        ("https://vendor.test/stats", None),
    ]


@pytest.mark.parametrize(
    "path",
    ["", "/", "/parts", "parts/", "parts//get", "..", "parts/../x", "a?id=1", "a#b", "a%2f", "https://x", "a\n", "a b"],
)
async def test_what_is_no_plain_path_is_refused(path: str) -> None:
    session = answering({"status": "ok", "data": 1})

    with pytest.raises(ValueError, match=r"^path: must be plain words"):
        await partbolt(session).get(path)
    assert session.sent == []


async def test_what_is_no_name_of_a_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^parameters: not a name"):
        await partbolt(answering({})).get("parts/get", {"id&x": "1"})


# what comes back


@pytest.mark.parametrize(
    ("code", "status", "kind", "short"),
    [
        ("forbidden", 403, RejectedError, "forbidden"),
        ("invalid_params", 400, RejectedError, "invalid"),
        ("missing_params", 400, RejectedError, "invalid"),
        ("internal_server_error", 500, RetryableError, None),
        ("over_quota", 402, VendorBlockedError, None),
        ("token_invalid", 401, VendorBlockedError, None),
        ("anything", 401, VendorBlockedError, None),
        ("not_found", 500, RetryableError, None),
        ("over_quota", 400, RejectedError, "invalid"),
        ("token_invalid", 429, VendorBlockedError, None),
    ],
)
async def test_the_status_decides(code: str, status: int, kind: type[VendorError], short: str | None) -> None:
    error = await part(failing(code, status))

    assert type(error) is kind
    assert getattr(error, "code", None) == short
    assert error.exchange is not None
    assert error.exchange.answer["error"]["code"] == code


async def test_a_part_that_is_not_there_is_none() -> None:
    assert await part(failing("not_found", 404)) is None
    assert await part(failing("not_found", 200)) is None
    with pytest.raises(RejectedError):
        await partbolt(failing("not_found", 404)).get("lots/get")


@pytest.mark.parametrize(
    ("code", "short"), [("forbidden", "forbidden"), ("invalid_params", "invalid"), ("missing_params", "invalid")]
)
async def test_where_the_status_says_nothing_the_code_decides(code: str, short: str) -> None:
    error = await part(failing(code, 200))

    assert isinstance(error, RejectedError)
    assert error.code == short


@pytest.mark.parametrize("code", ["internal_server_error", "over_quota", "token_invalid", "new_code", "", None, 7, []])
async def test_a_code_that_refuses_nothing_is_read_again(code: object) -> None:
    assert type(await part(failing(code, 200))) is RetryableError


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        None,
        [],
        {},
        PART,
        {"data": PART},
        {"status": "ok"},
        {"status": "OK", "data": PART},
        {"status": ["ok"], "data": PART},
        {"status": "ok", "data": None},
        {"status": "ok", "data": [PART]},
        {"status": "error"},
        {"status": "error", "error": "not_found"},
    ],
)
async def test_what_is_no_part_in_an_envelope_is_not_used(body: Any) -> None:
    assert type(await part(answering(body))) is RetryableError


async def test_a_monstrous_part_is_not_used() -> None:
    body = {"status": "ok", "data": {"x": "y" * (1024 * 1024)}}

    error = await part(answering(body))

    assert type(error) is RetryableError
    assert "more data than any part can have" in str(error)
    assert error.exchange is not None
    assert len(json.dumps(error.exchange.answer)) < 5_000


async def test_the_vendors_message_and_hint_are_shown() -> None:
    assert "“No. Parameter: id”" in str(await part(failing("invalid_params", 400, hint="Parameter: id")))


@pytest.mark.parametrize("status", [200, 400, 401, 500])
async def test_no_echo_of_the_token_gets_out(status: int) -> None:
    echo = {"status": "error", "error": {"code": TOKEN, "message": f"PartBoltAPI {TOKEN}", TOKEN: [TOKEN]}}
    error = await part(answering(echo | {"of another": "partbolt_token_0123"}, status))

    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.exchange)
    assert TOKEN not in shown
    assert "0123" not in shown


async def test_what_is_read_holds_no_token() -> None:
    found = await part(answering({"status": "ok", "data": PART | {"note": f"by {TOKEN}"}}))

    assert found["note"] == "by [removed]"
    assert found["price"] == 0.5
