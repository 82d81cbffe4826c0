"""How a lot is changed and how that is proved: every finding of every step, against a scripted vendor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tasks.errors import Exchange, RejectedError
from tasks.lookup import Absent, Image, Landed, Proof, Undecidable, Why
from tasks.lots import Lot, UpdateLot
from tasks.ports import Record
from tasks.registry import parse_command, task_of
from tasks.task import Before, Target

LOT = "2" * 26
KEY = "abcdefghijklmnopqrst"
NOW_MS = 1_700_000_000_000
FULL = {
    "stock_timestamp": NOW_MS,
    "lot_id": LOT,
    "name": "L-7",
    "description": "second reel",
    "new_comments": "counted twice",
    "created_ms": NOW_MS - 1,
    "expiration_ms": NOW_MS + 1,
    "tags": ["b", "a"],
}
WANTED = {
    "name": "L-7",
    "description": "second reel",
    "new_comments": "counted twice",
    "created_ms": NOW_MS - 1,
    "expiration_ms": NOW_MS + 1,
    "tags": ["a", "b"],
}
WAS = Lot(LOT, name="L-6")
OLD: dict[str, Any] = {
    "name": "L-6",
    "description": "",
    "new_comments": "",
    "created_ms": None,
    "expiration_ms": None,
    "tags": [],
}
DONE = Lot(LOT, "L-7", "second reel", "counted twice", NOW_MS - 1, NOW_MS + 1, ("a", "b"), part_id="3" * 26)
TASK = task_of("lot.update")
LANDED = Landed((Record("lot", LOT, WANTED),), Proof.STATE)


class Vendor:
    """Shows one lot, or none, and keeps what is sent."""

    def __init__(self, lot: Lot | None) -> None:
        self._lot = lot
        self.sent: list[UpdateLot] = []

    async def lot(self, lot_id: str) -> Lot | None:
        assert lot_id == LOT
        return self._lot

    async def update_lot(self, command: UpdateLot, sending: Any) -> Exchange:
        self.sent.append(command)
        return Exchange("lot/update", {"key": sending.key})


class Permission:
    key = KEY

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None: ...

    def may_leave(self) -> bool:
        return True


def target(lot: Lot | None, fields: dict[str, Any] | None = None) -> Target[Any]:
    return Target(Vendor(lot), KEY, image=Image(fields=fields))


async def test_what_differs_is_sent_once() -> None:
    command, at = parse_command("lot.update", FULL), target(WAS)

    found = await TASK.before(command, at)
    exchange = await TASK.send(command, at, Permission())

    assert found == Before(Image(fields=OLD), Absent())
    assert at.port.sent == [command]
    assert exchange == Exchange("lot/update", {"key": KEY})


async def test_what_is_so_already_has_landed_by_whomever() -> None:
    command = parse_command("lot.update", FULL)

    assert (await TASK.before(command, target(DONE))).finding == LANDED
    assert await TASK.look(command, target(DONE, OLD)) == LANDED
    assert await TASK.proof(command, target(DONE, OLD)) == LANDED


@pytest.mark.parametrize("field", WANTED)
async def test_every_single_field_is_compared(field: str) -> None:
    only = parse_command("lot.update", {"stock_timestamp": NOW_MS, "lot_id": LOT, field: FULL[field]})

    assert (await TASK.before(only, target(DONE))).finding == Landed(
        (Record("lot", LOT, {field: WANTED[field]}),), Proof.STATE
    )
    assert await TASK.before(only, target(WAS)) == Before(Image(fields={field: OLD[field]}), Absent())


async def test_a_lot_as_it_was_is_absent_but_not_when_it_was_confirmed() -> None:
    command = parse_command("lot.update", FULL)

    assert await TASK.look(command, target(WAS, OLD)) == Absent()
    assert await TASK.proof(command, target(WAS, OLD)) == Undecidable(Why.IGNORED)


async def test_what_someone_else_changed_is_not_overwritten_but_a_confirmation_holds() -> None:
    command = parse_command("lot.update", FULL)
    theirs = replace(WAS, name="theirs")
    records = (Record("lot", LOT, {**OLD, "name": "theirs"}),)

    assert await TASK.look(command, target(theirs, OLD)) == Undecidable(Why.CHANGED, records)
    assert await TASK.proof(command, target(theirs, OLD)) == Landed(records, Proof.ANSWER)


async def test_a_lot_that_is_not_there_is_refused_before_and_cannot_be_decided_later() -> None:
    command = parse_command("lot.update", FULL)

    with pytest.raises(RejectedError, match=f"^lot_id: there is no {LOT}$") as caught:
        await TASK.before(command, target(None))

    assert caught.value.code == "not-found"
    assert await TASK.look(command, target(None, OLD)) == Undecidable(Why.CHANGED)
