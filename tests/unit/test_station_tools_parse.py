"""`stockrelay-station parse`: a label explained."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click.testing
import pytest
from click.testing import CliRunner

from producers.scanner.tools import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

MOUSER = "[)>\x1e06\x1dKP0-1337\x1d14K011\x1d1PMC34063ADR\x1dQ3\x1d11K073121337\x1d4LMX\x1d1VTI\x1e\x04"
CARET = "[)>^06]KP0-1337]14K011]1PMC34063ADR]Q3]11K073121337]4LMX]1VTI^d"
LCSC = "{pbn:PICK1337,on:SO1337,pc:C22548,pm:RMCF0805JT5K10,qty:50,mc:,cc:1,pdi:20935}"
WITHOUT_SEPARATORS = "[)>06KP0-133714K0111PMC34063ADRQ311K0731213374LMX1VTI"


def _parse(*arguments: str, stdin: bytes = b"") -> click.testing.Result:
    return CliRunner().invoke(click.Group(commands=list(COMMANDS)), ["parse", *arguments], input=stdin)


def test_a_label_is_explained_from_transport_to_verdict() -> None:
    result = _parse(CARET)

    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert result.exit_code == 0
    assert lines[0].startswith("scan '[)>^06]KP0-1337]")
    assert "format iso15434-06" in lines
    assert any(line.startswith("repaired ") for line in lines)
    assert "vendor mouser: its labels carry 11K, 14K, 1V" in lines
    assert {"field 1P MC34063ADR", "value mpn MC34063ADR", "value quantity 3", "value customer_po P0-1337"} <= set(
        lines
    )
    assert not [line for line in lines if line.startswith(("value f", "value v", "value r", "value d", "value codes"))]
    assert lines[-2].startswith("verdict may be booked without asking")


def test_a_doubtful_label_says_why_it_is_asked_about() -> None:
    result = _parse(MOUSER.replace("\x1d4LMX", ""))

    assert result.exit_code == 0
    assert "DOUBT    4L is missing" in result.output
    assert "is asked about" in result.output


def test_a_refused_label_says_what_to_change_and_the_exit_code_tells() -> None:
    result = _parse(WITHOUT_SEPARATORS)

    assert result.exit_code == 1
    assert "REFUSED  the label arrived without its separators" in result.output
    assert "advice   set the scanner to send GS" in result.output


def test_json_holds_the_same_for_programs_and_never_a_raw_control_character(tmp_path: Path) -> None:
    file = tmp_path / "scans"
    file.write_bytes(f"\xff\n{MOUSER}\r\n{LCSC}\n".encode("latin-1"))

    result = _parse("--file", str(file), "--json")

    junk, mouser, lcsc = map(json.loads, result.output.splitlines())
    assert result.exit_code == 1
    assert mouser["scan"] == MOUSER
    assert (mouser["label"]["vendor"], mouser["label"]["quantity"]) == ("mouser", 3)
    assert mouser["label"]["vendor_reason"] == "its labels carry 11K, 14K, 1V"
    assert lcsc["label"]["vendor_reason"] == "the form lcsc is its own"
    assert junk == {"scan": "\\xff", "refused": {"reason": junk["refused"]["reason"], "advice": ""}}
    assert result.output.isascii()


def test_what_a_supplier_does_not_mark_is_told_by_its_fields() -> None:
    result = _parse("[)>\x1e06\x1d1P744912168\x1dQ5\x1d1T329012581410000\x1d16D20140307\x1e\x04")

    assert "wurth: the fields are those of its labels, each in its form" in result.output


def test_an_unknown_supplier_is_not_guessed() -> None:
    result = _parse("--json", "[)>\x1e06\x1d1PABC-1\x1dQ5\x1e\x04")

    label = json.loads(result.output)["label"]
    assert (label["vendor"], label["vendor_reason"]) == (None, "")


def test_standard_input_is_read_when_nothing_is_named() -> None:
    result = _parse(stdin=f"{LCSC}\n".encode())

    assert result.exit_code == 0
    assert "format   lcsc" in result.output


def test_a_label_cannot_steer_the_terminal() -> None:
    result = _parse("[)>\x1e06\x1d1PA\x1b[2J\x1dQ5\x1e\x04")

    assert "\x1b" not in result.output


def test_ids_are_read_by_the_configured_pattern() -> None:
    vendor_id = "8g2wyq0ynexks9c0yz03q6jnbd"

    result = _parse(f"bin/{vendor_id}", "--json", "--code-pattern", "bin/(?P<id>[0-9a-z]{26})")

    assert json.loads(result.output)["label"]["vendor_id"] == vendor_id


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("RAW", "--file", "-"), "give either RAW or --file"),
        (("RAW", "--code-pattern", "["), "--code-pattern"),
        (("--file", "no-such-file"), "no-such-file"),
    ],
)
def test_what_cannot_be_done_is_a_usage_error(arguments: tuple[str, ...], said: str) -> None:
    result = _parse(*arguments)

    assert result.exit_code == 2
    assert said in result.output
