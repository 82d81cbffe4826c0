"""The decisions after a failure, a pause and a look-up, as the pure functions they are."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import hypothesis.strategies as st
import pytest
from hypothesis import given

from tasks.lookup import Absent, Landed, Proof, Undecidable, Why
from tasks.ports import StockEntry
from tasks.records import State
from workers import retries
from workers.retries import (
    FIRST_LOOK_SECONDS,
    Again,
    Budgets,
    End,
    LookAgain,
    SendAgain,
    after_block,
    after_failed_look,
    after_failure,
    next_look,
)

if TYPE_CHECKING:
    from tasks.lookup import Finding

BUDGETS = Budgets(attempts=5, waits=7, failed_looks=4, first_backoff_seconds=2.0, longest_backoff_seconds=10.0)


def after_look(
    finding: Finding, elapsed: float, settle: float, refusal: str | None, attempts: int = 1, *, confirmed: bool = False
) -> LookAgain | SendAgain | End:
    return retries.after_look(
        finding, elapsed, settle, refusal, confirmed=confirmed, attempts=attempts, budgets=BUDGETS
    )


ENTRIES = (StockEntry("part", 1, 5),)
UNDECIDED = [Undecidable(why, ENTRIES) for why in Why if why is not Why.INCOMPLETE]
INCOMPLETE = Undecidable(Why.INCOMPLETE, ENTRIES)


@pytest.mark.parametrize(("attempts", "ceiling"), [(1, 2.0), (2, 4.0), (3, 8.0), (4, 10.0)])
@given(seed=st.integers())
def test_a_failure_is_tried_again_after_a_growing_time_and_spends_an_attempt(
    attempts: int, ceiling: float, seed: int
) -> None:
    decision = after_failure(attempts, "no connection", BUDGETS, Random(seed))
    assert isinstance(decision, Again)
    assert decision.spent
    assert ceiling / 2 <= decision.seconds <= ceiling


@pytest.mark.parametrize("attempts", [5, 6])
def test_the_last_attempt_ends_rejected_with_the_last_reason(attempts: int) -> None:
    assert after_failure(attempts, "no connection", BUDGETS, Random(1)) == End(
        State.REJECTED, f"not applied: {attempts} attempts failed, the last with: no connection"
    )


def test_a_huge_count_does_not_overflow() -> None:
    endless = Budgets(attempts=10**9)
    assert isinstance(after_failure(10**6, "x", endless, Random(1)), Again)


def test_two_commands_that_fail_together_do_not_return_together() -> None:
    chance = Random(1)
    assert len({str(after_failure(3, "x", BUDGETS, chance)) for _ in range(10)}) == 10


def test_the_default_attempts_take_about_a_quarter_of_an_hour() -> None:
    decisions = [after_failure(attempts, "x", Budgets(), Random(attempts)) for attempts in range(1, Budgets().attempts)]
    assert 10 * 60 < sum(decision.seconds for decision in decisions if isinstance(decision, Again)) < 20 * 60


@given(st.floats(0, 100_000), st.integers())
def test_a_block_waits_as_long_as_the_vendor_said_and_spends_nothing(pause_seconds: float, seed: int) -> None:
    decision = after_block(0, pause_seconds, "429", BUDGETS, Random(seed))
    assert isinstance(decision, Again)
    assert not decision.spent
    assert pause_seconds <= decision.seconds <= pause_seconds + 1


def test_endless_waiting_is_held_for_a_person() -> None:
    assert isinstance(after_block(6, 1.0, "429", BUDGETS, Random(1)), Again)
    assert after_block(7, 1.0, "429", BUDGETS, Random(1)) == End(State.HELD, "turned away 7 times, the last with: 429")


def test_a_look_up_without_an_answer_decides_nothing_until_a_person_must() -> None:
    for failed in (1, 2, 3):
        decision = after_failed_look(failed, "timeout", BUDGETS, Random(1))
        assert isinstance(decision, LookAgain)
        assert 1.0 <= decision.seconds <= 10.0
    assert after_failed_look(4, "timeout", BUDGETS, Random(1)) == End(
        State.HELD, "outcome unknown: 4 look-ups got no answer, the last with: timeout"
    )


@given(st.floats(0.001, 600))
def test_the_looks_grow_apart_and_the_last_one_is_when_the_settle_time_is_over(settle_seconds: float) -> None:
    elapsed, gaps = 0.0, []
    while (gap := next_look(elapsed, settle_seconds)) > 0:
        gaps.append(gap)
        elapsed += gap
        assert len(gaps) < 30
    assert elapsed == pytest.approx(settle_seconds)
    assert gaps[0] == pytest.approx(min(FIRST_LOOK_SECONDS, settle_seconds))
    assert gaps[:-1] == sorted(gaps[:-1])


def test_after_the_settle_time_the_next_look_is_now() -> None:
    assert next_look(61.0, 60.0) == 0.0


@pytest.mark.parametrize("elapsed", [0.0, 59.9, 60.0, 1e6])
@pytest.mark.parametrize("refusal", [None, "not ordered"])
def test_what_is_found_is_applied_at_any_time_whatever_a_repeat_was_told(elapsed: float, refusal: str | None) -> None:
    found = Landed(ENTRIES)

    assert after_look(found, elapsed, 60.0, refusal) == End(State.APPLIED, "found at the vendor", found)


def test_what_may_have_been_there_before_is_applied_when_nothing_can_arrive_any_more() -> None:
    found = Landed(ENTRIES, maybe_before=True)

    assert after_look(found, 60.0, 60.0, "not ordered") == End(State.APPLIED, "found at the vendor", found)


@pytest.mark.parametrize("finding", [Absent(), INCOMPLETE, Landed(ENTRIES, maybe_before=True), *UNDECIDED])
@given(elapsed=st.floats(0, 59.99), refusal=st.sampled_from([None, "not ordered"]))
def test_nothing_but_a_find_ends_doubt_before_the_settle_time(
    finding: Finding, elapsed: float, refusal: str | None
) -> None:
    decision = after_look(finding, elapsed, 60.0, refusal)
    assert isinstance(decision, LookAgain)
    assert 0 < decision.seconds <= 60.0 - elapsed


@pytest.mark.parametrize("elapsed", [60.0, 1e6])
def test_absent_when_the_settle_time_is_over_is_sent_again(elapsed: float) -> None:
    assert after_look(Absent(), elapsed, 60.0, None) == SendAgain()


def test_a_write_whose_every_send_was_lost_does_not_block_its_lane_for_ever() -> None:
    assert after_look(Absent(), 60.0, 60.0, None, attempts=4) == SendAgain()
    assert after_look(Absent(), 60.0, 60.0, None, attempts=5) == End(
        State.REJECTED, "not applied: 5 sends were lost, each proved absent"
    )


def test_a_refused_repeat_of_an_absent_write_ends_with_the_refusal() -> None:
    assert after_look(Absent(), 60.0, 60.0, "not ordered") == End(State.REJECTED, "not ordered")


@pytest.mark.parametrize("finding", [Absent(), *UNDECIDED, INCOMPLETE], ids=lambda finding: repr(finding)[:40])
def test_a_confirmed_write_that_never_shows_is_held_and_never_sent_again(finding: Finding) -> None:
    why = finding.why.value if isinstance(finding, Undecidable) else "the record is as it was"
    assert isinstance(after_look(finding, 59.9, 60.0, None, confirmed=True), LookAgain)
    ended = after_look(finding, 60.0, 60.0, None, confirmed=True)
    assert isinstance(ended, End)
    assert (ended.state, ended.reason) == (State.HELD, f"the vendor confirmed it, but {why}")


def test_a_confirmed_write_that_shows_late_is_applied() -> None:
    found = Landed(ENTRIES, Proof.STATE)
    assert after_look(found, 5.0, 60.0, None, confirmed=True) == End(State.APPLIED, "found at the vendor", found)


def test_the_rest_of_a_write_that_landed_in_part_is_sent() -> None:
    assert after_look(INCOMPLETE, 60.0, 60.0, None, attempts=4) == SendAgain()


@pytest.mark.parametrize(("refusal", "attempts"), [("conflict", 1), (None, 5)])
def test_a_write_that_stays_there_in_part_is_held(refusal: str | None, attempts: int) -> None:
    """Rejected would say that nothing of it was done."""
    assert after_look(INCOMPLETE, 60.0, 60.0, refusal, attempts=attempts) == End(
        State.HELD, "outcome unknown: only a part of it is there", INCOMPLETE
    )


@pytest.mark.parametrize("finding", UNDECIDED)
@pytest.mark.parametrize("refusal", [None, "not ordered"])
def test_what_cannot_be_decided_is_held_and_never_sent(finding: Undecidable, refusal: str | None) -> None:
    assert after_look(finding, 60.0, 60.0, refusal) == End(State.HELD, f"outcome unknown: {finding.why.value}", finding)
