"""Files and folders that the programs need: secrets, spools and outboxes, and the configuration of producers."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tasks.settings import PROJECT_PREFIX
from workers.cli.doctor.findings import Finding, good, in_thread, unchecked, warning, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: What an outbox leaves on its disk: below it takes nothing more.
MIN_FREE_BYTES: Final = 200_000_000
#: Room for a day or two of a relay that is away.
NOTED_FREE_BYTES: Final = 2_000_000_000
_MB: Final = 1_000_000
#: By part of the settings: the setting that says where its file is, and where it is by itself.
_KEPT: Final = {
    "WEBHOOKS": ("SPOOL", "var/spool/webhooks.sqlite3"),
    "FILES": ("OUTBOX", "var/outbox/files.sqlite3"),
    "STATION": ("OUTBOX", "var/outbox/station.sqlite3"),
}
#: By part: the program that checks its settings and its file of sources or feeds, and says in a line what is wrong.
_PROGRAMS: Final = {
    "WEBHOOKS": "producers.webhooks.main",
    "FILES": "producers.files.main",
    "STATION": "producers.scanner.main",
}


def configured(environ: Mapping[str, str]) -> list[str]:
    """List the producers that have settings here."""
    return [part for part in _KEPT if any(name.startswith(f"{PROJECT_PREFIX}{part}_") for name in environ)]


async def check_secrets(environ: Mapping[str, str]) -> Sequence[Finding]:
    """Look whether files that hold secrets are there, and are nobody else's to read."""
    ours = (PROJECT_PREFIX, "REDIS_URL_")
    names = [name for name in environ if name.startswith(ours) and name.endswith("_FILE")]
    found = await in_thread(lambda: [_secret(name, Path(environ[name])) for name in sorted(names)])
    return found or [good("secret files", "none are named")]


def _secret(name: str, path: Path) -> Finding:
    try:
        mode = path.stat().st_mode
        with path.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        return wrong(name, f"cannot be read: {error.strerror}", "name a file that this user may read")
    if mode & stat.S_IROTH:
        return warning(name, "everybody on this machine may read it", "take that right away (chmod o-r)")
    return good(name, "can be read, and not by everybody")


async def check_kept(part: str, environ: Mapping[str, str]) -> Sequence[Finding]:
    """Look whether a producer's own file can be written, and how much room there is."""
    setting, default = _KEPT[part]
    name = f"{PROJECT_PREFIX}{part}_{setting}"
    return await in_thread(lambda: list(_place(name, Path(environ.get(name, default)))))


def _place(name: str, path: Path) -> Iterator[Finding]:
    folder = path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield wrong(name, "its folder cannot be written by this user", "give this user the folder, or name another one")
        return
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        yield wrong(name, "the file is another user's", "run this as the program's user, or give it the file")
        return
    free = shutil.disk_usage(folder).free
    found = f"can be written, {free // _MB} MB free"
    if free < MIN_FREE_BYTES:
        yield wrong(name, found, f"make room: below {MIN_FREE_BYTES // _MB} MB nothing more is taken")
    elif free < NOTED_FREE_BYTES:
        yield warning(name, found, "make room: what arrives while Redis is away has to be kept here")
    else:
        yield good(name, found)


async def check_program(part: str, environ: Mapping[str, str]) -> Sequence[Finding]:
    """Let a producer check its own settings, its sources or its feeds; it touches nothing."""
    words = ("-m", _PROGRAMS[part], "run", "--check")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environ),
    )
    try:
        _, told = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    about = f"{part.lower()} settings"
    if process.returncode == 0:
        return [good(about, "can all be read, and so can its configuration file")]
    lines = told.decode(errors="replace").splitlines()
    if process.returncode == 2 and lines:  # noqa: PLR2004  wrong usage or settings, everywhere
        return [wrong(about, lines[-1], "correct it: the program does not start with it")]
    return [unchecked(about, f"its own check ended with {process.returncode}", "run it by hand with `run --check`")]
