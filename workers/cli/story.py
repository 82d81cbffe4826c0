"""A command's whole life for people and as JSON: what was asked, what happened, what proves it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tasks.records import DamagedRecord
from workers.cli.screen import DAMAGED, moment, span, state_name, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tasks.records import CommandRecord, State
    from workers.cli.screen import Cell, Screen

#: Longer lists of stock timestamps are cut in text; JSON has all of them.
SHOWN_TIMESTAMPS: Final = 12
#: UTC milliseconds of these fields are also written as a date.
_MOMENTS: Final = ("stock_timestamp", "entry_timestamp", "timestamp_ms", "at_ms", "created_ms", "expiration_ms")
#: Shown in the line that opens an entry.
_OPENING: Final = frozenset({"what", "at_ms", "attempt", "owner", "by"})
_SHOWN_LATE: Final = "the vendor confirmed the last send, and did not show it"


@dataclass(frozen=True, slots=True)
class Story:
    """Everything known of one command. `now_ms` is Redis' clock."""

    record: CommandRecord
    evidence: list[dict[str, Any]]
    children: list[CommandRecord | DamagedRecord]
    #: Commands at the head of the lanes in which this one waits.
    ahead: list[CommandRecord | DamagedRecord]
    now_ms: int


def as_json(story: Story) -> dict[str, Any]:
    """Give the story ready for JSON, with stable keys."""
    record = story.record
    return {
        **record.public(),
        "client": record.client,
        "command": _decoded(record.command),
        "original": _decoded(record.original),
        "corrected": _decoded(record.corrected),
        "edited_by": record.edited_by,
        "lanes": list(record.lanes),
        "waits": record.waits,
        "looks": record.looks,
        "failed_looks": record.failed_looks,
        "crashes": record.crashes,
        "doubted": record.doubted,
        "due_ms": record.due_ms,
        "refusal": record.refusal,
        "confirmed": record.confirmed,
        "before": record.image,
        "parent": record.parent,
        "progress": {"done": record.done, "total": record.total, "failed": record.failed} if record.total else None,
        "children": [_named(child) for child in story.children],
        "ahead": [_named(other) for other in story.ahead],
        "replayed_by": record.replayed_by,
        "discarded_by": record.discarded_by,
        "evidence": story.evidence,
        "now_ms": story.now_ms,
    }


def tell(story: Story, screen: Screen) -> None:
    """Print the story."""
    record = story.record
    screen.title(f"{record.key}  {record.kind}  ", state_name(record.state))
    screen.facts(_life(story))
    screen.title("Asked")
    screen.facts(_asked(record))
    if record.corrected is not None:
        screen.title(f"Corrected by {record.edited_by}, for the next replay")
        screen.facts(_correction(record))
    if story.children:
        screen.title(f"Lines: {record.done} of {record.total} done, {record.failed} of them not applied")
        rows = [(child.key, state_name(state_of(child)), child.summary) for child in story.children]
        screen.table(("KEY", "STATE", "WHAT"), rows)
    tell_evidence(story.evidence, screen)
    if record.receipt is not None:
        screen.title("Receipt")
        screen.facts(_receipt(record.receipt))


def tell_evidence(evidence: list[dict[str, Any]], screen: Screen) -> None:
    """Print what was seen, sent and answered."""
    screen.title("Evidence" if evidence else "Evidence: none yet")
    for place, entry in enumerate(evidence, start=1):
        screen.line(f"  {place}. {_opening(entry)}")
        screen.facts(_entry(entry), indent=5)


def state_of(record: CommandRecord | DamagedRecord) -> State | None:
    """Tell a command's state; None for one that cannot be read."""
    return None if isinstance(record, DamagedRecord) else record.state


def state_word(record: CommandRecord | DamagedRecord) -> str:
    """Write a command's state for programs."""
    return state_of(record) or DAMAGED


def _named(record: CommandRecord | DamagedRecord) -> dict[str, Any]:
    return {"key": record.key, "state": state_word(record), "summary": record.summary}


def _decoded(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _life(story: Story) -> Iterator[tuple[str, Cell]]:
    record = story.record
    yield "what", record.summary
    if record.reason:
        yield "reason", record.reason
    yield "vendor", record.vendor
    yield "client", record.client or "none"
    yield "accepted", _ago(record.accepted_ms, story.now_ms)
    yield "updated", _ago(record.updated_ms, story.now_ms)
    if record.due_ms is not None and not record.state.is_final:
        yield "due", f"{moment(record.due_ms)} (in {span((record.due_ms - story.now_ms) / 1000)})"
    yield "spent", f"attempts {record.attempts}, waits {record.waits}, look-ups {record.looks}"
    if record.failed_looks or record.crashes:
        yield "trouble", f"{record.failed_looks} look-ups failed, its worker was lost {record.crashes} times"
    if record.doubted:
        yield "doubt", _SHOWN_LATE if record.confirmed else "the outcome of a send was unknown at least once"
    if record.refusal:
        yield "refusal", str(record.refusal.get("reason", ""))
    for other in story.ahead:
        yield "behind", f"{other.key} ({state_word(other).replace('_', ' ')}): {other.summary}"
    if record.parent:
        yield "line of", record.parent
    if record.replayed_by:
        yield "replayed by", record.replayed_by
    if record.discarded_by:
        yield "discarded by", record.discarded_by


def _asked(record: CommandRecord) -> Iterator[tuple[str, Cell]]:
    asked, original = _decoded(record.command), _decoded(record.original)
    if not isinstance(asked, dict):
        yield "unreadable", record.command
        return
    was: Mapping[str, Any] = original if isinstance(original, dict) else asked
    for name in dict.fromkeys((*asked, *was)):
        text = _value(name, asked[name]) if name in asked else "not given"
        if asked.get(name) != was.get(name):
            text += f"  (originally {_value(name, was[name]) if name in was else 'not given'})"
        yield name, text


def _correction(record: CommandRecord) -> Iterator[tuple[str, Cell]]:
    asked, corrected = _decoded(record.command), _decoded(record.corrected)
    if not (isinstance(asked, dict) and isinstance(corrected, dict)):
        yield "unreadable", record.corrected or ""
        return
    for name in dict.fromkeys((*asked, *corrected)):
        if asked.get(name) != corrected.get(name):
            yield name, _value(name, corrected[name]) if name in corrected else "not given"


def _opening(entry: Mapping[str, Any]) -> str:
    parts = [moment(int(entry["at_ms"])), visible(str(entry.get("what", "")))]
    if "attempt" in entry:
        parts.append(f"attempt {entry['attempt']}")
    for name, words in (("owner", "worker"), ("by", "by")):
        if name in entry:
            parts.append(f"{words} {entry[name]}")
    return "  ".join(parts)


def _entry(entry: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    for name, value in entry.items():
        if name in _OPENING:
            continue
        if name == "before":
            yield from _before(value)
        elif name == "exchange":
            yield from _exchange(value)
        elif name == "after":
            for line in value:
                yield "after", _pairs(line)
        else:
            yield name, _value(name, value)


def _before(image: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    for name, value in image.items():
        if name == "timestamps":
            newest = sorted(value, reverse=True)
            shown = ", ".join(str(each) for each in newest[:SHOWN_TIMESTAMPS])
            older = f", and {len(newest) - SHOWN_TIMESTAMPS} older ones" if len(newest) > SHOWN_TIMESTAMPS else ""
            yield "before", f"{len(newest)} stock entries: {shown}{older}" if newest else "no stock entries"
        else:
            yield "before", f"{name} {_value(name, value)}"


def _exchange(exchange: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    yield "request", f"{exchange.get('operation')} {_value('request', exchange.get('request'))}"
    status = exchange.get("status")
    came = "none was read" if status is None else f"{status} {_value('answer', exchange.get('answer'))}"
    yield "answer", f"{came} (after {exchange.get('elapsed_ms')} ms)"


def _receipt(receipt: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    proof = str(receipt.get("proof", ""))
    words = {"marker": "read back at the vendor, by its marker", "answer": "the vendor's answer"}
    yield "proof", words.get(proof, proof)
    for entry in receipt.get("entries", ()):
        yield "entry", _pairs(entry)


def _pairs(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(name, value)}" for name, value in fields.items() if value is not None)


def _value(name: str, value: Any) -> str:
    if name in _MOMENTS and isinstance(value, int):
        return f"{value} ({moment(value)})"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ago(at_ms: int, now_ms: int) -> str:
    return f"{moment(at_ms)} ({span((now_ms - at_ms) / 1000)} ago)"
