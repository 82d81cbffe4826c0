"""A short chaos run, as `make chaos` plays a long one; and that the checker sees in it what is not there."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from defusedxml import ElementTree

from tasks.registry import command_type
from tasks.routes import read_routes
from tests.chaos.commands import Asked, Commands
from tests.chaos.faults import OPERATIONS, switches
from tests.chaos.plot import draw
from tests.chaos.run import LIMITS, VENDORS, Plan, Run, sandbox_options, settings
from tests.chaos.senders import shared_out
from tests.chaos.troubles import CLASSES
from tests.chaos.warehouse import ROUTES, Sizes
from tests.stack import Stack

if TYPE_CHECKING:
    from pathlib import Path

PLAN = Plan(seed=1, commands=150, seconds=8, gap_seconds=1.5, few_faults=True)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_command_is_applied_once_while_programs_redis_and_vendors_fail(tmp_path: Path) -> None:
    options = {vendor: sandbox_options(vendor) for vendor in LIMITS}
    given = settings(tmp_path)

    with Stack(tmp_path, vendors=VENDORS, workers=2, settings=given, sandbox_options=options, environment={}) as stack:
        outcome = Run(stack, PLAN).play(lambda _: None)

    wrongs = {name: list(map(str, found)) for name, found in outcome.verdict.wrongs().items() if found}
    assert (wrongs, outcome.record.wrongs) == ({}, [])
    assert outcome.is_right
    assert outcome.verdict.commands.total() > PLAN.commands
    assert set(outcome.record.troubles()) == set(CLASSES)
    assert {vendor for vendor, _ in outcome.verdict.commands} == set(VENDORS)
    draw(outcome, tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    drawn = "".join(ElementTree.fromstring(text).itertext())
    assert all(word in drawn for word in ("applied", "killed", "Redis restarted", "fault at a vendor"))
    assert "<script" not in text


def asked(seed: int, folder: Path, count: int = 2000) -> list[Asked]:
    (folder / "routes.toml").write_text(ROUTES)
    routes = read_routes(folder / "routes.toml")
    chance = random.Random(seed)
    return Commands(chance, Sizes.of(count), routes, source="sandbox", start_ms=1_760_000_000_000).make(count)


def test_a_seed_asks_and_breaks_the_same_again_and_another_one_something_else(tmp_path: Path) -> None:
    first, again, other = asked(1, tmp_path), asked(1, tmp_path), asked(2, tmp_path)

    assert [each.body for each in first] == [each.body for each in again]
    assert [each.body for each in first] != [each.body for each in other]
    assert switches(random.Random(1), first) == switches(random.Random(1), again)


def test_the_commands_of_a_run_are_for_all_vendors_and_can_be_told_apart(tmp_path: Path) -> None:
    expected = [each for one in asked(1, tmp_path) for each in one.expected]

    assert {each.vendor for each in expected} == set(VENDORS)
    assert len({each.kind for each in expected}) >= 18
    assert len({each.key for each in expected}) == len(expected)
    marks = Counter((each.vendor, each.subject, each.fingerprint) for each in expected if each.fingerprint)
    assert max(marks.values()) == 1
    assert {each.kind for each in expected if not each.fingerprint} == {
        kind for kind in {each.kind for each in expected} if command_type(kind).effect == "expand"
    }


def test_every_writing_kind_of_a_run_can_meet_faults(tmp_path: Path) -> None:
    expected = [each for one in asked(1, tmp_path) for each in one.expected]

    assert {each.kind for each in expected if each.fingerprint} <= set(OPERATIONS)
    faults = switches(random.Random(3), asked(1, tmp_path))
    assert {each["kind"] for each in faults["partsbox"]} >= {"late_commit", "hang", "garbage", "second_writer"}
    assert set(faults) == set(LIMITS)


def test_each_lane_has_one_sender_and_keeps_its_order(tmp_path: Path) -> None:
    shares = shared_out(asked(1, tmp_path))

    senders: dict[str, set[int]] = {}
    for number, share in enumerate(shares):
        assert [place for place, _ in share] == sorted(place for place, _ in share)
        for _, one in share:
            senders.setdefault(one.lane, set()).add(number)
    assert all(len(found) == 1 for found in senders.values())
    assert sum(map(len, shares)) == len(asked(1, tmp_path))
