"""`stockrelay-station sheet`: the page of command codes that hangs beside the scanner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from producers.scanner.commands import (
    PREFIX,
    SHEET_QUANTITIES,
    Badge,
    Instruction,
    QuantityCode,
    checked_prefix,
    encode,
    sheet_codes,
)
from producers.scanner.tools.pages import Card, Section, page_for
from producers.scanner.tools.symbols import Symbology, draw

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: What the station takes a command code from; Data Matrix is for labels.
SHEET_SYMBOLOGIES: Final = (Symbology.CODE128, Symbology.QR)
_TITLE: Final = "Stockrelay: codes of the station"
_NOTES: Final = (
    "Print at 100 %. Scan a mode; it stays until another is scanned. Codes are letters only, so no keyboard layout",
    "can change them.",
)


@click.command()
@click.option(
    "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write: .html or .svg (A4)."
)
@click.option(
    "--code",
    type=click.Choice([each.value for each in SHEET_SYMBOLOGIES]),
    default=Symbology.CODE128.value,
    show_default=True,
    help="Kind of barcode; code128 is read by every scanner.",
)
@click.option("--quantities", help="Quantities with a code of their own, such as 1,5,10.  [default: 1-10 and reels]")
@click.option("--operators", help="Names to print a badge for, such as 'Ada Byron,Grace'.")
@click.option(
    "--prefix", default=PREFIX, show_default=True, envvar="STOCKRELAY_STATION_COMMAND_PREFIX", show_envvar=True
)
def sheet(*, out: Path, code: str, quantities: str | None, operators: str | None, prefix: str) -> None:
    """Print every command code, the quantities and the operators' badges on one sheet."""
    try:
        counts = SHEET_QUANTITIES if quantities is None else _quantities(quantities)
        sections = sheet_sections(Symbology(code), counts, _names(operators or ""), checked_prefix(prefix))
        page = page_for(out.name, _TITLE, _NOTES, sections)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    write_page(out, page)
    click.echo(f"{out}: {sum(len(section.cards) for section in sections)} codes; print it at 100 %")


def sheet_sections(
    symbology: Symbology, quantities: Iterable[int], operators: Iterable[str], prefix: str = PREFIX
) -> Sequence[Section]:
    """Draw what stands on a sheet. ValueError names the quantity or the operator that no code can hold."""
    commands = sheet_codes(prefix)
    modes = [_card(code.title, code.text, symbology) for code in commands if code.group == "mode"]
    others = [_card(code.title, code.text, symbology) for code in commands if code.group == "instruction"]
    counts = [_meaning(f"{number} pcs", QuantityCode(number), symbology, prefix) for number in quantities]
    badges = [_meaning(name, Badge(name), symbology, prefix) for name in operators]
    found = [("Modes", modes), ("Instructions", others), ("Quantities", counts), ("Operators", badges)]
    return [Section(heading, tuple(cards)) for heading, cards in found if cards]


def write_page(out: Path, page: str) -> None:
    """Write a page, or end the program with what is wrong about the file."""
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{out}: cannot be written: {error.strerror}") from error


def _meaning(title: str, meaning: Instruction | QuantityCode | Badge, symbology: Symbology, prefix: str) -> Card:
    try:
        return _card(title, encode(meaning, prefix), symbology)
    except ValueError as error:
        raise ValueError(f'no code for "{title}": {error}') from error


def _card(title: str, text: str, symbology: Symbology) -> Card:
    return Card(title, text, draw(text, symbology))


def _quantities(text: str) -> list[int]:
    numbers = [part.strip() for part in text.split(",") if part.strip()]
    wrong = next((number for number in numbers if not (number.isascii() and number.isdigit())), None)
    if wrong is not None:
        raise ValueError(f'--quantities: "{wrong}" is no number; give whole numbers with commas, such as 1,5,10')
    return sorted({int(number[:20]) for number in numbers})


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
