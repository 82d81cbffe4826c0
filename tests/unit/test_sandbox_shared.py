"""What all sandboxes share: fault switches, commits that go wrong, the journal, the clock, and live settings."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.sandbox.changes import Changes
from tests.sandbox.clock import Clock
from tests.sandbox.commits import commit_with
from tests.sandbox.faults import CHOICES, COMMIT, KINDS, OUTCOME, Faults, Kind
from tests.sandbox.journal import Effect, Journal, RequestRecord
from tests.sandbox.partium import API_KEY, PartiumSandbox
from tests.sandbox.probe import Probe
from tests.sandbox.wire import RefusedError

OPERATIONS = {"thing/set": True, "thing/get": False}


class Seconds:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def switches(clock: Seconds) -> Faults:
    kinds = {**KINDS, "named": Kind(COMMIT, {"id": ""}, about="id"), "away": Kind(OUTCOME, writes_only=True)}
    return Faults(OPERATIONS, kinds, CHOICES, clock)


@pytest.fixture
def journal() -> Journal[Effect]:
    return Journal(Changes(), lambda: 7)


def hit(switches: Faults, operation: str = "thing/set", text: str = "") -> list[str]:
    return switches.draw(operation, text).kinds


def test_a_fault_can_last_for_a_window_of_time(switches: Faults, clock: Seconds) -> None:
    switches.add("hang", count=None, lasting_seconds=5)
    assert [hit(switches), hit(switches)] == [["hang"], ["hang"]]
    clock.now += 4.9
    assert hit(switches) == ["hang"]
    clock.now += 0.1
    assert hit(switches) == []


def test_a_window_lets_its_count_end_first(switches: Faults) -> None:
    switches.add("hang", count=1, lasting_seconds=5)
    assert [hit(switches), hit(switches)] == [["hang"], []]


def test_requests_after_the_window_are_not_counted(switches: Faults, clock: Seconds) -> None:
    fault = switches.add("hang", count=None, lasting_seconds=1)
    hit(switches)
    clock.now += 1
    hit(switches)
    assert fault.fired == 1


def test_a_fault_about_one_id_hits_only_requests_with_exactly_that_id(switches: Faults) -> None:
    switches.add("named", count=None, id="P-1")
    assert [hit(switches, text='["P-1"]'), hit(switches, text='["P-10"]'), hit(switches)] == [["named"], [], []]


def test_a_fault_about_no_id_hits_any_request(switches: Faults) -> None:
    switches.add("named")
    assert hit(switches) == ["named"]


def test_what_changes_writes_leaves_reads_alone(switches: Faults) -> None:
    for kind in ("duplicate_commit", "away"):
        switches.add(kind)
    assert hit(switches, "thing/get") == []
    assert hit(switches) == ["duplicate_commit", "away"]


def test_a_read_can_meet_what_is_not_for_writes_only(switches: Faults) -> None:
    switches.add("hang")
    assert hit(switches, "thing/get") == ["hang"]


@pytest.mark.parametrize("kind", ["duplicate_commit", "away"])
def test_a_write_fault_cannot_be_set_for_a_read(switches: Faults, kind: str) -> None:
    with pytest.raises(ValueError, match="cannot hit thing/get"):
        switches.add(kind, "thing/get")


def test_a_switch_shows_what_was_set_and_how_often_it_fired(switches: Faults) -> None:
    switches.add("status", "thing/set", status=503, match="x")
    hit(switches, text="x")
    (told,) = (fault.describe() for fault in switches.switches)
    assert (told["kind"], told["operation"], told["match"], told["fired"]) == ("status", "thing/set", "x", 1)
    assert told["options"]["status"] == 503
    assert "rule" not in told


@pytest.mark.parametrize(
    ("kind", "commits"),
    [("accept_then_drop", True), ("late_commit", True), ("drop_before", False), ("redirect", False)],
)
def test_an_outcome_commits_or_not(switches: Faults, kind: str, *, commits: bool) -> None:
    assert switches.add(kind).commits is commits


@pytest.mark.parametrize("commit", [False, True])
def test_an_option_decides_whether_an_outcome_commits(switches: Faults, *, commit: bool) -> None:
    assert switches.add("status", commit=commit).commits is commit


class Books:
    """Commits, and what happened in which order."""

    def __init__(self, refuse_from: int = 99) -> None:
        self.done: list[str] = []
        self._refuse_from = refuse_from

    def commit(self) -> int:
        return self._write("ours")

    def colleague(self, user: str) -> None:
        self._write(user)

    def _write(self, who: str) -> int:
        if len(self.done) >= self._refuse_from:
            raise RefusedError("conflict", "no more")
        self.done.append(who)
        return len(self.done)


def record() -> RequestRecord:
    return RequestRecord(1, 0, "thing/set", "POST")


@pytest.mark.parametrize(
    ("kind", "options", "done", "answer"),
    [
        (None, {}, ["ours"], 1),
        ("duplicate_commit", {}, ["ours", "ours"], 1),
        ("second_writer", {"place": "before_commit"}, ["colleague", "ours"], 2),
        ("second_writer", {"place": "after_commit", "user": "anna"}, ["ours", "anna"], 1),
        ("named", {}, ["ours"], 1),
    ],
)
def test_a_commit_happens_once_twice_or_beside_someone(
    switches: Faults, kind: str | None, options: dict[str, Any], done: list[str], answer: int
) -> None:
    books = Books()
    fault = switches.add(kind, **options) if kind else None
    assert commit_with(fault, books.commit, books.colleague, record()) == answer
    assert books.done == done


@pytest.mark.parametrize(
    ("kind", "note"),
    [("duplicate_commit", "the second commit was refused"), ("second_writer", "the second writer was refused")],
)
def test_what_the_vendor_refuses_beside_the_commit_is_noted_and_does_no_harm(
    switches: Faults, kind: str, note: str
) -> None:
    noted = record()
    books = Books(refuse_from=1)
    assert commit_with(switches.add(kind), books.commit, books.colleague, noted) == 1
    assert (noted.faults, books.done) == ([note], ["ours"])


def test_a_refused_commit_is_refused_to_the_client(switches: Faults) -> None:
    books = Books(refuse_from=0)
    with pytest.raises(RefusedError):
        commit_with(switches.add("duplicate_commit"), books.commit, books.colleague, record())


def test_the_journal_numbers_and_dates_effects_and_tells_them_to_their_request(journal: Journal[Effect]) -> None:
    request = journal.arrived("thing/set", "POST")
    for subject in ("a", "b"):
        journal.enter(Effect(operation="thing/set", user="us", subjects=(subject,)), request)
    foreign = journal.enter(Effect(operation="thing/set", user="anna", subjects=("a", "c"), foreign=True), None)
    assert (foreign.seq, foreign.committed_ms, foreign.request_seq, request.effects) == (3, 7, None, [1, 2])
    assert [effect.seq for effect in journal.effects_on("a")] == [1, 3]
    assert [effect.seq for effect in journal.own_effects()] == [1, 2]


def test_own_effects_can_be_asked_for_by_marker(journal: Journal[Effect]) -> None:
    for marker in ("k1", None, "k2"):
        journal.enter(Effect(operation="thing/set", user="us", marker=marker), None)
    assert [effect.seq for effect in journal.own_effects("k2")] == [3]


def test_a_clock_can_be_stepped_back() -> None:
    clock = Clock(lambda: 1000)
    clock.offset_ms = -400
    assert clock.now_ms() == 600


@pytest.fixture
async def sandbox() -> AsyncIterator[PartiumSandbox]:
    async with PartiumSandbox.running(seed_fixture="warehouse") as running:
        yield running


@pytest.fixture
async def control(sandbox: PartiumSandbox) -> AsyncIterator[Callable[..., Any]]:
    async with Probe.to(sandbox.root_url + "/_sandbox") as probe:
        yield probe.post


async def test_limits_and_latencies_can_be_changed_while_the_vendor_runs(
    sandbox: PartiumSandbox, control: Callable[..., Any]
) -> None:
    told = (await control("settings", {"rate_per_second": 3.0, "burst": 4, "write_latency_seconds": [0.1, 0.2]})).json
    rules = sandbox.limits.rules
    assert (rules.rate_per_second, rules.burst, rules.concurrency) == (3, 4, None)
    assert (sandbox.write_latency_seconds, sandbox.read_latency_seconds) == ((0.1, 0.2), (0.005, 0.005))
    assert (told["burst"], told["write_latency_seconds"]) == (4, [0.1, 0.2])


async def test_a_setting_that_does_not_exist_is_refused(sandbox: PartiumSandbox, control: Callable[..., Any]) -> None:
    assert (await control("settings", {"speed": 3})).status == 400
    assert sandbox.limits.rules.rate_per_second is None


async def test_the_journal_is_dated_by_the_clock_that_is_stepped(
    sandbox: PartiumSandbox, control: Callable[..., Any]
) -> None:
    async with Probe.to(sandbox.url, {"Authorization": f"Bearer {API_KEY}"}) as vendor:
        for offset_ms in (0, -3_600_000):
            await control("clock", {"offset_ms": offset_ms})
            await vendor.send("DELETE", "1/catalog/parts", json=["P-1001" if offset_ms else "P-1002"])
    first, second = sandbox.journal.effects
    assert second.committed_ms < first.committed_ms
