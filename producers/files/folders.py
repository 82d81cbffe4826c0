"""The folders of a feed, and moving files between them so that neither a crash nor a second process loses one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import time
import uuid
from typing import TYPE_CHECKING, Final

from tasks.errors import StockrelayError

if TYPE_CHECKING:
    from pathlib import Path

#: What a name may keep; anything else is written as `_`.
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._ -]")
#: Room for the id, a date and the endings of the reports, within the 255 bytes of a file system.
MAX_NAME_CHARACTERS: Final = 180
_ENDING_CHARACTERS: Final = 20
_WORK_NAME: Final = re.compile(r"(?P<id>[0-9a-f]{12})__(?P<name>.+)", re.DOTALL)
#: How `/proc/self/mountinfo` writes a blank or a backslash in a mount point (proc(5)).
_OCTAL: Final = re.compile(rb"\\([0-7]{3})")
#: File systems whose changes elsewhere raise no event here.
_REMOTE: Final = ("nfs", "cifs", "smb", "fuse.", "9p", "vboxsf", "afs", "ceph")


class FolderError(StockrelayError):
    """The folders of a feed cannot be used; the text names the feed and what to do."""


def safe_name(name: str) -> str:
    """Write a dropped file's name with characters that are harmless everywhere; the ending stays."""
    plain = _UNSAFE.sub("_", name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")).strip(". ") or "file"
    if len(plain) <= MAX_NAME_CHARACTERS:
        return plain
    stem, dot, suffix = plain.rpartition(".")
    ending = f"{dot}{suffix}"[:_ENDING_CHARACTERS] if stem else ""
    return plain[: MAX_NAME_CHARACTERS - len(ending)] + ending


class Folders:
    """`in/`, `work/`, `done/` and `failed/` of one feed, held by this process until `close`."""

    def __init__(self, feed: str, path: Path) -> None:
        self.feed = feed
        # what is noted as a file's place has to be found from any working folder
        root = path.absolute()
        self.incoming, self.work, self.done, self.failed = (root / name for name in ("in", "work", "done", "failed"))
        try:
            for folder in (self.incoming, self.work, self.done, self.failed):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.work / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise FolderError(f"feeds.{feed}.path: {root}: cannot be used: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._try_moving()
        except BlockingIOError as error:
            self.close()
            raise FolderError(f"feeds.{feed}.path: {root}: another process works on this folder; stop it") from error
        except OSError as error:
            self.close()
            raise FolderError(f"feeds.{feed}.path: {root}: {_why_not_moved(error)}") from error

    def _try_moving(self) -> None:
        """Carry a file through all folders, as each dropped one will go; bind mounts of one disk do not allow it."""
        place = self.incoming / f".probe-{uuid.uuid4().hex}"
        try:
            place.touch(exist_ok=False)
            for folder in (self.work, self.done, self.failed):
                place = place.rename(folder / place.name)
        finally:
            with contextlib.suppress(OSError):
                place.unlink()

    def close(self) -> None:
        """Let another process work on the folder."""
        os.close(self._lock)

    def claim(self, name: str) -> tuple[str, Path]:
        """Take a file out of `in/`: gives its new id and where it is now. OSError when somebody was quicker."""
        return self._renamed(self.incoming / name, name)

    def claim_again(self, path: Path) -> tuple[str, Path]:
        """Give a file in `work/` a new id: somebody put it there under that of another one."""
        return self._renamed(path, given_name(path))

    def _renamed(self, path: Path, name: str) -> tuple[str, Path]:
        file_id = uuid.uuid4().hex[:12]
        target = path.rename(self.work / f"{file_id}__{safe_name(name)}")
        sync(self.work)
        return file_id, target

    def at_work(self) -> dict[str, Path]:
        """Give what is in `work/`, by id; what others put there is left alone."""
        found = ((_WORK_NAME.fullmatch(path.name), path) for path in sorted(self.work.iterdir()))
        return {match["id"]: path for match, path in found if match is not None}

    def target(self, file_id: str, name: str, ended_ms: int, *, failed: bool) -> Path:
        """Name the place of a file that is over; the id keeps files of one name apart."""
        day = time.strftime("%Y/%m/%d", time.gmtime(ended_ms / 1000))
        return (self.failed if failed else self.done) / day / f"{file_id}__{name}"


def _why_not_moved(error: OSError) -> str:
    if error.errno == errno.EXDEV:
        return "its folders are on several devices or mounts; a file could be lost between, so mount the whole"
    return f"no file can be moved between its folders: {error.strerror}"


def given_name(path: Path) -> str:
    """Give the name under which a claimed file was dropped."""
    match = _WORK_NAME.fullmatch(path.name)
    return match["name"] if match is not None else path.name


def put_away(path: Path, target: Path) -> None:
    """Move a file that is over to its place, beside its reports; done twice it changes nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path):
        path.rename(target)
    sync(target.parent)


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one step: it is there whole or not at all; `sync` its folder to make its name durable."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.writing")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_remote(path: Path, mounts: str) -> bool:
    """Tell from `/proc/self/mountinfo` (proc(5)) whether a folder is on a file system without events of other hosts."""
    best, kind = -1, ""
    place = str(path.resolve())
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        parts = fields.split()
        if len(parts) < 5:  # noqa: PLR2004  the mount point is the fifth field
            continue
        point = os.fsdecode(_OCTAL.sub(lambda found: bytes([int(found[1], 8)]), os.fsencode(parts[4])))
        if (place == point or place.startswith(point.rstrip("/") + "/")) and len(point) > best:
            best, kind = len(point), rest.split(" ", 1)[0]
    return kind.startswith(_REMOTE)
