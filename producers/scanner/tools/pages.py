"""Printed pages of barcodes: sections of cards on A4, as one SVG or as HTML that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.scanner.tools.symbols import Symbol

#: ISO 216 A4, and a margin that every office printer can print.
_PAGE_WIDTH_MM, _PAGE_HEIGHT_MM, _MARGIN_MM = 210, 297, 8
_INNER_MM: Final = _PAGE_WIDTH_MM - 2 * _MARGIN_MM
#: Bars need a third of the page; a page of square codes takes four in a row.
_COLUMNS, _COLUMNS_OF_SQUARES = 3, 4
#: A heading with its air; the name and the text of a card below its symbol.
_HEADING_MM: Final = 7.5
_CAPTION_MM: Final = 7.0

_STYLE: Final = f"""
@page {{ size: A4; margin: {_MARGIN_MM}mm; }}
* {{ box-sizing: border-box; }}
body {{ font-family: Helvetica, Arial, sans-serif; color: #000; background: #fff; }}
body {{ margin: 0 auto; width: {_INNER_MM}mm; }}
h1 {{ font-size: 5mm; margin: 0; }}
h2 {{ font-size: 3.5mm; margin: 1.5mm 0 .5mm; break-after: avoid; border-bottom: .2mm solid #000; }}
p {{ font-size: 2.6mm; margin: .5mm 0; }}
.cards {{ display: grid; grid-template-columns: repeat(var(--columns), 1fr); }}
.card {{ break-inside: avoid; text-align: center; margin: 0; padding: .3mm 0; }}
.wide {{ grid-column: 1 / -1; }}
.card svg {{ display: block; margin: 0 auto; }}
.card b {{ display: block; font-size: 3.4mm; line-height: 3.6mm; }}
.card span {{ display: block; font: 2mm/2.4mm monospace; overflow-wrap: anywhere; }}
@media screen {{ body {{ padding: 8mm 0; }} }}
"""


@dataclass(frozen=True, slots=True)
class Card:
    """One barcode, its name for people, and the text it holds."""

    title: str
    text: str
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its cards."""

    heading: str
    cards: tuple[Card, ...]


def page_for(name: str, title: str, notes: Sequence[str], sections: Sequence[Section]) -> str:
    """Lay out for a file of this name, by its ending. ValueError: another ending, or what does not fit."""
    if name.lower().endswith(".svg"):
        return svg_page(title, notes, sections)
    if name.lower().endswith((".html", ".htm")):
        return html_page(title, notes, sections)
    raise ValueError(f'"{name}" must end in .svg or .html')


def html_page(title: str, notes: Sequence[str], sections: Sequence[Section]) -> str:
    """Lay the sections out as HTML that prints on A4, on as many pages as it takes. ValueError: a code is too wide."""
    columns = _columns(sections)
    body = "".join(f"<h2>{escape(section.heading)}</h2>{_html_cards(section.cards, columns)}" for section in sections)
    paragraphs = "".join(f"<p>{escape(note)}</p>" for note in notes)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>{escape(title)}</h1>{paragraphs}{body}</body></html>\n"
    )


def svg_page(title: str, notes: Sequence[str], sections: Sequence[Section]) -> str:
    """Lay the sections out on one A4 page as SVG. ValueError when a code is too wide or the page is full."""
    columns = _columns(sections)
    parts = [_svg_text(_MARGIN_MM, _MARGIN_MM + 4, title, size=5, style=' font-weight="bold"')]
    top = _MARGIN_MM + 5.0
    for note in notes:
        top += 3.5
        parts.append(_svg_text(_MARGIN_MM, top, note, size=2.6))
    for section in sections:
        parts.append(_svg_text(_MARGIN_MM, top + 5.5, section.heading, size=3.5, style=' font-weight="bold"'))
        top += _HEADING_MM
        for row in _rows(section.cards, columns):
            parts += _svg_row(row, top, columns)
            top += _row_height(row)
    if top > _PAGE_HEIGHT_MM - _MARGIN_MM:
        raise ValueError("more codes than fit on one page of SVG; give fewer, or a file that ends in .html")
    size = f'width="{_PAGE_WIDTH_MM}mm" height="{_PAGE_HEIGHT_MM}mm" viewBox="0 0 {_PAGE_WIDTH_MM} {_PAGE_HEIGHT_MM}"'
    paper = f'<rect width="{_PAGE_WIDTH_MM}" height="{_PAGE_HEIGHT_MM}" fill="#fff"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{paper}\n' + "\n".join(parts) + "\n</svg>\n"


def _columns(sections: Sequence[Section]) -> int:
    """Choose the columns, and refuse what no page is wide enough for."""
    cards = [card for section in sections for card in section.cards]
    widest = max(cards, key=lambda card: card.symbol.width_mm)
    if widest.symbol.width_mm > _INNER_MM:
        raise ValueError(f'the code of "{widest.title}" is wider than the page; choose another code, such as qr')
    return _COLUMNS_OF_SQUARES if widest.symbol.width_mm < _INNER_MM / _COLUMNS_OF_SQUARES else _COLUMNS


def _html_cards(cards: Sequence[Card], columns: int) -> str:
    return (
        f'<div class="cards" style="--columns: {columns}">{"".join(_html_card(card, columns) for card in cards)}</div>'
    )


def _html_card(card: Card, columns: int) -> str:
    name = "card wide" if _is_wide(card, columns) else "card"
    caption = f"<b>{escape(card.title)}</b><span>{escape(card.text)}</span>"
    return f'<figure class="{name}">{card.symbol.svg()}{caption}</figure>'


def _is_wide(card: Card, columns: int) -> bool:
    return card.symbol.width_mm > _INNER_MM / columns


def _rows(cards: Sequence[Card], columns: int) -> list[list[Card]]:
    """Fill rows from left to right; a wide card has one to itself."""
    rows: list[list[Card]] = []
    for card in cards:
        if not rows or len(rows[-1]) == columns or _is_wide(card, columns) or _is_wide(rows[-1][0], columns):
            rows.append([])
        rows[-1].append(card)
    return rows


def _row_height(row: Sequence[Card]) -> float:
    return max(card.symbol.height_mm for card in row) + _CAPTION_MM


def _svg_row(row: Sequence[Card], top: float, columns: int) -> list[str]:
    parts = []
    for place, card in enumerate(row):
        column_mm = _INNER_MM if _is_wide(card, columns) else _INNER_MM / columns
        middle = _MARGIN_MM + (place + 0.5) * column_mm
        below = top + card.symbol.height_mm
        parts.append(card.symbol.svg(middle - card.symbol.width_mm / 2, top))
        parts.append(
            _svg_text(middle, below + 3.4, card.title, size=3.4, style=' text-anchor="middle" font-weight="bold"')
        )
        parts.append(_svg_text(middle, below + 5.8, card.text, size=2, style=' text-anchor="middle"', font="monospace"))
    return parts


def _svg_text(x: float, y: float, text: str, *, size: float, style: str = "", font: str = "Helvetica, Arial") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" font-family="{font}"{style}>{escape(text)}</text>'
