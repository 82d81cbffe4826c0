"""Everything that may befall a plan, as far as the stated assumption holds, and how it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.sandbox.faults import AFTER_COMMIT, BEFORE_COMMIT
from tests.simulation import faults
from tests.simulation.kinds import KINDS
from tests.simulation.plan import TROUBLES, Trouble
from tests.simulation.warehouse import OPENBOM, PARTIUM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.simulation.faults import VendorFault
    from tests.simulation.kinds import Kind
    from tests.simulation.plan import Submit

Options = dict[str, Any]

#: Requests that one switch hits, and fitting ones that pass before.
HITS: Final = (1, 1, 1, 2, 3)
SKIPPED: Final = (0, 0, 0, 1, 2)
#: A trouble strikes so much before or behind a submission, when its command is under way.
AROUND_MS: Final = (-1_500, 2_500)
#: What waits for a request must be there before it.
BEFORE_MS: Final = (-1_500, 0)
#: Or when everything is long in doubt, paused or over.
LATER_MS: Final = 60_000
LATER_SHARE: Final = 0.1

_CHOICES: Final[dict[str, dict[str, Sequence[Any]]]] = {
    # a command has some hundred steps, most of them soon
    "kill": {"after_steps": (*range(100), *range(100, 300, 4))},
    # longer than a lease, so that others take over what a frozen worker holds; and shorter
    "freeze": {"seconds": (2.0, 14.0, 20.0, 40.0)},
    "store_cut": {"when": ("before", "after"), "calls": range(1, 5)},
    "store_away": {"seconds": (0.5, 3.0, 20.0)},
    # only back: a step ahead is a stated limit of the limiter
    "store_clock": {"step_ms": (-500, -5_000, -60_000)},
    "maintenance": {"seconds": (3.0, 30.0)},
    "vendor_clock": {"step_ms": (-3_600_000, -1_000, 1_000, 3_600_000)},
}
_OF_VENDORS: Final = {"maintenance": PARTIUM, "tokens_expired": OPENBOM}
#: What a command of a kind may become.
_BECOMES: Final = {
    "order.receive": ("order.receive_line",),
    "part.upsert": ("part.create", "part.update"),
    "cad.import_part": ("catalog.upsert_part",),
    "catalog.upsert_part": ("part.create", "part.update", "catalog.set_property"),
}


#: How often each is drawn; of Partium's and OpenBOM's own only where they are asked for something.
WEIGHTS: Final = {
    "vendor_fault": 22,
    "second_writer": 2,
    "kill": 6,
    "freeze": 3,
    "stop": 2,
    "store_cut": 3,
    "store_restart": 2,
    "store_away": 1,
    "store_clock": 1,
    "hints_lost": 1,
    "hints_doubled": 1,
    "maintenance": 1,
    "tokens_expired": 1,
    "vendor_clock": 1,
}


class Troublemaker:
    """Draws what goes wrong in one plan: each around one of its submissions."""

    def __init__(self, random: Random, processes: int, submits: Sequence[Submit]) -> None:
        self._random = random
        self._processes = processes
        self._submits = submits
        vendors = {submit.vendor for submit in submits}
        absent = {what for what, vendor in _OF_VENDORS.items() if vendor not in vendors}
        self._weights = {what: weight for what, weight in WEIGHTS.items() if what not in absent}

    def draw(self) -> Trouble:
        """Draw one."""
        (what,) = self._random.choices(list(self._weights), list(self._weights.values()))
        if what == "vendor_fault":
            return self._vendor_fault()
        submit = self._random.choice(self._submits)
        if what == "second_writer":
            return Trouble(self._before(submit), what, self._second_writer(submit))
        later = LATER_MS if self._random.random() < LATER_SHARE else 0
        at_ms = max(0, submit.at_ms + self._random.randint(*AROUND_MS) + later)
        return Trouble(at_ms, what, self._options(what, submit))

    def _options(self, what: str, submit: Submit) -> Options:
        options = {name: self._random.choice(values) for name, values in _CHOICES.get(what, {}).items()}
        if "process" in TROUBLES[what]:
            options["process"] = self._random.randrange(self._processes)
        if "vendor" in TROUBLES[what]:
            options["vendor"] = submit.vendor
        return options

    def _vendor_fault(self) -> Trouble:
        """Draw what goes wrong first, then whom it hits: some faults can hit few."""
        while True:
            (sort,) = self._random.choices(list(faults.WEIGHTS), list(faults.WEIGHTS.values()))
            hit = [each for submit in self._submits for each in _hits(submit, sort)]
            if hit:
                break
        submit, kind, fault = self._random.choice(hit)
        operation = self._random.choice(fault.operations(kind.vendor, kind.operation))
        hits = {"count": self._random.choice(HITS), "skip": self._random.choice(SKIPPED)}
        options = {"vendor": kind.vendor, "kind": sort, "operation": operation, **hits, **fault.options}
        return Trouble(self._before(submit), "vendor_fault", options)

    def _before(self, submit: Submit) -> int:
        return max(0, submit.at_ms + self._random.randint(*BEFORE_MS))

    def _second_writer(self, submit: Submit) -> Options:
        writing = [kind for kind in _family(submit.kind) if kind.operation] or [KINDS["stock.move"]]
        kind = self._random.choice(writing)
        place = self._random.choice((BEFORE_COMMIT, AFTER_COMMIT))
        return {"vendor": kind.vendor, "operation": kind.operation, "place": place}


def _hits(submit: Submit, sort: str) -> list[tuple[Submit, Kind, VendorFault]]:
    """List the ways in which this sort of fault can hit a submission, or what becomes of it."""
    return [
        (submit, kind, fault)
        for kind in _family(submit.kind)
        for fault in faults.BY_SORT[sort]
        if fault.operations(kind.vendor, kind.operation)
    ]


def _family(name: str) -> list[Kind]:
    return [KINDS[name], *(KINDS[child] for child in _BECOMES.get(name, ()))]
