"""Everything that may befall a plan, as far as the stated assumption holds, and how it is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.sandbox.faults import AFTER_COMMIT, BEFORE_COMMIT
from tests.simulation import faults
from tests.simulation.kinds import KINDS
from tests.simulation.plan import Trouble
from tests.simulation.warehouse import OPENBOM, PARTIUM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from tests.simulation.faults import VendorFault
    from tests.simulation.kinds import Kind
    from tests.simulation.plan import Submit

Options = dict[str, Any]

#: Longer than a lease, so that others take over what a frozen worker holds; and well below.
FREEZES_SECONDS: Final = (2.0, 14.0, 20.0, 40.0)
#: The store's clock only steps back: a step ahead is a stated limit of the limiter.
STORE_STEPS_MS: Final = (-500, -5_000, -60_000)
VENDOR_STEPS_MS: Final = (-3_600_000, -1_000, 1_000, 3_600_000)
#: How many steps of its coroutines a worker makes before it dies: a command has some hundred.
MOST_STEPS: Final = 300
#: Requests that one switch hits, and fitting ones that pass before.
HITS: Final = (1, 1, 1, 2, 3)
SKIPPED: Final = (0, 0, 0, 1, 2)
#: A trouble strikes so much before or behind a submission, when its command is under way.
AROUND_MS: Final = (-1_500, 2_500)
#: Or when everything is long in doubt, paused or over.
LATER_MS: Final = 60_000
LATER_SHARE: Final = 0.1

#: What a command of a kind may become.
_BECOMES: Final = {
    "order.receive": ("order.receive_line",),
    "part.upsert": ("part.create", "part.update"),
    "cad.import_part": ("catalog.upsert_part",),
    "catalog.upsert_part": ("part.create", "part.update", "catalog.set_property"),
}
_GROUPS: Final = (faults.UNCLEAR, faults.REFUSING, faults.CLOSED, faults.MEDDLING, faults.AT_READS)
_GROUP_WEIGHTS: Final = (10, 2, 3, 2, 4)


class Troublemaker:
    """Draws what goes wrong in one plan: each around one of its submissions."""

    def __init__(self, random: Random, processes: int, submits: Sequence[Submit]) -> None:
        self._random = random
        self._processes = processes
        self._submits = submits
        vendors = {submit.vendor for submit in submits}
        self._ways: dict[str, tuple[int, Callable[[Submit], Options]]] = {
            "vendor_fault": (22, self._vendor_fault),
            "kill": (6, self._kill),
            "freeze": (3, self._freeze),
            "stop": (2, lambda _: self._process()),
            "store_cut": (3, self._cut),
            "store_away": (1, lambda _: {"seconds": random.choice((0.5, 3.0, 20.0))}),
            "store_restart": (2, lambda _: {}),
            "store_clock": (1, lambda _: {"step_ms": random.choice(STORE_STEPS_MS)}),
            "hints_lost": (1, lambda submit: {"vendor": submit.vendor}),
            "hints_doubled": (1, lambda submit: {"vendor": submit.vendor}),
            "maintenance": (1 if PARTIUM in vendors else 0, lambda _: {"seconds": random.choice((3.0, 30.0))}),
            "tokens_expired": (1 if OPENBOM in vendors else 0, lambda _: {}),
            "second_writer": (2, self._second_writer),
            "vendor_clock": (1, self._vendor_clock),
        }

    def draw(self) -> Trouble:
        """Draw one."""
        submit = self._random.choice(self._submits)
        names = list(self._ways)
        (what,) = self._random.choices(names, [weight for weight, _ in self._ways.values()])
        later = LATER_MS if self._random.random() < LATER_SHARE else 0
        at_ms = max(0, submit.at_ms + self._random.randint(*AROUND_MS) + later)
        return Trouble(at_ms, what, self._ways[what][1](submit))

    def _vendor_fault(self, submit: Submit) -> Options:
        while True:
            kind = self._random.choice(_family(submit.kind))
            (group,) = self._random.choices(_GROUPS, _GROUP_WEIGHTS)
            fitting = [fault for fault in group if fault.operations(kind.vendor, kind.operation)]
            if fitting:
                break
        # first what goes wrong, then in which of its ways: some have many
        name = self._random.choice(sorted({fault.kind for fault in fitting}))
        fault: VendorFault = self._random.choice([fault for fault in fitting if fault.kind == name])
        operation = self._random.choice(fault.operations(kind.vendor, kind.operation))
        hits = {"count": self._random.choice(HITS), "skip": self._random.choice(SKIPPED)}
        return {"vendor": kind.vendor, "kind": name, "operation": operation, **hits, **fault.options}

    def _second_writer(self, submit: Submit) -> Options:
        writing = [kind for kind in _family(submit.kind) if kind.operation] or [KINDS["stock.move"]]
        kind = self._random.choice(writing)
        place = self._random.choice((BEFORE_COMMIT, AFTER_COMMIT))
        return {"vendor": kind.vendor, "operation": kind.operation, "place": place}

    def _kill(self, _: Submit) -> Options:
        return {**self._process(), "after_steps": self._random.randint(0, MOST_STEPS)}

    def _freeze(self, _: Submit) -> Options:
        return {**self._process(), "seconds": self._random.choice(FREEZES_SECONDS)}

    def _cut(self, _: Submit) -> Options:
        when = self._random.choice(("before", "after"))
        return {**self._process(), "when": when, "calls": self._random.randint(1, 4)}

    def _vendor_clock(self, submit: Submit) -> Options:
        return {"vendor": submit.vendor, "step_ms": self._random.choice(VENDOR_STEPS_MS)}

    def _process(self) -> Options:
        return {"process": self._random.randrange(self._processes)}


def _family(name: str) -> list[Kind]:
    return [KINDS[name], *(KINDS[child] for child in _BECOMES.get(name, ()))]
