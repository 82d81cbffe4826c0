"""What the document says of the dead-letter desk's routes."""

from __future__ import annotations

from typing import Any, Final

from producers.tokens import Role
from producers.webhooks import sessions
from producers.webhooks.desk_requests import (
    MAX_LISTED,
    Correction,
    DeadLetterQuestion,
    Discard,
    RedriveFilter,
    RedriveOrder,
    Replay,
)
from producers.webhooks.desk_schemas import (
    BegunRedrives,
    CountedLetters,
    Decided,
    FoundDeadLetters,
    ShownDiff,
    ShownRedrive,
    ShownRedrives,
    WholeDeadLetter,
)
from producers.webhooks.openapi import Answer, Body, Operation, Parameter

TAG: Final = "dead letters"
_KEY: Final = "abcdefghijklmnopqrst"
_AT_MS: Final = 1_790_000_000_000
_ID: Final = "5f0c2a9d41b7"

_LETTER: Final[dict[str, Any]] = {
    "key": _KEY,
    "kind": "stock.remove",
    "vendor": "partsbox",
    "state": "rejected",
    "summary": "remove 25 of part 4kd1m0q7… from 0sh3fa7e…",
    "reason": "not enough stock",
    "attempts": 1,
    "doubted": False,
    "accepted_ms": _AT_MS + 40,
    "died_ms": _AT_MS + 900,
    "revision": "1",
    "lanes": ["part:4kd1m0q7x3c9v5b2n8hj6gtrwz"],
    "edited_by": None,
    "effect": "relative",
}
_DIFF: Final = {
    "changes": [{"field": "quantity", "old": 25, "new": 20}],
    "old_summary": "remove 25 of part 4kd1m0q7… from 0sh3fa7e…",
    "new_summary": "remove 20 of part 4kd1m0q7… from 0sh3fa7e…",
    "old_lanes": ["part:4kd1m0q7x3c9v5b2n8hj6gtrwz"],
    "new_lanes": ["part:4kd1m0q7x3c9v5b2n8hj6gtrwz"],
    "revision": "1",
    "leaves_its_lanes": False,
}
_REDRIVE: Final = {
    "id": _ID,
    "vendor": "partsbox",
    "state": "running",
    "by": "ada",
    "filter": {"vendor": "partsbox", "reason": "maintenance"},
    "per_second": 2.0,
    "total": 120,
    "replayed": 31,
    "skipped": 1,
    "left": 88,
    "left_alone": [{"key": _KEY, "why": "it is ready"}],
    "created_ms": _AT_MS,
    "ended_ms": None,
    "cancelled_by": None,
}
_FILTER: Final = {"filter": {"vendor": "partsbox", "reason": "maintenance"}}

_KEY_PARAMETER: Final = Parameter(name="key", place="path", description="The dead letter's key.", example=_KEY)
_PROBLEMS: Final = {
    400: "Not a key.",
    404: "`unknown-command`.",
    409: "`conflict`: not a dead letter any more, changed since it was shown, or a place must be chosen; `detail` says "
    "which. Or `damaged-record`: it can only be discarded.",
    503: "The ledger is away. Nothing is promised: look at the letter again before deciding anew.",
}
_WRONG: Final = {422: "`invalid-request`, with every field that is wrong."}
_AWAY: Final = {503: "The ledger is away."}


def _operation(summary: str, answer: Answer, **more: Any) -> Operation:
    return Operation(
        summary=summary, tag=TAG, roles=(Role.OPERATE,), sessions=(sessions.DESK,), answers={200: answer}, **more
    )


def _query() -> tuple[Parameter, ...]:
    properties = DeadLetterQuestion.model_json_schema()["properties"]
    return tuple(
        Parameter(
            name=name,
            place="query",
            description=_described(schema),
            schema={key: value for key, value in _given(schema).items() if key not in ("title", "description")},
        )
        for name, schema in properties.items()
    )


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Give the schema of a parameter that is there: null is what is left out."""
    kept = {name: value for name, value in schema.items() if name not in ("anyOf", "default")}
    return {**kept, **next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), {})}


def _described(schema: dict[str, Any]) -> str:
    return str(schema.get("description") or f"Only these; at most {MAX_LISTED} for `limit`.")


FIND: Final = _operation(
    "List the dead letters",
    Answer(
        description="A page, newest first.",
        schema=FoundDeadLetters,
        example={
            "total": 1,
            "after": None,
            "dead_letters": [_LETTER],
            "counts": {"partsbox": 1},
            "names": {"4kd1m0q7x3c9v5b2n8hj6gtrwz": "RC0603-10R"},
            "now_ms": _AT_MS + 5_000,
        },
    ),
    description="A rejected command was refused by the vendor, and its lane went on. A held one needs a person to "
    "decide, and its lane waits for that. The record of a damaged one cannot be read.",
    parameters=_query(),
    problems={**_WRONG, **_AWAY},
)
SHOW: Final = _operation(
    "See everything about a dead letter",
    Answer(
        description="What was asked, what happened, and the evidence.",
        schema=WholeDeadLetter,
        example={
            **_LETTER,
            "lane_heads": [{"name": "part:4kd1m0q7x3c9v5b2n8hj6gtrwz", "length": 0, "first": []}],
            "evidence": [{"what": "rejected", "at_ms": _AT_MS + 900, "note": "not enough stock"}],
            "names": {"4kd1m0q7x3c9v5b2n8hj6gtrwz": "RC0603-10R"},
            "now_ms": _AT_MS + 5_000,
        },
    ),
    parameters=(_KEY_PARAMETER,),
    problems=_PROBLEMS,
)
SCHEMA: Final = _operation(
    "What a dead letter may be corrected to",
    Answer(
        description="The JSON Schema of its command; what never changes is `readOnly`.",
        schema={"type": "object"},
    ),
    parameters=(_KEY_PARAMETER,),
    problems={**_PROBLEMS, **_WRONG},
)
PREVIEW: Final = _operation(
    "What a correction would change",
    Answer(description="Checked like a new command; nothing is kept.", schema=ShownDiff, example=_DIFF),
    body=Body(schema=Correction, examples={"a smaller quantity": {"edits": {"quantity": 20}, "revision": "1"}}),
    parameters=(_KEY_PARAMETER,),
    problems={**_PROBLEMS, **_WRONG},
)
EDIT: Final = _operation(
    "Keep a correction",
    Answer(description="It is kept with its author, and a replay sends it.", schema=ShownDiff, example=_DIFF),
    body=Body(schema=Correction, examples={"a smaller quantity": {"edits": {"quantity": 20}, "revision": "1"}}),
    parameters=(_KEY_PARAMETER,),
    problems={**_PROBLEMS, **_WRONG},
)
REPLAY: Final = _operation(
    "Run a dead letter again",
    Answer(description="It goes on.", schema=Decided, example={"key": _KEY, "state": "ready"}),
    description="Under its key, corrected first where `edits` says so. What may be at the vendor already is looked for "
    "by its marker before it is sent.",
    body=Body(schema=Replay, examples={"in its place": {}, "at the head": {"at": "head", "revision": "1"}}),
    parameters=(_KEY_PARAMETER,),
    problems={**_PROBLEMS, **_WRONG},
)
DISCARD: Final = _operation(
    "Close a dead letter, undone",
    Answer(
        description="It is closed for good; a lane that it blocked goes on.",
        schema=Decided,
        example={"key": _KEY, "state": "discarded"},
    ),
    body=Body(schema=Discard, examples={"done by hand": {"reason": "booked by hand at the vendor", "revision": "1"}}),
    parameters=(_KEY_PARAMETER,),
    problems={**_PROBLEMS, **_WRONG},
)
COUNT: Final = _operation(
    "Count what a bulk replay would take",
    Answer(
        description="So many fit now.",
        schema=CountedLetters,
        example={
            "total": 3,
            "damaged": 0,
            "vendors": {"partsbox": 3},
            "states": {"rejected": 2, "held": 1},
            "effects": {"relative": 3},
        },
    ),
    body=Body(schema=RedriveFilter, examples={"after a maintenance": _FILTER}),
    problems={**_WRONG, **_AWAY},
)
REDRIVE: Final = _operation(
    "Replay many, at a rate",
    Answer(
        description="They are begun: one for each vendor that has any.",
        schema=BegunRedrives,
        example={"redrives": [_REDRIVE]},
    ),
    description="All that fit the filter now, oldest first, each in its own place, once. It survives any process, and "
    "waits while the vendor is paused.",
    body=Body(schema=RedriveOrder, examples={"two a second": {**_FILTER, "per_second": 2}}),
    problems={**_WRONG, 503: "The ledger is away: look at the list before beginning anew."},
)
REDRIVES: Final = _operation(
    "List the bulk replays",
    Answer(
        description="Newest first.", schema=ShownRedrives, example={"redrives": [_REDRIVE], "now_ms": _AT_MS + 60_000}
    ),
    problems=_AWAY,
)
CANCEL_REDRIVE: Final = _operation(
    "Stop a bulk replay",
    Answer(
        description="What was not replayed yet stays a dead letter; one that has ended stays as it is.",
        schema=ShownRedrive,
        example={**_REDRIVE, "state": "cancelled", "left": 0, "ended_ms": _AT_MS + 9_000, "cancelled_by": "ada"},
    ),
    parameters=(Parameter(name="id", place="path", description="The bulk replay's id.", example=_ID),),
    problems={404: "`unknown-redrive`.", **_AWAY},
)
