"""Build commands at the door."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.builds import UpdateBuild
from tasks.effects import Effect
from tasks.identity import marker_of
from tasks.registry import InvalidCommandError, parse_command, submittable_kinds
from tests.unit.command_checks import assert_refused

BUILD = "5" * 26
GOOD = {"stock_timestamp": 1_775_698_680_652, "build_id": BUILD, "new_comments": "second run"}


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        ({"build_id": "five"}, "build_id", "pattern"),
        ({"new_comments": None}, "new_comments", "string"),
        ({"new_comments": "x" * 1_001}, "new_comments", "1000 characters"),
        ({"new_comments": marker_of("a" * 20)}, "new_comments", "reserved"),
        ({"quantity": 3}, "quantity", "not permitted"),
    ],
)
def test_bad_input_is_refused_with_its_field_and_a_reason(change: dict[str, Any], field: str, reason: str) -> None:
    assert_refused("build.update", {**GOOD, **change}, field, reason)


def test_a_comment_is_required_and_may_be_empty() -> None:
    with pytest.raises(InvalidCommandError, match="new_comments: Field required"):
        parse_command("build.update", {name: value for name, value in GOOD.items() if name != "new_comments"})

    assert parse_command("build.update", {**GOOD, "new_comments": ""}).summary() == "comment on build 55555555…"


def test_what_it_is_serial_with_and_what_makes_two_the_same() -> None:
    command = parse_command("build.update", GOOD)

    assert command.lanes() == (f"build:{BUILD}",)
    assert set(UpdateBuild.identity_fields()) == {"stock_timestamp", "source", "build_id", "new_comments"}
    assert (UpdateBuild.effect, UpdateBuild.vendor) == (Effect.SET, "partsbox")
    assert "build.update" in submittable_kinds()
