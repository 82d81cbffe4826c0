"""`stockrelay reconcile`: the ledger compared with what the vendors show, and what would put the differences right."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.text import Text

from tasks.redis_client import server_ms
from workers.cli.arguments import json_option
from workers.cli.relay import EXIT_FAILURE, EXIT_TRY_LATER, RefusedError, Relay, with_relay
from workers.cli.screen import Screen, moment, print_json, span
from workers.reconciler import RECONCILED
from workers.reconciler.findings import Finding
from workers.reconciler_schedule import RECONCILE_DAYS, last_report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workers.cli.screen import Cell

_UNIT_MS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_COLOURS: Final = {Finding.MISSING: "red", Finding.DOUBLE: "red", Finding.FOREIGN: "yellow", Finding.CHANGED: "yellow"}


def since_text(text: str) -> tuple[int, bool]:
    """Read 2d, 12h or 90m, or a date with or without a time in UTC, as milliseconds; True for those before now."""
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text.strip())
    if found is not None:
        return int(found[1]) * _UNIT_MS[found[2]], True
    try:
        date = datetime.fromisoformat(text.strip())
        return round((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000), False
    except (ValueError, OverflowError):
        message = f"{text!r} is neither a time span like 2d, 12h or 90m nor a date like 2026-11-20 or 2026-11-20T08:00"
        raise click.BadParameter(message) from None


def page_path(text: str) -> Path:
    """Read where a page is to be written, before minutes are spent on what it shows."""
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise click.BadParameter(f"{text!r}: no file can be written there")
    return path


@click.command()
@click.option(
    "--since",
    type=since_text,
    default=f"{RECONCILE_DAYS:g}d",
    show_default=True,
    metavar="SPAN|DATE",
    help="Compare what was applied since then: 2d, 12h, 90m, or a date in UTC.",
)
@click.option("--vendor", type=click.Choice(RECONCILED), help="Only this vendor.")
@click.option("--last", is_flag=True, help="Show the last reports of the schedule; ask no vendor.")
@click.option("--html", type=page_path, metavar="FILE", help="Write a page too.")
@json_option()
@with_relay
async def reconcile(
    relay: Relay, *, since: tuple[int, bool], vendor: str | None, last: bool, html: Path | None, as_json: bool
) -> None:
    """Compare the ledger with what the vendors show. Nothing is changed, and no offered command is submitted.

    MISSING is applied in the ledger and not at the vendor, DOUBLE is there more than once, FOREIGN is there and not in
    the ledger, CHANGED is not as it was applied. It needs the vendors' secrets, and reads at their limits, behind the
    commands that wait.

    Exit codes: 0 all agrees, 1 differences, 75 not all could be compared.

    --json: {reports [{vendor, since_ms, began_ms, ended_ms, compared, undecided, counts {missing, double, foreign,
    changed}, differences [{finding, subject, name, detail, key, kind, expected, found, offers [{kind, fields, line}]}],
    uncompared_total, uncompared [{what, why}], note, gave_up}]}.
    """
    if last:
        found = [await last_report(relay.redis, name) for name in _chosen(vendor)]
        reports = [report for report in found if report is not None]
        if not reports:
            raise RefusedError("no report is kept: the schedule has not run yet (STOCKRELAY_WORKER_RECONCILE_AT)")
    else:
        # the adapters and their HTTP library would double the start of every other command
        from workers.cli.reconcile_run import compare_vendors  # noqa: PLC0415

        given, is_span = since
        now_ms = await server_ms(relay.redis)
        since_ms = now_ms - given if is_span else given
        if since_ms >= now_ms:
            raise click.BadParameter(f"{moment(since_ms)} is not in the past", param_hint="--since")
        reports = [report.public() for report in await compare_vendors(relay, _chosen(vendor), since_ms)]
    if html is not None:
        _write_page(html, reports)
    if as_json:
        print_json({"reports": reports})
    else:
        _print(reports)
    raise click.exceptions.Exit(_exit_code(reports))


def _chosen(vendor: str | None) -> tuple[str, ...]:
    return RECONCILED if vendor is None else (vendor,)


def _exit_code(reports: Sequence[dict[str, Any]]) -> int:
    if any(sum(report["counts"].values()) for report in reports):
        return EXIT_FAILURE
    return EXIT_TRY_LATER if any(report["uncompared_total"] for report in reports) else 0


def _write_page(path: Path, reports: Sequence[dict[str, Any]]) -> None:
    from workers.cli.reconcile_page import page  # noqa: PLC0415  as above

    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_text(page(reports), encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise RefusedError(f"--html: {error}") from None


def _print(reports: Sequence[dict[str, Any]]) -> None:
    screen = Screen()
    if not reports:
        screen.line("Nothing to compare: no vendor has its secrets here, and none has commands.")
    for report in reports:
        screen.title(report["vendor"])
        screen.facts(_facts(report))
        if report["differences"]:
            screen.table(("FINDING", "WHAT", "HOW"), [_row(each) for each in report["differences"]])
        _print_offers(screen, report["differences"])
        for gap in report["uncompared"]:
            screen.facts([("not compared", f"{gap['what']}: {gap['why']}")])


def _facts(report: dict[str, Any]) -> Iterator[tuple[str, Cell]]:
    counts = report["counts"]
    total = sum(counts.values())
    took = span((report["ended_ms"] - report["began_ms"]) / 1000)
    yield "compared", f"{report['compared']} commands applied since {moment(report['since_ms'])}"
    yield "at", f"{moment(report['began_ms'])}, in {took}"
    yield "undecided", f"{report['undecided']} commands: not ended, or held"
    told = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    yield "differences", Text(told, style="red") if total else Text("none", style="green")
    if total > len(report["differences"]):
        yield "shown", f"the first {len(report['differences'])} of {total}"
    if report["uncompared_total"]:
        yield "not compared", Text(str(report["uncompared_total"]), style="yellow")
    if report["note"]:
        yield "cannot tell", report["note"]


def _row(difference: dict[str, Any]) -> tuple[Cell, ...]:
    finding = Finding(difference["finding"])
    about = f"{difference['kind']} {difference['key']}".strip()
    lines = [difference["subject"], difference.get("name", ""), about]
    return Text(finding.value.upper(), style=_COLOURS[finding]), "\n".join(filter(None, lines)), difference["detail"]


def _print_offers(screen: Screen, differences: Sequence[dict[str, Any]]) -> None:
    offered = [offer for difference in differences for offer in difference["offers"]]
    if not offered:
        return
    screen.title("What would put it right; nothing of it was submitted")
    for offer in offered:
        # one line each, unbroken, to be copied
        fits = offer["line"] and offer["line"].isprintable()
        click.echo("  " + (offer["line"] if fits else f"{offer['kind']}: no line for a shell; take it from --json"))
