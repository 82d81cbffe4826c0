"""`stockrelay-station simulate`: scans of a file through a real station."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click.testing
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from producers.outbox import Outbox, OutboxState, OutboxView
from producers.scanner.commands import Instruction, QuantityCode, encode
from producers.scanner.tools import COMMANDS
from producers.scanner.tools.script import Wait, read_script
from tests.process import free_port
from tests.unit.station_tools_harness import FakeRelay

if TYPE_CHECKING:
    from pathlib import Path

PART, SHELF = "p" * 26, "s" * 26
THINGS: list[dict[str, Any]] = [
    {"id": PART, "type": "part", "name": "MC34063", "codes": ["MC34063ADR", "595-MC34063ADR"]},
    {"id": SHELF, "type": "storage", "name": "A-03-2"},
]
RECEIVE = encode(Instruction.RECEIVE)
LABEL = "[)>{RS}06{GS}KP0-1337{GS}14K011{GS}1PMC34063ADR{GS}Q3{GS}11K073121337{GS}4LMX{GS}1VTI{RS}{EOT}"
REHEARSAL = f"# a bag comes in\n{RECEIVE}\n\n{LABEL}\nwait 0.01\n{SHELF}\n"


class Desk:
    """A folder with a file of scans and a file of things."""

    def __init__(self, folder: Path) -> None:
        self.outbox = folder / "rehearsal.sqlite3"
        self._script = folder / "scans.txt"
        self._things = folder / "things.json"
        self._things.write_text(json.dumps(THINGS))

    def simulate(self, script: str, *arguments: str, things: bool = True, **environ: str) -> click.testing.Result:
        self._script.write_text(script)
        named = ["--things", str(self._things)] if things else []
        command = ["simulate", str(self._script), "--outbox", str(self.outbox), *named, *arguments]
        return CliRunner().invoke(click.Group(commands=list(COMMANDS)), command, env=environ)

    def rows(self) -> list[tuple[str, OutboxState]]:
        with OutboxView(self.outbox) as view:
            return [(stored.summary, stored.state) for stored in view.every_row()]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_file_of_scans_is_booked_into_the_outbox_and_every_answer_is_shown(desk: Desk) -> None:
    result = desk.simulate(REHEARSAL)

    assert result.exit_code == 0, result.output
    ((summary, state),) = desk.rows()
    assert "3 x MC34063" in summary
    assert state is OutboxState.STORED
    assert "scan '[)>\\x1e06\\x1dKP0-1337\\x1d" in result.output
    assert "stored: RECEIVED 3 x MC34063" in result.output


def test_json_is_one_answer_a_line(desk: Desk) -> None:
    result = desk.simulate(REHEARSAL, "--json")

    answers = [document for document in map(json.loads, result.output.splitlines()) if document["event"] == "scan"]
    assert [answer["tone"] for answer in answers] == ["note", "ok", "ok", "stored"]


def test_without_known_things_nothing_is_guessed(desk: Desk) -> None:
    result = desk.simulate(f"{RECEIVE}\n{LABEL}\n{SHELF}\n", things=False)

    assert result.exit_code == 1
    assert desk.rows() == []


def test_a_scan_that_is_not_taken_is_told_by_the_exit_code(desk: Desk) -> None:
    result = desk.simulate(f"{RECEIVE}\nnonsense\n")

    assert result.exit_code == 1
    assert "ERROR" in result.output


def test_an_outbox_that_another_process_uses_is_said(desk: Desk) -> None:
    with Outbox(desk.outbox, "rehearsal"):
        result = desk.simulate(REHEARSAL)

    assert result.exit_code == 1
    assert "another process uses it" in result.output


async def _deliver(desk: Desk, relay: FakeRelay) -> click.testing.Result:
    return await relay.beside(
        lambda: desk.simulate(
            f"{RECEIVE}\n{LABEL}\n{SHELF}\n",
            "--deliver",
            things=False,
            STOCKRELAY_STATION_ID="ST-01",
            STOCKRELAY_STATION_DELIVER_URL=relay.url,
            STOCKRELAY_STATION_TOKEN="invented-token-of-the-test",
        )
    )


async def test_with_delivery_the_relay_gets_it_with_the_token_and_says_what_became_of_it(desk: Desk) -> None:
    async with FakeRelay(THINGS) as relay:
        result = await _deliver(desk, relay)

    assert result.exit_code == 0, result.output
    assert relay.tokens == {"invented-token-of-the-test"}
    assert [command["quantity"] for command in relay.commands] == [3]
    assert [state for _, state in desk.rows()] == [OutboxState.APPLIED]


async def test_a_command_that_the_relay_refuses_is_told_by_the_exit_code(desk: Desk) -> None:
    async with FakeRelay(THINGS, refuses="no such part") as relay:
        result = await _deliver(desk, relay)

    assert result.exit_code == 1
    assert "no such part" in result.output


def test_a_wait_really_passes_for_the_station(desk: Desk) -> None:
    result = desk.simulate(f"{RECEIVE}\nwait 0.8\n{RECEIVE}\n", "--json")

    # Without it the second would be the trigger bouncing.
    answers = [document for document in map(json.loads, result.output.splitlines()) if document["event"] == "scan"]
    assert [answer["tone"] for answer in answers] == ["note", "ok", "ok"]


def test_what_could_not_be_delivered_can_be_tried_later(desk: Desk) -> None:
    desk.simulate(REHEARSAL, "--station", "ST-01")

    result = desk.simulate(
        "# nothing new\n",
        "--deliver",
        "--drain-seconds",
        "0",
        things=False,
        STOCKRELAY_STATION_ID="ST-01",
        STOCKRELAY_STATION_DELIVER_URL=f"http://127.0.0.1:{free_port()}",
        STOCKRELAY_STATION_TOKEN="invented-token-of-the-test",
    )

    assert result.exit_code == 75, result.output
    assert "1 not delivered" in result.output


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("wait long\n", (), 'line 1: "wait long"'),
        ("a\nwait -1\n", (), "line 2"),
        ("a\nwait nan\n", (), "line 2"),
        ("wait 7200\n", (), "between 0 and 3600"),
        ("a\n", ("--deliver",), "--things is for rehearsals"),
    ],
)
def test_what_cannot_be_played_is_a_usage_error_and_nothing_is_stored(
    desk: Desk, script: str, arguments: tuple[str, ...], said: str
) -> None:
    result = desk.simulate(script, *arguments)

    assert result.exit_code == 2
    assert said in result.output
    assert not desk.outbox.exists()


def test_a_missing_setting_for_the_delivery_is_named(desk: Desk) -> None:
    result = desk.simulate("a\n", "--deliver", things=False, STOCKRELAY_STATION_ID="ST-01")

    assert result.exit_code == 2
    assert "STOCKRELAY_STATION_DELIVER_URL" in result.output


@pytest.mark.parametrize(
    ("things", "said"),
    [
        ("nonsense", "--things: the file"),
        ('[{"id": "short", "type": "part", "name": "x"}]', "--things: 0.id"),
        (json.dumps([{**THINGS[0], "type": "bag"}]), "--things: 0.type"),
        (json.dumps([{**THINGS[0], "colour": "red"}]), "--things: 0.colour"),
    ],
)
def test_a_wrong_file_of_things_is_refused_with_the_place(desk: Desk, things: str, said: str) -> None:
    desk._things.write_text(things)

    result = desk.simulate(REHEARSAL)

    assert result.exit_code == 2
    assert said in result.output


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (b"plain", b"plain"),
        (rb"a\x1db\x1Ec", b"a\x1db\x1ec"),
        (b"{STX}a{GS}b{RS}{EOT}{ETX}", b"\x02a\x1db\x1e\x04\x03"),
        (b"{FS}{US}", b"\x1c\x1f"),
        (rb"a\\x1d\tb\r\n", b"a\\x1d\tb\r\n"),
        (rb"\xe4", b"\xe4"),
        (b"{pbn:PICK,qty:5}", b"{pbn:PICK,qty:5}"),
        ("Jörg".encode(), "Jörg".encode()),
        (b" padded ", b" padded "),
        (rb"\x23 no comment", b"# no comment"),
        (b"dos\r", b"dos"),
    ],
)
def test_control_characters_can_be_written_out(line: bytes, meant: bytes) -> None:
    assert read_script(line + b"\n") == (meant,)


def test_comments_and_empty_lines_are_no_scans_and_waits_are_waits() -> None:
    script = b"\xef\xbb\xbf# with a byte order mark\n\n   \nwait 0.5\nwait  1 \nlast"

    assert read_script(script) == (Wait(0.5), Wait(1.0), b"last")


def test_a_file_that_is_not_utf_8_is_refused_with_the_line() -> None:
    with pytest.raises(ValueError, match=r"line 2: not UTF-8; write other bytes as \\x"):
        read_script(b"good\nbad \xff\n")


@given(st.binary())
def test_any_bytes_can_be_written_as_a_scan(raw: bytes) -> None:
    written = "".join(f"\\x{byte:02x}" for byte in raw)

    assert read_script(written.encode()) == ((raw,) if raw else ())


def test_a_quantity_of_the_sheet_is_understood(desk: Desk) -> None:
    script = f"{encode(Instruction.ADD)}\n{PART}\n{encode(QuantityCode(25))}\n{SHELF}\n"

    assert desk.simulate(script).exit_code == 0
    assert "25 x MC34063" in desk.rows()[0][0]
