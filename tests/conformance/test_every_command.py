"""Every kind of command under every fault of its vendor ends once, held or rejected, exactly as its effect says.

The commands are the cases in `catalogue`. One fault's round plays them all at once; each test reads what became of one.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tasks.records import State
from tasks.registry import kinds
from tests.conformance.catalogue import CASES
from tests.conformance.fault_classes import CLOSED, REFUSALS, UNCLEAR, Ending, FaultClass
from tests.conformance.rounds import disturbed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.conformance.catalogue import Case
    from tests.conformance.rounds import Rounds, Seen


def test_every_kind_of_command_has_a_case() -> None:
    assert {case.kind for case in CASES.values()} == set(kinds())


def matrix(faults: Iterable[FaultClass]) -> list[Any]:
    return [pytest.param(fault, case, id=f"{fault}-{case}") for fault in faults for case in fault.cases()]


async def end_of(rounds: Rounds, fault: FaultClass, case: Case) -> Seen:
    return await rounds.seen(str(fault), partial(disturbed, fault), case)


def ending(seen: Seen) -> Ending:
    return Ending(seen.record.state, seen.effects, seen.record.attempts)


@pytest.mark.parametrize(("fault", "case"), matrix(UNCLEAR))
async def test_an_unclear_outcome_ends_applied_exactly_once(rounds: Rounds, fault: FaultClass, case: Case) -> None:
    seen = await end_of(rounds, fault, case)

    assert seen.fired == 1
    assert ending(seen) == fault.ending, str(seen)
    assert (seen.found, seen.parent) == (seen.wanted, State.APPLIED)
    assert seen.record.doubted


@pytest.mark.parametrize(("fault", "case"), matrix(REFUSALS))
async def test_a_refusal_is_a_dead_letter_with_the_vendors_words(rounds: Rounds, fault: FaultClass, case: Case) -> None:
    seen = await end_of(rounds, fault, case)

    assert ending(seen) == fault.ending, str(seen)
    assert seen.found != seen.wanted
    assert seen.dead
    assert fault.options.get("message", "Fault with") in seen.record.reason


@pytest.mark.parametrize(("fault", "case"), matrix(CLOSED))
async def test_a_closed_vendor_costs_no_attempt(rounds: Rounds, fault: FaultClass, case: Case) -> None:
    seen = await end_of(rounds, fault, case)

    assert seen.fired == fault.count
    assert ending(seen) == fault.ending, str(seen)
    assert (seen.found, seen.parent) == (seen.wanted, State.APPLIED)
    assert seen.record.waits >= 1
    assert not seen.record.doubted
