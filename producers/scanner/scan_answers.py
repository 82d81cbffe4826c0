"""What the relay's answers to a station mean; only the relay's own words count, and what is unsure is kept."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from producers.handover import Gap, Refused, Status, Taken, Told, Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from producers.handover import Answer
    from producers.outbox import Stored
    from producers.scanner.event_stream import ServerEvent

#: The station asks again at least this often, whatever Retry-After says.
_MAX_RETRY_AFTER_SECONDS: Final = 60.0
#: Begins the `type` of every problem document of the relay.
_PROBLEM: Final = "urn:stockrelay:problem:"
#: About what was sent, and not about who sends it or when.
_ABOUT_THE_BODY: Final = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
#: What an operator reads of somebody else's answer.
_REASON_CHARACTERS: Final = 200


def answers_of(
    status: int, headers: Mapping[str, str], body: bytes, batch: Sequence[Stored]
) -> tuple[Answer, ...] | None:
    """Say what the answer to `POST /v1/scans` means for each of the batch; None when fewer at once may be taken."""
    document = document_of(body)
    if status == HTTPStatus.OK:
        found = _results(document, batch, retry_after(headers))
        if found is None:
            return _all(batch, Unavailable("status 200, but not an answer of the relay; is the address right?"))
        return found
    reason = f"status {status}: {_words(document)}" if document else f"status {status}"
    if status not in _ABOUT_THE_BODY:
        return _all(batch, Unavailable(reason, retry_after(headers)))
    if len(batch) > 1:
        return None
    if str(document.get("type")).startswith(_PROBLEM):
        return (Refused(reason),)
    return (Unavailable(reason, alone=True),)


def statuses_of(body: bytes) -> Mapping[str, Status] | None:
    """Read the answer to `GET /v1/commands?keys=`; None when it is none."""
    commands = document_of(body).get("commands")
    if not isinstance(commands, dict):
        return None
    return {key: _status(record) for key, record in commands.items() if record is None or isinstance(record, dict)}


def news_of(event: ServerEvent) -> Told | Gap:
    """Read an event of `GET /v1/stream`; one that is about no command tells only how far the stream is."""
    if event.name == "stream.gap":
        return Gap(event.position)
    fields = document_of(event.data.encode()) if event.name == "command.state" else {}
    key = fields.get("key")
    if not isinstance(key, str) or not isinstance(fields.get("state"), str):
        return Told(event.position)
    return Told(event.position, key, _status(fields))


def document_of(body: bytes) -> dict[str, Any]:
    """Read a JSON object; empty when it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def retry_after(headers: Mapping[str, str]) -> float:
    """Read the delay form of Retry-After (RFC 9110 10.2.3); the date form would trust a second clock."""
    text = headers.get("Retry-After", "")
    if not (text.isascii() and text.isdigit()) or len(text) > len("3600"):
        return 0.0
    return min(float(text), _MAX_RETRY_AFTER_SECONDS)


def _all(batch: Sequence[Stored], answer: Answer) -> tuple[Answer, ...]:
    return (answer,) * len(batch)


def _results(
    document: Mapping[str, Any], batch: Sequence[Stored], retry_after_seconds: float
) -> tuple[Answer, ...] | None:
    """Read one answer for each; None when that is not what stands there."""
    results = document.get("results")
    if not isinstance(results, list) or len(results) != len(batch):
        return None
    answers: list[Answer] = []
    for result, stored in zip(results, batch, strict=True):
        answer = _result(result, stored.key, retry_after_seconds) if isinstance(result, dict) else None
        if answer is None:
            return None
        answers.append(answer)
    return tuple(answers)


def _result(result: Mapping[str, Any], key: str, retry_after_seconds: float) -> Answer | None:
    given, problem = result.get("key"), result.get("problem")
    words = _words(problem if isinstance(problem, dict) else {})
    match result.get("status"):
        case "stored" | "duplicate" as status if given == key:
            return Taken(duplicate=status == "duplicate")
        case "refused" if given in (key, None):
            return Refused(words)
        case "unavailable" if given in (key, None):
            return Unavailable(words, retry_after_seconds, alone=True)
    return None


def _status(record: Mapping[str, Any] | None) -> Status:
    if record is None:
        return Status("unknown", "")
    return Status(str(record.get("state") or "unknown"), _plain(record.get("reason") or ""))


def _words(problem: Mapping[str, Any]) -> str:
    """Put an RFC 9457 problem into one line for the operator."""
    errors = problem.get("errors")
    details = [
        f"{error.get('field')}: {error.get('message')}"
        for error in (errors if isinstance(errors, list) else [])
        if isinstance(error, dict)
    ]
    return _plain("; ".join(details) or problem.get("detail") or problem.get("title") or "no reason given")


def _plain(text: object) -> str:
    plain = "".join(character if character.isprintable() else " " for character in str(text))
    return plain if len(plain) <= _REASON_CHARACTERS else plain[:_REASON_CHARACTERS] + "…"
