"""One plan, played and judged; and many of them, added up."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.checker.judge import LEAST_REACHED, judge
from tests.checker.verdict import WRONGS, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.simulation.plan import Plan, Trouble
    from tests.simulation.world import Played

#: What must not be, beside the checker's: commands that never end, and a world that breaks.
STUCK, BROKEN = "stuck", "broken"
#: The checker's own rule is about a whole run; a few dozen commands may all be refused.
OF_A_RUN: Final = "trivial"
MUST_BE_0: Final = (*(name for name in WRONGS if name != OF_A_RUN), STUCK, BROKEN)
#: Plans that together must show something.
LEAST_SEEDS: Final = 50
#: A sort of trouble that is planned so often must come about; one that is planned less often may miss its request.
LEAST_PLANNED: Final = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one plan."""

    seed: int
    #: By its sort, everything that is wrong; empty where all is right.
    wrongs: dict[str, list[str]] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    #: How often each sort of trouble was planned.
    planned: Counter[str] = field(default_factory=Counter)
    virtual_seconds: float = 0.0
    #: Of this process, for making, playing and judging it.
    cpu_seconds: float = 0.0

    @property
    def commands(self) -> int:
        """Tell how many commands there were, those included that others became."""
        return sum(self.verdict.commands.values())


def examine(plan: Plan, play: Callable[[Plan], Played]) -> Outcome:
    """Play a plan and judge what is there then; a world that breaks is an outcome too."""
    began = time.process_time()
    try:
        played = play(plan)
        verdict = judge(played.evidence, must_fire=False)
    except Exception:  # noqa: BLE001  whatever it is, it is told with the seed
        return Outcome(plan.seed, wrongs={BROKEN: [traceback.format_exc()]}, cpu_seconds=time.process_time() - began)
    wrongs = {name: [str(each) for each in found] for name, found in verdict.wrongs().items() if name != OF_A_RUN}
    wrongs[STUCK] = list(played.stuck)
    found = {name: each for name, each in wrongs.items() if each}
    planned = Counter(sort_of(trouble) for trouble in plan.troubles)
    cpu_seconds = time.process_time() - began
    return Outcome(plan.seed, found, verdict, planned, played.virtual_seconds, cpu_seconds)


def sort_of(trouble: Trouble) -> str:
    """Name a trouble as the books do: of a vendor's fault its kind."""
    return str(trouble.options["kind"]) if trouble.what == "vendor_fault" else trouble.what


@dataclass(slots=True)
class Totals:
    """What came of many plans."""

    seeds: int = 0
    commands: Counter[tuple[str, str]] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    effects: Counter[str] = field(default_factory=Counter)
    #: How often each sort of wrong was found.
    wrongs: Counter[str] = field(default_factory=Counter)
    held: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: How often each sort of trouble was planned, and by vendor and sort how often it came about.
    planned: Counter[str] = field(default_factory=Counter)
    fired: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: Not wrong by themselves: see `Verdict`.
    shown: Counter[str] = field(default_factory=Counter)
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0
    failing: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count one more in."""
        verdict = outcome.verdict
        self.seeds += 1
        self.virtual_seconds += outcome.virtual_seconds
        self.cpu_seconds += outcome.cpu_seconds
        self.planned.update(outcome.planned)
        self.wrongs.update({name: len(found) for name, found in outcome.wrongs.items()})
        for name in ("commands", "requests", "effects", "held", "fired"):
            getattr(self, name).update(getattr(verdict, name))
        self.shown.update({name: len(getattr(verdict, name)) for name in ("decidable", "repeated", "vendors_own")})
        if outcome.wrongs:
            self.failing.append(outcome)

    def trivial(self) -> list[str]:
        """Say why these plans show nothing: too little was applied, or a class of faults never came about.

        That is asked of many plans only: one of them may be about a refused order.
        """
        if self.seeds < LEAST_SEEDS:
            return []
        found = []
        for vendor in sorted({vendor for vendor, _ in self.commands}):
            states = {state: count for (name, state), count in self.commands.items() if name == vendor}
            applied, asked = states.get("applied", 0), sum(states.values())
            if applied < LEAST_REACHED * asked:
                found.append(f"{vendor}: only {applied} of {asked} commands were applied")
        return found + [
            f"{kind} never came about" for kind, count in fired_kinds(self.fired.items()).items() if not count
        ]

    @property
    def is_right(self) -> bool:
        """Tell whether nothing is wrong, and something is shown by that."""
        return not self.failing and not self.trivial()


def fired_kinds(fired: Iterable[tuple[tuple[str, str], int]]) -> dict[str, int]:
    """Add up over the vendors how often each kind of fault came about."""
    found: Counter[str] = Counter()
    for (_, kind), count in fired:
        found[kind] += count
    return dict(sorted(found.items()))
