"""The judgement of the day: each vendor's sandbox and ledger against the plan."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.checker.attempts import spent_in_pauses
from tests.demo.books import BOOKS
from tests.demo.counting import (
    Wrongs,
    count_markers,
    count_reads,
    count_record_order,
    count_state,
    count_stock_order,
    count_writes,
)
from tests.demo.scenario import OPENBOM, PARTBOLT, PARTIUM, PARTSBOX, VENDORS
from tests.sandbox.partium import operations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.checker.evidence import Json, Told, VendorBooks
    from tests.demo.play import Record
    from tests.demo.scenario import Day


@dataclass
class Verdict:
    """What the day amounted to."""

    planned: Counter[tuple[str, str]] = field(default_factory=Counter)
    applied: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrongs: dict[str, Wrongs] = field(default_factory=lambda: {vendor: Wrongs() for vendor in VENDORS})
    #: HTTP requests that came to each vendor.
    requests: Counter[str] = field(default_factory=Counter)
    #: Of Partium's those that wrote, and the records in the largest.
    catalog_writes: int = 0
    largest_batch: int = 0
    logins: int = 0
    repeats: int = 0

    @property
    def is_right(self) -> bool:
        return self.applied == self.planned and not any(wrongs.any for wrongs in self.wrongs.values())


def judge(
    day: Day,
    record: Record,
    mornings: Mapping[str, Json],
    evenings: Mapping[str, VendorBooks],
    told: Mapping[str, Told],
) -> Verdict:
    """Compare what was planned and promised with what the vendors hold and the ledgers say.

    `mornings` are the vendors' states before the first command.
    """
    verdict = Verdict(Counter(day.commands), repeats=record.repeats)
    for vendor, what in record.refused:
        verdict.wrongs[vendor].not_applied.append(what)
    for vendor, evening in evenings.items():
        _judge_vendor(verdict, day, mornings[vendor], evening)
    for vendor, ledger in told.items():
        _judge_ledger(verdict, vendor, ledger, set(record.promised))
    count_stock_order(verdict.wrongs[PARTSBOX], told[PARTSBOX].steps, evenings[PARTSBOX].journal["effects"])
    imports = {str(call["item_id"]) for calls in day.calls.values() for call in calls if "item_id" in call}
    reads = evenings[PARTBOLT].journal["requests"]
    count_reads(verdict.wrongs[PARTBOLT], {f"parts:{item_id}" for item_id in imports}, reads)
    known = {entry.key for ledger in told.values() for entry in ledger.entries}
    for key, vendor in record.promised.items():
        if key not in known:
            verdict.wrongs[vendor].lost.append(f"command {key} is in no ledger")
    return verdict


def _judge_vendor(verdict: Verdict, day: Day, morning: Json, evening: VendorBooks) -> None:
    vendor = evening.vendor
    wrongs, book = verdict.wrongs[vendor], BOOKS[vendor]
    planned = [write for write in day.writes if write.vendor == vendor]
    effects, requests = evening.journal["effects"], evening.journal["requests"]
    found = book.writes(effects, evening.state)
    count_writes(wrongs, planned, found)
    count_markers(wrongs, effects)
    count_record_order(wrongs, planned, found)
    count_state(wrongs, book.shelf(morning), planned, book.shelf(evening.state))
    wrongs.over_limit += [f"{item['rule']} at request {item['request_seq']}" for item in evening.limits["violations"]]
    wrongs.fault_not_fired += [
        f"{fault['kind']} on {fault['operation']}" for fault in evening.faults if not fault["fired"]
    ]
    verdict.requests[vendor] = len(requests)
    if vendor == PARTIUM:
        sizes = [len(each["subjects"]) for each in requests if operations.OPERATIONS[each["operation"]].writes]
        verdict.catalog_writes, verdict.largest_batch = len(sizes), max(sizes, default=0)
    if vendor == OPENBOM:
        verdict.logins = evening.state["logins"]


def _judge_ledger(verdict: Verdict, vendor: str, ledger: Told, promised: set[str]) -> None:
    """Every promised command, and every child of one, must be applied, and must not have paid for a pause."""
    wrongs = verdict.wrongs[vendor]
    for entry in ledger.entries:
        if entry.key not in promised and not entry.parent:
            wrongs.unexpected.append(f"command {entry.key} that nobody was promised")
        if entry.state == "applied":
            verdict.applied[vendor, entry.kind] += 1
        else:
            wrongs.not_applied.append(str(entry))
    wrongs.spent_in_pauses += spent_in_pauses(ledger)
