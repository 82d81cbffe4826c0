"""Barcodes as drawings: what zxing-cpp writes, as one SVG path in millimetres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, cast

import zxingcpp

if TYPE_CHECKING:
    from collections.abc import Iterator


class Symbology(StrEnum):
    """The kinds of barcode that we print."""

    CODE128 = "code128"
    QR = "qr"
    DATAMATRIX = "datamatrix"


_FORMATS: Final = {
    Symbology.CODE128: zxingcpp.BarcodeFormat.Code128,
    Symbology.QR: zxingcpp.BarcodeFormat.QRCode,
    Symbology.DATAMATRIX: zxingcpp.BarcodeFormat.DataMatrix,
}
#: The GS1 General Specifications ask for 0.25 to 0.495 mm; with this a quantity fits into a third of the page.
_BAR_MM: Final = 0.26
#: Tall enough to be hit by hand.
_BAR_HEIGHT_MM: Final = 11.0
#: A cell of a two-dimensional symbol.
_CELL_MM: Final = 0.6
#: Data Matrix asks for a border of one cell, which neighbours on a page make too narrow for cheap scanners.
_MORE_BORDER_CELLS: Final = 3


@dataclass(frozen=True, slots=True)
class Symbol:
    """A drawn barcode with its quiet zone: a path over `columns` x `rows` modules, and its size on paper."""

    path: str
    columns: int
    rows: int
    width_mm: float
    height_mm: float

    def svg(self, x_mm: float | None = None, y_mm: float | None = None) -> str:
        """Give the drawing as an `svg` element, for a place inside another one or for a page of HTML."""
        place = "" if x_mm is None or y_mm is None else f' x="{x_mm:g}" y="{y_mm:g}"'
        unit = "mm" if x_mm is None else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg"{place} width="{self.width_mm:g}{unit}"'
            f' height="{self.height_mm:g}{unit}" viewBox="0 0 {self.columns} {self.rows}" preserveAspectRatio="none"'
            f' shape-rendering="crispEdges"><path fill="#000" d="{self.path}"/></svg>'
        )


def draw(content: str | bytes, symbology: Symbology) -> Symbol:
    """Draw a barcode. ValueError when the content is too long for the symbology."""
    try:
        image = zxingcpp.write_barcode_to_image(zxingcpp.create_barcode(content, _FORMATS[symbology]))
    except ValueError as error:
        raise ValueError(f"too long for {symbology}; choose another code, such as qr") from error
    # Its stub does not say that it is a buffer: rows of bytes, 0 is dark.
    rows: list[list[int]] = cast("Any", memoryview)(image).tolist()
    if symbology is Symbology.CODE128:
        # Every row is the same; one is stretched to the height.
        return Symbol(_path(rows[:1]), len(rows[0]), 1, len(rows[0]) * _BAR_MM, _BAR_HEIGHT_MM)
    border = _MORE_BORDER_CELLS if symbology is Symbology.DATAMATRIX else 0
    size = len(rows[0]) + 2 * border
    return Symbol(
        _path(rows, border), size, len(rows) + 2 * border, size * _CELL_MM, (len(rows) + 2 * border) * _CELL_MM
    )


def _path(rows: list[list[int]], border: int = 0) -> str:
    return "".join(
        f"M{start + border} {y + border}h{length}v1h-{length}z"
        for y, row in enumerate(rows)
        for start, length in _dark(row)
    )


def _dark(row: list[int]) -> Iterator[tuple[int, int]]:
    """Give start and length of each run of dark modules."""
    start = 0
    for shade, run in groupby(row):
        length = len(list(run))
        if shade == 0:
            yield start, length
        start += length
