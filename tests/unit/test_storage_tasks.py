"""How storage locations are changed and how that is proved: every finding of every step, against a scripted vendor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tasks.errors import Exchange, RejectedError
from tasks.lookup import Absent, Image, Landed, Proof, Undecidable, Why
from tasks.ports import Record
from tasks.registry import parse_command, task_of
from tasks.storage import Storage
from tasks.task import Before, Target

SHELF = "2" * 26
KEY = "abcdefghijklmnopqrst"
BARE = {"stock_timestamp": 1_700_000_000_000, "storage_id": SHELF}
WAS = Storage(SHELF, "shelf 7")


def setting(name: str, *, value: bool) -> dict[str, Any]:
    return {**BARE, "setting": name, "value": value}


#: kind, payload, the operation, the location as it was and as it shall be, and what is read of each
CASES: list[tuple[str, dict[str, Any], str, Storage, Storage, dict[str, Any], dict[str, Any]]] = [
    (
        "storage.update",
        {**BARE, "description": "cold", "tags": ["b", "a"]},
        "update_storage",
        WAS,
        replace(WAS, description="cold", tags=("a", "b")),
        {"description": "", "tags": []},
        {"description": "cold", "tags": ["a", "b"]},
    ),
    (
        "storage.update",
        {**BARE, "tags": []},
        "update_storage",
        replace(WAS, tags=("a",)),
        WAS,
        {"tags": ["a"]},
        {"tags": []},
    ),
    (
        "storage.rename",
        {**BARE, "name": "shelf 8"},
        "rename_storage",
        WAS,
        replace(WAS, name="shelf 8"),
        {"name": "shelf 7"},
        {"name": "shelf 8"},
    ),
    (
        "storage.change_setting",
        setting("full", value=True),
        "change_storage_setting",
        WAS,
        replace(WAS, full=True),
        {"full": False},
        {"full": True},
    ),
    (
        "storage.change_setting",
        setting("single-part", value=True),
        "change_storage_setting",
        WAS,
        replace(WAS, single_part=True),
        {"single-part": False},
        {"single-part": True},
    ),
    (
        "storage.change_setting",
        setting("existing-parts-only", value=False),
        "change_storage_setting",
        replace(WAS, existing_parts_only=True),
        WAS,
        {"existing-parts-only": True},
        {"existing-parts-only": False},
    ),
    (
        "storage.archive",
        BARE,
        "archive_storage",
        WAS,
        replace(WAS, archived=True),
        {"archived": False},
        {"archived": True},
    ),
    (
        "storage.restore",
        BARE,
        "restore_storage",
        replace(WAS, archived=True),
        WAS,
        {"archived": True},
        {"archived": False},
    ),
]
EVERY = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[5]}")


class Vendor:
    """Shows one location, or none, keeps what is sent, and refuses it where it is told to."""

    def __init__(self, storage: Storage | None, refusal: RejectedError | None = None) -> None:
        self._storage = storage
        self._refusal = refusal
        self.sent: list[tuple[str, Any]] = []

    async def storage(self, storage_id: str) -> Storage | None:
        assert storage_id == SHELF
        return self._storage

    def __getattr__(self, name: str) -> Any:
        async def send(command: Any, sending: Any) -> Exchange:
            self.sent.append((name, command))
            if self._refusal is not None:
                raise self._refusal
            return Exchange(name, {"key": sending.key})

        return send


class Permission:
    key = KEY

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None: ...

    def may_leave(self) -> bool:
        return True


def target(storage: Storage | None, fields: dict[str, Any] | None = None, *, doubted: bool = False) -> Target[Any]:
    return Target(Vendor(storage), KEY, doubted=doubted, image=Image(fields=fields))


@EVERY
async def test_what_differs_is_sent_once_by_its_own_operation(case: Any) -> None:
    kind, payload, method, was, _, old, _ = case
    command, at = parse_command(kind, payload), target(was)

    found = await task_of(kind).before(command, at)
    exchange = await task_of(kind).send(command, at, Permission())

    assert found == Before(Image(fields=old), Absent())
    assert at.port.sent == [(method, command)]
    assert exchange == Exchange(method, {"key": KEY})


@EVERY
@pytest.mark.parametrize("doubted", [False, True])
async def test_what_is_so_already_has_landed_by_whomever(case: Any, *, doubted: bool) -> None:
    kind, payload, _, _, shall_be, old, new = case
    command, landed = parse_command(kind, payload), Landed((Record("storage", SHELF, new),), Proof.STATE)

    assert (await task_of(kind).before(command, target(shall_be, doubted=doubted))).finding == landed
    assert await task_of(kind).look(command, target(shall_be, old)) == landed
    assert await task_of(kind).proof(command, target(shall_be, old)) == landed


@EVERY
async def test_what_is_as_it_was_is_absent_but_not_when_it_was_confirmed(case: Any) -> None:
    kind, payload, _, was, _, old, _ = case
    command = parse_command(kind, payload)

    assert await task_of(kind).look(command, target(was, old)) == Absent()
    assert await task_of(kind).proof(command, target(was, old)) == Undecidable(Why.IGNORED)


@EVERY
async def test_a_location_that_is_not_there_is_refused_before_and_cannot_be_decided_later(case: Any) -> None:
    kind, payload, _, _, _, old, _ = case
    command = parse_command(kind, payload)

    with pytest.raises(RejectedError, match=f"^storage_id: there is no {SHELF}$") as caught:
        await task_of(kind).before(command, target(None))

    assert caught.value.code == "not-found"
    assert await task_of(kind).look(command, target(None, old)) == Undecidable(Why.CHANGED)


@pytest.mark.parametrize(
    ("kind", "payload", "old", "now", "shown"),
    [
        (
            "storage.update",
            {**BARE, "description": "cold"},
            {"description": ""},
            replace(WAS, description="theirs"),
            {"description": "theirs"},
        ),
        (
            "storage.rename",
            {**BARE, "name": "shelf 8"},
            {"name": "shelf 7"},
            replace(WAS, name="theirs"),
            {"name": "theirs"},
        ),
    ],
)
async def test_what_someone_else_changed_is_not_overwritten_but_a_confirmation_holds(
    kind: str, payload: dict[str, Any], old: dict[str, Any], now: Storage, shown: dict[str, Any]
) -> None:
    command, records = parse_command(kind, payload), (Record("storage", SHELF, shown),)

    assert await task_of(kind).look(command, target(now, old)) == Undecidable(Why.CHANGED, records)
    assert await task_of(kind).proof(command, target(now, old)) == Landed(records, Proof.ANSWER)


async def test_what_the_command_is_not_about_may_change_meanwhile() -> None:
    command = parse_command("storage.rename", {**BARE, "name": "shelf 8"})
    now = Storage(SHELF, "shelf 7", "theirs", ("t",), archived=True, full=True, single_part=True)

    assert await task_of("storage.rename").look(command, target(now, {"name": "shelf 7"})) == Absent()


async def test_a_rename_refused_on_the_second_try_is_found_by_its_look_up() -> None:
    """The conflict may be with our own first try: only the name that is read decides."""
    command, task = parse_command("storage.rename", {**BARE, "name": "shelf 8"}), task_of("storage.rename")
    vendor = Vendor(WAS, refusal=RejectedError("the name exists", code="conflict"))
    at: Target[Any] = Target(vendor, KEY, doubted=True)
    with pytest.raises(RejectedError) as caught:
        await task.send(command, at, Permission())

    assert caught.value.code == "conflict"
    assert await task.look(command, target(WAS, {"name": "shelf 7"})) == Absent()
    assert isinstance(await task.look(command, target(replace(WAS, name="shelf 8"), {"name": "shelf 7"})), Landed)
