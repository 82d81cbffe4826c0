"""What goes to OpenBOM and what its answers mean; the token is there already (its life: the integration tests)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from tasks.boms import Document
from tasks.errors import InDoubtError, RejectedError, RetryableError, VendorBlockedError, VendorError
from tasks.registry import parse_command
from tests.openbom_account import APP_KEY, BOM, DONE, LOGIN, PASSWORD, SECRETS, SET, TOKEN, USER, everything_of, openbom
from tests.scripted_vendor import KEY, SETTLE_SECONDS, Limiter, Permission, Session
from workers.vendors.evidence import Scrubber
from workers.vendors.openbom import Login

if TYPE_CHECKING:
    from workers.vendors.openbom import OpenBom

STORED = f"{TOKEN}1"


class Stored:
    """A Redis in which a token is."""

    async def get(self, _: str) -> str:
        return STORED

    def lock(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("nobody may log in here")


def make(session: Session, limiter: Limiter | None = None) -> OpenBom:
    return openbom(session, limiter or Limiter(), Stored())


def answering(body: Any, status: int = 200, **more: Any) -> Session:
    return Session(status, body if isinstance(body, bytes) else json.dumps(body).encode(), **more)


def command_of(kind: str) -> Any:
    fields = {name: value for name, value in SET.items() if name != "bom_id"}
    return parse_command(kind, fields | {f"{kind.partition('.')[0]}_id": BOM})


async def write_once(session: Session, kind: str = "bom.set_property", limiter: Limiter | None = None) -> Any:
    limiter = limiter or Limiter()
    command, vendor = command_of(kind), make(session, limiter)
    send = vendor.set_bom_property if kind.startswith("bom") else vendor.set_catalog_property
    try:
        return await send(command, Permission(limiter))
    except VendorError as error:
        return error


async def read_once(session: Session) -> Any:
    try:
        return await make(session).bom(BOM)
    except VendorError as error:
        return error


# what is sent


READS = {
    "boms": [],
    "orderboms": [],
    "catalogs": [],
    "propertytables": [],
    f"bom/{BOM}": {"data": {}},
    f"catalog/{BOM}": {"data": {}},
    f"propertytable/{BOM}": [],
}


@pytest.mark.parametrize("path", READS)
async def test_every_read_is_a_get_with_both_headers(path: str) -> None:
    session = answering(READS[path])
    vendor = make(session)
    reads: dict[str, Any] = {
        "boms": vendor.boms,
        "orderboms": vendor.order_boms,
        "catalogs": vendor.catalogs,
        "propertytables": vendor.property_tables,
        f"bom/{BOM}": lambda: vendor.bom(BOM),
        f"catalog/{BOM}": lambda: vendor.catalog(BOM),
        f"propertytable/{BOM}": lambda: vendor.property_table(BOM),
    }

    found = await reads[path]()

    (sent,) = session.sent
    assert (sent["method"], sent["url"], sent["data"]) == ("GET", f"https://vendor.test/v1/{path}", b"")
    assert sent["headers"]["X-OpenBOM-AppKey"] == APP_KEY
    assert sent["headers"]["X-OpenBOM-AccessToken"] == STORED
    assert sent["allow_redirects"] is False
    assert found == (() if READS[path] == [] else Document(BOM, "", (), ()))


@pytest.mark.parametrize("noun", ["bom", "catalog"])
async def test_a_property_is_set_by_the_documents_four_texts(noun: str) -> None:
    session, limiter = answering(DONE), Limiter()

    exchange = await write_once(session, f"{noun}.set_property", limiter)

    (sent,) = session.sent
    assert (sent["method"], sent["url"]) == ("POST", f"https://vendor.test/v1/{noun}/{BOM}/propertyvalue")
    assert sent["headers"]["X-OpenBOM-AppKey"] == APP_KEY
    assert sent["headers"]["X-OpenBOM-AccessToken"] == STORED
    body = {
        "partNumberPropertyName": "Part Number",
        "partNumber": "Leg/1",
        "propertyName": "Quantity",
        "propertyValue": "25",
    }
    assert json.loads(sent["data"]) == body
    assert (exchange.status, exchange.request, exchange.answer) == (200, body, DONE)
    assert exchange.operation == f"POST /{noun}/{BOM}/propertyvalue"
    assert limiter.log == [("acquire", KEY), ("permitted",), ("release", KEY)]


@pytest.mark.parametrize("document_id", ["", "..", "a/b", "a?b", "a#b", "%2e", "x" * 65, "a\n"])
async def test_what_is_no_id_gets_into_no_address(document_id: str) -> None:
    session = answering([])

    with pytest.raises(ValueError, match="not the id of a document"):
        await make(session).property_table(document_id)

    assert session.sent == []


# what comes back


@pytest.mark.parametrize("body", [{"error": "Something went wrong."}, {"error": {"message": "Something."}}, b"<html>"])
@pytest.mark.parametrize("status", [500, 501, 202, 408, 502])
async def test_an_unclear_status_leaves_a_write_in_doubt_and_a_read_to_be_repeated(status: int, body: Any) -> None:
    limiter = Limiter()

    assert type(await write_once(answering(body, status), limiter=limiter)) is InDoubtError
    assert limiter.log[-1] == ("ghost", KEY, SETTLE_SECONDS)
    assert type(await read_once(answering(body, status))) is RetryableError


async def test_a_202_with_the_words_of_success_is_only_a_promise() -> None:
    assert type(await write_once(answering(DONE, 202))) is InDoubtError


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid"), (405, "unsupported"), (409, "conflict"), (412, "conflict"), (413, "too-large")],
)
async def test_a_certain_status_refuses(status: int, code: str) -> None:
    for error in (await write_once(answering({}, status)), await read_once(answering({}, status))):
        assert isinstance(error, RejectedError)
        assert error.code == code


@pytest.mark.parametrize("status", [301, 307, 402, 403, 429])
async def test_a_closed_vendor_is_no_commands_fault(status: int) -> None:
    for error in (await write_once(answering({}, status)), await read_once(answering({}, status))):
        assert isinstance(error, VendorBlockedError)
        assert error.throttled is (status == 429)


async def test_503_slows_down_as_429_does() -> None:
    write, read = await write_once(answering({}, 503)), await read_once(answering({}, 503))

    assert isinstance(write, InDoubtError)
    assert write.overloaded
    assert isinstance(read, VendorBlockedError)
    assert read.throttled


async def test_a_document_that_is_not_there_is_none() -> None:
    vendor = make(answering({"error": "no"}, 404))

    assert (await vendor.bom(BOM), await vendor.catalog(BOM), await vendor.property_table(BOM)) == (None, None, None)
    with pytest.raises(RejectedError):
        await vendor.boms()
    with pytest.raises(RejectedError):
        await make(answering({}, 400)).bom(BOM)


@pytest.mark.parametrize(
    "body",
    [{}, [], "property value updated.", None, b"", b"{", {"error": {}}, DONE | {"error": ""}, DONE | {"error": None}],
)
async def test_a_200_without_the_documents_confirmation_leaves_a_write_in_doubt(body: Any) -> None:
    assert type(await write_once(answering(body))) is InDoubtError


async def test_other_words_of_success_are_success_too() -> None:
    assert (await write_once(answering({"message": "updated", "more": 1}, 201))).status == 201


@pytest.mark.parametrize("body", [b"", b"{", "text", 7, None, {"error": "late"}, {"error": {}, "data": {}}, [], {}])
async def test_a_200_that_is_no_document_is_read_again(body: Any) -> None:
    assert type(await read_once(answering(body))) is RetryableError


@pytest.mark.parametrize("error", ["It is broken.", {"message": "It is broken.", "code": 7}])
async def test_the_vendors_words_are_in_the_message(error: object) -> None:
    assert "“It is broken.”" in str(await write_once(answering({"error": error}, 500)))


@pytest.mark.parametrize("error", [{}, [], 7, None, {"message": {}}])
async def test_an_error_without_words_is_no_trouble(error: object) -> None:
    found = await write_once(answering({"error": error}, 500))

    assert str(found) == f"POST /bom/{BOM}/propertyvalue: HTTP 500: unclear"


# secrets


ECHOES: dict[str, Any] = {
    "in the documented words": {"error": f"Missing or invalid developer application key[{APP_KEY}], user[{USER}]"},
    "in an object": {"error": {"message": f"{STORED} of {USER.lower()}", APP_KEY: [PASSWORD]}},
    "in an address": {"nameuri": "urn:openbom:name:Ann.Lee%2Bbom%40example.test:r2d2"},
    "as text": f"<p>{APP_KEY} {USER} {STORED} {PASSWORD}</p>".encode(),
    "in broken JSON": json.dumps({"error": f"{USER} {PASSWORD} {STORED} {APP_KEY}"}).encode()[:-1],
    "at the edge": b"x " * 4090 + f"{USER}, {USER}".encode(),
}


@pytest.mark.parametrize("status", [200, 400, 403, 500])
@pytest.mark.parametrize("echo", ECHOES)
async def test_no_echo_of_a_secret_gets_out(echo: str, status: int) -> None:
    for error in (await write_once(answering(ECHOES[echo], status)), await read_once(answering(ECHOES[echo], status))):
        shown = everything_of(error)
        assert [secret for secret in SECRETS if secret in shown] == []
        assert "Ann.Lee" not in shown
        assert "guess" not in shown


def test_a_user_that_is_cut_in_two_by_shortening_is_dropped() -> None:
    user = f"{'a' * 60}+@{'b' * 60}"
    scrubber = Scrubber([], "never")
    scrubber.hide(user)
    for shift in range(len(user) + 1):
        kept = scrubber.text("." * shift + f"{user} " * 1000)
        assert not {"a", "b"} & set(kept)


async def test_no_secret_is_in_what_is_made_of_one() -> None:
    session = answering([])
    vendor = make(session)
    await vendor.boms()

    made = {name: value for name, value in vars(vendor._client).items() if name != "_session"}
    shown = repr([LOGIN, vendor, made, vars(vendor._client._shared)])
    assert [secret for secret in SECRETS if secret in shown] == []


async def test_lists_do_not_name_our_own_user() -> None:
    listed = {"id": BOM, "name": "R2D2", "user": USER, "modifiedBy": "bob@example.test", "bomId": BOM}
    listed["nameuri"] = "urn:openbom:name:Ann.Lee%2Bbom%40example.test:r2d2"

    (bom,) = await make(answering([listed])).boms()

    assert (bom.user, bom.modified_by) == ("[removed]", "bob@example.test")
    assert bom.name_uri == "urn:openbom:name:[removed]:r2d2"


async def test_a_cell_may_hold_our_user_or_password_but_no_key() -> None:
    body = {"columns": ["A"], "cells": [[USER], [PASSWORD], [f"see {STORED}"], [APP_KEY]]}

    found = await make(answering(body)).bom(BOM)

    assert found is not None
    assert found.rows == ((USER,), (PASSWORD,), ("see [removed]",), ("[removed]",))


@pytest.mark.parametrize(
    ("field", "value"), [("app_key", "two words"), ("app_key", ""), ("username", "ann"), ("password", "")]
)
def test_what_can_be_no_login_is_refused_by_its_field_and_not_quoted(field: str, value: str) -> None:
    given = {"app_key": SecretStr(APP_KEY), "username": SecretStr(USER), "password": SecretStr(PASSWORD)}

    with pytest.raises(ValueError, match=f"^{field}: must") as caught:
        Login(**(given | {field: SecretStr(value)}))

    assert "ann" not in str(caught.value).removeprefix(field)
