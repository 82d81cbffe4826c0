"""Files through deaths, full disks, a directory that is away, and people who touch what is being read."""

from __future__ import annotations

import asyncio
import errno
import json
from typing import TYPE_CHECKING

import pytest

from producers.files.ledger import KEEP_DAYS, MAX_BAD_CHARACTERS, FileState, Refusal
from producers.files.processing import LookupAwayError
from tasks.directory import Thing, ThingType
from tests.integration.files_harness import CLOCK_MS, HEADER, DeathError, FeedDesk, rows, waits
from tests.unit.file_harness import FIELDS, PART

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


def _die(*_: object) -> None:
    raise DeathError


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[FeedDesk]:
    with FeedDesk(tmp_path) as opened:
        yield opened


async def test_a_file_waits_while_the_directory_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {**FIELDS, "part_id": {"column": "note", "lookup": "part"}}
    with FeedDesk(tmp_path, fields=fields) as desk:
        answers = {"lm358": (Thing(PART, ThingType.PART, "LM358"),)}
        away = True

        def look_up(codes: Sequence[str]) -> Mapping[str, Sequence[Thing]]:
            if away:
                raise LookupAwayError("the directory does not answer")
            return {code: answers.get(code, ()) for code in codes}

        monkeypatch.setattr(desk.processing, "_look_up", look_up)
        desk.drop("asn.csv", HEADER + "1,LM358\n")
        await desk.work()
        assert desk.states() == {"asn.csv": FileState.CLAIMED}
        away = False

        await desk.work()

        assert desk.states() == {"asn.csv": FileState.DONE}


async def test_a_file_waits_in_work_while_the_outbox_is_full_and_goes_on_behind_its_last_row(tmp_path: Path) -> None:
    content = HEADER + rows(1, 3001)
    with FeedDesk(tmp_path, max_bytes=1_000_000) as desk:
        desk.drop("big.csv", content)
        await desk.work()
        (file,) = desk.files()
        assert file.state is FileState.STORING
        assert 0 < file.checkpoint < 3000
    with FeedDesk(tmp_path) as desk:
        await desk.work()

        assert desk.quantities() == list(range(1, 3001))
        assert desk.states() == {"big.csv": FileState.DONE}


async def test_a_process_stopped_in_the_middle_goes_on_behind_its_last_row(tmp_path: Path) -> None:
    with FeedDesk(tmp_path) as desk:
        desk.on_progress = lambda _: desk.stopping.set()
        desk.drop("big.csv", HEADER + rows(1, 2001))
        work = asyncio.create_task(desk.work())
        await asyncio.to_thread(desk.stopping.wait)
        work.cancel()
        await asyncio.wait({work})
        assert desk.files()[0].checkpoint == 500
    with FeedDesk(tmp_path) as desk:
        await desk.work()

        assert desk.quantities() == list(range(1, 2001))


@pytest.mark.parametrize("place", ["work", "ledger", "reports", "moved"])
async def test_a_death_between_two_steps_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise DeathError

    deaths = {
        "work": "producers.files.processing.Processing.begin",
        "ledger": "producers.files.processing.Processing._store",
        "reports": "producers.files.processing.write_reports",
        "moved": "producers.files.processing.put_away",
    }
    with FeedDesk(tmp_path) as desk:
        desk.drop("asn.csv", HEADER + rows(1, 4))
        with monkeypatch.context() as patched:
            patched.setattr(deaths[place], die)
            with pytest.raises(DeathError):
                await desk.work()
    with FeedDesk(tmp_path) as desk:
        await desk.work()

        assert desk.quantities() == [1, 2, 3]
        assert desk.states() == {"asn.csv": FileState.DONE}
        assert desk.left() == []
        assert desk.report(desk.files()[0])["rows"]["stored"] == 3


async def test_a_death_after_the_move_is_only_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FeedDesk(tmp_path) as desk:
        desk.drop("asn.csv", HEADER + rows(1, 4))
        await desk.work()
        desk.ledger.set_state(desk.files()[0].id, FileState.ENDING)
    with FeedDesk(tmp_path) as desk:
        await desk.work()

        assert desk.quantities() == [1, 2, 3]
        assert desk.states() == {"asn.csv": FileState.DONE}
        assert desk.content(desk.files()[0]) == HEADER + rows(1, 4)


async def test_a_file_taken_out_of_work_in_the_middle_fails_and_dropped_again_it_is_stored_once(tmp_path: Path) -> None:
    with FeedDesk(tmp_path) as desk:

        def take_away(_: int) -> None:
            for path in desk.folders.at_work().values():
                path.rename(desk.folder / "taken.csv")

        desk.on_progress = take_away
        desk.drop("big.csv", HEADER + rows(1, 1501))
        await desk.work()
        assert desk.states() == {"big.csv": FileState.FAILED}
        assert "vanished" in desk.files()[0].problem
        desk.on_progress = lambda _: None
        (desk.folder / "taken.csv").rename(desk.folders.incoming / "again.csv")

        await desk.work()

        assert desk.quantities() == list(range(1, 1501))
        assert desk.states()["again.csv"] is FileState.DONE


async def test_a_file_written_to_while_it_is_read_fails(desk: FeedDesk) -> None:
    def write(_: int) -> None:
        for path in desk.folders.at_work().values():
            with path.open("a") as writer:
                writer.write(rows(2000, 2001))

    desk.on_progress = write
    desk.drop("big.csv", HEADER + rows(1, 1501))

    await desk.work()

    assert "somebody wrote into it" in desk.files()[0].problem
    assert desk.states() == {"big.csv": FileState.FAILED}


async def test_a_row_that_the_ledger_refuses_later_stands_in_the_report(desk: FeedDesk) -> None:
    desk.drop("asn.csv", HEADER + rows(1, 4))
    await desk.work()
    (file,) = desk.files()
    refusal = Refusal(2, 3, "", "", "the key is used for a different command", "add 2")
    assert desk.ledger.refuse_late(file.id, refusal, now_ms=CLOCK_MS)
    assert not desk.ledger.refuse_late(file.id, refusal, now_ms=CLOCK_MS)
    desk.watcher.refused_late(file.id)

    await desk.work()

    report = desk.report(desk.files()[0])
    assert report["rows"]["stored"] == 2
    assert [row["reason"] for row in report["refused"]] == [refusal.reason]


async def test_a_refusal_while_the_file_was_stored_was_overwritten_by_its_counts(desk: FeedDesk) -> None:
    def refuse(checkpoint: int) -> None:
        if checkpoint == 500:
            file = desk.files()[0]
            assert desk.ledger.refuse_late(file.id, Refusal(2, 3, "", "", "refused", "add 2"), now_ms=CLOCK_MS)

    desk.on_progress = refuse
    desk.drop("big.csv", HEADER + rows(1, 1501))
    await desk.work()

    report = desk.report(desk.files()[0])
    assert (report["rows"]["stored"], report["rows"]["refused"]) == (1499, 1)
    assert [row["row"] for row in report["refused"]] == [2]


async def test_the_same_trouble_was_logged_at_every_look(desk: FeedDesk, caplog: pytest.LogCaptureFixture) -> None:
    def look_up(_: Sequence[str]) -> Mapping[str, Sequence[Thing]]:
        raise LookupAwayError("the directory was never filled")

    fields = {**FIELDS, "part_id": {"column": "note", "lookup": "part"}}
    with FeedDesk(desk.folder / "other", fields=fields) as other:
        other.processing._look_up = look_up
        other.drop("asn.csv", HEADER + "1,LM358\n")
        await other.work()
        goods = [await other.watcher.step() for _ in range(3)]

    assert goods == [False, False, False]
    assert waits(caplog) == ["the directory was never filled"]


async def test_a_copy_put_into_work_under_the_id_of_a_finished_file_blocked_the_feed(desk: FeedDesk) -> None:
    desk.drop("asn.csv", HEADER + rows(1, 3))
    await desk.work()
    (file,) = desk.files()
    (desk.folders.work / f"{file.id}__asn.csv").write_text(HEADER + rows(1, 3))
    desk.drop("next.csv", HEADER + rows(3, 4))

    await desk.work()

    assert desk.quantities() == [1, 2, 3]
    assert desk.left() == []
    assert sorted(file.state for file in desk.files()) == ["done", "done", "duplicate"]


async def test_a_file_begun_under_another_name_of_the_feed_blocked_it_and_its_rows_keep_their_names(
    tmp_path: Path,
) -> None:
    with FeedDesk(tmp_path) as desk:
        desk.on_progress = lambda _: desk.stopping.set()
        desk.drop("big.csv", HEADER + rows(1, 1001))
        work = asyncio.create_task(desk.work())
        await asyncio.to_thread(desk.stopping.wait)
        work.cancel()
        await asyncio.wait({work})
    with FeedDesk(tmp_path, name="renamed") as desk:
        await desk.work()

        assert desk.quantities() == list(range(1, 1001))
        assert {json.loads(entry.body)["source"].partition(":")[0] for entry in desk.stored()} == {"goods-in"}
        assert desk.ledger.unfinished_elsewhere(["renamed"]) == ()
    with FeedDesk(tmp_path) as desk:
        desk.drop("again.csv", HEADER + rows(1, 1001))
        await desk.work()

        assert desk.states()["again.csv"] is FileState.DUPLICATE


async def test_the_files_of_a_feed_that_is_gone_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FeedDesk(tmp_path) as desk:
        desk.drop("asn.csv", HEADER + rows(1, 3))
        monkeypatch.setattr(desk.processing, "_first_reading", _die)
        with pytest.raises(DeathError):
            await desk.work()

        assert [file.name for file in desk.ledger.unfinished_elsewhere(["other"])] == ["asn.csv"]
        assert desk.ledger.unfinished_elsewhere(["goods-in", "other"]) == ()


async def test_a_file_changed_in_work_while_no_process_ran_was_stored_under_the_old_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FeedDesk(tmp_path) as desk:
        desk.drop("asn.csv", HEADER + rows(1, 3))
        with monkeypatch.context() as patched:
            patched.setattr(desk.processing, "_first_reading", _die)
            with pytest.raises(DeathError):
                await desk.work()
        (path,) = desk.folders.at_work().values()
        path.write_text(HEADER + rows(7, 9))
    with FeedDesk(tmp_path) as desk:
        await desk.work()

        assert desk.stored() == []
        assert "somebody wrote into it" in desk.files()[0].problem


async def test_a_file_that_no_reader_expected_ended_the_process(
    desk: FeedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def choke(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("producers.files.processing.open_rows", choke)
        desk.drop("odd.csv", HEADER + rows(1, 3))
        await desk.work()
    desk.drop("good.csv", HEADER + rows(1, 3))

    await desk.work()

    assert desk.states() == {"odd.csv": FileState.FAILED, "good.csv": FileState.DONE}
    assert "ZeroDivisionError" in desk.files()[0].problem


async def test_long_bad_rows_filled_the_outbox_for_good(tmp_path: Path) -> None:
    # the limits of a file allow sixty thousand characters in every cell
    with FeedDesk(tmp_path) as desk:
        desk.drop("bad.csv", HEADER + f"many,{'x' * 50_000}\n" * 200)
        await desk.work()
        (file,) = desk.files()
        assert file.state is FileState.FAILED
        assert "rows cannot be used" in file.problem
        kept = desk.ledger.refusals(file.id)
        assert 0 < sum(len(one.text) for one in kept) <= MAX_BAD_CHARACTERS

        desk.ledger.forget_old(CLOCK_MS + (KEEP_DAYS - 1) * 86_400_000)
        assert desk.ledger.refusals(file.id) == kept
        desk.ledger.forget_old(CLOCK_MS + (KEEP_DAYS + 1) * 86_400_000)
        assert desk.ledger.refusals(file.id) == ()
        assert desk.ledger.find(file.id) == file


@pytest.mark.parametrize("step", ["write_reports", "put_away"])
async def test_a_disk_that_fills_up_while_a_file_is_put_away_is_waited_out(
    desk: FeedDesk, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "report")

    desk.drop("asn.csv", HEADER + rows(1, 3))
    with monkeypatch.context() as patched:
        patched.setattr(f"producers.files.processing.{step}", fill)
        await desk.work()
        assert not await desk.watcher.step()
        assert desk.states() == {"asn.csv": FileState.ENDING}

    await desk.work()

    assert desk.quantities() == [1, 2]
    assert desk.states() == {"asn.csv": FileState.DONE}
    assert desk.left() == []


async def test_a_report_that_could_not_be_written_again_was_forgotten(
    desk: FeedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "report")

    desk.drop("asn.csv", HEADER + rows(1, 4))
    await desk.work()
    (file,) = desk.files()
    assert desk.ledger.refuse_late(file.id, Refusal(2, 3, "", "", "refused", "add 2"), now_ms=CLOCK_MS)
    desk.watcher.refused_late(file.id)
    with monkeypatch.context() as patched:
        patched.setattr("producers.files.processing.write_reports", fill)
        assert not await desk.watcher.step()

    await desk.work()

    assert desk.report(desk.files()[0])["rows"]["refused"] == 1


async def test_a_text_that_no_database_can_hold_refuses_its_row(tmp_path: Path) -> None:
    with FeedDesk(tmp_path, format="ndjson", policy="skip-bad-rows") as desk:
        desk.drop("odd.ndjson", '{"quantity": 1, "note": "\\ud800"}\n{"quantity": 2, "note": "b"}\n')
        await desk.work()

        assert desk.quantities() == [2]
        assert desk.files()[0].refused == 1
