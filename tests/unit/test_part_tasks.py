"""How the writes on one part are prepared, sent and proved: every finding of every step, against a scripted vendor."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tasks.errors import Exchange, RejectedError
from tasks.lookup import Absent, Finding, Image, Landed, Proof, Undecidable, Why
from tasks.parts import Part
from tasks.ports import Record
from tasks.registry import parse_command, task_of
from tasks.task import Before, Target

PART, ONE, TWO, THREE = "2" * 26, "3" * 26, "4" * 26, "5" * 26
KEY = "abcdefghijklmnopqrst"
BARE = {"stock_timestamp": 1_700_000_000_000, "part_id": PART}

LOCAL = Part(PART, "C0603 10n", "local", description="old", tags=("b", "a"))
META = Part(PART, "any 10n", "meta", member_ids=(ONE,), substitute_ids=(ONE,))


class Vendor:
    """Shows the part as it is scripted, the last state for ever, and keeps what is sent."""

    def __init__(self, *states: Part | None) -> None:
        self.states = list(states)
        self.sent: list[tuple[str, Any]] = []

    async def part(self, part_id: str) -> Part | None:
        assert part_id == PART
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def __getattr__(self, name: str) -> Any:
        async def send(command: Any, sending: Any) -> Exchange:
            self.sent.append((name, command))
            return Exchange(name, {"key": sending.key})

        return send


class Permission:
    key = KEY

    async def permitted(self) -> None: ...

    def may_leave(self) -> bool:
        return True


def target(*states: Part | None, image: Image | None = None, doubted: bool = False) -> Target[Any]:
    return Target(Vendor(*states), KEY, doubted=doubted, image=image or Image())


async def before(kind: str, payload: dict[str, Any], *states: Part | None, doubted: bool = False) -> Before:
    return await task_of(kind).before(parse_command(kind, payload), target(*states, doubted=doubted))


async def look(kind: str, payload: dict[str, Any], then: Part | None, now: Part | None) -> Finding:
    """Look with what `before` had read, as it comes back from the ledger."""
    image = (await before(kind, payload, then, doubted=True)).image
    restored = Image.model_validate(json.loads(image.model_dump_json()), strict=False)
    return await task_of(kind).look(parse_command(kind, payload), target(now, image=restored))


async def proof(kind: str, payload: dict[str, Any], then: Part | None, now: Part | None) -> Finding:
    image = (await before(kind, payload, then, doubted=True)).image
    return await task_of(kind).proof(parse_command(kind, payload), target(now, image=image))


UPDATE = {**BARE, "description": "new", "tags": ["c"]}
DELETE = BARE
ADD = {**BARE, "member_ids": [TWO, ONE]}
REMOVE = {**BARE, "member_ids": [TWO, ONE]}
ADD_SUBSTITUTES = {**BARE, "substitute_ids": [TWO, ONE]}
REMOVE_SUBSTITUTES = {**BARE, "substitute_ids": [TWO, ONE]}
SET_CUSTOM = {**BARE, "custom_fields": [{"key": "b", "value": "2"}, {"key": "a", "value": ""}]}
DELETE_CUSTOM = {**BARE, "field_key": "a"}

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


# custom fields


@pytest.mark.parametrize("shown", [None, {}, {"z": "9"}])
async def test_custom_fields_that_are_not_shown_are_proved_by_the_answer(shown: dict[str, str] | None) -> None:
    part = replace(LOCAL, custom_fields=shown)

    assert (await before("part.set_custom_fields", SET_CUSTOM, part)).finding == Absent()
    assert await proof("part.set_custom_fields", SET_CUSTOM, part, part) == Absent()
    assert await look("part.set_custom_fields", SET_CUSTOM, part, part) == Absent()


@pytest.mark.parametrize("shown", [None, {}, {"z": "9"}, {"a": "x"}])
async def test_a_custom_field_is_deleted_though_it_is_not_shown(shown: dict[str, str] | None) -> None:
    found = await before("part.delete_custom_field", DELETE_CUSTOM, replace(LOCAL, custom_fields=shown))

    assert found == Before(Image(fields={"a": (shown or {}).get("a")}), Absent())


async def test_a_deleted_custom_field_is_proved_by_its_absence() -> None:
    there, last = replace(LOCAL, custom_fields={"a": "x"}), replace(LOCAL, custom_fields=None)
    gone = Landed((Record("part", PART, {"a": None}),), Proof.STATE)

    assert (await before("part.delete_custom_field", DELETE_CUSTOM, last, doubted=True)).finding == gone
    assert await look("part.delete_custom_field", DELETE_CUSTOM, there, last) == gone
    assert await look("part.delete_custom_field", DELETE_CUSTOM, there, there) == Absent()
    assert await proof("part.delete_custom_field", DELETE_CUSTOM, there, last) == gone
    assert await proof("part.delete_custom_field", DELETE_CUSTOM, there, there) == Undecidable(Why.IGNORED)


@pytest.mark.parametrize("shown", [None, {}, {"z": "9"}])
async def test_a_lost_deletion_of_a_custom_field_that_was_never_shown_is_not_taken_for_done(
    shown: dict[str, str] | None,
) -> None:
    part = replace(LOCAL, custom_fields=shown)
    seen = (Record("part", PART, {"a": None}),)

    assert await look("part.delete_custom_field", DELETE_CUSTOM, part, part) == Undecidable(Why.IGNORED, seen)
    assert await proof("part.delete_custom_field", DELETE_CUSTOM, part, part) == Landed(seen, Proof.ANSWER)


async def test_a_custom_field_of_a_part_that_is_not_there_is_refused() -> None:
    with pytest.raises(RejectedError, match=r"^part_id: there is no"):
        await before("part.delete_custom_field", DELETE_CUSTOM, None)
