"""How the writes on one part are prepared, sent and proved: every finding of every step, against a scripted vendor."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tasks.errors import RejectedError
from tasks.lookup import Absent, Image, Landed, Proof, Undecidable, Why
from tasks.ports import Record
from tasks.registry import parse_command, task_of
from tasks.task import Before
from tests.unit.part_harness import (
    ADD,
    ADD_SUBSTITUTES,
    BARE,
    DELETE,
    DELETE_CUSTOM,
    KEY,
    LOCAL,
    META,
    ONE,
    PART,
    REMOVE,
    REMOVE_SUBSTITUTES,
    SET_CUSTOM,
    THREE,
    TWO,
    UPDATE,
    Permission,
    before,
    look,
    proof,
    target,
)

if TYPE_CHECKING:
    from tasks.parts import Part

#: kind, payload, the part as it was, the part as it shall be, and what is read of each
CASES: list[tuple[str, dict[str, Any], Part, Part, dict[str, Any], dict[str, Any]]] = [
    (
        "part.update",
        UPDATE,
        LOCAL,
        replace(LOCAL, description="new", tags=("c",)),
        {"description": "old", "tags": ["a", "b"]},
        {"description": "new", "tags": ["c"]},
    ),
    (
        "part.add_members",
        ADD,
        META,
        replace(META, member_ids=(ONE, TWO)),
        {"member_ids": [ONE]},
        {"member_ids": [ONE, TWO]},
    ),
    (
        "part.remove_members",
        REMOVE,
        META,
        replace(META, member_ids=()),
        {"member_ids": [ONE]},
        {"member_ids": []},
    ),
    (
        "part.add_substitutes",
        ADD_SUBSTITUTES,
        META,
        replace(META, substitute_ids=(ONE, TWO)),
        {"substitute_ids": [ONE]},
        {"substitute_ids": [ONE, TWO]},
    ),
    (
        "part.remove_substitutes",
        REMOVE_SUBSTITUTES,
        META,
        replace(META, substitute_ids=()),
        {"substitute_ids": [ONE]},
        {"substitute_ids": []},
    ),
    (
        "part.set_custom_fields",
        SET_CUSTOM,
        replace(LOCAL, custom_fields={"a": "x", "z": "9"}),
        replace(LOCAL, custom_fields={"a": "", "b": "2", "z": "9"}),
        {"b": None, "a": "x"},
        {"b": "2", "a": ""},
    ),
]
KINDS = pytest.mark.parametrize(("kind", "payload", "was", "shall_be", "old", "new"), CASES, ids=[c[0] for c in CASES])


@KINDS
async def test_what_is_to_be_done_is_sent_once(
    kind: str, payload: dict[str, Any], was: Part, shall_be: Part, old: dict[str, Any], new: dict[str, Any]
) -> None:
    found = await before(kind, payload, was)
    at = target(was)
    command = parse_command(kind, payload)

    exchange = await task_of(kind).send(command, at, Permission())

    assert found == Before(Image(fields=old), Absent())
    assert at.port.sent == [(exchange.operation, command)]
    assert exchange.request == {"key": KEY}


@KINDS
async def test_what_is_so_already_has_landed_by_whomever(
    kind: str, payload: dict[str, Any], was: Part, shall_be: Part, old: dict[str, Any], new: dict[str, Any]
) -> None:
    landed = Landed((Record("part", PART, new),), Proof.STATE)

    assert (await before(kind, payload, shall_be)).finding == landed
    assert await look(kind, payload, was, shall_be) == landed
    assert await proof(kind, payload, was, shall_be) == landed


@KINDS
async def test_what_is_as_it_was_is_absent_after_an_unknown_outcome(
    kind: str, payload: dict[str, Any], was: Part, shall_be: Part, old: dict[str, Any], new: dict[str, Any]
) -> None:
    assert await look(kind, payload, was, was) == Absent()


@KINDS
async def test_a_part_that_is_not_there_is_refused_before_and_cannot_be_decided_later(
    kind: str, payload: dict[str, Any], was: Part, shall_be: Part, old: dict[str, Any], new: dict[str, Any]
) -> None:
    with pytest.raises(RejectedError, match=f"^part_id: there is no {PART}$") as caught:
        await before(kind, payload, None)

    assert caught.value.code == "not-found"
    assert await look(kind, payload, was, None) == Undecidable(Why.CHANGED)


@pytest.mark.parametrize("case", [case for case in CASES if case[0] != "part.set_custom_fields"], ids=lambda c: c[0])
async def test_a_confirmed_write_that_changed_nothing_is_not_believed(case: Any) -> None:
    kind, payload, was = case[:3]

    assert await proof(kind, payload, was, was) == Undecidable(Why.IGNORED)


SOMETHING_ELSE: list[tuple[str, dict[str, Any], Part, Part, dict[str, Any]]] = [
    ("part.update", UPDATE, LOCAL, replace(LOCAL, description="new"), {"description": "new", "tags": ["a", "b"]}),
    ("part.update", UPDATE, LOCAL, replace(LOCAL, description="theirs"), {"description": "theirs", "tags": ["a", "b"]}),
    ("part.add_members", ADD, META, replace(META, member_ids=()), {"member_ids": []}),
    ("part.remove_members", REMOVE, META, replace(META, member_ids=(TWO,)), {"member_ids": [TWO]}),
    ("part.add_substitutes", ADD_SUBSTITUTES, META, replace(META, substitute_ids=(TWO,)), {"substitute_ids": [TWO]}),
    ("part.set_custom_fields", SET_CUSTOM, LOCAL, replace(LOCAL, custom_fields={"b": "3"}), {"b": "3", "a": None}),
    (
        "part.set_custom_fields",
        SET_CUSTOM,
        replace(LOCAL, custom_fields={"a": "x"}),
        replace(LOCAL, custom_fields={"a": "y", "b": "2"}),
        {"b": "2", "a": "y"},
    ),
    (
        "part.delete_custom_field",
        DELETE_CUSTOM,
        replace(LOCAL, custom_fields={"a": "x"}),
        replace(LOCAL, custom_fields={"a": "y"}),
        {"a": "y"},
    ),
]


@pytest.mark.parametrize(("kind", "payload", "was", "now", "shown"), SOMETHING_ELSE)
async def test_what_someone_else_changed_is_not_overwritten_but_a_confirmation_holds(
    kind: str, payload: dict[str, Any], was: Part, now: Part, shown: dict[str, Any]
) -> None:
    records = (Record("part", PART, shown),)

    assert await look(kind, payload, was, now) == Undecidable(Why.CHANGED, records)
    assert await proof(kind, payload, was, now) == Landed(records, Proof.ANSWER)


NONE, BOTH = replace(META, member_ids=(), substitute_ids=()), replace(META, member_ids=(ONE, TWO))
SUBSTITUTED = replace(META, substitute_ids=(ONE, TWO))
TWO_FIELDS = {**BARE, "custom_fields": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]}
IN_PART: list[tuple[str, dict[str, Any], Part, Part, dict[str, Any]]] = [
    ("part.add_members", ADD, NONE, replace(NONE, member_ids=(TWO,)), {"member_ids": [TWO]}),
    ("part.remove_members", REMOVE, BOTH, replace(BOTH, member_ids=(TWO,)), {"member_ids": [TWO]}),
    ("part.add_substitutes", ADD_SUBSTITUTES, NONE, replace(NONE, substitute_ids=(ONE,)), {"substitute_ids": [ONE]}),
    (
        "part.remove_substitutes",
        REMOVE_SUBSTITUTES,
        SUBSTITUTED,
        replace(SUBSTITUTED, substitute_ids=(ONE, THREE)),
        {"substitute_ids": [ONE]},
    ),
    ("part.set_custom_fields", TWO_FIELDS, LOCAL, replace(LOCAL, custom_fields={"b": "2"}), {"a": None, "b": "2"}),
    (
        "part.set_custom_fields",
        TWO_FIELDS,
        replace(LOCAL, custom_fields={"a": "", "b": "0"}),
        replace(LOCAL, custom_fields={"a": "", "b": "2"}),
        {"a": "", "b": "2"},
    ),
]


@pytest.mark.parametrize(("kind", "payload", "was", "now", "shown"), IN_PART)
async def test_a_list_that_was_carried_out_in_part_is_not_believed_and_may_be_sent_again(
    kind: str, payload: dict[str, Any], was: Part, now: Part, shown: dict[str, Any]
) -> None:
    incomplete = Undecidable(Why.INCOMPLETE, (Record("part", PART, shown),))

    assert await look(kind, payload, was, now) == incomplete
    assert await proof(kind, payload, was, now) == incomplete


@pytest.mark.parametrize(("kind", "payload", "was", "now", "shown"), IN_PART)
async def test_of_a_list_that_was_carried_out_in_part_a_second_send_that_brings_nothing_proves_nothing_absent(
    kind: str, payload: dict[str, Any], was: Part, now: Part, shown: dict[str, Any]
) -> None:
    image = (await before(kind, payload, now, doubted=True)).image
    second = target(now, image=image, doubted=True)
    command = parse_command(kind, payload)

    assert was != now
    assert await task_of(kind).look(command, second) == Undecidable(Why.INCOMPLETE, (Record("part", PART, shown),))
    assert await task_of(kind).proof(command, second) == Undecidable(Why.IGNORED)


@pytest.mark.parametrize(
    ("kind", "payload", "was", "now"),
    [
        ("part.update", UPDATE, LOCAL, replace(LOCAL, name="renamed", notes="theirs", low_stock=5)),
        ("part.add_members", ADD, META, replace(META, member_ids=(ONE, THREE), substitute_ids=(TWO,))),
        ("part.add_substitutes", ADD_SUBSTITUTES, META, replace(META, substitute_ids=(ONE, THREE), member_ids=())),
        ("part.set_custom_fields", SET_CUSTOM, LOCAL, replace(LOCAL, custom_fields={"z": "9"})),
    ],
)
async def test_what_the_command_is_not_about_may_change_meanwhile(
    kind: str, payload: dict[str, Any], was: Part, now: Part
) -> None:
    assert await look(kind, payload, was, now) == Absent()


# part.update


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"tags": ["a", "b", "a"]}, replace(LOCAL, tags=("b", "a"))),
        ({"tags": []}, replace(LOCAL, tags=())),
        ({"name": "C0603 10n"}, LOCAL),
        ({"notes": ""}, LOCAL),
        ({"low_stock": 0}, replace(LOCAL, low_stock=0)),
        (
            {"attrition_percentage": "2.50", "attrition_quantity": 3},
            replace(LOCAL, attrition_percentage=Decimal("2.500000000000001"), attrition_quantity=3),
        ),
        (
            {"attrition_percentage": "100", "attrition_quantity": 0},
            replace(LOCAL, attrition_percentage=Decimal("1E+2"), attrition_quantity=0),
        ),
    ],
)
async def test_equal_values_are_equal_in_whatever_form(change: dict[str, Any], part: Part) -> None:
    assert isinstance((await before("part.update", {**BARE, **change}, part)).finding, Landed)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"name": "c0603 10n"}, LOCAL),
        ({"tags": ["a"]}, LOCAL),
        ({"low_stock": 0}, LOCAL),
        ({"low_stock": 5}, replace(LOCAL, low_stock=6)),
        (
            {"attrition_percentage": "2.5", "attrition_quantity": 3},
            replace(LOCAL, attrition_percentage=Decimal("2.5")),
        ),
        (
            {"attrition_percentage": "2.5", "attrition_quantity": 3},
            replace(LOCAL, attrition_percentage=Decimal("2.5001"), attrition_quantity=3),
        ),
        ({"footprint": "0603"}, replace(LOCAL, footprint="0805")),
    ],
)
async def test_different_values_are_different(change: dict[str, Any], part: Part) -> None:
    assert (await before("part.update", {**BARE, **change}, part)).finding == Absent()


# part.delete


async def test_a_part_is_deleted_only_where_it_is() -> None:
    assert await before("part.delete", DELETE, LOCAL) == Before(
        Image(fields={"name": "C0603 10n", "part_type": "local"}), Absent()
    )
    with pytest.raises(RejectedError, match=r"^part_id: there is no") as caught:
        await before("part.delete", DELETE, None)
    assert caught.value.code == "not-found"


async def test_a_deletion_sent_before_has_landed_when_the_part_is_gone() -> None:
    gone = Landed((), Proof.STATE)

    assert (await before("part.delete", DELETE, None, doubted=True)).finding == gone
    assert await look("part.delete", DELETE, LOCAL, None) == gone
    assert await proof("part.delete", DELETE, LOCAL, None) == gone
    assert await look("part.delete", DELETE, LOCAL, LOCAL) == Absent()
    assert await proof("part.delete", DELETE, LOCAL, LOCAL) == Undecidable(Why.IGNORED)


async def test_a_deletion_is_sent_as_one() -> None:
    at, command = target(LOCAL), parse_command("part.delete", DELETE)

    await task_of("part.delete").send(command, at, Permission())

    assert at.port.sent == [("delete_part", command)]


# members


@pytest.mark.parametrize("kind", ["part.add_members", "part.remove_members"])
@pytest.mark.parametrize("part_type", ["local", "linked", "sub-assembly"])
async def test_only_a_meta_part_has_members(kind: str, part_type: str) -> None:
    with pytest.raises(RejectedError, match=f"^part_id: part {PART} is {part_type}, not meta$") as caught:
        await before(kind, ADD, replace(META, part_type=part_type))
    assert caught.value.code == "conflict"


async def test_a_part_whose_type_the_vendor_does_not_tell_may_be_a_meta_part() -> None:
    assert (await before("part.add_members", ADD, replace(META, part_type=None))).finding == Absent()


async def test_any_part_may_have_substitutes() -> None:
    assert (await before("part.add_substitutes", ADD_SUBSTITUTES, LOCAL)).finding == Absent()


@pytest.mark.parametrize(
    ("kind", "payload", "method"),
    [
        ("part.add_members", ADD, "add_members"),
        ("part.remove_members", REMOVE, "remove_members"),
        ("part.add_substitutes", ADD_SUBSTITUTES, "add_substitutes"),
        ("part.remove_substitutes", REMOVE_SUBSTITUTES, "remove_substitutes"),
        ("part.update", UPDATE, "update_part"),
        ("part.set_custom_fields", SET_CUSTOM, "set_custom_fields"),
        ("part.delete_custom_field", DELETE_CUSTOM, "delete_custom_field"),
    ],
)
async def test_each_kind_is_sent_by_its_own_operation(kind: str, payload: dict[str, Any], method: str) -> None:
    at = target(META)

    await task_of(kind).send(parse_command(kind, payload), at, Permission())

    assert [name for name, _ in at.port.sent] == [method]
