"""How the operator's program writes times, words and JSON."""

from __future__ import annotations

import pytest

from tasks.records import State
from workers.cli.screen import moment, span, state_name, visible


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (3_599, "59 min 59 s"),
        (3_600, "1 h 0 min"),
        (86_399, "23 h 59 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_is_written_with_its_two_largest_units(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_moment_is_utc_to_the_millisecond() -> None:
    assert moment(1_790_000_000_007) == "2026-09-21 14:13:20.007Z"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain … Größe 5 µF", "plain … Größe 5 µF"),
        ("two\nlines", "two\nlines"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\tb\x00", "a\\r\\tb\\x00"),
        ("\u202egnp", "\\u202egnp"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_every_state_has_words() -> None:
    assert [state_name(state).plain for state in State] == [state.value.replace("_", " ") for state in State]
