"""How changes of a project's entries are proved at a vendor that loses, doubles or cuts what it is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tasks.lookup import Absent, Landed, Proof, Undecidable, Why
from tasks.project_entries import AddEntries, DeleteEntries, EntryChange, NewEntry, ProjectEntry, UpdateEntries
from tasks.projects import Project
from tests.unit.project_harness import LAMP, NOW_MS, OURS, THEIRS, C, R, Try, Vendor, eid, why

R1 = NewEntry(part_id=R, quantity=1, name="R", designators=("R1", "R2"))
R2 = NewEntry(part_id=R, quantity=1, name="other R")
C5 = NewEntry(part_id=C, quantity=5, comments="check")


def adding(*entries: NewEntry) -> AddEntries:
    return AddEntries(stock_timestamp=NOW_MS, project_id=LAMP, entries=entries)


def with_entries(*entries: ProjectEntry) -> Vendor:
    return Vendor({LAMP: Project(LAMP, "Lamp")}, {LAMP: list(entries)})


def entry(number: int, part_id: str = R, quantity: float = 1, **fields: Any) -> ProjectEntry:
    return ProjectEntry(eid(number), part_id, quantity, **{"comments": OURS, **fields})


async def test_added_entries_are_proved_by_their_marker() -> None:
    attempt = Try(adding(R1, R2, C5), with_entries(entry(1, comments=THEIRS)))

    await attempt.send()

    finding = await attempt.proof()
    assert isinstance(finding, Landed)
    assert finding == await attempt.look() == await attempt.before()
    assert finding.proof is Proof.MARKER
    assert [found.identity()["quantity"] for found in finding.entries] == [1, 1, 5]
    assert finding.entries[2].shown()["comments"] == f"check {OURS}"


async def test_equal_entries_are_counted() -> None:
    attempt = Try(adding(C5, C5), with_entries())
    attempt.vendor.keeps = 1
    await attempt.send()

    assert why(await attempt.proof()) is Why.INCOMPLETE
    await attempt.send()
    assert attempt.vendor.sent == [(C5, C5), (C5,)]
    assert isinstance(await attempt.proof(), Landed)


@pytest.mark.parametrize("kept", [1, 2])
async def test_of_a_batch_that_landed_in_part_only_the_rest_is_sent(kept: int) -> None:
    attempt = Try(adding(R1, R2, C5), with_entries())
    attempt.vendor.keeps = kept
    await attempt.send()

    assert why(await attempt.proof()) is Why.INCOMPLETE
    assert why(await attempt.look()) is Why.INCOMPLETE
    attempt.vendor.keeps, attempt.doubted = 3, True
    await attempt.send()

    assert attempt.vendor.sent[1] == (R1, R2, C5)[kept:]
    assert isinstance(await attempt.look(), Landed)
    assert len(attempt.vendor.entries[LAMP]) == 3


async def test_a_lost_batch_is_absent() -> None:
    attempt = Try(adding(R1, C5), with_entries(entry(1, comments=""), entry(2, C, 5, comments=THEIRS)))
    await attempt.before()

    assert await attempt.look() == Absent()
    assert await attempt.proof() == Absent()


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([entry(1), entry(2), entry(3, C, 5)], Why.DOUBLE),
        ([entry(1), entry(2)], Why.DOUBLE),
        ([entry(1), entry(2, C, 5), entry(3, C, 6)], Why.DOUBLE),
        ([entry(1), entry(2, C, 6)], Why.CHANGED),
        ([entry(1, part_id="8" * 26)], Why.CHANGED),
        ([entry(1, quantity=0.5)], Why.CHANGED),
    ],
)
async def test_marked_entries_that_are_not_what_was_wanted_are_for_a_person(
    entries: list[ProjectEntry], reason: Why
) -> None:
    attempt = Try(adding(R1, C5), with_entries(*entries))

    assert why(await attempt.before()) is reason
    assert why(await attempt.look()) is reason
    assert why(await attempt.proof()) is reason


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"name": "other R"}, {"name": "other R"}),
        ({"designators": ("R1", "R2")}, {"designators": ("R2", "R1")}),
        ({"comments": "check"}, {"comments": f"check {OURS}"}),
        ({"cad_footprint": "0603"}, {"cad_footprint": "0603"}),
    ],
)
async def test_entries_of_one_part_and_quantity_are_told_apart_by_the_rest(
    fields: dict[str, Any], found: dict[str, Any]
) -> None:
    plain, other = NewEntry(part_id=R, quantity=1), NewEntry(part_id=R, quantity=1, **fields)
    first, second = (Try(adding(plain, other), with_entries(there)) for there in (entry(1), entry(1, **found)))

    await first.send()
    await second.send()

    assert first.vendor.sent == [(other,)]
    assert second.vendor.sent == [(plain,)]


async def test_when_it_cannot_be_told_which_of_two_is_there_nothing_is_sent() -> None:
    attempt = Try(adding(R1, R2), with_entries(entry(1, name="R (renamed)")))

    assert why(await attempt.before()) is Why.PARTIAL


async def test_entries_that_were_renamed_since_are_still_ours() -> None:
    both = with_entries(entry(1, name="R (renamed)"), entry(2, name="R, too"))

    assert isinstance(await Try(adding(R1, R2), both).before(), Landed)
    alone = Try(adding(R1, C5, C5, C5), with_entries(entry(1, name="R (renamed)"), entry(2, C, 5, name="renamed")))
    await alone.send()
    assert alone.vendor.sent == [(C5, C5)]


@pytest.mark.parametrize("comments", ["", "check", OURS[:-1], None])
async def test_a_new_entry_like_ours_without_a_marker_is_for_a_person(comments: str | None) -> None:
    attempt = Try(adding(R1, C5), with_entries(entry(1, C, 5, comments="")))
    await attempt.before()
    attempt.vendor.entries[LAMP] += [entry(2), entry(3, C, 5, comments=comments)]

    assert await attempt.look() == Undecidable(Why.UNMARKED, (attempt.vendor.entries[LAMP][2],))


async def test_new_entries_of_others_do_not_stop_a_second_send() -> None:
    attempt = Try(adding(R1, C5), with_entries())
    await attempt.before()
    attempt.vendor.entries[LAMP] += [
        entry(1, C, 5, comments=THEIRS),
        entry(2, C, 6, comments=""),
        ProjectEntry(eid(3)),
        entry(4, comments=OURS),
        entry(5, comments=""),  # like one of ours that is there
    ]

    assert why(await attempt.look()) is Why.INCOMPLETE


async def test_a_project_that_vanished_in_doubt_is_for_a_person() -> None:
    attempt = Try(adding(R1), with_entries())
    await attempt.before()
    attempt.vendor.entries.clear()

    assert why(await attempt.look()) is Why.CHANGED


# project.update_entries


def updating(**fields: Any) -> UpdateEntries:
    change = EntryChange(entry_id=eid(1), **fields)
    return UpdateEntries(stock_timestamp=NOW_MS, project_id=LAMP, entries=(change,))


FULL = ProjectEntry(eid(1), R, 0.5, "R", f"old {THEIRS}", ("R1", "R2"), 4, "0603")
BARE = ProjectEntry(eid(2))


async def test_an_update_sends_whole_entries_as_they_were_but_for_the_changes() -> None:
    attempt = Try(updating(quantity=3), with_entries(FULL, BARE))

    await attempt.send()

    assert attempt.vendor.sent == [(replace(FULL, quantity=3),)]
    assert isinstance(await attempt.proof(), Landed)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"comments": "new"}, {"comments": f"new {THEIRS}"}),
        ({"comments": ""}, {"comments": THEIRS}),
        ({"name": "", "cad_footprint": ""}, {"name": "", "cad_footprint": ""}),
        ({"designators": ("R7",)}, {"designators": ("R7",)}),
        ({"designators": ()}, {"designators": ()}),
        ({"order": 0, "part_id": C}, {"order": 0, "part_id": C}),
    ],
)
async def test_each_field_is_set_and_compared(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    attempt = Try(updating(**fields), with_entries(FULL))
    assert await attempt.before() == Absent()

    await attempt.send()

    assert attempt.vendor.entries[LAMP] == [replace(FULL, **wanted)]
    assert isinstance(await attempt.look(), Landed)
    assert isinstance(await attempt.before(), Landed)


async def test_an_entry_without_a_field_is_as_one_with_an_empty_one_and_sends_none() -> None:
    bare = replace(BARE, entry_id=eid(1))
    empty = Try(updating(name="", comments="", designators=(), cad_footprint=""), with_entries(bare))
    assert isinstance(await empty.before(), Landed)

    named = Try(updating(name="R"), with_entries(bare))
    await named.send()
    assert named.vendor.sent == [(replace(bare, name="R"),)]


async def test_designators_are_a_set() -> None:
    attempt = Try(updating(designators=("R2", "R1")), with_entries(FULL))

    assert isinstance(await attempt.before(), Landed)


async def test_an_entry_that_is_not_there_is_named() -> None:
    refused = await Try(updating(quantity=3), with_entries(BARE)).refusal()

    assert (refused.code, str(refused)) == ("not-found", f"project {LAMP} has no entry {eid(1)}")


async def test_an_entry_that_someone_changed_or_deleted_in_doubt_is_for_a_person() -> None:
    attempt = Try(updating(quantity=3), with_entries(FULL))
    await attempt.before()
    assert await attempt.look() == Absent()

    attempt.vendor.entries[LAMP] = [replace(FULL, quantity=4)]
    assert why(await attempt.look()) is Why.CHANGED
    attempt.vendor.entries[LAMP] = []
    assert why(await attempt.look()) is Why.CHANGED


async def test_an_update_of_some_of_the_entries_may_be_sent_again_unless_someone_changed_the_others() -> None:
    changes = tuple(EntryChange(entry_id=eid(number), quantity=3) for number in (1, 2))
    command = UpdateEntries(stock_timestamp=NOW_MS, project_id=LAMP, entries=changes)
    attempt = Try(command, with_entries(FULL, BARE))
    await attempt.before()

    attempt.vendor.entries[LAMP] = [replace(FULL, quantity=3), BARE]
    assert why(await attempt.proof()) is Why.INCOMPLETE
    assert why(await attempt.look()) is Why.INCOMPLETE

    for others in ([replace(BARE, quantity=4)], []):
        attempt.vendor.entries[LAMP] = [replace(FULL, quantity=3), *others]
        assert why(await attempt.look()) is Why.CHANGED
        assert isinstance(await attempt.proof(), Landed)


async def test_of_an_update_carried_out_in_part_a_second_send_that_brings_nothing_proves_nothing_absent() -> None:
    changes = tuple(EntryChange(entry_id=eid(number), quantity=3) for number in (1, 2))
    command = UpdateEntries(stock_timestamp=NOW_MS, project_id=LAMP, entries=changes)
    attempt = Try(command, with_entries(replace(FULL, quantity=3), BARE), doubted=True)
    await attempt.before()

    assert why(await attempt.look()) is Why.INCOMPLETE
    assert why(await attempt.proof()) is Why.IGNORED


# project.delete_entries


def deleting(*numbers: int) -> DeleteEntries:
    return DeleteEntries(stock_timestamp=NOW_MS, project_id=LAMP, entry_ids=tuple(map(eid, numbers)))


async def test_deleted_entries_are_proved_by_their_absence() -> None:
    attempt = Try(deleting(1, 2), with_entries(entry(1), entry(2), entry(3)))

    await attempt.send()

    assert attempt.vendor.sent == [(eid(1), eid(2))]
    assert await attempt.proof() == Landed((), Proof.STATE)


async def test_entries_that_are_not_there_are_refused_before_anything_is_deleted() -> None:
    refused = await Try(deleting(1, 2, 3), with_entries(entry(1))).refusal()

    assert (refused.code, str(refused)) == ("not-found", f"project {LAMP} has no entry {eid(2)} and 1 more")


async def test_behind_a_send_that_deleted_some_only_the_others_are_named() -> None:
    attempt = Try(deleting(1, 2, 3), with_entries(entry(1), entry(2), entry(3)))
    attempt.vendor.keeps = 1
    await attempt.send()
    assert why(await attempt.proof()) is Why.INCOMPLETE
    assert why(await attempt.look()) is Why.INCOMPLETE

    attempt.vendor.keeps, attempt.doubted = 3, True
    await attempt.send()

    assert attempt.vendor.sent[1] == (eid(2), eid(3))
    assert await attempt.look() == Landed((), Proof.STATE)


async def test_of_a_deletion_of_some_a_second_send_that_deletes_nothing_proves_nothing_absent() -> None:
    attempt = Try(deleting(1, 2, 3), with_entries(entry(2), entry(3)), doubted=True)
    await attempt.before()

    assert why(await attempt.look()) is Why.INCOMPLETE
    assert why(await attempt.proof()) is Why.IGNORED


async def test_a_confirmed_deletion_that_deleted_nothing_is_not_believed() -> None:
    attempt = Try(deleting(1), with_entries(entry(1)))
    await attempt.before()

    assert why(await attempt.proof()) is Why.IGNORED


async def test_behind_a_lost_send_missing_entries_are_a_success() -> None:
    assert await Try(deleting(1), with_entries(), doubted=True).before() == Landed((), Proof.STATE)
