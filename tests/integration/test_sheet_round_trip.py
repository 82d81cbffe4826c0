"""Print, scan, read: every code of the sheet is read from the printed page and means what stands under it."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click.testing
import pytest
import zxingcpp
from click.testing import CliRunner

from producers.scanner.codes import CodeReader
from producers.scanner.commands import PREFIX, Badge, Instruction, QuantityCode
from producers.scanner.tools import COMMANDS
from producers.scanner.tools.sheet import SHEET_SYMBOLOGIES
from producers.scanner.tools.symbols import Symbology
from tests.unit.svg_raster import image_of_page, images_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from playwright.sync_api import FloatRect

CHROMIUM: Final = Path("/usr/bin/chromium")
OPERATORS: Final = ("Ada Byron", "J", "Jörg", "O'Neil & <Sons>")
QUANTITIES: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 25, 100, 4000, 1_000_000)
MEANINGS: Final = {*Instruction, *map(QuantityCode, QUANTITIES), *map(Badge, OPERATORS)}
AIM: Final = {Symbology.CODE128: "]C0", Symbology.QR: "]Q1"}


def _sheet(*arguments: str) -> click.testing.Result:
    return CliRunner().invoke(click.Group(commands=list(COMMANDS)), ["sheet", *arguments])


def _print(out: Path, symbology: Symbology, *more: str) -> str:
    chosen = ["--quantities", ",".join(map(str, QUANTITIES)), "--operators", ",".join(OPERATORS)]
    result = _sheet("--out", str(out), "--code", symbology.value, *chosen, *more)
    assert result.exit_code == 0, result.output
    return out.read_text(encoding="utf-8")


def _meanings(barcodes: Iterable[zxingcpp.Barcode], prefix: str = PREFIX) -> list[object]:
    """What the station's reader makes of them, the AIM identifier in front and Enter behind."""
    reader = CodeReader(prefix=prefix)
    return [reader.read(f"{each.symbology_identifier}{each.text}\r".encode()).code for each in barcodes]


@pytest.mark.parametrize("symbology", SHEET_SYMBOLOGIES)
def test_every_code_is_read_from_one_look_at_the_whole_page_of_svg(tmp_path: Path, symbology: Symbology) -> None:
    page = _print(tmp_path / "sheet.svg", symbology)

    barcodes = zxingcpp.read_barcodes(image_of_page(page))

    assert {barcode.symbology_identifier for barcode in barcodes} == {AIM[symbology]}
    assert len(barcodes) == len(MEANINGS)
    assert set(_meanings(barcodes)) == MEANINGS


@pytest.mark.parametrize("symbology", SHEET_SYMBOLOGIES)
def test_every_code_is_read_from_the_page_of_html(tmp_path: Path, symbology: Symbology) -> None:
    page = _print(tmp_path / "sheet.html", symbology)

    barcodes = [zxingcpp.read_barcode(image) for image in images_of(page)]

    assert None not in barcodes
    assert set(_meanings(filter(None, barcodes))) == MEANINGS
    assert len(barcodes) == len(MEANINGS)


@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs /usr/bin/chromium to print the page as a browser does")
def test_a_browser_prints_each_code_over_the_words_for_it(tmp_path: Path) -> None:
    out = tmp_path / "sheet.html"
    assert _sheet("--out", str(out), "--quantities", "1,5000", "--operators", ",".join(OPERATORS)).exit_code == 0

    cards = dict(_printed_cards(out.read_text(encoding="utf-8")))

    expected = {
        **{each.value: each for each in Instruction},
        **{f"{number} pcs": QuantityCode(number) for number in (1, 5000)},
        **{name: Badge(name) for name in OPERATORS},
    }
    assert cards == expected


def _printed_cards(page: str) -> Iterator[tuple[str, object]]:
    """Give the words under each code, and what the code means to a station."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  only where there is a browser

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        tab = browser.new_page(device_scale_factor=2)
        tab.emulate_media(media="print")
        tab.set_content(page)
        for card in tab.locator(".card").all():
            # A strip across the bars is enough, and quick to decode.
            box = card.locator("svg").bounding_box()
            assert box is not None
            strip: FloatRect = {"x": box["x"], "y": box["y"] + box["height"] / 2, "width": box["width"], "height": 4.0}
            barcode = zxingcpp.read_barcode(_image(tab.screenshot(clip=strip, full_page=True)))
            assert barcode is not None
            yield card.locator("b").inner_text(), _meanings([barcode])[0]
        browser.close()


def _image(png: bytes) -> memoryview:
    """Decode a browser's PNG (8 bits, RGB or RGBA, not interlaced; W3C PNG section 9) to grey."""
    data, place = b"", 8
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        kind, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack_from(">IIBB", body)
        data += body if kind == b"IDAT" else b""
        place += length + 12
    channels = {2: 3, 6: 4}[colour]
    lines = zlib.decompress(data)
    stride = width * channels
    above, dots = bytes(stride), b""
    for row in range(height):
        start = row * (stride + 1)
        above = _unfiltered(lines[start], lines[start + 1 : start + 1 + stride], above, channels)
        dots += above[::channels]
    return memoryview(dots).cast("B", shape=[height, width])


def _unfiltered(kind: int, line: bytes, above: bytes, channels: int) -> bytes:
    found = bytearray(line)
    for place in range(len(found)):
        left = found[place - channels] if place >= channels else 0
        corner = above[place - channels] if place >= channels else 0
        up = above[place]
        found[place] = (found[place] + (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]) & 0xFF
    return bytes(found)


def _paeth(left: int, up: int, corner: int) -> int:
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))


def test_a_sheet_needs_nothing_from_the_network(tmp_path: Path) -> None:
    page = _print(tmp_path / "sheet.html", Symbology.QR)

    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in page
    assert "<Sons>" not in page


def test_quantities_stand_in_order_and_once(tmp_path: Path) -> None:
    out = tmp_path / "sheet.html"

    _sheet("--out", str(out), "--quantities", "1000, 5,20,5")

    assert re.findall(r"<b>(\d+) pcs</b>", out.read_text()) == ["5", "20", "1000"]


def test_another_prefix_makes_other_codes(tmp_path: Path) -> None:
    page = _print(tmp_path / "sheet.svg", Symbology.QR, "--prefix", "DEPOT")

    barcodes = zxingcpp.read_barcodes(image_of_page(page))

    assert set(_meanings(barcodes, "DEPOT")) == MEANINGS
    assert not set(_meanings(barcodes)) & MEANINGS


def test_a_sheet_has_the_usual_quantities_when_none_are_given(tmp_path: Path) -> None:
    result = _sheet("--out", str(tmp_path / "sheet.svg"))

    assert result.exit_code == 0, result.output
    meanings = _meanings(zxingcpp.read_barcodes(image_of_page((tmp_path / "sheet.svg").read_text())))
    assert {QuantityCode(1), QuantityCode(1000), QuantityCode(5000)} < set(meanings)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "sheet.pdf"), "must end in .svg or .html"),
        (("--out", "sheet.svg", "--quantities", "1,ten"), '"ten" is no number'),
        (("--out", "sheet.svg", "--quantities", "0"), 'no code for "0 pcs": 0 is no quantity'),
        (("--out", "sheet.svg", "--quantities", "9" * 5000), "is no quantity"),
        (("--out", "sheet.svg", "--operators", "A\x07da"), "needs printable characters"),
        (("--out", "sheet.svg", "--operators", "Ada" * 20), "longer than 32 characters"),
        (("--out", "sheet.svg", "--operators", "Wolfeschlegelsteinhausenberger"), "choose another code, such as qr"),
        (("--out", "sheet.svg", "--operators", "Δ" * 32), "too long for code128"),
        (("--out", "sheet.svg", "--quantities", ",".join(map(str, range(1, 100)))), "more codes than fit on one page"),
        (("--out", "sheet.svg", "--prefix", "A-1"), "needs 3 to 12 letters"),
        (("--out", "sheet.svg", "--code", "aztec"), "code128"),
        ((), "--out"),
    ],
)
def test_what_no_sheet_can_show_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    placed = [str(tmp_path / each) if each.startswith("sheet.") else each for each in arguments]

    result = _sheet(*placed)

    assert result.exit_code == 2
    assert said in result.output
    assert not list(tmp_path.iterdir())
