"""Paints the barcodes of an SVG or HTML page, so that a reader can be pointed at the print without a browser.

It knows exactly what the pages hold: `svg` elements with a path of rectangles over a grid of modules.
"""

from __future__ import annotations

import re
from typing import Final

#: Enough for a reader to see the smallest module as several dots.
_DOTS_PER_MM: Final = 10
_SYMBOL: Final = re.compile(
    r'<svg xmlns="[^"]*"(?: x="(?P<x>[\d.]+)" y="(?P<y>[\d.]+)")? width="(?P<width>[\d.]+)(?:mm)?"'
    r' height="(?P<height>[\d.]+)(?:mm)?" viewBox="0 0 (?P<columns>\d+) (?P<rows>\d+)" preserveAspectRatio="none"'
    r'[^>]*><path fill="#000" d="(?P<path>[^"]*)"/></svg>'
)
_RECTANGLE: Final = re.compile(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z")


class _Paper:
    def __init__(self, width_mm: float, height_mm: float) -> None:
        self._width, self._height = round(width_mm * _DOTS_PER_MM), round(height_mm * _DOTS_PER_MM)
        self._dots = bytearray(b"\xff" * (self._width * self._height))

    def paint(self, symbol: re.Match[str], x_mm: float, y_mm: float) -> None:
        across = float(symbol["width"]) / int(symbol["columns"]) * _DOTS_PER_MM
        down = float(symbol["height"]) / int(symbol["rows"]) * _DOTS_PER_MM
        left, top = x_mm * _DOTS_PER_MM, y_mm * _DOTS_PER_MM
        rectangles = [tuple(map(int, found)) for found in _RECTANGLE.findall(symbol["path"])]
        assert "".join(f"M{x} {y}h{run}v1h-{run}z" for x, y, run, _ in rectangles) == symbol["path"]
        for x, y, run, _ in rectangles:
            begin, end = round(left + x * across), round(left + (x + run) * across)
            for row in range(round(top + y * down), round(top + (y + 1) * down)):
                self._dots[row * self._width + begin : row * self._width + end] = bytes(end - begin)

    def image(self) -> memoryview:
        return memoryview(self._dots).cast("B", shape=[self._height, self._width])


def images_of(page: str) -> list[memoryview]:
    """Paint each barcode by itself, in the order of the page."""
    images = []
    for symbol in _SYMBOL.finditer(page):
        paper = _Paper(float(symbol["width"]), float(symbol["height"]))
        paper.paint(symbol, 0, 0)
        images.append(paper.image())
    return images


def image_of_page(page: str) -> memoryview:
    """Paint a whole A4 page of SVG."""
    paper = _Paper(210, 297)
    for symbol in _SYMBOL.finditer(page):
        paper.paint(symbol, float(symbol["x"]), float(symbol["y"]))
    return paper.image()
