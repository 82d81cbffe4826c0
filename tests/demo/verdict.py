"""Counting: every planned booking against the vendor's journal, the lanes, the limits and the stock."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import redis
import requests

from tests.demo.scenario import Booking
from tests.sandbox.partsbox import id_for
from tests.sandbox.partsbox.fixtures import WAREHOUSE

if TYPE_CHECKING:
    from tests.demo.play import Player

PREFIX = "sr:{partsbox}:"
NAMES = {id_for("part", part["part/name"]): part["part/name"] for part in WAREHOUSE["parts"]} | {
    id_for("storage", storage["storage/name"]): storage["storage/name"] for storage in WAREHOUSE["storages"]
}


@dataclass
class Verdict:
    """What the day amounted to; everything but `applied`, `planned` and `repeats` must be empty."""

    planned: Counter[str] = field(default_factory=Counter)
    applied: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    over_limit: list[str] = field(default_factory=list)
    not_applied: list[str] = field(default_factory=list)
    wrong_stock: list[str] = field(default_factory=list)
    faults_that_never_fired: list[str] = field(default_factory=list)

    def wrongs(self) -> dict[str, list[str]]:
        """Give every count that must be 0."""
        return {name: found for name, found in vars(self).items() if isinstance(found, list)}

    @property
    def is_right(self) -> bool:
        return not any(self.wrongs().values()) and self.applied == self.planned


def judge(player: Player) -> Verdict:
    """Compare what was planned and promised with what the vendor holds."""
    control = player.stack.control_url
    journal = requests.get(f"{control}/journal", timeout=15).json()
    state = requests.get(f"{control}/state", timeout=15).json()
    limits = requests.get(f"{control}/limits", timeout=15).json()
    verdict = Verdict(Counter(player.day.commands), repeats=player.record.repeats)
    verdict.not_applied += player.record.refused
    count_bookings(verdict, player.day.bookings, journal["effects"])
    with redis.Redis.from_url(player.stack.redis_url, decode_responses=True) as ledger:
        count_states(verdict, ledger, player.record.promised)
        events: Any = ledger.xrange(f"{PREFIX}events")
    accepted = [fields["key"] for _, fields in events if fields["state"] == "accepted"]
    # an order names no parts: of two that are read at the same time, either's line may come first
    count_order(verdict, accepted, [effect for effect in journal["effects"] if effect["operation"] != "order/receive"])
    count_stock(verdict, player.day.bookings, state["on_hand"])
    verdict.over_limit += [f"{item['rule']} at request {item['request_seq']}" for item in limits["violations"]]
    verdict.faults_that_never_fired += [
        f"{fault['kind']} on {fault['operation']}" for fault in player.record.faults if not fault["fired"]
    ]
    return verdict


def count_bookings(verdict: Verdict, planned: list[Booking], effects: list[dict[str, Any]]) -> None:
    """Compare the bookings themselves, without any help of the ledger."""
    wanted = Counter(planned)
    found = Counter(
        Booking(effect["operation"], NAMES[leg["part_id"]], NAMES[leg["storage_id"]], leg["quantity"])
        for effect in effects
        for leg in effect["legs"]
    )
    verdict.lost += [str(booking) for booking in (wanted - found).elements()]
    extra = found - wanted
    verdict.doubled += [str(booking) for booking in extra.elements() if booking in wanted]
    verdict.unexpected += [str(booking) for booking in extra.elements() if booking not in wanted]
    marks = Counter(effect["marker"] for effect in effects)
    verdict.doubled += [f"marker {marker}" for marker, count in marks.items() if count > 1]


def count_states(verdict: Verdict, ledger: redis.Redis, promised: set[str]) -> None:
    """Every promised command, and every child of one, must be applied."""
    keys = set(promised)
    for key in promised:
        if not ledger.exists(f"{PREFIX}cmd:{key}"):
            verdict.lost.append(f"command {key} is not in the ledger")
    for name in map(str, ledger.scan_iter(f"{PREFIX}cmd:*", count=1000)):
        kind, state, parent, reason = map(str, ledger.hmget(name, "kind", "state", "parent", "reason"))
        key = name.rsplit(":", 1)[1]
        if key not in keys and parent == "None":
            verdict.unexpected.append(f"command {key} that nobody was promised")
        if state != "applied":
            verdict.not_applied.append(f"{kind} {key} is {state}: {reason}")
        elif kind != "order.receive":
            verdict.applied[str(kind)] += 1


def count_order(verdict: Verdict, accepted: list[str], effects: list[dict[str, Any]]) -> None:
    """On each part the vendor's entries must come in the order in which the commands were accepted."""
    position = {f"[cmd:{key}]": number for number, key in enumerate(accepted)}
    by_part: dict[str, list[int]] = defaultdict(list)
    for effect in effects:
        for part in effect["part_ids"]:
            by_part[part].append(position.get(effect["marker"], -1))
    verdict.out_of_order += [
        f"part {NAMES[part]}: {found}" for part, found in by_part.items() if found != sorted(found)
    ]


def count_stock(verdict: Verdict, planned: list[Booking], on_hand: list[dict[str, Any]]) -> None:
    """Count the vendor's stock on hand against the stock of the morning and the plan."""
    expected = Counter({(entry["part"], entry["storage"]): entry["stock/quantity"] for entry in WAREHOUSE["stock"]})
    for booking in planned:
        expected[booking.part, booking.storage] += booking.quantity
    found = Counter(
        {(NAMES[balance["part_id"]], NAMES[balance["storage_id"]]): balance["quantity"] for balance in on_hand}
    )
    for place in sorted({*expected, *found}):
        if expected[place] != found[place]:
            verdict.wrong_stock.append(f"{place[0]} in {place[1]}: {found[place]} instead of {expected[place]}")
