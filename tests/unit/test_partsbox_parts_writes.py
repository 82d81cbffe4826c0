"""Part operations on the wire: every write sends exactly the documented fields."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tasks.errors import InDoubtError
from tasks.registry import parse_command
from tests.scripted_vendor import OK, Limiter, Permission, Session, make
from workers.vendors.partsbox.parts import PartsBoxParts

PART, ONE, TWO = "2" * 26, "3" * 26, "4" * 26
BARE = {"stock_timestamp": 1_700_000_000_000}

FIELDS = {
    "description": "50 V",
    "notes": "# N\n\nµ",
    "footprint": "0603",
    "tags": ["b", "a"],
    "attrition_percentage": "2.50",
    "attrition_quantity": 3,
    "low_stock": 10,
}
WIRE_FIELDS = {
    "part/description": "50 V",
    "part/notes": "# N\n\nµ",
    "part/footprint": "0603",
    "part/tags": ["b", "a"],
    "part/attrition": {"percentage": 2.5, "quantity": 3},
    "part/low-stock": {"report": 10},
}
TO_CLEAR = {
    "description": "",
    "notes": "",
    "footprint": "",
    "tags": [],
    "attrition_percentage": "0",
    "attrition_quantity": 0,
    "low_stock": 0,
}
CLEARED = {
    "part/description": "",
    "part/notes": "",
    "part/footprint": "",
    "part/tags": [],
    "part/attrition": {"percentage": 0, "quantity": 0},
    "part/low-stock": {"report": 0},
}
BOTH = {"part/id": PART, "part/part-ids": [ONE, TWO]}
SUBSTITUTES = {"part/id": PART, "part/substitute-ids": [ONE, TWO]}

#: kind, payload, the client's method, the operation and its body
WRITES: list[tuple[str, dict[str, Any], str, str, dict[str, Any]]] = [
    ("part.create", {"name": "C"}, "create_part", "part/create", {"part/type": "local", "part/name": "C"}),
    (
        "part.create",
        {"name": "C", "part_type": "meta", **FIELDS},
        "create_part",
        "part/create",
        {"part/type": "meta", "part/name": "C", **WIRE_FIELDS},
    ),
    (
        "part.update",
        {"part_id": PART, "name": "C"},
        "update_part",
        "part/update",
        {"part/id": PART, "part/name": "C"},
    ),
    ("part.update", {"part_id": PART, **FIELDS}, "update_part", "part/update", {"part/id": PART, **WIRE_FIELDS}),
    ("part.update", {"part_id": PART, **TO_CLEAR}, "update_part", "part/update", {"part/id": PART, **CLEARED}),
    ("part.delete", {"part_id": PART}, "delete_part", "part/delete", {"part/id": PART}),
    (
        "part.add_members",
        {"part_id": PART, "member_ids": [ONE, TWO]},
        "add_members",
        "part/add-meta-part-ids",
        BOTH,
    ),
    (
        "part.remove_members",
        {"part_id": PART, "member_ids": [ONE, TWO]},
        "remove_members",
        "part/remove-meta-part-ids",
        BOTH,
    ),
    (
        "part.add_substitutes",
        {"part_id": PART, "substitute_ids": [ONE, TWO]},
        "add_substitutes",
        "part/add-substitute-ids",
        SUBSTITUTES,
    ),
    (
        "part.remove_substitutes",
        {"part_id": PART, "substitute_ids": [ONE, TWO]},
        "remove_substitutes",
        "part/remove-substitute-ids",
        {**SUBSTITUTES, "part/part-substitute-ids": [ONE, TWO]},
    ),
    (
        "part.set_custom_fields",
        {"part_id": PART, "custom_fields": [{"key": "Lead time", "value": "6"}, {"key": "b", "value": ""}]},
        "set_custom_fields",
        "part/update-custom-fields",
        {"part/id": PART, "custom-fields": [{"key": "Lead time", "value": "6"}, {"key": "b", "value": ""}]},
    ),
    (
        "part.delete_custom_field",
        {"part_id": PART, "field_key": "Lead time"},
        "delete_custom_field",
        "part/delete-custom-field",
        {"part/id": PART, "custom-field-key": "Lead time"},
    ),
]


def confirming() -> tuple[Session, PartsBoxParts]:
    session = Session(body=json.dumps(OK).encode())
    return session, PartsBoxParts(make(session))


def asked(session: Session) -> tuple[str, str, Any]:
    (request,) = session.sent
    return request["method"], request["url"].removeprefix("https://vendor.test/api/1/"), json.loads(request["data"])


@pytest.mark.parametrize(("kind", "payload", "method", "operation", "body"), WRITES)
async def test_a_write_sends_exactly_the_documents_fields(
    kind: str, payload: dict[str, Any], method: str, operation: str, body: dict[str, Any]
) -> None:
    session, parts = confirming()

    exchange = await getattr(parts, method)(parse_command(kind, {**BARE, **payload}), Permission(Limiter()))

    assert asked(session) == ("POST", operation, body)
    assert (exchange.operation, exchange.status) == (operation, 200)


async def test_a_percentage_keeps_its_digits_on_the_wire() -> None:
    session, parts = confirming()
    fields = {"attrition_percentage": "0.1001", "attrition_quantity": 0}
    command: Any = parse_command("part.update", {**BARE, "part_id": PART, **fields})

    await parts.update_part(command, Permission(Limiter()))

    assert b'"percentage":0.1001,' in session.sent[0]["data"]


@pytest.mark.parametrize(("kind", "payload", "method", "operation", "body"), WRITES)
async def test_a_write_without_a_confirmation_is_in_doubt(
    kind: str, payload: dict[str, Any], method: str, operation: str, body: dict[str, Any]
) -> None:
    parts = PartsBoxParts(make(Session(body=b'{"data": {}}')))

    with pytest.raises(InDoubtError):
        await getattr(parts, method)(parse_command(kind, {**BARE, **payload}), Permission(Limiter()))
