"""Files in a feed's folder: what becomes of their rows, where they end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from producers.files.ledger import FileState
from tasks.directory import Thing, ThingType
from tests.integration.files_harness import HEADER, FeedDesk, rows
from tests.unit.file_harness import FIELDS, PART

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[FeedDesk]:
    with FeedDesk(tmp_path) as opened:
        yield opened


async def test_every_row_becomes_one_command_and_the_file_lies_in_done_with_its_report(desk: FeedDesk) -> None:
    desk.drop("asn.csv", HEADER + rows(1, 1201))

    await desk.work()

    assert desk.quantities() == list(range(1, 1201))
    assert desk.left() == []
    (file,) = desk.files()
    assert (file.state, file.stored, file.refused) == (FileState.DONE, 1200, 0)
    assert desk.content(file) == HEADER + rows(1, 1201)
    assert desk.report(file)["rows"] == {"stored": 1200, "known": 0, "refused": 0, "left_out": 0}
    body = json.loads(desk.stored()[4].body)
    assert body["kind"] == "stock.add"
    assert body["source"] == f"goods-in:{file.sha256[:12]}:5"
    assert body["idempotency_key"] == f"goods-in:{file.sha256[:32]}:5"


async def test_one_bad_row_keeps_the_whole_file_out_and_says_which(desk: FeedDesk) -> None:
    desk.drop("asn.csv", HEADER + rows(1, 700) + "many,=1+1\n" + rows(700, 720))

    await desk.work()

    assert desk.stored() == []
    (file,) = desk.files()
    assert file.state is FileState.FAILED
    assert "failed" in (file.place or "")
    (refused,) = desk.report(file)["refused"]
    assert (refused["line"], refused["column"], refused["value"]) == (701, "quantity", "many")
    assert "701,quantity,many" in (desk.content(file, ".rejected.csv") or "")


async def test_a_feed_may_skip_bad_rows_and_lists_them(tmp_path: Path) -> None:
    with FeedDesk(tmp_path, policy="skip-bad-rows") as desk:
        desk.drop("asn.csv", HEADER + "1,a\n-,b\n3,c\n")

        await desk.work()

        assert desk.quantities() == [1, 3]
        (file,) = desk.files()
        assert (file.state, file.stored, file.refused) == (FileState.DONE, 2, 1)
        assert [row["row"] for row in desk.report(file)["refused"]] == [2]


@pytest.mark.parametrize("policy", ["all-or-nothing", "skip-bad-rows"])
async def test_nothing_of_a_file_that_is_cut_off_is_stored(tmp_path: Path, policy: str) -> None:
    whole = json.dumps([{"quantity": number, "note": "n"} for number in range(1, 1200)])
    with FeedDesk(tmp_path, format="json", policy=policy) as desk:
        desk.drop("cut.json", whole[:-20])

        await desk.work()

        assert desk.stored() == []
        assert desk.states() == {"cut.json": FileState.FAILED}


async def test_the_same_content_under_another_name_is_not_stored_again(desk: FeedDesk) -> None:
    desk.drop("first.csv", HEADER + rows(1, 4))
    await desk.work()
    desk.drop("second.csv", HEADER + rows(1, 4))
    await desk.work()

    assert desk.quantities() == [1, 2, 3]
    second = desk.files()[1]
    assert second.state is FileState.DUPLICATE
    assert "processed already as first.csv" in desk.report(second)["problem"]
    assert desk.content(second) == HEADER + rows(1, 4)


async def test_the_same_name_with_other_content_is_another_file(desk: FeedDesk) -> None:
    desk.drop("asn.csv", HEADER + rows(1, 3))
    await desk.work()
    desk.drop("asn.csv", HEADER + rows(3, 5))
    await desk.work()

    assert desk.quantities() == [1, 2, 3, 4]
    assert len({file.place for file in desk.files()}) == 2


async def test_a_feed_that_takes_the_same_content_again_books_it_as_another_event(tmp_path: Path) -> None:
    with FeedDesk(tmp_path, on_duplicate="process") as desk:
        for name in ("monday.csv", "tuesday.csv"):
            desk.drop(name, HEADER + rows(1, 3))
            await desk.work()

        assert desk.quantities() == [1, 2, 1, 2]
        assert len({entry.key for entry in desk.stored()}) == 4
        assert len({json.loads(entry.body)["idempotency_key"] for entry in desk.stored()}) == 4


async def test_a_content_dropped_again_after_the_files_ledger_forgot_it_stores_no_row_twice(desk: FeedDesk) -> None:
    desk.drop("asn.csv", HEADER + rows(1, 4))
    await desk.work()
    with desk.outbox.changing() as database:
        database.execute("DELETE FROM file")
    desk.drop("asn.csv", HEADER + rows(1, 4))
    await desk.work()

    assert desk.quantities() == [1, 2, 3]
    assert desk.files()[-1].known == 3


async def test_part_numbers_are_looked_up_once_and_an_unknown_one_refuses_the_file(tmp_path: Path) -> None:
    fields = {**FIELDS, "part_id": {"column": "note", "lookup": "part"}}
    with FeedDesk(tmp_path, fields=fields) as desk:
        desk.directory = {"lm358": (Thing(PART, ThingType.PART, "LM358"),)}
        desk.drop("good.csv", HEADER + "1,LM358\n2,lm358\n")
        await desk.work()
        assert [json.loads(entry.body)["part_id"] for entry in desk.stored()] == [PART, PART]
        assert desk.asked == ["lm358"]

        desk.drop("bad.csv", HEADER + "1,LM358\n2,NE555\n")
        await desk.work()

        assert desk.states()["bad.csv"] is FileState.FAILED
        assert len(desk.stored()) == 2
