"""What the relay's answers to a station mean: only its own words take or refuse; all else keeps the entry."""

from __future__ import annotations

import json
from typing import Any

import pytest

from producers.handover import Gap, Refused, Status, Taken, Told, Unavailable
from producers.outbox import OutboxState, Stored
from producers.scanner.event_stream import ServerEvent
from producers.scanner.scan_answers import answers_of, news_of, statuses_of

KEYS = ("a" * 20, "b" * 20)
PROBLEM = {"type": "urn:stockrelay:problem:invalid-command", "title": "Unprocessable", "detail": "see quantity"}


def _stored(key: str) -> Stored:
    return Stored(1, key, (), 1, "{}", "", "{}", OutboxState.STORED, 0, 0, None, None, None, offered=True)


BATCH = [_stored(key) for key in KEYS]


def _answer(status: int, document: Any, *, count: int = 2, retry_after: str = "") -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return answers_of(status, {"Retry-After": retry_after}, body, BATCH[:count])


def _results(*results: Any) -> dict[str, Any]:
    return {"results": list(results)}


GOOD = {"key": KEYS[0], "status": "stored", "state": "ready"}
ALSO = {"key": KEYS[1], "status": "stored", "state": "ready"}


def test_each_result_is_about_the_entry_at_its_place() -> None:
    refused = {"key": KEYS[1], "status": "refused", "problem": {**PROBLEM, "errors": [{"field": "q", "message": "0"}]}}

    assert _answer(200, _results(GOOD, refused)) == (Taken(duplicate=False), Refused("q: 0"))
    assert _answer(200, _results({**GOOD, "status": "duplicate"}, {**refused, "key": None, "problem": PROBLEM})) == (
        Taken(duplicate=True),
        Refused("see quantity"),
    )


def test_one_that_is_unavailable_waits_alone() -> None:
    unavailable = {"key": KEYS[0], "status": "unavailable", "problem": {"detail": "its record is damaged"}}

    assert _answer(200, _results(unavailable, ALSO), retry_after="7") == (
        Unavailable("its record is damaged", 7.0, alone=True),
        Taken(duplicate=False),
    )


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>Welcome to the guest network</html>",
        b"\xff",
        b'{"results": [{"key"',
        b"[" * 100_000,
        {},
        [GOOD, ALSO],
        {"results": {}},
        _results(),
        _results(GOOD),
        _results(GOOD, ALSO, ALSO),
        _results(GOOD, 5),
        _results(GOOD, GOOD),
        _results(ALSO, GOOD),
        _results(GOOD, {**ALSO, "status": "ok"}),
        _results(GOOD, {**ALSO, "key": None}),
        _results(GOOD, {"key": KEYS[0], "status": "refused", "problem": PROBLEM}),
    ],
)
def test_a_200_that_does_not_answer_each_entry_takes_and_refuses_none(document: Any) -> None:
    answers = _answer(200, document)

    assert answers == (Unavailable("status 200, but not an answer of the relay; is the address right?"),) * 2


@pytest.mark.parametrize(
    "status", [201, 202, 204, 301, 302, 307, 401, 403, 404, 405, 408, 409, 410, 415, 425, 429, 500, 502, 503, 504]
)
@pytest.mark.parametrize("document", [b"", PROBLEM, _results(GOOD, ALSO)])
def test_what_says_nothing_against_the_entries_keeps_them_all(status: int, document: Any) -> None:
    answers = _answer(status, document)

    assert len(answers) == 2
    assert all(isinstance(answer, Unavailable) and not answer.alone for answer in answers)
    assert answers[0].reason.startswith(f"status {status}")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_that_is_not_taken_as_a_whole_is_asked_about_in_parts(status: int) -> None:
    assert _answer(status, PROBLEM) is None
    assert _answer(status, b"<html>too large</html>") is None
    assert _answer(status, PROBLEM, count=1) == (Refused(f"status {status}: see quantity"),)
    # a proxy's opinion of the size; nobody refused the entry
    (alone,) = _answer(status, b"<html>too large</html>", count=1)
    assert alone == Unavailable(f"status {status}", alone=True)


@pytest.mark.parametrize(
    "problem", [{"errors": 5}, {"errors": [5]}, {"detail": {}}, {"detail": "a\x1b[31m\nb" * 99}, 5]
)
def test_a_strange_problem_still_gives_a_short_printable_reason(problem: Any) -> None:
    answer, _ = _answer(200, _results({"key": KEYS[0], "status": "refused", "problem": problem}, ALSO))

    assert isinstance(answer, Refused)
    assert answer.reason.isprintable()
    assert len(answer.reason) <= 201


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("3600", 60.0),
        ("999999999", 0.0),
        ("-1", 0.0),
        ("٣", 0.0),
        ("Wed, 21 Oct 2026", 0.0),
        ("", 0.0),
    ],
)
def test_a_retry_after_is_kept_to_within_a_minute(value: str, seconds: float) -> None:
    assert _answer(503, b"", retry_after=value)[0].retry_after_seconds == seconds


def test_statuses_are_read_by_key_and_null_is_unknown() -> None:
    document = {"commands": {"a": {"state": "rejected", "reason": "no\nstock"}, "b": None, "c": 5, "d": {}}}

    assert statuses_of(json.dumps(document).encode()) == {
        "a": Status("rejected", "no stock"),
        "b": Status("unknown", ""),
        "d": Status("unknown", ""),
    }
    for other in (b"", b"[]", b'{"commands": []}', b'{"error": 1}'):
        assert statuses_of(other) is None


@pytest.mark.parametrize(
    ("event", "news"),
    [
        (
            ServerEvent("command.state", '{"key": "k", "state": "applied", "reason": "a\\nb", "vendor": "v"}', "7"),
            Told("7", "k", Status("applied", "a b")),
        ),
        (
            ServerEvent("command.state", '{"key": "k", "state": "ready", "reason": null}', "7"),
            Told("7", "k", Status("ready", "")),
        ),
        (ServerEvent("command.state", '{"key": 5, "state": "applied"}', "7"), Told("7")),
        (ServerEvent("command.state", '{"key": "k"}', "7"), Told("7")),
        (ServerEvent("command.state", "not JSON", "7"), Told("7")),
        (ServerEvent("vendor.paused", '{"key": "k", "state": "applied"}', "7"), Told("7")),
        (ServerEvent("", "", "8"), Told("8")),
        (ServerEvent("stream.gap", "{}", "9"), Gap("9")),
    ],
)
def test_an_event_of_the_stream_is_a_result_a_gap_or_a_place(event: ServerEvent, news: Told | Gap) -> None:
    assert news_of(event) == news
