"""Failing plans are made as small as they go; what is left still fails."""

from __future__ import annotations

import pytest

from tests.simulation.generate import generate
from tests.simulation.minimise import minimise
from tests.simulation.plan import Plan, Submit, Trouble


def _plan(*events: Submit | Trouble, processes: int = 3) -> Plan:
    return Plan(1, processes, events)


def _submit(at_ms: int, pieces: int = 7, *, event_ms: int | None = None) -> Submit:
    fields = {"quantity": pieces}
    return Submit(at_ms, "partsbox", "stock.add", fields, "ST-01", at_ms if event_ms is None else event_ms)


def _kill(at_ms: int, process: int = 2) -> Trouble:
    return Trouble(at_ms, "kill", {"process": process, "after_steps": 17})


def test_only_the_events_that_it_takes_are_left() -> None:
    plan = next(plan for seed in range(100) if len((plan := generate(seed)).troubles) > 3)
    submit, trouble = plan.submits[len(plan.submits) // 2], plan.troubles[1]

    def fails(tried: Plan) -> bool:
        kinds = {event.kind for event in tried.submits}
        return submit.kind in kinds and trouble.what in {event.what for event in tried.troubles}

    smallest = minimise(plan, fails)
    assert [event.kind for event in smallest.submits] == [submit.kind]
    assert [event.what for event in smallest.troubles] == [trouble.what]


def test_events_that_only_fail_together_stay_together() -> None:
    plan = _plan(*(_submit(at_ms) for at_ms in range(40)))

    def fails(tried: Plan) -> bool:
        moments = {event.event_ms for event in tried.submits}
        return {3, 17, 38} <= moments

    assert [event.event_ms for event in minimise(plan, fails).submits] == [3, 17, 38]


def test_what_is_left_is_made_simpler() -> None:
    plan = _plan(_submit(12_345), Trouble(12_400, "store_cut", {"process": 2, "when": "after", "calls": 4}))
    smallest = minimise(plan, lambda tried: bool(tried.troubles))
    (cut,) = smallest.troubles
    (submit,) = smallest.submits
    assert smallest.processes == 1
    assert (submit.at_ms, submit.fields, cut.at_ms) == (1_000, {"quantity": 1}, 2_000)
    assert cut.options == {"process": 0, "when": "after", "calls": 1}


def test_an_event_submitted_again_stays_the_same_event() -> None:
    plan = _plan(_submit(300), _submit(900, event_ms=300), _kill(950))
    smallest = minimise(plan, lambda tried: len(tried.submits) == 2)
    first, again = smallest.submits
    assert (again.event_ms, again.body) == (first.event_ms, first.body)


def test_a_simpler_value_that_does_not_fail_is_not_taken() -> None:
    plan = _plan(_submit(300, 7), _kill(400, 2))
    smallest = minimise(plan, lambda tried: any(event.fields["quantity"] == 7 for event in tried.submits))
    assert smallest.submits[0].fields == {"quantity": 7}


@pytest.mark.parametrize("plays", [0, 1, 25], ids=["none", "one", "some"])
def test_no_more_plays_are_spent_than_given(plays: int) -> None:
    spent = 0

    def fails(tried: Plan) -> bool:
        nonlocal spent
        spent += 1
        return len(tried.submits) > 3

    smallest = minimise(_plan(*(_submit(at_ms) for at_ms in range(60))), fails, plays)
    assert spent <= plays
    assert len(smallest.submits) > 3
