"""A dry run renders what the real worker sends: every kind of command, every request, byte by byte."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pytest

from tasks.records import State
from tasks.registry import kinds
from tests.conformance.catalogue import CASES, ROUTES
from tests.conformance.rounds import opened
from tests.integration.dry_run_harness import Wire, assumed, record
from tests.relay import consuming
from tests.sandbox.partsbox import API_USER
from workers.dry_run.assumptions import NOTHING_KNOWN, read_assumptions
from workers.dry_run.recording import Purpose
from workers.dry_run.running import DryRun, Outcome, open_dry_runner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.commands import Command
    from tests.conformance.catalogue import Case, Vendors
    from tests.conformance.rounds import Round
    from tests.conftest import SharedValkey
    from workers.dry_run.assumptions import Assumptions
    from workers.dry_run.recording import SentRequest

#: What these send depends on what the vendor has; where nobody says what that is, the dry run must say so.
DEPENDENT: Final = {
    "order.receive": "the part of order line",
    "project.update_entries": "the entries of project",
    "cad.import_part": "all that is written comes from it",
    "project.update": "its notes carry no marker",
    "part.upsert of a known name": "no part is named",
}


@dataclass(frozen=True)
class Compared:
    """One case: what the worker sent, and what was rendered with all that the vendors had, and with nothing."""

    real: Counter[Wire]
    writes: Counter[Wire]
    known: DryRun
    unknown: DryRun
    #: Rendered keys that the ledger does not know.
    strange_keys: list[str | None]


async def rendered(vendors: Vendors, command: Command, assumptions: Assumptions) -> DryRun:
    names = ("partsbox", "partium", "openbom", "partbolt")
    environ = {f"STOCKRELAY_{name.upper()}_URL": vendors.of(name).url for name in names}
    async with open_dry_runner({**environ, "STOCKRELAY_PARTSBOX_USER": API_USER}, ROUTES, assumptions) as runner:
        return await runner.run(command, command.key())


def runs(run: DryRun) -> Iterator[DryRun]:
    yield run
    for child in run.children:
        yield from runs(child)


def requests(run: DryRun) -> Iterator[SentRequest]:
    """Everything that is sent where every answer comes."""
    return (request for each in runs(run) for request in each.requests if request.purpose is not Purpose.LOOK_UP)


def wires(found: Iterator[SentRequest]) -> Counter[Wire]:
    return Counter(map(Wire.of, found))


async def compare(played: Round, case: Case, seen: list[Wire]) -> Compared:
    command = played.scenes[case].command
    known = await rendered(played.vendors, command, read_assumptions(assumed(played.vendors)))
    unknown = await rendered(played.vendors, command, NOTHING_KNOWN)
    assert seen == []
    await played.admit(case)
    ended = await played.ended(case)
    assert (ended.record.state, ended.found) == (State.APPLIED, ended.wanted), str(ended)
    real, writes = Counter(seen), Counter(wire for wire in seen if wire.changes)
    seen.clear()
    strange = [each.key for each in runs(known) if each.key is None or await played.relay.find(each.key) is None]
    return Compared(real, writes, known, unknown, strange)


@pytest.fixture
async def compared(valkey: SharedValkey, monkeypatch: pytest.MonkeyPatch) -> dict[str, Compared]:
    seen = record(monkeypatch)
    async with opened(valkey.url) as played, consuming(played.relay):
        return {case.name: await compare(played, case, seen) for case in CASES.values()}


async def test_every_kind_is_rendered_byte_by_byte_as_the_worker_sends_it(compared: dict[str, Compared]) -> None:
    """Reads before and behind the write too; with nothing known the writes all the same, or it is said why not."""
    differing = {
        name: (sorted(map(str, case.real - found)), sorted(map(str, found - case.real)))
        for name, case in compared.items()
        if (found := wires(requests(case.known))) != case.real
    }
    guessed = {name: case.unknown for name, case in compared.items() if _writes(case.unknown) != case.writes}
    told = {
        name: [text for each in runs(run) for text in (*each.supposed, *each.unknown)] for name, run in guessed.items()
    }

    assert {CASES[name].kind for name in compared} == set(kinds())
    assert [name for name, case in compared.items() if not case.writes] == []
    assert differing == {}
    assert {name: case.strange_keys for name, case in compared.items() if case.strange_keys} == {}
    assert {each.outcome for case in compared.values() for each in runs(case.known)} == {Outcome.SENT, Outcome.EXPANDED}
    assert [name for name, case in compared.items() for each in runs(case.known) if each.supposed or each.unknown] == []
    assert guessed.keys() == DEPENDENT.keys()
    assert [name for name, texts in told.items() if DEPENDENT[name] not in " ".join(texts)] == []


def _writes(run: DryRun) -> Counter[Wire]:
    return wires(request for request in requests(run) if request.changes)
