"""Which files of a folder are taken, when, in which order, under which names."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from producers.files.folders import FolderError, Folders, is_remote
from producers.files.leases import Writers
from producers.files.ledger import FileState
from tests.integration.files_harness import HEADER, DeathError, FeedDesk, rows, waits

if TYPE_CHECKING:
    from collections.abc import Iterator


def _die(*_: object) -> None:
    raise DeathError


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[FeedDesk]:
    with FeedDesk(tmp_path) as opened:
        yield opened


async def test_a_file_is_left_alone_while_its_writer_has_it_open(tmp_path: Path) -> None:
    with FeedDesk(tmp_path, settle_seconds=3600) as desk:
        path = desk.folders.incoming / "slow.csv"
        with path.open("w") as writer:
            writer.write(HEADER + rows(1, 3))
            writer.flush()
            for _ in range(4):
                await desk.watcher.step()
            assert desk.files() == []
            writer.write(rows(3, 6))
        # nobody has it open: the hour of settling is not waited for
        await desk.work()

        assert desk.quantities() == [1, 2, 3, 4, 5]


async def test_a_file_that_changes_between_two_looks_is_not_taken(desk: FeedDesk) -> None:
    path = desk.drop("growing.csv", HEADER + rows(1, 2))
    await desk.watcher.step()
    with path.open("a") as writer:
        writer.write(rows(2, 3))
    await desk.watcher.step()
    assert desk.files() == []

    await desk.work()

    assert desk.quantities() == [1, 2]


async def test_a_file_renamed_into_place_is_taken_and_its_draft_is_not(desk: FeedDesk) -> None:
    draft = desk.drop("asn.csv.part", HEADER + rows(1, 3))
    await desk.work()
    assert desk.files() == []
    draft.rename(desk.folders.incoming / "asn.csv")

    await desk.work()

    assert desk.states() == {"asn.csv": FileState.DONE}


async def test_a_feed_with_markers_waits_for_them_and_takes_them_away(tmp_path: Path) -> None:
    with FeedDesk(tmp_path, done_marker=True) as desk:
        desk.drop("asn.csv", HEADER + rows(1, 3))
        for _ in range(3):
            await desk.watcher.step()
        assert desk.files() == []
        desk.drop("asn.csv.done", "")

        await desk.work()

        assert desk.states() == {"asn.csv": FileState.DONE}
        assert desk.left() == []


async def test_an_empty_file_rests_and_then_fails_with_a_report(desk: FeedDesk) -> None:
    desk.drop("nothing.csv", "")

    await desk.work()

    assert desk.states() == {"nothing.csv": FileState.FAILED}
    assert "empty" in desk.report(desk.files()[0])["problem"]


async def test_what_is_no_plain_file_ends_in_failed_and_what_nobody_dropped_stays(desk: FeedDesk) -> None:
    incoming = desk.folders.incoming
    good = desk.drop("asn.csv", HEADER + rows(1, 3))
    elsewhere = desk.folder / "elsewhere.csv"
    elsewhere.write_text(HEADER + rows(50, 60))
    (incoming / "link.csv").symlink_to(elsewhere)
    (incoming / "gone.csv").symlink_to(desk.folder / "nowhere")
    (incoming / "second-name.csv").hardlink_to(elsewhere)
    os.mkfifo(incoming / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(incoming / "sock"))
    (incoming / "folder.csv").mkdir()
    desk.drop(".hidden.csv", HEADER)
    desk.drop("~$asn.csv", HEADER)

    await desk.work()

    assert not good.exists()
    assert desk.quantities() == [1, 2]
    failed = {name for name, state in desk.states().items() if state is FileState.FAILED}
    assert failed == {"link.csv", "gone.csv", "second-name.csv", "pipe.csv", "sock"}
    assert desk.left() == [".hidden.csv", "folder.csv", "~$asn.csv"]
    assert elsewhere.read_text() == HEADER + rows(50, 60)


async def test_hostile_names_are_kept_apart_and_written_harmlessly(desk: FeedDesk) -> None:
    names = [b"caf\xe9.csv", "größe.csv".encode(), b"a;rm -rf $(x).csv", b"x" * 251 + b".csv", b"new\nline.csv"]
    for place, name in enumerate(names):
        desk.drop(os.fsdecode(name), HEADER + rows(place + 1, place + 2))

    await desk.work()

    assert sorted(desk.quantities()) == [1, 2, 3, 4, 5]
    assert desk.left() == []
    for file in desk.files():
        assert file.state is FileState.DONE
        assert all(character.isascii() and character.isprintable() for character in file.name)


async def test_a_missing_folder_is_said_and_waited_for(desk: FeedDesk) -> None:
    desk.folders.incoming.rmdir()
    await desk.watcher.step()
    desk.folders.incoming.mkdir()
    desk.drop("asn.csv", HEADER + rows(1, 2))

    await desk.work()

    assert desk.states() == {"asn.csv": FileState.DONE}


def test_a_second_process_on_the_same_folder_is_refused(desk: FeedDesk) -> None:
    with pytest.raises(FolderError, match="another process works on this folder"):
        Folders("other", desk.feed.path)


async def test_files_are_taken_in_the_order_in_which_they_were_finished(desk: FeedDesk) -> None:
    for place, name in enumerate(("z.csv", "a.csv", "m.csv")):
        path = desk.drop(name, HEADER + rows(place + 1, place + 2))
        os.utime(path, (1_790_000_000 + place, 1_790_000_000 + place))

    await desk.work()

    assert desk.quantities() == [1, 2, 3]


async def test_a_file_without_its_marker_is_spoken_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("producers.files.arrivals.LONG_SECONDS", 0.0)
    with FeedDesk(tmp_path, done_marker=True) as desk:
        for name in ("a.csv", "b.csv"):
            desk.drop(name, HEADER + rows(1, 3))
        for _ in range(3):
            await desk.watcher.step()

    assert waits(caplog) == ["there is no .done beside it"]


async def test_a_marker_left_by_a_death_vouched_for_the_next_file_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FeedDesk(tmp_path, done_marker=True) as desk:
        desk.drop("asn.csv", HEADER + rows(1, 3))
        desk.drop("asn.csv.done", "")
        with monkeypatch.context() as patched:
            patched.setattr("producers.files.watcher.FeedWatcher._remove_marker", _die)
            with pytest.raises(DeathError):
                await desk.watcher.step()
    with FeedDesk(tmp_path, done_marker=True) as desk:
        await desk.watcher.step()
        desk.drop("asn.csv", HEADER + rows(3, 4))
        await desk.watcher.step()

        assert desk.quantities() == [1, 2]
        assert desk.left() == ["asn.csv"]


async def test_a_file_on_a_network_folder_was_never_taken_because_leases_are_refused_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.files.watcher._mounts", lambda: "1 0 0:1 / / rw - nfs4 server:/ rw")
    monkeypatch.setattr("producers.files.arrivals.writers_of", lambda _: Writers.SOME)
    with FeedDesk(tmp_path) as desk:
        desk.drop("asn.csv", HEADER + rows(1, 3))
        await desk.work()

        assert desk.quantities() == [1, 2]


@pytest.mark.parametrize(
    ("mount", "found"),
    [
        ("/srv/goods\\040in", "remote"),
        ("/srv/goods\\040in/größe", "remote"),
        ("/srv/goods", "here"),
        ("/mnt", "here"),
    ],
)
def test_a_network_folder_is_known_by_its_mount(mount: str, found: str) -> None:
    mounts = f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / {mount} rw shared:1 - nfs4 server:/ rw\n"

    assert is_remote(Path("/srv/goods in/größe/in"), mounts) is (found == "remote")


async def test_a_file_that_may_not_be_moved_held_up_all_others(
    desk: FeedDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    claim = desk.folders.claim

    def refuse(name: str) -> tuple[str, Path]:
        if name == "sticky.csv":
            raise PermissionError(1, "Operation not permitted", name)
        return claim(name)

    monkeypatch.setattr(desk.folders, "claim", refuse)
    desk.drop("sticky.csv", HEADER + rows(1, 2))
    desk.drop("later.csv", HEADER + rows(2, 3))
    await desk.work()
    await desk.work()

    assert desk.quantities() == [2]
    assert desk.left() == ["sticky.csv"]
    assert desk.watcher.failed == 1
    assert len(waits(caplog)) == 1


def test_folders_on_several_mounts_were_found_out_with_the_first_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "rename", refuse)

    with pytest.raises(FolderError, match="several devices or mounts"):
        Folders("goods-in", tmp_path)

    assert list(tmp_path.glob("*/.probe*")) == []


async def test_a_feed_whose_path_is_relative_notes_where_its_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with FeedDesk(tmp_path, path="drop") as desk:
        desk.drop("asn.csv", HEADER + rows(1, 3))
        await desk.work()
        monkeypatch.chdir("/")

        assert desk.content(desk.files()[0]) == HEADER + rows(1, 3)


async def test_a_feed_whose_folder_is_a_link_is_worked_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "drop").symlink_to(tmp_path / "elsewhere")
    with FeedDesk(tmp_path) as desk:
        desk.drop("asn.csv", HEADER + rows(1, 3))
        await desk.work()

        assert desk.quantities() == [1, 2]
        assert desk.left() == []


async def test_names_that_were_ignored_once_are_forgotten_when_they_are_gone(tmp_path: Path) -> None:
    with FeedDesk(tmp_path, pattern="*.csv") as desk:
        path = desk.drop("notes.txt", "")
        await desk.watcher.step()
        path.unlink()
        await desk.watcher.step()

        assert desk.watcher._arrivals._ignored == set()


async def test_many_files_that_stay_unfinished_took_a_processor_for_looking_at_them(desk: FeedDesk) -> None:
    desk.drop("a.csv", HEADER + rows(1, 3))
    await desk.watcher.step()
    arrivals = desk.watcher._arrivals
    assert arrivals.rest_seconds() < desk.feed.poll_seconds
    arrivals._look_seconds = 5.0

    assert arrivals.rest_seconds() == 20.0
