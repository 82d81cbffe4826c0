"""The commands beside `stockrelay-files run`: what would become of a file, and what became of files."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console
from rich.table import Table

from producers.exits import UsageError
from producers.files.description import describe
from producers.files.feeds import FeedsError, read_feeds
from producers.files.ledger import FileLedger, FileState
from producers.files.readiness import MARKER_SUFFIX
from producers.files.reports import report_of
from producers.files.rows import FileProblem
from producers.outbox_records import OutboxError
from producers.outbox_view import OutboxView
from producers.settings import FILES_PREFIX, FilesSettings
from tasks.settings import SettingsError, read_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from producers.files.description import Description
    from producers.files.feeds import Feed
    from producers.files.ledger import DroppedFile


@click.command()
@click.option("--feed", "feed_name", help="The feed whose rules are tried.  [default: the only one, or the folder's]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(feed_name: str | None, file: Path, *, as_json: bool) -> None:
    """Show what FILE would become by the rules of a feed: how it is read, first commands, what is wrong.

    Nothing is stored or moved. Exit codes: 0 good, 1 it would be refused or has bad rows, 2 wrong usage.
    """
    feed = _feed_for(file, feed_name)
    try:
        found = describe(file, feed)
    except FileProblem as error:
        raise click.ClickException(f"{file.name} would be refused: {error}") from error
    click.echo(json.dumps(_document(feed, found), indent=2) if as_json else "\n".join(_lines(feed, found)))
    if found.bad.count:
        raise SystemExit(1)


@click.command()
@click.argument("name")
def retry(name: str) -> None:
    """Put a failed file back into the feed's in/ folder. NAME is the name it was dropped under, or its id."""
    with _view() as view:
        files = FileLedger(view).latest(1000, name=name) if name else ()
    failed = next((file for file in files if file.state is FileState.FAILED), None)
    if failed is None:
        raise UsageError(f"no failed file is called {name or 'so'}; see stockrelay-files ledger ls")
    place = Path(failed.place or "")
    incoming = place.parents[4] / "in"
    target = incoming / failed.name
    if not place.exists():
        raise UsageError(f"{place} is not there any more; drop the file again")
    if target.exists():
        raise UsageError(f"{target} is there already; wait until it is taken")
    try:
        place.rename(target)
        if _has_marker(failed.feed):
            target.with_name(target.name + MARKER_SUFFIX).touch()
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    click.echo(f"{failed.name} is back in {incoming}")


@click.group()
def ledger() -> None:
    """Show what became of files."""


@ledger.command("ls")
@click.option("--limit", type=click.IntRange(1, 10_000), default=30, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_files(limit: int, *, as_json: bool) -> None:
    """List files, the newest first."""
    with _view() as view:
        files = FileLedger(view).latest(limit)
    if as_json:
        for file in files:
            click.echo(json.dumps(report_of(file, ())))
        return
    table = Table("id", "feed", "file", "state", "stored", "refused", "problem", box=None, pad_edge=False)
    for file in files:
        table.add_row(
            file.id, file.feed, file.name, file.state.value, str(file.stored), str(file.refused), file.problem
        )
    Console(width=None if os.isatty(1) else shutil.get_terminal_size((160, 50)).columns).print(table)


@ledger.command("show")
@click.argument("name")
def show_file(name: str) -> None:
    """Show the report of the newest file of that name or id, with every refused row."""
    with _view() as view:
        files = FileLedger(view)
        found = files.latest(1, name=name)
        if not found:
            raise UsageError(f"no file is called {name}; see stockrelay-files ledger ls")
        click.echo(json.dumps({**report_of(found[0], files.refusals(found[0].id)), **_whereabouts(found[0])}, indent=2))


TOOLS: Final = (check, retry, ledger)


def _whereabouts(file: DroppedFile) -> dict[str, Any]:
    return {"place": file.place, "rows_done": file.checkpoint}


def _settings() -> FilesSettings:
    try:
        return read_environment(FilesSettings, FILES_PREFIX, os.environ)
    except SettingsError as error:
        raise UsageError(str(error)) from error


def _view() -> OutboxView:
    try:
        return OutboxView(_settings().outbox)
    except OutboxError as error:
        raise UsageError(str(error)) from error


def _feeds() -> Mapping[str, Feed]:
    config = _settings().config
    if config is None:
        raise UsageError(f"{FILES_PREFIX}CONFIG: not set; it names the TOML file with [feeds.…]")
    try:
        return {feed.name: feed for feed in read_feeds(config)}
    except FeedsError as error:
        raise UsageError(str(error)) from error


def _has_marker(name: str) -> bool:
    """Tell whether the files of a feed need a marker; of one that is not configured any more nobody takes files."""
    feed = _feeds().get(name) if _settings().config is not None else None
    return feed is not None and feed.done_marker


def _feed_for(file: Path, name: str | None) -> Feed:
    feeds = _feeds()
    if name is None:
        here = [feed for feed in feeds.values() if feed.path.resolve() in file.resolve().parents]
        fitting = here or list(feeds.values())
        if len(fitting) == 1:
            return fitting[0]
    elif name in feeds:
        return feeds[name]
    raise UsageError(f"--feed: give one of {', '.join(feeds)}")


def _document(feed: Feed, found: Description) -> dict[str, Any]:
    return {
        "feed": feed.name,
        "kind": feed.kind,
        "read_as": dict(found.traits),
        "columns": found.columns,
        "fields": dict(found.filling),
        "rows": {"commands": found.commands.count, "bad": found.bad.count, "left_out": found.left_out.count},
        "commands": [one.model_dump(mode="json", exclude_none=True) for one in found.commands.first],
        "bad": [asdict(one) for one in found.bad.first],
        "left_out": [asdict(one) for one in found.left_out.first],
        "notes": list(found.notes),
    }


def _lines(feed: Feed, found: Description) -> list[str]:
    lines = [f"feed {feed.name}: each row becomes {feed.kind}"]
    lines += [f"  {name}: {value}" for name, value in found.traits.items()]
    lines += [f"  {name} = {source}" for name, source in found.filling.items()]
    lines.append(
        f"{found.rows} rows: {found.commands.count} commands, {found.bad.count} bad, {found.left_out.count} left out"
    )
    lines += [f"  {command.summary()}" for command in found.commands.first]
    lines += [f"  BAD {bad}" for bad in found.bad.first]
    lines += [f"  left out, line {one.line}: {one.reason}" for one in found.left_out.first]
    lines += [f"note: {note}" for note in found.notes]
    if found.bad.count and feed.policy == "all-or-nothing":
        lines.append("nothing of it would be stored: the feed takes all rows or none")
    return lines
