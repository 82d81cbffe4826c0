"""`stockrelay-station doctor`: each wrong setting of a scanner is named from a scan of the test symbol."""

from __future__ import annotations

import os
import sys
import tty
from typing import TYPE_CHECKING

import click.testing
import pytest
import zxingcpp
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from producers.scanner.inputs import Chunk, DeviceNews, News
from producers.scanner.tools import COMMANDS
from producers.scanner.tools.diagnosis import TEST_TEXT, _of_text, _outcomes, diagnose
from tests.unit.svg_raster import images_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator
    from pathlib import Path

RIGHT = "]d1[)>\x1e06\x1d1TAaQqWwYyZzMm\x1d{}[]^@/-_\x1dQ1234567890\x1e\x04"
NO_SEPARATORS = "]d1[)>061TAaQqWwYyZzMm{}[]^@/-_Q1234567890"
#: What an operator would see, written down by hand, and the words that name the fault.
WRONG = {
    "separators-dropped": (f"{NO_SEPARATORS}\r", ["separators GS, RS and EOT are dropped"]),
    "caret": ("]d1[)>^06]1TAaQqWwYyZzMm]{}[]^@/-_]Q1234567890^^d\r", ["caret notation"]),
    "caret-lower-case": ("]d1[)>^06]1TAaQqWwYyZzMm]{}[]^@/-_]q1234567890^^d\r", ["next letter in lower case"]),
    "caret-pairs": ("]d1[)>^^06^]1TAaQqWwYyZzMm^]{}[]^@/-_^]Q1234567890^^^D\r", ["caret notation: ^]"]),
    "glyphs": ("]d1[)>▲06↔1TAaQqWwYyZzMm↔{}[]^@/-_↔Q1234567890▲♦\r", ["glyphs"]),
    "private-use": (
        "]d1[)>\uf70c06\uf70b1TAaQqWwYyZzMm\uf70b{}[]^@/-_\uf70bQ1234567890\uf70c\r",
        ["private characters"],
    ),
    "braces": ("]d1[)>{RS}06{GS}1TAaQqWwYyZzMm{GS}{}[]^@/-_{GS}Q1234567890{RS}{EOT}\r", ["text {GS}"]),
    "tags": ("]d1[)><RS>06<GS>1TAaQqWwYyZzMm<GS>{}[]^@/-_<GS>Q1234567890<RS><EOT>\r", ["text <GS>"]),
    "escapes": ("]d1[)>\\x1e06\\x1d1TAaQqWwYyZzMm\\x1d{}[]^@/-_\\x1dQ1234567890\\x1e\\x04\r", ["text \\x1d"]),
    "pictures": ("]d1[)>␞06␝1TAaQqWwYyZzMm␝{}[]^@/-_␝Q1234567890␞␄\r", ["pictures"]),
    "at": ("]d1[)>@06@1TAaQqWwYyZzMm@{}[]^@/-_@Q1234567890@@\r", ["arrive as @"]),
    "blanks": ("]d1[)> 06 1TAaQqWwYyZzMm {}[]^@/-_ Q1234567890  \r", ["blanks"]),
    "gs-dropped": ("]d1[)>\x1e061TAaQqWwYyZzMm{}[]^@/-_Q1234567890\x1e\r", ["GS and EOT are dropped"]),
    "case-swapped": ("]D1[)>\x1e06\x1d1taAqQwWyYzZmM\x1d{}[]^@/-_\x1dq1234567890\x1e\x04\r", ["case are swapped"]),
    "upper-case": ("]D1[)>\x1e06\x1d1TAAQQWWYYZZMM\x1d{}[]^@/-_\x1dQ1234567890\x1e\x04\r", ["in upper case"]),
    "lower-case": ("]d1[)>\x1e06\x1d1taaqqwwyyzzmm\x1d{}[]^@/-_\x1dq1234567890\x1e\x04\r", ["in lower case"]),
    "aim-off": (RIGHT.removeprefix("]d1") + "\r", ["no AIM identifier"]),
    "no-suffix": (RIGHT, ["nothing after the code"]),
    "german-computer": (
        '+d1ü=:\x1e06\x1d1TAaQqWwZzYyMm\x1dÜ*ü+&"-ß?\x1dQ1234567890\x1e\x04\r',
        ["US keyboard and the computer reads it as a German one"],
    ),
    "german-scanner": (
        "d1(\x1e06\x1d1TAaQqWwZzYyMm\x1d`&/?\x1dQ1234567890\x1e\x04\r",
        ["types as a German keyboard and is read as a US one"],
    ),
    "french-computer": (
        "$d&^0/\x1eà-\x1d&TQqAaZzYyWw?,\x1d¨£^$62!)°\x1dA&é\"'(-è_çà\x1e\x04\r",
        ["US keyboard and the computer reads it as a French one"],
    ),
    "french-scanner": (
        "d!-\x1e)^\x1d!TQqAaZzYyWw:;\x1d[>68\x1dA!@#$%^&*()\x1e\x04\r",
        ["types as a French keyboard and is read as a US one"],
    ),
    "spanish-computer": (
        "+d1`=:\x1e06\x1d1TAaQqWwYyZzMm\x1d^*`+&\"-'?\x1dQ1234567890\x1e\x04\r",
        ["reads it as a Spanish one"],
    ),
    "british-computer": (RIGHT.replace("@", '"') + "\r", ["British"]),
    "two-at-once": (NO_SEPARATORS.removeprefix("]d1") + "\t", ["no AIM identifier", "separators GS, RS and EOT"]),
    "german-without-separators": (
        '+d1ü=:061TAaQqWwZzYyMmÜ*ü+&"-ß?Q1234567890\r',
        ["separators GS, RS and EOT", "German"],
    ),
    "some-other-layout": (RIGHT.replace("-", "*").replace("/", ";") + "\r", ["'/-' came as ';*'"]),
    "another-label": ("]d2[)>\x1e06\x1dKP0-1337\x1d14K011\x1dQ3\x1e\x04\r", ["not the test symbol"]),
    "another-code": ("4006381333931\r", ["not the test symbol"]),
}
HARMLESS = {
    "rs-and-eot-dropped": (RIGHT.replace("\x1e", "").replace("\x04", "") + "\r", "RS and EOT are dropped"),
    "eot-dropped": (RIGHT.replace("\x04", "") + "\r", "EOT is dropped"),
    "cr-lf-twice": (RIGHT + "\r\n\r\n", "suffix comes twice"),
    "enter-twice": (RIGHT + "\r\r", "suffix comes twice"),
}


@pytest.mark.parametrize("suffix", ["\r", "\n", "\r\n", "\t"])
def test_a_scanner_that_is_set_right_is_told_so(suffix: str) -> None:
    assert diagnose((RIGHT + suffix).encode()) == ()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_is_named_and_nothing_else(name: str) -> None:
    scan, said = WRONG[name]

    findings = diagnose(scan.encode())

    assert len(findings) == len(said), findings
    assert all(words in finding.seen for words, finding in zip(said, findings, strict=True))
    assert all(finding.advice and not finding.is_harmless for finding in findings)


def test_the_rest_of_the_suffix_before_is_no_part_of_the_scan() -> None:
    assert diagnose(("\n" + RIGHT + "\r").encode()) == ()


def test_of_several_explanations_the_one_with_the_fewest_faults_is_told() -> None:
    fewest: dict[str, int] = {}
    for outcome, faults in _outcomes():
        fewest[outcome] = min(len(faults), fewest.get(outcome, len(faults)))

    assert all(len(_of_text(outcome)) == count for outcome, count in list(fewest.items())[::17])


@pytest.mark.parametrize("name", HARMLESS)
def test_what_costs_nothing_here_is_a_note(name: str) -> None:
    scan, said = HARMLESS[name]

    (finding,) = diagnose(scan.encode())

    assert said in finding.seen
    assert finding.is_harmless


@given(st.binary(max_size=200))
def test_whatever_arrives_is_diagnosed_without_an_error(scan: bytes) -> None:
    assert diagnose(scan)


def _doctor(*arguments: str) -> click.testing.Result:
    return CliRunner().invoke(click.Group(commands=list(COMMANDS)), ["doctor", *arguments])


@pytest.fixture
def line() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: the scanner's end, and the source to name."""
    scanner, ours = os.openpty()
    tty.setraw(ours)
    yield scanner, f"serial:{os.ttyname(ours)}"
    os.close(scanner)
    os.close(ours)


@pytest.mark.parametrize(
    ("scan", "exit_code", "said"),
    [
        (RIGHT + "\r\n", 0, "the scanner is set right"),
        (RIGHT + "\r\n\r\n", 0, "note: the suffix comes twice"),
        (RIGHT, 1, "WRONG: nothing after the code"),
        (NO_SEPARATORS + "\r", 1, "WRONG: the separators GS, RS and EOT are dropped"),
    ],
)
def test_a_scan_is_read_and_the_exit_code_tells(
    line: tuple[int, str], scan: str, exit_code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The package's attribute of this name is the command.
    monkeypatch.setattr(sys.modules["producers.scanner.tools.doctor"], "_SETTLE_SECONDS", 0.2)
    scanner, source = line
    os.write(scanner, scan.encode())

    result = _doctor("--input", source)

    assert result.exit_code == exit_code
    assert said in result.output


def test_a_bare_enter_is_no_scan(line: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["producers.scanner.tools.doctor"], "_SETTLE_SECONDS", 0.2)
    os.write(line[0], b"\r\n")

    assert _doctor("--input", line[1]).exit_code == 75


async def test_a_second_scanner_that_scans_meanwhile_is_left_out() -> None:
    async def chunks() -> AsyncGenerator[Chunk | DeviceNews, None]:
        yield DeviceNews("left", News.CONNECTED)
        yield Chunk(b"le", "left", 0)
        yield Chunk(b"right\r", "right", 0)
        yield Chunk(b"ft\r", "left", 0)

    assert await sys.modules["producers.scanner.tools.doctor"]._one_scan(chunks(), 60.0) == b"left\r"


def test_no_scan_in_time_is_said_and_can_be_tried_again(line: tuple[int, str]) -> None:
    result = _doctor("--input", line[1], "--wait", "0.05")

    assert result.exit_code == 75
    assert "no scan came" in result.output


@pytest.mark.parametrize("ending", ["svg", "html"])
def test_the_printed_symbol_holds_the_test_text(tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"symbol.{ending}"

    result = _doctor("--out", str(out))

    assert result.exit_code == 0, result.output
    (image,) = images_of(out.read_text())
    read = zxingcpp.read_barcode(image)
    assert read is not None
    assert (read.symbology_identifier, read.bytes.decode()) == ("]d1", TEST_TEXT)
    assert read.symbology_identifier + read.bytes.decode() == RIGHT


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give --out FILE"),
        (("--input", "keyboard"), "evdev:PATH, serial:PATH[@BAUD], tcp:HOST:PORT or stdin"),
        (("--out", "symbol.png"), "must end in .svg or .html"),
        (("--input", "stdin", "--wait", "0"), "--wait"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(arguments: tuple[str, ...], said: str) -> None:
    result = _doctor(*arguments)

    assert result.exit_code == 2
    assert said in result.output


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    result = _doctor("--out", str(tmp_path / "missing" / "symbol.svg"))

    assert result.exit_code == 1
    assert "cannot be written" in result.output
