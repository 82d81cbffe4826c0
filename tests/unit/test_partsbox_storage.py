"""Storage operations on the wire: the documented requests, and answers that become records or are refused by place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.errors import InDoubtError, RejectedError, RetryableError
from tasks.parts import StockSource
from tasks.registry import parse_command
from tasks.storage import Storage
from tests.scripted_vendor import OK, Limiter, Permission, Session, make
from workers.vendors.partsbox.storage import PartsBoxStorage

SHELF, PART, LOT, OWNER = "2" * 26, "3" * 26, "4" * 26, "5" * 26
BARE = {"stock_timestamp": 1_700_000_000_000, "storage_id": SHELF}
ONLY_ID = {"storage/id": SHELF}

#: kind, payload, the client's method, the operation and its body
WRITES: list[tuple[str, dict[str, Any], str, str, dict[str, Any]]] = [
    (
        "storage.update",
        {"description": "cold", "tags": ["b", "a"]},
        "update_storage",
        "storage/update",
        {**ONLY_ID, "storage/description": "cold", "storage/tags": ["b", "a"]},
    ),
    (
        "storage.update",
        {"description": ""},
        "update_storage",
        "storage/update",
        {**ONLY_ID, "storage/description": ""},
    ),
    ("storage.update", {"tags": []}, "update_storage", "storage/update", {**ONLY_ID, "storage/tags": []}),
    (
        "storage.rename",
        {"name": "shelf 8"},
        "rename_storage",
        "storage/rename",
        {**ONLY_ID, "storage/name": "shelf 8"},
    ),
    *(
        (
            "storage.change_setting",
            {"setting": setting, "value": value},
            "change_storage_setting",
            "storage/change-settings",
            {"ids": [SHELF], "param": f"storage/{setting}?", "value": value},
        )
        for setting in ("full", "single-part", "existing-parts-only")
        for value in (True, False)
    ),
    ("storage.archive", {}, "archive_storage", "storage/archive", ONLY_ID),
    ("storage.restore", {}, "restore_storage", "storage/restore", ONLY_ID),
]


def answering(body: dict[str, Any]) -> tuple[Session, PartsBoxStorage]:
    session = Session(body=json.dumps(OK | body).encode())
    return session, PartsBoxStorage(make(session))


def asked(session: Session) -> tuple[str, str, Any]:
    (request,) = session.sent
    return request["method"], request["url"].removeprefix("https://vendor.test/api/1/"), json.loads(request["data"])


@pytest.mark.parametrize(("kind", "payload", "method", "operation", "body"), WRITES)
async def test_a_write_sends_exactly_the_documents_fields(
    kind: str, payload: dict[str, Any], method: str, operation: str, body: dict[str, Any]
) -> None:
    session, storage = answering({})

    exchange = await getattr(storage, method)(parse_command(kind, {**BARE, **payload}), Permission(Limiter()))

    assert asked(session) == ("POST", operation, body)
    assert (exchange.operation, exchange.status) == (operation, 200)


@pytest.mark.parametrize(("kind", "payload", "method", "operation", "body"), WRITES)
async def test_a_write_without_a_confirmation_is_in_doubt(
    kind: str, payload: dict[str, Any], method: str, operation: str, body: dict[str, Any]
) -> None:
    storage = PartsBoxStorage(make(Session(body=b"{}")))

    with pytest.raises(InDoubtError):
        await getattr(storage, method)(parse_command(kind, {**BARE, **payload}), Permission(Limiter()))


async def test_a_name_that_is_taken_is_a_conflict() -> None:
    storage = PartsBoxStorage(make(Session(status=409, body=b"{}")))
    command: Any = parse_command("storage.rename", {**BARE, "name": "shelf 8"})

    with pytest.raises(RejectedError) as caught:
        await storage.rename_storage(command, Permission(Limiter()))
    assert caught.value.code == "conflict"


#: Real objects, with invented ids: one that has been through everything, and one that was never touched.
TOUCHED = {
    "storage/description": "",
    "storage/existing-parts-only?": False,
    "storage/full?": False,
    "storage/id": SHELF,
    "storage/name": "quebec",
    "storage/owner": OWNER,
    "storage/single-part?": False,
    "storage/tags": [],
}
NEVER_TOUCHED = {"storage/id": SHELF, "storage/name": "quebec", "storage/owner": OWNER}


@pytest.mark.parametrize("seen", [TOUCHED, NEVER_TOUCHED, {**TOUCHED, "storage/archived?": None}])
async def test_what_was_never_set_is_empty_or_false(seen: dict[str, Any]) -> None:
    _, storage = answering({"data": seen})

    assert await storage.storage(SHELF) == Storage(SHELF, "quebec")


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("storage/archived?", Storage(SHELF, "quebec", archived=True)),
        ("storage/full?", Storage(SHELF, "quebec", full=True)),
        ("storage/single-part?", Storage(SHELF, "quebec", single_part=True)),
        ("storage/existing-parts-only?", Storage(SHELF, "quebec", existing_parts_only=True)),
    ],
)
async def test_each_flag_is_read_as_itself_and_archived_ones_are_listed(field: str, expected: Storage) -> None:
    one_session, one = answering({"data": {**NEVER_TOUCHED, field: True}})
    _, top = answering({**NEVER_TOUCHED, field: True})
    all_session, listed = answering({"data": [{**NEVER_TOUCHED, field: True}, {"storage/id": OWNER}]})

    assert await one.storage(SHELF) == await top.storage(SHELF) == expected
    assert await listed.storages() == (expected, Storage(OWNER, ""))
    assert asked(one_session) == ("POST", "storage/get", ONLY_ID)
    assert asked(all_session) == ("POST", "storage/all", {})


async def test_the_texts_of_a_location_arrive() -> None:
    _, storage = answering({"data": {**TOUCHED, "storage/description": "cold", "storage/tags": ["b", "a"]}})

    assert await storage.storage(SHELF) == Storage(SHELF, "quebec", "cold", ("b", "a"))


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("id", None, "storage/id"),
        ("name", 7, "storage/name"),
        ("tags", "cold", "storage/tags"),
        ("archived?", "false", r"storage/archived\?"),
        ("full?", 1, r"storage/full\?"),
        ("single-part?", "yes", r"storage/single-part\?"),
        ("existing-parts-only?", 0, r"storage/existing-parts-only\?"),
    ],
)
async def test_a_malformed_location_is_tried_again_with_the_place_named(field: str, value: object, place: str) -> None:
    _, one = answering({"data": {**TOUCHED, f"storage/{field}": value}})
    _, listed = answering({"data": [TOUCHED, {**TOUCHED, f"storage/{field}": value}]})

    with pytest.raises(RetryableError, match=rf"^storage/get: answer not understood: {place} \w+"):
        await one.storage(SHELF)
    with pytest.raises(RetryableError, match=rf"^storage/all: answer not understood: data\.1\.{place} \w+"):
        await listed.storages()


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": {}}, {"data": "x"}])
async def test_an_answer_that_says_nothing_is_neither_a_location_nor_an_empty_list(body: dict[str, Any]) -> None:
    _, storage = answering(body)

    with pytest.raises(RetryableError, match="storage/get: answer not understood"):
        await storage.storage(SHELF)
    with pytest.raises(RetryableError, match="storage/all: answer not understood: data"):
        await storage.storages()


@pytest.mark.parametrize("status", [200, 404])
async def test_a_location_that_is_not_found_is_none(status: int) -> None:
    session = Session(status=status, body=b'{"partsbox.status/category": "not-found"}')

    assert await PartsBoxStorage(make(session)).storage(SHELF) is None


async def test_another_refusal_is_not_a_missing_location() -> None:
    with pytest.raises(RejectedError) as caught:
        await PartsBoxStorage(make(Session(status=403, body=b"{}"))).storage(SHELF)
    assert caught.value.code == "forbidden"


@pytest.mark.parametrize(
    ("method", "operation"), [("storage_parts", "storage/parts"), ("storage_lots", "storage/lots")]
)
async def test_sources_are_read_with_what_was_asked_for_filled_in(method: str, operation: str) -> None:
    full = {"source/part-id": PART, "source/storage-id": OWNER, "source/lot-id": LOT, "source/quantity": 5}
    session, storage = answering({"data": [full, {"source/part-id": PART, "source/quantity": 2}]})

    found = await getattr(storage, method)(SHELF)

    assert found == (StockSource(5, PART, OWNER, LOT), StockSource(2, PART, SHELF))
    assert asked(session) == ("POST", operation, ONLY_ID)


@pytest.mark.parametrize("method", ["storage_parts", "storage_lots"])
async def test_a_malformed_source_is_tried_again_with_the_place_named(method: str) -> None:
    _, storage = answering({"data": [{"source/part-id": PART}]})

    with pytest.raises(RetryableError, match=r"answer not understood: data\.0\.source/quantity missing$"):
        await getattr(storage, method)(SHELF)
