"""What can be asked about a lot: wrong input is refused with its field, and every value that matters is identity."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.effects import Effect
from tasks.identity import marker_of
from tasks.lots import UpdateLot
from tasks.registry import InvalidCommandError, command_type, parse_command
from tasks.submit import to_new_command
from tests.unit.command_checks import assert_refused

LOT = "2" * 26
NOW_MS = 1_700_000_000_000

BARE = {"stock_timestamp": NOW_MS, "lot_id": LOT}
FULL = {
    **BARE,
    "name": "L-2023-11",
    "description": "second reel",
    "new_comments": "counted twice",
    "created_ms": NOW_MS - 1_000,
    "expiration_ms": NOW_MS + 1_000,
    "tags": ["b", "a"],
}

BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"lot_id": "lot 1"}, "lot_id", "pattern"),
    ({"lot_id": None}, "lot_id", "string"),
    ({"name": "two\nlines"}, "name", "several lines"),
    ({"name": " L"}, "name", "trimmed"),
    ({"name": "x" * 201}, "name", "200 characters"),
    ({"description": "x" * 1_001}, "description", "1000 characters"),
    ({"new_comments": "x" * 1_001}, "new_comments", "1000 characters"),
    ({"new_comments": f"c {marker_of('a' * 20)}"}, "new_comments", "reserved"),
    ({"created_ms": NOW_MS // 1000}, "created_ms", "UTC milliseconds"),
    ({"created_ms": "2023-11-14"}, "created_ms", "integer"),
    ({"expiration_ms": NOW_MS * 1000}, "expiration_ms", "UTC milliseconds"),
    ({"expiration_ms": 1.5}, "expiration_ms", "integer"),
    ({"tags": ["no spaces"]}, "tags.0", "pattern"),
    ({"tags": [f"t{number}" for number in range(101)]}, "tags", "at most 100"),
    ({"part_id": LOT}, "part_id", "not permitted"),
]


@pytest.mark.parametrize(("change", "field", "reason"), BAD)
def test_bad_input_is_refused_with_its_field_and_a_reason(change: dict[str, Any], field: str, reason: str) -> None:
    assert_refused("lot.update", {**FULL, **change}, field, reason)


def test_a_command_that_changes_nothing_is_refused() -> None:
    with pytest.raises(InvalidCommandError, match=r"^name: missing; give at least one of name, .*, tags"):
        parse_command("lot.update", {**BARE, "comments": "for people"})


@pytest.mark.parametrize("field", ["name", "description", "new_comments", "created_ms", "expiration_ms", "tags"])
def test_one_field_is_enough(field: str) -> None:
    command = parse_command("lot.update", {**BARE, field: FULL[field]})

    assert isinstance(command, UpdateLot)
    assert set(command.wanted()) == {field}


@pytest.mark.parametrize("change", [{"name": ""}, {"description": ""}, {"new_comments": ""}, {"tags": []}])
def test_a_field_can_be_cleared_and_that_is_a_change(change: dict[str, Any]) -> None:
    command = parse_command("lot.update", {**BARE, **change})

    assert isinstance(command, UpdateLot)
    assert command.wanted() == change


def test_good_input_is_a_command_in_the_lots_lane_and_survives_the_ledger() -> None:
    command = parse_command("lot.update", FULL)
    stored = to_new_command(command, command.key(), "test")

    assert parse_command(stored.kind, stored.command.encode()) == command
    assert stored.lanes == (f"lot:{LOT}",)
    assert parse_command("lot.update", {**BARE, "name": "L"}).summary() == "set name of lot 22222222…"
    assert command_type("lot.update").effect is Effect.SET


CHANGES: dict[str, Any] = {
    "stock_timestamp": NOW_MS + 1,
    "source": "other",
    "lot_id": "3" * 26,
    "name": "other",
    "description": "other",
    "new_comments": "other",
    "created_ms": NOW_MS,
    "expiration_ms": NOW_MS,
    "tags": ["other"],
}


def test_every_field_but_the_comment_makes_another_command() -> None:
    keys = {parse_command("lot.update", FULL).key()}

    for name in set(UpdateLot.model_fields) - {"comments"}:
        keys.add(parse_command("lot.update", {**FULL, name: CHANGES[name]}).key())

    assert len(keys) == len(CHANGES) + 1
    assert parse_command("lot.update", {**FULL, "comments": "other"}).key() in keys
