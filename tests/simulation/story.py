"""A play in plain words: what was asked for, what went wrong meanwhile, what the vendors got, and what is wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.checker.judge import judge
from tests.simulation.examine import OF_A_RUN, STUCK
from tests.simulation.expect import command_of
from tests.simulation.names import named
from tests.simulation.plan import START_MS, Submit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.checker.evidence import Told, VendorBooks
    from tests.simulation.plan import Event, Plan, Trouble
    from tests.simulation.world import Played

#: What is told of the fields of a trouble is all of it; these two make its sentence.
_SAID = ("vendor", "process")
_MILLISECONDS = 1000


def story(plan: Plan, played: Played) -> str:
    """Tell a play, one thing a line, in the order of the virtual clock; times are minutes and seconds."""
    asked = [f"{_clock(event.at_ms)}  {_told(event)}" for event in plan.events]
    got = [line for _, line in sorted(line for books in played.evidence.books.values() for line in _got(books))]
    ended = [line for ledger in played.evidence.told.values() for line in _lives(ledger)]
    parts = {
        f"Seed {plan.seed}, {_count(len(plan.submits), 'submission')}, {_count(len(plan.troubles), 'trouble')}, "
        f"{_count(plan.processes, 'worker')}. What happened:": asked,
        "What the vendors got:": got,
        "What the ledgers tell of each command:": ended,
        "What is wrong:": list(_wrongs(played)) or ["nothing"],
    }
    return named(
        "\n".join(line for title, lines in parts.items() for line in (title, *(f"  {each}" for each in lines)))
    )


def _told(event: Event) -> str:
    if isinstance(event, Submit):
        again = "again " if event.event_ms != event.at_ms else ""
        fields = " ".join(f"{name}={_text(value)}" for name, value in event.fields.items())
        return f"{event.source} submits {again}{event.kind} {command_of(event).key()}: {fields}"
    return _trouble(event)


def _trouble(trouble: Trouble) -> str:
    options = {name: value for name, value in trouble.options.items() if name not in _SAID}
    where = f"at {trouble.options['vendor']} " if "vendor" in trouble.options else ""
    where += f"worker {trouble.options['process']} " if "process" in trouble.options else ""
    said = ", ".join(f"{name} {_text(value)}" for name, value in options.items())
    return f"** {where}{trouble.what.replace('_', ' ')}" + (f" ({said})" if said else "")


def _got(books: VendorBooks) -> Iterator[tuple[tuple[int, str, int], str]]:
    """List requests and effects; each with what it is sorted by."""
    for request in books.journal["requests"]:
        at_ms = request["arrived_ms"] - START_MS
        what = f"{request['operation']} of {', '.join(request['subjects']) or '-'} {request['marker'] or ''}".rstrip()
        faults = f" [{', '.join(request['faults'])}]" if request["faults"] else ""
        left = ", and nobody waited for it" if request["client_left"] else ""
        line = f"{_clock(at_ms)}  {books.vendor} is asked {what}{faults}: {request['outcome']}{left}"
        yield (at_ms, books.vendor, request["seq"]), line
    for effect in books.journal["effects"]:
        at_ms = effect["committed_ms"] - START_MS
        who = effect["user"] if effect["foreign"] else "we"
        what = f"{effect['operation']} of {', '.join(effect['subjects'])} {effect['marker'] or ''}".rstrip()
        yield (at_ms, books.vendor, effect["seq"]), f"{_clock(at_ms)}  {books.vendor} has: {who} did {what}"


def _lives(ledger: Told) -> Iterator[str]:
    """Tell each command's steps, in the order of the commands' acceptance."""
    steps: dict[str, list[str]] = {}
    for step in ledger.steps:
        steps.setdefault(step.key, []).append(step.state + (f" ({step.reason})" if step.reason else ""))
    for entry in ledger.entries:
        attempts = _count(entry.attempts, "attempt")
        yield f"{entry.kind} {entry.key}: {', '.join(steps.get(entry.key, [entry.state]))}; {attempts}"


def _wrongs(played: Played) -> Iterator[str]:
    for name, found in judge(played.evidence, must_fire=False).wrongs().items():
        if name != OF_A_RUN:
            yield from (f"{name.replace('_', ' ')}: {each}" for each in found)
    yield from (f"{STUCK}: {each}" for each in played.stuck)


def _clock(at_ms: int) -> str:
    sign, at_ms = ("-" if at_ms < 0 else ""), abs(at_ms)
    minutes, rest = divmod(at_ms, 60 * _MILLISECONDS)
    return f"{sign}{minutes:02}:{rest / _MILLISECONDS:06.3f}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
