"""`stockrelay-station outbox`: a look into the outbox, beside the station that owns it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import click.testing
import pytest
from click.testing import CliRunner

from producers.outbox import Capture, Outbox, OutboxState
from producers.scanner.tools import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: 2026-11-20 and 2026-11-21, noon.
YESTERDAY_MS, TODAY_MS = 1_795_176_000_000, 1_795_262_400_000
REASON = "status 422: quantity: too many"


def _capture(key: str, moment_ms: int, summary: str) -> Capture:
    origin = json.dumps({"device": "stdin", "operator": "Ada"})
    return Capture(key, (f"lane-{key}",), moment_ms, json.dumps({"kind": "stock.move", "quantity": 5}), summary, origin)


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Outbox]:
    """The outbox as a running station holds it: one entry sent, one refused, one waiting."""
    with Outbox(tmp_path / "ST-01.sqlite3", "ST-01") as outbox:
        outbox.store(
            _capture("sent", YESTERDAY_MS, "MOVED 1 x A"),
            _capture("refused", TODAY_MS, 'MOVED 5 x B, "big" \x1b[2J'),
            _capture("waiting", TODAY_MS + 1, "MOVED 7 x C"),
        )
        sent, refused, _ = outbox.rows()
        outbox.mark_sent(sent)
        outbox.mark_refused(refused, REASON)
        yield outbox


def _outbox(station: Outbox, *arguments: str) -> click.testing.Result:
    command = ["outbox", "--outbox", str(station.path), *arguments]
    return CliRunner().invoke(click.Group(commands=list(COMMANDS)), command)


def test_the_entries_are_listed_with_their_states_and_reasons_while_the_station_runs(station: Outbox) -> None:
    result = _outbox(station, "ls")

    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert lines[0] == "2026-11-20 12:00:00Z sent       sent MOVED 1 x A"
    assert lines[1] == f'2026-11-21 12:00:00Z refused    refused MOVED 5 x B, "big" \\x1b[2J ({REASON})'
    assert lines[2].endswith("waiting MOVED 7 x C")
    assert lines[3] == "1 refused, 1 sent, 1 stored"


def test_a_listing_can_be_narrowed(station: Outbox) -> None:
    keys = [json.loads(line)["key"] for line in _outbox(station, "ls", "--json", "--limit", "2").output.splitlines()]
    refused = _outbox(station, "ls", "--json", "--state", "refused").output

    assert keys == ["refused", "waiting"]
    assert json.loads(refused)["result"] == REASON


def test_an_empty_outbox_says_so(tmp_path: Path) -> None:
    with Outbox(tmp_path / "ST-02.sqlite3", "ST-02") as outbox:
        assert _outbox(outbox, "ls").output == "empty\n"


def test_one_entry_is_shown_in_full(station: Outbox) -> None:
    shown = json.loads(_outbox(station, "show", "refused").output)

    assert shown["body"] == {"kind": "stock.move", "quantity": 5}
    assert shown["origin"] == {"device": "stdin", "operator": "Ada"}
    assert (shown["state"], shown["result"], shown["stock_timestamp"]) == ("refused", REASON, TODAY_MS)


def test_a_refused_entry_is_tried_again_by_the_running_station(station: Outbox) -> None:
    result = _outbox(station, "retry", "refused")

    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert [stored.key for stored in station.due(10)] == ["refused", "waiting"]


@pytest.mark.parametrize(("key", "said"), [("sent", "sent is sent: only a refused"), ("nothing", "is not in")])
def test_what_cannot_be_tried_again_is_said(station: Outbox, key: str, said: str) -> None:
    result = _outbox(station, "retry", key)

    assert result.exit_code == 1
    assert said in result.output
    assert station.counts()[OutboxState.SENT] == 1


def test_an_unknown_entry_cannot_be_shown(station: Outbox) -> None:
    result = _outbox(station, "show", "nothing")

    assert (result.exit_code, "see `outbox ls`" in result.output) == (1, True)


@pytest.mark.parametrize(
    ("since", "keys"),
    [
        ((), ["sent", "refused", "waiting"]),
        (("--since", "2026-11-21"), ["refused", "waiting"]),
        (("--since", "2026-11-21T13:00:00+01:00"), ["refused", "waiting"]),
        (("--since", "2026-11-21T12:00:01"), []),
    ],
)
def test_an_export_holds_every_entry_since_a_moment(station: Outbox, since: tuple[str, ...], keys: list[str]) -> None:
    lines = _outbox(station, "export", *since).output.splitlines()
    table = list(csv.DictReader(io.StringIO(_outbox(station, "export", "--format", "csv", *since).output)))

    assert [json.loads(line)["key"] for line in lines] == keys
    assert [row["key"] for row in table] == keys


def test_a_table_holds_the_same_as_the_lines(station: Outbox) -> None:
    refused = json.loads(_outbox(station, "export").output.splitlines()[1])
    row = list(csv.DictReader(io.StringIO(_outbox(station, "export", "--format", "csv").output)))[1]

    assert row["summary"] == refused["summary"] == 'MOVED 5 x B, "big" \x1b[2J'
    assert json.loads(row["body"]) == refused["body"]
    assert row["result"] == REASON


def test_the_outbox_of_a_station_is_found_by_its_name(
    station: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "var" / "outbox").mkdir(parents=True)
    with Outbox(tmp_path / "var" / "outbox" / "ST-09.sqlite3", "ST-09"):
        monkeypatch.chdir(tmp_path)
        result = CliRunner().invoke(click.Group(commands=list(COMMANDS)), ["outbox", "--station", "ST-09", "ls"])

    assert result.output == "empty\n"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("outbox", "ls"), 2, "give --outbox FILE or --station NAME"),
        (("outbox", "--outbox", "no-such-file", "ls"), 1, "there is none"),
        (("outbox", "--outbox", "notes.txt", "ls"), 1, "outbox"),
        (("outbox", "--outbox", "ST-01.sqlite3", "export", "--since", "yesterday"), 2, '"yesterday" is no moment'),
        (("outbox", "--outbox", "ST-01.sqlite3", "ls", "--state", "lost"), 2, "lost"),
    ],
)
def test_what_cannot_be_done_is_said(
    station: Outbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    exit_code: int,
    said: str,
) -> None:
    (tmp_path / "notes.txt").write_text("no outbox" * 1000)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(click.Group(commands=list(COMMANDS)), list(arguments))

    assert result.exit_code == exit_code
    assert said in result.output
    assert not (tmp_path / "no-such-file").exists()
