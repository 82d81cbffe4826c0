"""`stockrelay-station outbox`: a look into a station's outbox, also while the station runs."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from producers.outbox import OutboxError, OutboxState, OutboxView
from producers.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from producers.outbox import Stored

_STATES: Final = [state.value for state in OutboxState]
#: The columns of an export, in their order.
_COLUMNS: Final = (
    "seq",
    "key",
    "stock_timestamp",
    "state",
    "summary",
    "attempts",
    "last_error",
    "result",
    "sent_at_ms",
    "body",
    "origin",
)


@click.group()
@click.option(
    "--outbox",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="STOCKRELAY_STATION_OUTBOX",
    show_envvar=True,
    help="File of the outbox.  [default: var/outbox/<station>.sqlite3]",
)
@click.option("--station", envvar="STOCKRELAY_STATION_ID", show_envvar=True, help="Name of the station.")
@click.pass_context
def outbox(context: click.Context, path: Path | None, station: str | None) -> None:
    """Look into an outbox, and have a refused entry tried again. The station may be running."""
    if path is None and not station:
        raise click.UsageError("give --outbox FILE or --station NAME")
    try:
        context.obj = context.with_resource(OutboxView(path or Path("var", "outbox", f"{station}.sqlite3")))
    except OutboxError as error:
        raise click.ClickException(str(error)) from error


@outbox.command()
@click.option("--state", "states", type=click.Choice(_STATES), multiple=True, help="Only these; may be given again.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
@click.pass_obj
def ls(view: OutboxView, states: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """List entries, oldest first, and count all by their state."""
    with _errors_told():
        rows = view.rows(*map(OutboxState, states), limit=limit, newest_first=True)
        counts = view.counts()
    for stored in reversed(rows):
        click.echo(json.dumps(_document(stored)) if as_json else _line(stored))
    if not as_json:
        counted = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
        click.echo(counted or "empty")


@outbox.command()
@click.argument("key")
@click.pass_obj
def show(view: OutboxView, key: str) -> None:
    """Show all that is known of one entry, as JSON."""
    click.echo(json.dumps(_document(_found(view, key)), indent=2))


@outbox.command()
@click.argument("key")
@click.pass_obj
def retry(view: OutboxView, key: str) -> None:
    """Have a refused entry handed over again, or a postponed one now; a running station notices within seconds."""
    stored = _found(view, key)
    with _errors_told():
        is_retried = view.retry(key)
    if not is_retried:
        raise click.ClickException(f"{key} is {stored.state}: only a refused or a waiting entry can be tried again")
    click.echo(f"{key} is tried again: {plain(stored.summary)}")


@outbox.command()
@click.option("--since", help="From this moment on: a date or date and time (ISO 8601), UTC unless it says otherwise.")
@click.option("--format", "form", type=click.Choice(["ndjson", "csv"]), default="ndjson", show_default=True)
@click.pass_obj
def export(view: OutboxView, since: str | None, form: str) -> None:
    """Write the entries to standard output, oldest first."""
    since_ms = _moment_ms(since)
    with _errors_told():
        rows = (_document(stored) for stored in view.every_row() if stored.stock_timestamp >= since_ms)
        if form == "csv":
            _write_csv(rows)
            return
        for row in rows:
            click.echo(json.dumps(row))


def _write_csv(rows: Iterator[dict[str, Any]]) -> None:
    writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, "body": json.dumps(row["body"]), "origin": json.dumps(row["origin"])})


def _document(stored: Stored) -> dict[str, Any]:
    values = asdict(stored)
    return {name: values[name] for name in _COLUMNS} | {name: _json(values[name]) for name in ("body", "origin")}


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _line(stored: Stored) -> str:
    moment = dt.datetime.fromtimestamp(stored.stock_timestamp / 1000, dt.UTC)
    why = stored.result or stored.last_error
    return f"{moment:%Y-%m-%d %H:%M:%S}Z {stored.state:<10} {stored.key} {plain(stored.summary)}" + (
        f" ({plain(why)})" if why else ""
    )


def _found(view: OutboxView, key: str) -> Stored:
    with _errors_told():
        stored = view.find(key)
    if stored is None:
        raise click.ClickException(f"{key} is not in {view.path}; see `outbox ls`")
    return stored


def _moment_ms(text: str | None) -> int:
    if text is None:
        return 0
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(
            f'--since: "{text}" is no moment; give one such as 2026-11-21 or 2026-11-21T14:30'
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp() * 1000)


@contextlib.contextmanager
def _errors_told() -> Iterator[None]:
    """End the program with what the outbox says."""
    try:
        yield
    except OutboxError as error:
        raise click.ClickException(str(error)) from error
