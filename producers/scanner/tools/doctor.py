"""`stockrelay-station doctor`: prints a test symbol and says from its scan which setting of the scanner is wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from producers.scanner.inputs import SOURCE_FORMS, Chunk, DeviceNews, InputError, chunks_from
from producers.scanner.inputs.splitter import SUFFIXES
from producers.scanner.labels import MAX_LABEL_CHARACTERS
from producers.scanner.tools.diagnosis import EXPECTED_AIM, TEST_TEXT, diagnose
from producers.scanner.tools.pages import Card, Section, page_for
from producers.scanner.tools.sheet import write_page
from producers.scanner.tools.symbols import Symbology, draw

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

#: A scan is over when nothing more comes for so long; the slowest scanners pause less between characters.
_SETTLE_SECONDS: Final = 1.5
_NOTES: Final = (
    "Scan this symbol while `stockrelay-station doctor --input …` runs. The scanner must send every character",
    f"as it is, the AIM identifier {EXPECTED_AIM} in front and Enter behind.",
)


@click.command()
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the test symbol: .html or .svg.")
@click.option("--input", "source", help=f"Read a scan of it from {SOURCE_FORMS}.")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    show_default=True,
    help="Seconds to wait for the scan.",
)
def doctor(*, out: Path | None, source: str | None, wait_seconds: float) -> None:
    """Test a scanner: print a symbol, scan it, and read which setting is wrong.

    The exit code is 0 when the scanner is set right, 1 when it is not, 75 when no scan came.
    """
    if out is None and source is None:
        raise click.UsageError("give --out FILE to print the test symbol, --input SOURCE to read a scan of it, or both")
    if out is not None:
        _print_symbol(out)
    if source is not None:
        sys.exit(_examine(source, wait_seconds))


def _print_symbol(out: Path) -> None:
    shown = TEST_TEXT.replace("\x1d", "␝").replace("\x1e", "␞").replace("\x04", "␄")
    card = Card("Test symbol", shown, draw(TEST_TEXT.encode(), Symbology.DATAMATRIX))
    try:
        page = page_for(out.name, "Stockrelay: test of a scanner", _NOTES, [Section("Data Matrix", (card,))])
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    write_page(out, page)
    click.echo(f"{out}: test symbol; print it at 100 % or show it on a screen")


def _examine(source: str, wait_seconds: float) -> int:
    try:
        chunks = chunks_from([source])
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    try:
        scan = asyncio.run(_one_scan(chunks, wait_seconds))
    except InputError as error:
        raise click.ClickException(str(error)) from error
    if not scan:
        click.echo("no scan came; when the scanner beeped, it is connected to something else or set to another mode")
        return os.EX_TEMPFAIL
    click.echo(f"read: {scan.decode('utf-8', 'replace')!a}")
    return _report(scan)


def _report(scan: bytes) -> int:
    findings = diagnose(scan)
    for finding in findings:
        click.echo(f"{'note' if finding.is_harmless else 'WRONG'}: {finding.seen}\n       {finding.advice}")
    if all(finding.is_harmless for finding in findings):
        click.echo("the scanner is set right")
        return 0
    return 1


async def _one_scan(chunks: AsyncGenerator[Chunk | DeviceNews, None], wait_seconds: float) -> bytes:
    """Read what one device sends until it falls silent: a second suffix comes after the first."""
    scan, device = b"", ""
    async with contextlib.aclosing(chunks):
        click.echo("scan the test symbol now")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_seconds) as patience:
                async for arrival in chunks:
                    if isinstance(arrival, DeviceNews):
                        click.echo(f"{arrival.device}: {arrival.news} {arrival.reason}".rstrip())
                    elif arrival.device == (device := device or arrival.device):
                        scan = (scan + arrival.data)[: 2 * MAX_LABEL_CHARACTERS]
                        patience.reschedule(asyncio.get_running_loop().time() + _SETTLE_SECONDS)
    return scan if scan.strip(SUFFIXES) else b""
