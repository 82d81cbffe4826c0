"""Every fault switch of the PartsBox sandbox does what it says, seen by a plain client."""

import asyncio
import email.utils
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.sandbox.answers import retry_after_headers
from tests.sandbox.faults import RETRY_AFTER_FORMS
from tests.sandbox.partsbox import API_KEY, PartsBoxSandbox, id_for
from tests.sandbox.partsbox.faults import KINDS
from tests.sandbox.probe import Probe

CATEGORY = "partsbox.status/category"
PART = id_for("part", "R-1K")
SHELF = id_for("storage", "shelf-1")
LINE = id_for("storage", "line-1")
ADDITION = {"stock/part-id": PART, "stock/storage-id": SHELF, "stock/quantity": 5, "stock/comments": "five [cmd:k1]"}
MOVE = {
    "stock/source": {"source/part-id": PART, "source/storage-id": SHELF},
    "stock/quantity": 5,
    "stock/comments": "five [cmd:k1]",
    "stock/storage-id": LINE,
}
CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(seed_fixture="warehouse", seed=1) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartsBoxSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, {"Authorization": f"APIKey {API_KEY}"}) as probe:
        yield probe


async def answer_of(vendor: Probe, body: Any = None, operation: str = "stock/add") -> tuple[int, str | None]:
    seen = await vendor.post(operation, body or ADDITION)
    return seen.status, seen.json[CATEGORY] if seen.json else None


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize(("kind", "effects"), [("accept_then_drop", 1), ("drop_before", 0)])
async def test_a_drop_cuts_the_answer_with_or_without_the_commit(
    sandbox: PartsBoxSandbox, vendor: Probe, kind: str, effects: int, *, reset: bool
) -> None:
    sandbox.faults.add(kind, "stock/add", reset=reset)
    with pytest.raises(aiohttp.ClientOSError if reset else aiohttp.ServerDisconnectedError):
        await vendor.post("stock/add", ADDITION)
    await sandbox.until_quiet()
    assert len(sandbox.journal.effects) == effects
    assert await answer_of(vendor) == (200, "ok")


async def test_a_late_commit_is_not_there_when_the_connection_closes(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("late_commit", "stock/add", delay_seconds=60)
    with pytest.raises(CUT):
        await vendor.post("stock/add", ADDITION)
    assert (sandbox.journal.effects, sandbox.limits.in_flight) == ([], 1)


async def test_a_late_commit_comes_after_the_connection_was_closed(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("late_commit", "stock/add", delay_seconds=0.05)
    with pytest.raises(CUT):
        await vendor.post("stock/add", ADDITION)
    await sandbox.journal.until_effects(1)
    await sandbox.until_quiet()
    (request,) = sandbox.journal.requests
    assert (request.outcome, request.client_left, request.effects) == ("late_commit", True, [1])


async def test_a_late_commit_can_wait_for_the_client_to_leave(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("late_commit", "stock/add", after="client_left", delay_seconds=0)
    waiting = asyncio.create_task(vendor.post("stock/add", ADDITION))
    await sandbox.journal.until_requests(1)
    assert sandbox.journal.effects == []
    waiting.cancel()
    await sandbox.journal.until_effects(1)


@pytest.mark.parametrize("commit", [False, True])
async def test_a_hanging_request_ends_when_its_client_leaves(
    sandbox: PartsBoxSandbox, vendor: Probe, *, commit: bool
) -> None:
    sandbox.faults.add("hang", "stock/add", commit=commit)
    waiting = asyncio.create_task(vendor.post("stock/add", ADDITION))
    await sandbox.changes.until(lambda: [r.outcome for r in sandbox.journal.requests] == ["hang"], 60)
    assert len(sandbox.journal.effects) == commit
    assert not waiting.done()
    waiting.cancel()
    await sandbox.until_quiet()
    assert len(sandbox.journal.effects) == commit


async def test_a_request_runs_to_its_commit_when_its_client_leaves(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("gate", "stock/add", gate="door")
    leaving = asyncio.create_task(vendor.post("stock/add", ADDITION))
    await sandbox.gates["door"].until_arrived()
    leaving.cancel()
    await sandbox.changes.until(lambda: sandbox.journal.requests[0].client_left, 60)
    assert (sandbox.limits.in_flight, sandbox.journal.effects) == (1, [])
    sandbox.gates["door"].open()
    await sandbox.until_quiet()
    assert (sandbox.limits.in_flight, len(sandbox.journal.effects)) == (0, 1)


@pytest.mark.parametrize(("place", "effects"), [("before_commit", 0), ("after_commit", 1)])
async def test_a_gate_holds_a_request_before_or_after_its_commit(
    sandbox: PartsBoxSandbox, vendor: Probe, place: str, effects: int
) -> None:
    sandbox.faults.add("gate", "stock/add", gate="door", place=place)
    held = asyncio.create_task(vendor.post("stock/add", ADDITION))
    await sandbox.gates["door"].until_arrived()
    assert (len(sandbox.journal.effects), sandbox.gates["door"].waiting) == (effects, 1)
    sandbox.gates["door"].open()
    assert (await held).status == 200
    assert len(sandbox.journal.effects) == 1


async def test_a_delay_can_outlast_the_client(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("delay", "stock/add", delay_seconds=60)
    waiting = asyncio.create_task(vendor.post("stock/add", ADDITION))
    await sandbox.journal.until_effects(1)
    assert not waiting.done()
    waiting.cancel()
    await sandbox.changes.until(lambda: sandbox.journal.requests[0].client_left, 60)


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize("status", [401, 402, 403, 500, 502, 503])
async def test_a_status_comes_before_or_after_the_commit(
    sandbox: PartsBoxSandbox, vendor: Probe, status: int, *, commit: bool
) -> None:
    sandbox.faults.add("status", "stock/add", status=status, commit=commit)
    assert await answer_of(vendor) == (status, "error")
    assert len(sandbox.journal.effects) == commit


@pytest.mark.parametrize(("body", "text"), [("html", "<html>"), ("empty", "")])
async def test_a_status_can_come_from_a_proxy_that_speaks_no_json(
    sandbox: PartsBoxSandbox, vendor: Probe, body: str, text: str
) -> None:
    sandbox.faults.add("status", "stock/add", status=502, body=body)
    seen = await vendor.post("stock/add", ADDITION)
    assert (seen.status, seen.json, seen.text[:6]) == (502, None, text)


@pytest.mark.parametrize("form", RETRY_AFTER_FORMS)
async def test_a_429_carries_every_form_of_retry_after(sandbox: PartsBoxSandbox, vendor: Probe, form: str) -> None:
    sandbox.faults.add("status", "stock/add", status=429, retry_after=form, retry_after_seconds=2.5)
    seen = await vendor.post("stock/add", ADDITION)
    expected = retry_after_headers(form, 2.5)
    assert seen.status == 429
    assert {name for name in seen.headers if name.startswith(("Retry", "RateLimit"))} == set(expected)
    if form not in ("http_date", "past_date"):
        assert {name: seen.headers[name] for name in expected} == expected


def test_forms_of_retry_after_are_what_they_are_called() -> None:
    given = {form: retry_after_headers(form, 2.5).get("Retry-After") for form in RETRY_AFTER_FORMS}
    soon, past = given.pop("http_date"), given.pop("past_date")
    assert email.utils.parsedate_to_datetime(str(soon)) > email.utils.parsedate_to_datetime(str(past))
    assert given == {
        "absent": None,
        "seconds": "3",
        "zero": "0",
        "fraction": "2.500",
        "empty": "",
        "garbage": "in a while",
        "huge": "1000000000000",
        "negative": "-5",
        "ratelimit": None,
    }


async def test_a_truncated_answer_breaks_off_after_the_commit(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("truncated", "stock/add")
    with pytest.raises(aiohttp.ClientPayloadError):
        await vendor.post("stock/add", ADDITION)
    assert len(sandbox.journal.effects) == 1


@pytest.mark.parametrize(
    ("kind", "category", "effects"), [("error_category", "error", 0), ("missing_category", None, 1)]
)
async def test_a_200_can_be_no_success(
    sandbox: PartsBoxSandbox, vendor: Probe, kind: str, category: str | None, effects: int
) -> None:
    sandbox.faults.add(kind, "stock/add")
    seen = await vendor.post("stock/add", ADDITION)
    assert (seen.status, seen.json.get(CATEGORY)) == (200, category)
    assert len(sandbox.journal.effects) == effects


async def test_garbage_is_a_200_that_is_no_json(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("garbage", "stock/add")
    assert await answer_of(vendor) == (200, None)
    assert len(sandbox.journal.effects) == 1


@pytest.mark.parametrize("follow", [False, True])
async def test_who_follows_a_redirect_is_in_the_journal(
    sandbox: PartsBoxSandbox, vendor: Probe, *, follow: bool
) -> None:
    sandbox.faults.add("redirect", "stock/add")
    seen = await vendor.post("stock/add", ADDITION)
    assert (seen.status, sandbox.journal.effects) == (302, [])
    if follow:
        async with aiohttp.request("GET", sandbox.root_url + seen.headers["Location"]) as target:
            assert target.status == 200
    assert len(sandbox.journal.requests_of("redirect-target")) == follow


async def test_a_stripped_comment_is_gone_from_the_entry_but_not_from_the_journal(
    sandbox: PartsBoxSandbox, vendor: Probe
) -> None:
    sandbox.faults.add("comment_stripped", "stock/add")
    assert await answer_of(vendor) == (200, "ok")
    (effect,) = sandbox.journal.own_effects("[cmd:k1]")
    assert effect.legs[0].comments is None
    assert sandbox.state.history[PART][-1].comments is None


@pytest.mark.parametrize(
    ("leg", "kept"), [("source", ["five", "five [cmd:k1]"]), ("target", ["five [cmd:k1]", "five"])]
)
async def test_a_move_can_lose_its_marker_on_one_leg(
    sandbox: PartsBoxSandbox, vendor: Probe, leg: str, kept: list[str]
) -> None:
    sandbox.faults.add("marker_lost_on_one_leg", "stock/move", leg=leg)
    assert await answer_of(vendor, MOVE, "stock/move") == (200, "ok")
    assert [entry.comments for entry in sandbox.state.history[PART][-2:]] == kept


async def test_a_duplicate_commit_books_one_request_twice(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("duplicate_commit", "stock/move")
    assert await answer_of(vendor, MOVE, "stock/move") == (200, "ok")
    assert [effect.request_seq for effect in sandbox.journal.own_effects("[cmd:k1]")] == [1, 1]
    assert sandbox.state.on_hand(PART, LINE, None) == 10


@pytest.mark.parametrize(("place", "foreign"), [("before_commit", [True, False]), ("after_commit", [False, True])])
async def test_a_second_writer_does_the_same_without_a_marker(
    sandbox: PartsBoxSandbox, vendor: Probe, place: str, foreign: list[bool]
) -> None:
    sandbox.faults.add("second_writer", "stock/add", place=place)
    assert await answer_of(vendor) == (200, "ok")
    effects = sandbox.journal.effects
    assert [effect.foreign for effect in effects] == foreign
    colleague = next(effect for effect in effects if effect.foreign)
    assert (colleague.user, colleague.comment, colleague.marker) == ("colleague", "five", None)
    assert len({leg.timestamp_ms for effect in effects for leg in effect.legs}) == 2


async def test_a_second_writer_can_take_the_last_stock(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("second_writer", "stock/remove", place="before_commit")
    assert await answer_of(vendor, {**MOVE, "stock/quantity": 1000}, "stock/remove") == (409, "conflict")
    assert [effect.foreign for effect in sandbox.journal.effects] == [True]


async def test_faults_of_different_stages_meet_in_one_request(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("delay", "stock/add", delay_seconds=0)
    sandbox.faults.add("accept_then_drop", "stock/add")
    sandbox.faults.add("comment_stripped", "stock/add")
    with pytest.raises(CUT):
        await vendor.post("stock/add", ADDITION)
    await sandbox.until_quiet()
    assert sandbox.journal.requests[0].faults == ["delay", "comment_stripped", "accept_then_drop"]
    assert sandbox.state.history[PART][-1].comments is None


async def test_a_fault_skips_then_counts_and_only_what_matches(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    fault = sandbox.faults.add("status", "stock/add", skip=1, count=2, match="[cmd:k1]", status=503)
    other = {**ADDITION, "stock/comments": "other [cmd:k2]"}
    bodies = [ADDITION, other, ADDITION, other, ADDITION, ADDITION]
    statuses = [(await vendor.post("stock/add", body)).status for body in bodies]
    assert statuses == [200, 200, 503, 200, 503, 200]
    assert fault.fired == 2


async def test_faults_of_one_stage_take_turns_in_the_order_they_were_set(
    sandbox: PartsBoxSandbox, vendor: Probe
) -> None:
    for status in (502, 503):
        sandbox.faults.add("status", "stock/add", status=status)
    assert [(await vendor.post("stock/add", ADDITION)).status for _ in range(3)] == [502, 503, 200]


async def test_a_fault_without_count_hits_until_it_is_cleared(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("status", count=None)
    statuses = [(await vendor.post(op)).status for op in ("part/all", "order/all", "lot/all")]
    sandbox.faults.clear()
    assert [*statuses, (await vendor.post("part/all")).status] == [500, 500, 500, 200]


async def test_what_changes_the_commit_leaves_reads_alone(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    fault = sandbox.faults.add("duplicate_commit")
    await vendor.post("part/all")
    assert fault.fired == 0


@pytest.mark.parametrize(
    ("kind", "operation", "options"),
    [
        ("explode", "*", {}),
        ("hang", "stock/delete", {}),
        ("duplicate_commit", "part/get", {}),
        ("marker_lost_on_one_leg", "stock/add", {}),
        ("hang", "*", {"comit": True}),
        ("hang", "*", {"commit": 1}),
        ("delay", "*", {"delay_seconds": "1"}),
        ("delay", "*", {"place": "in_between"}),
    ],
)
def test_a_switch_that_does_not_exist_is_refused(kind: str, operation: str, options: dict[str, Any]) -> None:
    sandbox = PartsBoxSandbox()
    with pytest.raises(ValueError, match=r"."):
        sandbox.faults.add(kind, operation, **options)
    assert sandbox.faults.switches == []


def test_every_kind_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "sandbox" / "README.md").read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f"`{kind}`" not in readme] == []
