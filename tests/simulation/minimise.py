"""The smallest plan that still fails: fewer events first, then simpler ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from tests.simulation.plan import Plan, Submit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.plan import Event

#: Plays that may be spent; a plan costs some hundredths of a second.
MOST_PLAYS: Final = 400
#: Between two submissions of a plan made simpler.
EVEN_GAP_MS: Final = 1_000
#: Of a trouble's numbers, simpler ones to try.
_SIMPLER: Final = {"count": (1,), "skip": (0,), "calls": (1,), "process": (0,), "seconds": (1.0, 20.0)}


class _Budget:
    """Asks whether a plan fails, until the plays are spent."""

    def __init__(self, fails: Callable[[Plan], bool], plays: int) -> None:
        self._fails = fails
        self.left = plays

    def fails(self, plan: Plan) -> bool:
        if not self.left:
            return False
        self.left -= 1
        return self._fails(plan)


def minimise(plan: Plan, fails: Callable[[Plan], bool], plays: int = MOST_PLAYS) -> Plan:
    """Give a plan that fails too and of which nothing can be left out, as far as `plays` reach."""
    budget = _Budget(fails, plays)
    plan = _fewer_events(plan, budget)
    for simpler in (_one_process, _even_times, _simpler_options, _fewer_pieces):
        plan = simpler(plan, budget)
    return _fewer_events(plan, budget)


def _fewer_events(plan: Plan, budget: _Budget) -> Plan:
    """Leave out ever smaller portions (Zeller and Hildebrandt: ddmin, on complements)."""
    portion = max(len(plan.events) // 2, 1)
    while budget.left:
        shorter = next((less for less in _without(plan, portion) if budget.fails(less)), None)
        if shorter is not None:
            plan, portion = shorter, min(portion, max(len(shorter.events) // 2, 1))
        elif portion == 1:
            break
        else:
            portion //= 2
    return plan


def _without(plan: Plan, portion: int) -> Iterator[Plan]:
    events = plan.events
    for start in range(0, len(events), portion):
        left = events[:start] + events[start + portion :]
        if any(isinstance(event, Submit) for event in left):
            yield replace(plan, events=left)


def _one_process(plan: Plan, budget: _Budget) -> Plan:
    for processes in range(1, plan.processes):
        events = tuple(_at_most(event, processes) for event in plan.events)
        fewer = replace(plan, processes=processes, events=events)
        if budget.fails(fewer):
            return fewer
    return plan


def _at_most(event: Event, processes: int) -> Event:
    if isinstance(event, Submit) or "process" not in event.options:
        return event
    return replace(event, options={**event.options, "process": event.options["process"] % processes})


def _even_times(plan: Plan, budget: _Budget) -> Plan:
    """Let the events come one a second, in their order."""
    moments = {event.at_ms: EVEN_GAP_MS * (number + 1) for number, event in enumerate(plan.events)}
    even = replace(plan, events=tuple(_moved(event, moments) for event in plan.events))
    return even if budget.fails(even) else plan


def _moved(event: Event, moments: dict[int, int]) -> Event:
    if isinstance(event, Submit):
        return replace(event, at_ms=moments[event.at_ms], event_ms=moments.get(event.event_ms, event.event_ms))
    return replace(event, at_ms=moments[event.at_ms])


def _simpler_options(plan: Plan, budget: _Budget) -> Plan:
    for place in range(len(plan.events)):
        for name in _SIMPLER:
            plan = _simpler(plan, place, name, budget)
    return plan


def _simpler(plan: Plan, place: int, name: str, budget: _Budget) -> Plan:
    event = plan.events[place]
    if isinstance(event, Submit) or name not in event.options:
        return plan
    for value in _SIMPLER[name]:
        if event.options[name] == value:
            break
        simpler = replace(event, options={**event.options, name: value})
        changed = replace(plan, events=(*plan.events[:place], simpler, *plan.events[place + 1 :]))
        if budget.fails(changed):
            return changed
    return plan


def _fewer_pieces(plan: Plan, budget: _Budget) -> Plan:
    """Let every movement be of one piece."""
    events = tuple(
        replace(event, fields={**event.fields, "quantity": 1})
        if isinstance(event, Submit) and "quantity" in event.fields
        else event
        for event in plan.events
    )
    single = replace(plan, events=events)
    return single if budget.fails(single) else plan
