"""The part of a name: what an upsert becomes, and how a creation is looked for, sent and proved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tasks.errors import Exchange, RejectedError, RetryableError
from tasks.lookup import Absent, Landed, Proof, Undecidable, Why
from tasks.part_upsert import CreatePart
from tasks.parts import Part, PartType, UpdatePart
from tasks.ports import Record
from tasks.registry import expansion_of, parse_command, task_of
from tasks.task import Before, Target

ID, TWIN = "2" * 26, "3" * 26
KEY = "abcdefghijklmnopqrst"
NAME = "C0603 10n"
UPSERT = {
    "stock_timestamp": 1_700_000_000_000,
    "source": "webhook:erp",
    "comments": "from the ERP",
    "name": NAME,
    "part_type": "local",
    "description": "50 V",
    "tags": ["c", "smd"],
}
BARE = {"stock_timestamp": 1_700_000_000_000, "name": NAME}

SAME = Part(ID, NAME, "local", description="50 V", tags=("smd", "c"), notes="whatever")
OLD = replace(SAME, description="old")
OTHERS = (Part("4" * 26, "c0603 10n", "local"), Part("5" * 26, f"{NAME} ", "local"), Part("6" * 26, "", "local"))


def shown(part: Part, *names: str) -> Record:
    values = {name: part.values()[name] for name in names or ("description", "tags")}
    return Record("part", part.part_id, {"part_type": part.part_type, **values})


class Vendor:
    """Lists parts as scripted, the last list for ever, and answers a creation as told."""

    def __init__(self, *lists: tuple[Part, ...], answer: Exception | None = None) -> None:
        self.lists = list(lists)
        self.answer = answer
        self.created: list[CreatePart] = []

    async def parts(self) -> tuple[Part, ...]:
        listed = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        return (*OTHERS, *listed)

    async def create_part(self, command: CreatePart, sending: Any) -> Exchange:
        self.created.append(command)
        if self.answer is not None:
            raise self.answer
        return Exchange("part/create", {"key": sending.key})


class Permission:
    key = KEY

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None: ...

    def may_leave(self) -> bool:
        return True


def target(*lists: tuple[Part, ...], answer: Exception | None = None, doubted: bool = False) -> Target[Any]:
    return Target(Vendor(*lists, answer=answer), KEY, doubted=doubted)


async def children(*parts: Part, **change: Any) -> tuple[Any, ...]:
    expansion = expansion_of("part.upsert")
    assert expansion is not None
    return await expansion.children(parse_command("part.upsert", {**UPSERT, **change}), target(parts))


CREATION = task_of("part.create")


def create(**change: Any) -> CreatePart:
    command = parse_command("part.create", {**UPSERT, **change})
    assert isinstance(command, CreatePart)
    return command


async def before(*parts: Part, doubted: bool = False) -> Before:
    return await CREATION.before(create(), target(parts, doubted=doubted))


# what an upsert becomes


async def test_a_name_that_no_part_has_exactly_becomes_a_creation() -> None:
    assert await children() == (create(),)


async def test_a_part_of_the_name_becomes_an_update_in_the_parts_lane() -> None:
    (child,) = await children(OLD)

    fields = {name: UPSERT[name] for name in ("stock_timestamp", "source", "comments", "description", "tags")}
    assert child == parse_command("part.update", {"part_id": ID, **fields})
    assert isinstance(child, UpdatePart)
    assert child.lanes() == (f"part:{ID}",)


async def test_every_field_of_an_upsert_reaches_its_child() -> None:
    fields = {
        "notes": "n",
        "footprint": "f",
        "attrition_percentage": "2.5",
        "attrition_quantity": 0,
        "low_stock": 0,
    }

    (made,) = await children(**fields)
    (updated,) = await children(OLD, **fields)

    assert made == create(**fields)
    assert made.wanted() == updated.wanted()
    assert set(updated.wanted()) == {*fields, "description", "tags"}


async def test_an_upsert_without_fields_only_sees_to_it_that_the_part_is_there() -> None:
    nothing = {"description": None, "tags": None, "part_type": None}

    assert await children(OLD, **nothing) == await children(**nothing) == (create(**nothing),)
    found = await CREATION.before(create(**nothing), target((OLD,)))
    assert found.finding == Landed((Record("part", ID, {"part_type": "local"}),), Proof.STATE)


async def test_a_name_that_two_parts_have_is_refused_with_both_ids() -> None:
    with pytest.raises(RejectedError, match=f"^name: 2 parts have it, .*{ID}, {TWIN}$") as caught:
        await children(OLD, replace(OLD, part_id=TWIN))
    assert caught.value.code == "ambiguous"


@pytest.mark.parametrize(("asked", "there"), [("meta", "local"), ("meta", "linked"), ("meta", None), ("local", "meta")])
async def test_a_part_of_the_other_type_refuses_the_upsert(asked: str, there: str | None) -> None:
    with pytest.raises(RejectedError, match=f"^part_type: part {ID} is {there}") as caught:
        await children(replace(OLD, part_type=there), part_type=asked)
    assert caught.value.code == "conflict"


@pytest.mark.parametrize(
    ("asked", "there"), [("local", "local"), ("local", "linked"), ("meta", "meta"), (None, "meta"), (None, "local")]
)
async def test_a_local_part_may_have_been_linked_since(asked: str | None, there: str) -> None:
    (child,) = await children(replace(OLD, part_type=there), part_type=asked)

    assert isinstance(child, UpdatePart)


# a creation: before it is sent


async def test_a_name_that_is_free_may_be_created() -> None:
    assert (await before()).finding == Absent()
    assert (await before(doubted=True)).finding == Absent()


async def test_the_same_part_has_landed_by_whomever() -> None:
    landed = Landed((shown(SAME),), Proof.STATE)

    assert (await before(SAME)).finding == landed
    assert (await before(SAME, doubted=True)).finding == landed


async def test_a_part_that_someone_else_was_faster_with_is_refused() -> None:
    with pytest.raises(RejectedError, match=f"^name: part {ID} has it .* submit the part.upsert again") as caught:
        await before(OLD)
    assert caught.value.code == "conflict"
    with pytest.raises(RejectedError, match=r"^name: 2 parts have it") as caught:
        await before(SAME, replace(SAME, part_id=TWIN))
    assert caught.value.code == "ambiguous"
    with pytest.raises(RejectedError, match=r"^part_type: ") as caught:
        await before(replace(SAME, part_type="meta"))
    assert caught.value.code == "conflict"


async def test_what_may_be_ours_and_is_not_as_asked_is_for_a_person() -> None:
    twin = replace(SAME, part_id=TWIN)

    assert (await before(OLD, doubted=True)).finding == Undecidable(Why.CHANGED, (shown(OLD),))
    assert (await before(SAME, twin, doubted=True)).finding == Undecidable(Why.DOUBLE, (shown(SAME), shown(twin)))


# a creation: sent


async def test_a_creation_is_sent_once() -> None:
    at = target(())

    exchange = await CREATION.send(create(), at, Permission())

    assert exchange == Exchange("part/create", {"key": KEY})
    assert at.port.created == [create()]


def refused(code: str = "conflict") -> RejectedError:
    return RejectedError("the name exists", code=code, exchange=Exchange("part/create", status=409))


async def test_a_conflict_with_the_same_part_adopts_it() -> None:
    answer = refused()

    exchange = await CREATION.send(create(), target((SAME,), answer=answer), Permission())

    assert exchange is answer.exchange


@pytest.mark.parametrize("parts", [(), (OLD,), (SAME, replace(SAME, part_id=TWIN)), (replace(SAME, part_type="meta"),)])
async def test_a_conflict_with_anything_else_stays_one(parts: tuple[Part, ...]) -> None:
    answer = refused()

    with pytest.raises(RejectedError) as caught:
        await CREATION.send(create(), target(parts, answer=answer), Permission())

    assert caught.value is answer


async def test_a_conflict_on_a_repeated_send_is_for_the_look_up_to_judge() -> None:
    answer = refused()

    with pytest.raises(RejectedError) as caught:
        await CREATION.send(create(), target((SAME,), answer=answer, doubted=True), Permission())

    assert caught.value is answer


@pytest.mark.parametrize("answer", [refused("invalid"), RetryableError("not sent")])
async def test_another_failure_is_passed_on_without_a_look(answer: Exception) -> None:
    with pytest.raises(type(answer)) as caught:
        await CREATION.send(create(), target((SAME,), answer=answer), Permission())

    assert caught.value is answer


# a creation: looked for and proved


async def test_a_creation_is_found_by_its_exact_name() -> None:
    landed = Landed((shown(SAME),), Proof.STATE)

    assert await CREATION.look(create(), target((SAME,))) == landed
    assert await CREATION.proof(create(), target((SAME,))) == landed


async def test_a_creation_that_is_not_listed_is_absent_but_not_when_it_was_confirmed() -> None:
    assert await CREATION.look(create(), target(())) == Absent()
    assert await CREATION.proof(create(), target(())) == Undecidable(Why.IGNORED)


async def test_a_part_that_shows_up_twice_is_held() -> None:
    both = (SAME, replace(SAME, part_id=TWIN))
    double = Undecidable(Why.DOUBLE, tuple(shown(part) for part in both))

    assert await CREATION.look(create(), target(both)) == double
    assert await CREATION.proof(create(), target(both)) == double


@pytest.mark.parametrize("now", [OLD, replace(SAME, part_type="meta"), replace(SAME, tags=())])
async def test_a_part_in_another_form_is_ours_only_when_it_was_confirmed(now: Part) -> None:
    assert await CREATION.look(create(), target((now,))) == Undecidable(Why.CHANGED, (shown(now),))
    assert await CREATION.proof(create(), target((now,))) == Landed((shown(now),), Proof.ANSWER)


async def test_a_new_part_is_local_unless_it_is_said_to_be_meta() -> None:
    meta = replace(SAME, part_type="meta")

    assert isinstance(await CREATION.look(create(part_type="meta"), target((meta,))), Landed)
    assert isinstance(await CREATION.look(create(part_type="meta"), target((SAME,))), Undecidable)
    assert create(part_type="meta").part_type is PartType.META
