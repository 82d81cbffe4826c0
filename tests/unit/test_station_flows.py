"""The flows as they are told to the browser station too, and what no sequence of scans may ever do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from producers.outbox import Outbox
from producers.scanner.commands import MODES, Instruction
from producers.scanner.flows import Entry, Pick, Picks, Tone, prompt, take, wanted
from producers.scanner.modes import PATHS, Slot, flow_table
from producers.scanner.station import SCHEMA
from producers.scanner.words import LINE_CHARACTERS, WORDS, line, shortened
from tasks.directory import ThingType
from tasks.registry import command_type
from tests.unit.station_desk import FLOWS, Desk, raw_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from producers.scanner.station import Feedback

NAMES = {thing["id"]: name for name, thing in FLOWS["things"].items()}


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.sqlite3", "ST-01", schema=SCHEMA) as outbox:
        yield outbox


def _step(desk: Desk, token: str) -> dict[str, Any]:
    """Play one token and describe what came of it as the fixture does."""
    before = len(desk.stored())
    step: dict[str, Any] = {"scan": token}
    feedback: Feedback | None
    if token[0] == "+":
        feedback = desk.wait(float(token[1:]))
    elif token[0] == "^":
        desk.ms += 500
        feedback = desk.station.scan(raw_of(token[1:]), "desk", desk.ms)
    else:
        (feedback,) = desk.scan(token)
    if feedback is not None:
        step |= {"tone": feedback.tone.value, "mode": feedback.mode}
        step |= {"message": feedback.message, "prompt": feedback.prompt}
        step |= {"operator": feedback.operator} if feedback.operator else {}
    for body in desk.stored()[before:]:
        own = ("stock_timestamp", "source")
        step["stored"] = {
            name: NAMES.get(value, value) if isinstance(value, str) else value
            for name, value in body.items()
            if name not in own
        }
    return step


@pytest.mark.parametrize("scenario", FLOWS["scenarios"], ids=lambda scenario: scenario["name"])
def test_the_station_says_and_stores_what_the_scenario_says(outbox: Outbox, scenario: dict[str, Any]) -> None:
    desk = Desk(outbox)

    assert [_step(desk, step["scan"]) for step in scenario["steps"]] == scenario["steps"]


def test_the_table_for_the_browser_is_json_and_names_every_mode_slot_and_word() -> None:
    table = flow_table()

    assert json.loads(json.dumps(table)) == table
    assert tuple(table["modes"]) == tuple(mode.value for mode in MODES)
    assert set(table["codes"]["texts"]) == set(Instruction)
    for mode in table["modes"].values():
        for path in mode["paths"]:
            assert path["done"] in table["lines"]
            assert set(path["slots"]) <= set(table["slot_words"])
            assert set(path["fields"]) <= set(path["slots"])


def test_every_path_fills_what_its_command_requires_and_nothing_it_does_not_have() -> None:
    for paths in PATHS.values():
        for path in paths:
            fields = command_type(path.kind).model_fields
            required = {name for name, field in fields.items() if field.is_required()} - {"stock_timestamp"}
            assert required <= set(path.fields.values()) <= set(fields)


@pytest.mark.parametrize(("word", "text"), WORDS.items())
def test_every_first_line_fits_the_display_whatever_the_names(word: str, text: str) -> None:
    names = [part.partition("}")[0] for part in text.split("{")[1:]]
    short = dict.fromkeys(names, "7")
    long = {name: "1234567" if name in ("quantity", "before", "done", "number") else "x" * 200 for name in names}

    assert line(word, **short) == text.format_map(short)
    assert len(line(word, **long)) <= LINE_CHARACTERS


def test_a_quantity_is_never_cut_from_a_line() -> None:
    text = line("received", quantity="10000000", part="P" * 60, place="S" * 60)

    assert "10000000 x " in text


def test_a_long_name_keeps_both_of_its_ends() -> None:
    assert shortened("LM358BIDDFR-TAPE", 9) == "LM35…TAPE"


def test_an_unknown_id_is_asked_about_only_as_what_is_wanted() -> None:
    entry = Entry(Instruction.MOVE)
    reply = take(entry, Picks((Pick("x" * 26, None),), ("not in the directory",)))

    assert reply.tone is Tone.ASK
    assert reply.entry.question is not None
    assert [choice.type for choice in reply.entry.question.choices if isinstance(choice, Pick)] == [ThingType.STORAGE]
    assert reply.detail == "not in the directory"


_TOKENS = st.one_of(
    st.sampled_from([f"!{each}" for each in Instruction]),
    st.sampled_from([f"@{name}" for name in FLOWS["things"]]),
    st.sampled_from([f"#{name}" for name in FLOWS["labels"]]),
    st.sampled_from(["=1", "=2", "=500", "~25", "~Q7", "~]C0Q7", "*Ada", "*Grace", "~junk", "~" + "s" * 26]),
    st.sampled_from(["+1", "+31", "+121", "+2000"]),
)


def _said_by(token: str, desk: Desk) -> set[object]:
    """Give every id and number that a scan alone can bring into an entry."""
    if token[0] == "@":
        return {FLOWS["things"][token[1:]]["id"]}
    if token[0] == "#":
        parts = {"bag": 3, "second bag": 7, "unique reel": 2, "ambiguous bag": 10}
        ids = {thing.id for things in desk.warehouse.codes.values() for thing in things}
        return {*ids, parts.get(token[1:], 0)}
    numbers = {"=1": 1, "=2": 2, "=500": 500, "~25": 25, "~Q7": 7, "~]C0Q7": 7}
    return {numbers.get(token, token[1:])}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(tokens=st.lists(_TOKENS, max_size=40), is_away=st.booleans())
def test_no_sequence_of_scans_raises_changes_the_mode_by_itself_or_stores_what_was_not_scanned(
    outbox: Outbox, tokens: list[str], *, is_away: bool
) -> None:
    desk = Desk(outbox)
    desk.ms += outbox.count_undelivered() * 10_000_000  # every example has its own time
    desk.warehouse.is_away = is_away
    mode, said = "no mode", set[object]()

    for token in tokens:
        before = [row.key for row in outbox.rows(limit=10_000)]
        feedback = desk.wait(float(token[1:])) if token[0] == "+" else desk.scan(token)[0]
        rows = {row.key: row for row in outbox.rows(limit=10_000)}
        new = [rows[key] for key in rows if key not in before]
        said |= _said_by(token, desk)

        if token[1:] in MODES and token[0] == "!":
            mode, said = token[1:], set()
        if feedback is not None:
            assert feedback.mode == mode
            assert feedback.prompt
            assert feedback.message.isprintable()
            assert len(feedback.message) <= LINE_CHARACTERS
            assert (feedback.tone is Tone.STORED) == bool(new)
            assert [row.key for row in new] == ([feedback.key] if feedback.key else [])
        for row in new:
            body = json.loads(row.body)
            fields = [body[name] for name in command_type(body["kind"]).model_fields if name in body]
            own = {body["stock_timestamp"], body["source"], body.get("comments")}
            assert set(fields) - own <= said
        entry = desk.station._state.entry
        if new or not entry.is_open:
            # the next entry begins with what a batch keeps
            said = {pick.id for _, pick in entry.things}


@given(st.lists(st.sampled_from([*Slot]), max_size=6), st.sampled_from(MODES))
def test_the_prompt_never_runs_dry(slots: list[Slot], mode: Instruction) -> None:
    entry = Entry(mode)
    types = {Slot.FROM: ThingType.STORAGE, Slot.TO: ThingType.STORAGE, Slot.ORDER: ThingType.ORDER}
    for number, slot in enumerate(slots):
        pick = Pick(f"{number:026d}", types.get(slot, ThingType.PART), f"thing {number}")
        entry = take(entry, Picks((pick,))).entry

        assert wanted(entry)
        assert prompt(entry).startswith("scan the ")
