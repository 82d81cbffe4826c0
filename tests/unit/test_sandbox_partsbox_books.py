"""The PartsBox sandbox counts right: journal, limits, control API, and the same as a process."""

import ast
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.limits import Limits
from tests.sandbox.partsbox import API_KEY, API_USER, LimitRules, PartsBoxSandbox, id_for
from tests.sandbox.probe import Probe

PART = id_for("part", "R-1K")
SHELF = id_for("storage", "shelf-1")
LINE = id_for("storage", "line-1")
ORDER = id_for("order", "SO-1")
ADDITION = {"stock/part-id": PART, "stock/storage-id": SHELF, "stock/quantity": 5, "stock/comments": "five [cmd:k1]"}
MOVE = {
    "stock/source": {"source/part-id": PART, "source/storage-id": SHELF},
    "stock/quantity": 2,
    "stock/comments": "two [cmd:k2]",
    "stock/storage-id": LINE,
}
AUTHORIZED = {"Authorization": f"APIKey {API_KEY}"}


@pytest.fixture
async def sandbox() -> AsyncIterator[PartsBoxSandbox]:
    async with PartsBoxSandbox.running(seed_fixture="warehouse", seed=1) as running:
        yield running


@pytest.fixture
async def vendor(sandbox: PartsBoxSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.url, AUTHORIZED) as probe:
        yield probe


@pytest.fixture
async def control(sandbox: PartsBoxSandbox) -> AsyncIterator[Probe]:
    async with Probe.to(sandbox.root_url + "/_sandbox") as probe:
        yield probe


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def arrivals(rules: LimitRules, *at_seconds: float) -> Limits:
    """Let a request arrive and end at each of the times."""
    clock = Clock()
    limits = Limits(rules, clock)
    for number, seconds in enumerate(at_seconds, 1):
        clock.seconds = 100 + seconds
        limits.arrived(number)
        limits.left()
    return limits


def imported_by(path: Path) -> set[str]:
    """Name the modules a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_the_sandbox_imports_nothing_of_ours() -> None:
    folder = Path(__file__).parents[1] / "sandbox"
    imported = {name for path in folder.rglob("*.py") for name in imported_by(path)}
    assert "tests.sandbox.partsbox.state" in imported
    assert not [name for name in imported if name.split(".")[0] in ("tasks", "workers", "producers")]


async def test_an_effect_tells_what_was_booked_and_by_which_request(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    await vendor.post("part/all")
    await vendor.post("stock/move", MOVE)
    (effect,) = sandbox.journal.effects
    told = effect.describe()
    assert (told["seq"], told["request_seq"], told["operation"], told["user"]) == (1, 2, "stock/move", API_USER)
    assert (told["comment"], told["marker"], told["foreign"]) == ("two [cmd:k2]", "[cmd:k2]", False)
    assert (told["part_ids"], told["storage_ids"]) == ([PART], sorted([SHELF, LINE]))
    assert [leg["quantity"] for leg in told["legs"]] == [-2, 2]
    history = sandbox.state.history[PART]
    assert told["timestamps_ms"] == [entry.timestamp_ms for entry in history[-2:]]


async def test_a_receipt_names_order_and_line(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    line = id_for("line", "SO-1/3")
    await vendor.post(
        "order/receive",
        {"order/id": ORDER, "storage/id": LINE, "stock-entries": [{"stock/id": line, "stock/quantity": 1}]},
    )
    (told,) = (effect.describe() for effect in sandbox.journal.effects)
    assert (told["order_id"], told["line_ids"], told["storage_ids"]) == (ORDER, [line], [LINE])


async def test_an_update_books_the_difference(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    timestamp_ms = sandbox.state.history[PART][0].timestamp_ms
    await vendor.post("stock/update", {"stock/part-id": PART, "stock/timestamp": timestamp_ms, "stock/quantity": 990})
    (leg,) = sandbox.journal.effects[0].legs
    assert (leg.quantity, leg.stored_quantity, leg.timestamp_ms) == (-10, 990, timestamp_ms)


async def test_every_request_is_in_the_journal_without_its_key(
    sandbox: PartsBoxSandbox, vendor: Probe, control: Probe
) -> None:
    sandbox.faults.add("duplicate_commit", "stock/add")
    await vendor.post("stock/add", ADDITION)
    await vendor.post("stock/add", {**ADDITION, "stock/quantity": 0})
    await vendor.post("part/all", headers={"Authorization": "APIKey partsboxapi_wrong"})
    booked, invalid, stranger = sandbox.journal.requests
    assert (booked.outcome, booked.status, booked.faults, booked.effects) == ("ok", 200, ["duplicate_commit"], [1, 2])
    assert (booked.marker, booked.subjects) == ("[cmd:k1]", [f"part:{PART}"])
    assert (invalid.outcome, invalid.status, invalid.effects) == ("invalid", 400, [])
    assert (stranger.outcome, stranger.status) == ("unauthorized", 401)
    assert booked.body_sha256 != invalid.body_sha256
    assert "partsboxapi" not in (await control.send("GET", "journal")).text


def test_a_client_at_exactly_the_rate_breaks_nothing() -> None:
    limits = arrivals(LimitRules(rate_per_second=2, burst=3), 0, 0, 0, 0.5, 1.0, 1.5, 10, 10, 10)
    assert limits.violations == []
    assert limits.worst_excess() == 0


def test_one_request_too_many_is_a_violation_and_its_excess_is_told() -> None:
    limits = arrivals(LimitRules(rate_per_second=2, burst=3), 0, 0, 0, 0.25)
    assert [(v.rule, v.request_seq, v.measured) for v in limits.violations] == [("rate", 4, 0.5)]
    assert limits.worst_excess() == 0.5


def test_a_burst_late_in_a_quiet_hour_is_still_a_violation() -> None:
    limits = arrivals(LimitRules(rate_per_second=2, burst=3), 0, 3600, 3600, 3600, 3600)
    assert [v.request_seq for v in limits.violations] == [5]
    assert limits.worst_excess() == 1


def test_a_request_too_many_makes_the_next_one_too_early() -> None:
    limits = arrivals(LimitRules(rate_per_second=2, burst=1), 0, 0, 0.5)
    assert [v.request_seq for v in limits.violations] == [2, 3]


def test_arriving_a_few_milliseconds_early_is_jitter() -> None:
    assert arrivals(LimitRules(rate_per_second=2, burst=1), 0, 0.46).violations == []
    assert len(arrivals(LimitRules(rate_per_second=2, burst=1), 0, 0.44).violations) == 1


def test_small_earlinesses_do_not_add_up_to_a_faster_rate() -> None:
    early = [number * 0.48 for number in range(50)]
    assert arrivals(LimitRules(rate_per_second=2, burst=1), *early).violations != []


def test_the_fullest_window_is_found() -> None:
    limits = arrivals(LimitRules(), 0, 5, 5.2, 5.9, 6, 6.1, 20)
    assert (limits.max_in_window(1), limits.max_in_window(0.5), limits.max_in_window(60)) == (4, 3, 7)
    assert limits.violations == []


async def test_requests_in_flight_are_counted_with_those_whose_client_left(
    sandbox: PartsBoxSandbox, vendor: Probe, control: Probe
) -> None:
    sandbox.limits.rules = LimitRules(concurrency=2)
    sandbox.faults.add("gate", count=None)
    calls = [asyncio.create_task(vendor.post("stock/add", ADDITION)) for _ in range(2)]
    await sandbox.gates["gate"].until_arrived(2)
    calls.pop().cancel()
    await sandbox.changes.until(lambda: any(r.client_left for r in sandbox.journal.requests), 60)
    calls.append(asyncio.create_task(vendor.post("stock/move", MOVE)))
    await sandbox.gates["gate"].until_arrived(3)
    in_flight = (await control.send("GET", "in-flight")).json
    assert [one["client_left"] for one in in_flight].count(True) == 1
    await control.post("gates/gate", {"open": True})
    await asyncio.gather(*calls)
    assert (await control.send("GET", "in-flight", params={"quiet": "1"})).json == []
    told = (await control.send("GET", "limits")).json
    assert (told["max_in_flight"], told["max_writes_in_flight_per_subject"], told["in_flight"]) == (3, 3, 0)
    assert [(v["rule"], v["request_seq"], v["measured"]) for v in told["violations"]] == [("concurrency", 3, 3)]


async def test_receipts_and_additions_of_one_part_overlap(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    sandbox.faults.add("gate", count=None)
    addition = {**ADDITION, "stock/part-id": id_for("part", "R-1M")}
    entries = [{"stock/id": id_for("line", "SO-1/2")}]
    receipt = {"order/id": ORDER, "storage/id": LINE, "stock-entries": entries}
    calls = [vendor.post("stock/add", addition), vendor.post("order/receive", receipt), vendor.post("part/all")]
    answers = asyncio.gather(*calls, vendor.post("stock/add", ADDITION))
    await sandbox.gates["gate"].until_arrived(4)
    sandbox.gates["gate"].open()
    await answers
    assert sandbox.limits.max_writes_in_flight_per_subject == 2


async def test_enforced_limits_answer_429_and_commit_nothing() -> None:
    rules = LimitRules(rate_per_second=0.01, burst=2, enforce=True)
    async with (
        PartsBoxSandbox.running(limit_rules=rules, seed_fixture="warehouse") as sandbox,
        Probe.to(sandbox.url, AUTHORIZED) as vendor,
    ):
        seen = [await vendor.post("stock/add", ADDITION) for _ in range(3)]
        assert [one.status for one in seen] == [200, 200, 429]
        assert 90 <= int(seen[2].headers["Retry-After"]) <= 100
        assert len(sandbox.journal.effects) == 2
        assert (sandbox.journal.requests[2].outcome, len(sandbox.limits.violations)) == ("rate-limited", 1)


async def test_the_control_api_sets_lists_and_clears_faults(vendor: Probe, control: Probe) -> None:
    given = [{"kind": "status", "operation": "part/all", "status": 503}, {"kind": "hang", "operation": "stock/add"}]
    await control.post("faults", given)
    await vendor.post("part/all")
    told = (await control.send("GET", "faults")).json
    assert [(fault["kind"], fault["fired"]) for fault in told] == [("status", 1), ("hang", 0)]
    await control.send("DELETE", "faults")
    assert (await control.send("GET", "faults")).json == []
    seen = await control.post("faults", {"kind": "hang", "comit": True})
    assert (seen.status, "comit" in seen.text) == (400, True)


async def test_the_control_api_loads_a_fixture_and_gives_its_ids(
    sandbox: PartsBoxSandbox, vendor: Probe, control: Probe
) -> None:
    fixture = {
        "lot_control": True,
        "users": [{"name": "station", "key": "partsboxapi_station", "denied": ["part/get"]}],
        "parts": [{"part/name": "Nut", "part/mpn": "N-3"}],
        "storages": [{"storage/name": "drawer", "storage/single-part?": True}],
        "lots": [{"lot/name": "L1", "part": "Nut"}],
        "stock": [{"part": "Nut", "storage": "drawer", "stock/quantity": 8, "stock/lot-id": id_for("lot", "L1")}],
        "orders": [
            {"order/number": "A", "order/vendor-name": "Acme", "order/entries": [{"part": "Nut", "stock/quantity": 3}]},
            {
                "order/number": "B",
                "order/status": "received",
                "order/entries": [{"part": "Nut", "storage": "drawer", "stock/quantity": 2}],
            },
        ],
    }
    ids = (await control.post("fixture", fixture)).json
    assert ids["parts"] == [id_for("part", "Nut")]
    assert sandbox.state.on_hand(ids["parts"][0], ids["storages"][0], ids["lots"][0]) == 8
    order = (await vendor.post("order/get", {"order/id": ids["orders"][0]["order/id"]})).json["data"]
    assert (order["order/vendor-name"], order["order/status"]) == ("Acme", "ordered")
    (line,) = (await vendor.post("order/get-entries", {"order/id": order["order/id"]})).json["data"]
    assert (line["stock/id"], line["stock/status"]) == (ids["orders"][0]["stock/ids"][0], "ordered")
    (booked,) = (await vendor.post("order/get-entries", {"order/id": ids["orders"][1]["order/id"]})).json["data"]
    assert "stock/status" not in booked
    state = (await control.send("GET", "state")).json
    assert {row["quantity"] for row in state["on_hand"] if row["part_id"] == ids["parts"][0]} == {8, 2}
    assert sandbox.journal.effects == []


async def test_a_colleague_can_write_through_the_control_api(
    sandbox: PartsBoxSandbox, vendor: Probe, control: Probe
) -> None:
    (told,) = (await control.post("write", {"operation": "stock/move", "params": MOVE, "user": "anna"})).json
    assert (told["user"], told["foreign"], told["request_seq"]) == ("anna", True, None)
    seen = await control.post("write", {"operation": "stock/remove", "params": {**MOVE, "stock/quantity": 10_000}})
    assert (seen.status, seen.json["problem"]) == (409, "conflict")
    await vendor.post("stock/add", ADDITION)
    assert [effect.seq for effect in sandbox.journal.own_effects()] == [2]
    assert sandbox.limits.max_in_flight == 1


async def test_the_control_api_waits_for_effects_and_gates_but_not_for_ever(vendor: Probe, control: Probe) -> None:
    for path in ("journal?effects=1", "gates/door?arrived=1"):
        assert (await control.send("GET", f"{path}&timeout_seconds=0.01")).status == 504
    await control.post("faults", {"kind": "gate", "gate": "door"})
    call = asyncio.create_task(vendor.post("stock/add", ADDITION))
    assert (await control.send("GET", "gates/door?arrived=1")).json["waiting"] == 1
    await control.post("gates/door", {"open": True})
    assert len((await control.send("GET", "journal?effects=1")).json["effects"]) == 1
    assert (await call).status == 200


async def test_the_clock_and_the_assumptions_can_be_changed(
    sandbox: PartsBoxSandbox, vendor: Probe, control: Probe
) -> None:
    before = sandbox.state.history[PART][-1].timestamp_ms
    await control.post("clock", {"offset_ms": -60_000})
    await vendor.post("stock/add", ADDITION)
    assert sandbox.state.history[PART][-1].timestamp_ms == before + 1
    await control.post("assumptions", {"statuses": {"conflict": 422}})
    assert (await vendor.post("stock/remove", {**MOVE, "stock/quantity": 10_000})).status == 422
    assert (await control.post("assumptions", {"colour": "red"})).status == 400


async def test_writes_commit_after_reads_that_came_later(sandbox: PartsBoxSandbox, vendor: Probe) -> None:
    """The race in which a second delivery looks, finds nothing yet and sends again must be visible here."""
    sandbox.write_latency_seconds = (60, 60)
    write = asyncio.create_task(vendor.post("stock/add", ADDITION))
    await sandbox.journal.until_requests(1)
    seen = await vendor.post("part/get", {"part/id": PART})
    assert len(seen.json["data"]["part/stock"]) == 1
    assert not write.done()
    write.cancel()


@asynccontextmanager
async def process(folder: Path, *options: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, dict[str, Any]]]:
    """Run the sandbox as a process until the block ends."""
    ready_file = folder / "ready.json"
    command = (sys.executable, "-m", "tests.sandbox.partsbox", "--ready-file", str(ready_file), *options)
    running = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2])
    try:
        async with asyncio.timeout(30):
            while not ready_file.exists():
                assert running.returncode is None
                await asyncio.sleep(0.02)
        yield running, json.loads(ready_file.read_text(encoding="utf-8"))
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def test_the_process_serves_and_leaves_cleanly_on_sigterm(tmp_path: Path) -> None:
    limits = ("--rate", "2/s", "--burst", "5", "--concurrency", "4")
    async with process(tmp_path, *limits, "--seed-fixture", "warehouse", "--write-latency-ms", "1-2") as (
        running,
        ready,
    ):
        async with Probe.to(ready["url"], AUTHORIZED) as vendor, Probe.to(ready["control_url"]) as control:
            assert (await vendor.post("stock/add", ADDITION)).status == 200
            rules = (await control.send("GET", "limits")).json["rules"]
            assert (rules["rate_per_second"], rules["burst"], rules["concurrency"]) == (2, 5, 4)
            await control.post("faults", {"kind": "hang"})
            hanging = asyncio.create_task(vendor.post("stock/add", ADDITION))
            await control.send("GET", "journal?requests=2")
            running.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(running.wait(), 20) == 0
            assert isinstance((await asyncio.gather(hanging, return_exceptions=True))[0], Exception)
        assert ready["pid"] == running.pid
