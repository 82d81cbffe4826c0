"""Judging what is at a vendor against what the ledger says, without either: claims, movements, strangers, entries."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, cast

import pytest

from tasks.catalog import Attribute, AttributeValue
from tasks.catalog import UpsertPart as UpsertCatalogPart
from tasks.errors import VendorBlockedError
from tasks.identity import marker_of
from tasks.parts import DeletePart, UpdatePart
from tasks.ports import StockEntry
from tasks.project_entries import AddEntries, NewEntry, ProjectEntry
from tasks.records import State
from tasks.stock import AddStock, CorrectStock
from tasks.storage import ArchiveStorage, RenameStorage
from workers.reconciler.books import Books, Told
from workers.reconciler.claims import Subject
from workers.reconciler.comparison import Look
from workers.reconciler.findings import Finding, Findings, Offer
from workers.reconciler.movements import History, judge_movement
from workers.reconciler.partium import compare_partium
from workers.reconciler.partsbox_projects import compare_projects
from workers.reconciler.reads import PatientReads, UnreadError
from workers.reconciler.standings import standings
from workers.reconciler.strangers import Strangers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from tasks.commands import Command

EVENT: dict[str, Any] = {"stock_timestamp": 1_790_000_000_000}
PART, SHELF, PROJECT = "0123456789abcdefghjkmnpqrs", "1123456789abcdefghjkmnpqrs", "2123456789abcdefghjkmnpqrs"
KEY, UNREADABLE = "a" * 20, "b" * 20


def told(command: Command, *entries: dict[str, Any], key: str = KEY, proof: str = "marker", at_ms: int = 1) -> Told:
    return Told(key, command, State.APPLIED, EVENT["stock_timestamp"] + at_ms, at_ms, entries, proof)


def entry(quantity: int, at_ms: int = 10, comments: str = "", **fields: Any) -> StockEntry:
    return StockEntry(PART, at_ms, quantity, SHELF, comments=comments, **fields)


def judged(
    command: Any, entries: Iterable[StockEntry], *receipt: dict[str, Any], proof: str = "marker"
) -> list[Finding]:
    findings = Findings(5)
    judge_movement(findings, History(PART, tuple(entries), {}), told(command, *receipt, proof=proof), command)
    return [difference.finding for difference in findings.differences]


ADD = AddStock(part_id=PART, storage_id=SHELF, quantity=5, **EVENT)
NAMED = {"part_id": PART, "timestamp_ms": 10, "quantity": 5}
MARKED = marker_of(KEY)


@pytest.mark.parametrize(
    ("entries", "receipt", "found"),
    [
        ([entry(5, comments=MARKED)], [NAMED], []),
        ([entry(5, comments=MARKED)], [], []),
        ([entry(2, comments=MARKED), entry(3, 11, comments=MARKED)], [], []),
        ([entry(5)], [NAMED], [Finding.CHANGED]),
        ([entry(5), entry(5, 11)], [], [Finding.MISSING]),
        ([entry(5, comments=MARKED), entry(5, 11, comments=MARKED)], [], [Finding.DOUBLE]),
        ([entry(5, comments=MARKED), entry(5, 11, comments=MARKED)], [NAMED], [Finding.DOUBLE]),
        ([entry(9, comments=MARKED)], [], [Finding.CHANGED]),
        ([entry(4, comments=MARKED)], [NAMED], [Finding.CHANGED]),
        ([entry(5, comments=MARKED, status="ordered")], [NAMED], [Finding.CHANGED]),
    ],
    ids=[
        "as applied",
        "without a receipt",
        "in two entries",
        "marker lost",
        "not marked, and in no receipt",
        "twice without a receipt",
        "twice",
        "more pieces",
        "fewer pieces",
        "no longer on hand",
    ],
)
def test_a_movement_is_judged_by_its_marker_and_its_receipt(
    entries: list[StockEntry], receipt: list[dict[str, Any]], found: list[Finding]
) -> None:
    assert judged(ADD, entries, *receipt) == found


def test_an_entry_that_never_showed_its_marker_has_not_lost_it() -> None:
    assert judged(ADD, [entry(5)], NAMED, proof="answer") == []


def strangers(*entries: StockEntry, user: str | None = "relay", is_ours: bool = True) -> list[str]:
    findings = Findings(5)
    history = History(PART, entries, {})
    books = Books((), (), {KEY: State.HELD, UNREADABLE: None}, {}, oldest_ms=1)
    Strangers(findings, books, 5, user).judge(history, is_ours=is_ours)
    return [difference.detail for difference in findings.differences]


def test_what_is_ordered_or_planned_is_nobodys_movement() -> None:
    assert strangers(entry(5, user="ada", status="ordered"), entry(5, user="relay", status="planned")) == []
    assert len(strangers(entry(5, user="ada"))) == 1


def test_the_effect_of_a_held_command_is_no_stranger() -> None:
    assert strangers(entry(5, user="relay", comments=MARKED)) == []


def test_without_the_name_of_our_user_only_parts_that_commands_moved_have_strangers() -> None:
    assert strangers(entry(5, user="ada"), user=None, is_ours=False) == []
    assert len(strangers(entry(5, user="ada"), user=None, is_ours=True)) == 1


def test_an_unreadable_record_still_accounts_for_its_entries() -> None:
    assert strangers(entry(5, user="relay", comments=marker_of(UNREADABLE))) == []


def test_a_deleted_part_takes_the_claims_on_its_entries_along() -> None:
    correction = CorrectStock(part_id=PART, entry_timestamp=1_790_000_000_000, quantity=3, **EVENT)
    found = standings([told(correction), told(DeletePart(part_id=PART, **EVENT), at_ms=2)], [])

    assert list(found) == [Subject("part", PART)]
    assert found[Subject("part", PART)].gone is not None


def test_the_last_value_of_each_field_stands_with_the_command_that_set_it() -> None:
    first = told(UpdatePart(part_id=PART, description="a", notes="n", **EVENT), key="b" * 20)
    second = told(UpdatePart(part_id=PART, description="b", **EVENT), at_ms=2)

    cells = standings([first, second], [])[Subject("part", PART)].cells

    assert {name: (cell.value, cell.told.key) for name, cell in cells.items()} == {
        "description": ("b", KEY),
        "notes": ("n", "b" * 20),
    }


def test_what_an_undecided_command_may_have_set_or_deleted_is_allowed() -> None:
    rename = told(RenameStorage(storage_id=SHELF, name="B 7", **EVENT))
    later = told(RenameStorage(storage_id=SHELF, name="B 8", **EVENT))
    deletion = told(DeletePart(part_id=PART, **EVENT))
    update = told(UpdatePart(part_id=PART, description="a", **EVENT))

    found = standings([rename, update], [later, deletion, told(ArchiveStorage(storage_id=PROJECT, **EVENT))])

    assert found[Subject("storage", SHELF)].maybe["name"] == ["B 8"]
    assert found[Subject("part", PART)].unsure
    assert len(found) == 2


class Reads:
    """Reads that are answered at once."""

    gave_up = ""
    told = False

    async def read(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        return await ask()


def look(*applied: Told) -> Look:
    books = Books(applied, (), {each.key: each.state for each in applied}, {})
    return Look(books, cast("PatientReads", Reads()), Findings(5), 0)


def shown(number: int, comments: str = MARKED) -> ProjectEntry:
    return ProjectEntry(f"{number}" * 26, PART, 2, comments=comments)


@pytest.mark.parametrize(
    ("entries", "found", "offered"),
    [
        ([shown(1), shown(2)], [], []),
        ([shown(1), shown(2), shown(3)], [Finding.DOUBLE], ["project.delete_entries"]),
        ([shown(1), shown(2, comments="")], [Finding.MISSING], ["project.add_entries"]),
    ],
    ids=["all", "one more", "one less"],
)
async def test_added_entries_without_a_receipt_are_counted(
    entries: list[ProjectEntry], found: list[Finding], offered: list[str]
) -> None:
    new = NewEntry(part_id=PART, quantity=2)
    comparing = look(told(AddEntries(project_id=PROJECT, entries=(new, new), **EVENT), proof="answer"))

    async def project_entries(_project_id: str) -> tuple[ProjectEntry, ...]:
        return tuple(entries)

    await compare_projects(comparing, SimpleNamespace(project_entries=project_entries))

    differences = comparing.findings.differences
    assert [each.finding for each in differences] == found
    assert [offer.kind for each in differences for offer in each.offers] == offered


async def test_attributes_in_another_order_are_no_difference() -> None:
    values = (AttributeValue(value={"en": "5 g"}), AttributeValue(organization="acme", value={"en": "6 g"}))
    attributes = tuple(Attribute(attribute_id=name, values=values) for name in ("weight", "colour"))
    command = UpsertCatalogPart(part_id="K-1", name={"en": "Lever"}, attributes=attributes, **EVENT)
    comparing = look(told(command))
    fields = command.model_dump(mode="json", include={"name", "attributes"})
    turned = [{**each, "values": each["values"][::-1]} for each in fields["attributes"][::-1]]

    async def part(_part_id: str) -> Any:
        return SimpleNamespace(fields={**fields, "attributes": turned})

    await compare_partium(comparing, SimpleNamespace(part=part, assembly=part), cast("Any", None))

    assert comparing.findings.differences == []
    assert comparing.findings.compared == {KEY}


class IdleRedis:
    """A ledger without a command."""

    def pipeline(self, *, transaction: bool) -> IdleRedis:
        assert not transaction
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    def zcard(self, _name: str) -> None: ...

    async def execute(self) -> list[int]:
        return [0, 0]


async def test_a_vendor_in_trouble_is_paused_for_all_and_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.reconciler.reads.TRY_GAP_SECONDS", 0.01)
    paused: list[object] = []

    async def pause(error: object) -> None:
        paused.append(error)

    async def refused() -> None:
        raise VendorBlockedError("HTTP 401")

    reads = PatientReads(cast("Any", IdleRedis()), "partsbox", pause, patience_seconds=0.035)

    with pytest.raises(UnreadError, match="HTTP 401"):
        await reads.read(refused)

    assert len(paused) == 4
    assert reads.gave_up == "HTTP 401"


def test_an_offer_is_a_line_for_a_shell_unless_it_is_too_long_for_one() -> None:
    assert Offer("stock.add", {"comments": "it's", "tags": ["a b"]}).line() == (
        """stockrelay submit stock.add 'comments=it'"'"'s' 'tags=["a b"]'"""
    )
    assert Offer("catalog.upsert_part", {"name": {"en": "x" * 100_000}}).line() == ""
