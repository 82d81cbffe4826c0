"""From a seed a plan: how many commands of which kinds, who sends them when, and what goes wrong meanwhile."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from tests.simulation.faults import ADDING_UP
from tests.simulation.hand import Hand, UsedUpError
from tests.simulation.kinds import KINDS
from tests.simulation.plan import Event, Plan, Submit, Trouble
from tests.simulation.troubles import Troublemaker

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Commands that are submitted; what becomes of them comes on top.
FEWEST, MOST = 6, 32
MOST_PROCESSES: Final = 3
SOURCES: Final = ("ST-01", "ST-02", "feed")
#: Time between two submissions: in a rush, or as people scan.
GAPS_MS: Final = ((1, 50), (1, 2_000), (200, 6_000))
#: Kinds that a plan has more of, so that they meet each other and their faults.
FAVOURITES: Final = 3
FAVOUR: Final = 8
#: This share of events is submitted again, by a sender that missed the answer.
REPEATED: Final = 0.1
LONGEST_REPEAT_MS: Final = 30_000
#: How many troubles a plan has, from calm to wild.
MOODS: Final = ((0, 0), (1, 4), (3, 8), (6, 14))
MOOD_WEIGHTS: Final = (1, 5, 6, 3)


def generate(seed: int) -> Plan:
    """Make the plan of this seed; it is the same in every process and on every machine."""
    random = Random(f"stockrelay {seed}")
    processes = random.randint(1, MOST_PROCESSES)
    submits = _submits(random)
    troubles = _troubles(random, processes, submits)
    events: list[Event] = sorted((*submits, *troubles), key=lambda event: event.at_ms)
    return Plan(seed, processes, tuple(events))


def _submits(random: Random) -> list[Submit]:
    hand = Hand(random)
    drawn = {name: kind.weight for name, kind in KINDS.items() if kind.draw is not None}
    for name in random.sample(sorted(drawn), k=FAVOURITES):
        drawn[name] *= FAVOUR
    names, weights = list(drawn), list(drawn.values())
    gap_ms = random.choice(GAPS_MS)
    found: list[Submit] = []
    at_ms = 0
    for _ in range(random.randint(FEWEST, MOST)):
        (name,) = random.choices(names, weights)
        at_ms += random.randint(*gap_ms)
        found += _event(hand, name, at_ms)
    return found


def _event(hand: Hand, name: str, at_ms: int) -> list[Submit]:
    """Draw one event of this kind, submitted once or again; nothing where its things are used up."""
    kind, source = KINDS[name], hand.choose(SOURCES)
    assert kind.draw is not None
    try:
        fields = kind.draw(hand)
    except UsedUpError:
        return []
    found = [Submit(at_ms, kind.vendor, name, fields, source, at_ms)]
    if hand.random.random() < REPEATED:
        again_ms = at_ms + hand.random.randint(0, LONGEST_REPEAT_MS)
        found.append(Submit(again_ms, kind.vendor, name, fields, source, at_ms))
    return found


def _troubles(random: Random, processes: int, submits: list[Submit]) -> list[Trouble]:
    (mood,) = random.choices(MOODS, MOOD_WEIGHTS)
    maker = Troublemaker(random, processes, submits)
    return _keeping_the_assumption(maker.draw() for _ in range(random.randint(*mood)))


def _keeping_the_assumption(troubles: Iterable[Trouble]) -> list[Trouble]:
    """Leave out the second of two faults that would add up to a later commit than is promised."""
    kept: list[Trouble] = []
    adding: dict[str, str] = {}
    for trouble in troubles:
        vendor, sort = trouble.options.get("vendor", ""), trouble.options.get("kind", "")
        if sort not in ADDING_UP or adding.setdefault(vendor, sort) == sort:
            kept.append(trouble)
    return kept
