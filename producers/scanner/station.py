"""One station: each scan becomes feedback, and a complete entry becomes a command on disk before the feedback."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from producers.outbox import Capture, OutboxError, OutboxState, now_ms
from producers.scanner import lookups
from producers.scanner.captures import SCHEMA as CAPTURE_SCHEMA
from producers.scanner.captures import BookedEntry, Captures, ScanRecord, scan_id
from producers.scanner.codes import CodeReader, LabelCode, VendorIdCode
from producers.scanner.commands import Badge, Instruction, Unreadable
from producers.scanner.duplicates import BounceFilter, RepeatedLabels, refusal
from producers.scanner.flows import Entry, Reply, Tone, prompt, take, wanted
from producers.scanner.modes import BADGE_SECONDS, BOUNCE_MS, ENTRY_SECONDS, REPEAT_SECONDS, SCOPES, Slot
from producers.scanner.undo import Way, opposite, way
from producers.scanner.words import REMARK, WORDS, line
from tasks.registry import InvalidCommandError, parse_command

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from typing import Any

    from producers.outbox import Outbox
    from producers.scanner.codes import Code, Reading
    from producers.scanner.flows import Draft
    from producers.scanner.lookups import Lookup

#: What a station keeps beside the outbox; give it to `Outbox`.
SCHEMA = CAPTURE_SCHEMA + lookups.SCHEMA

_EXPIRED = "the unfinished entry had expired"
_UNDO_WORDS = {
    Way.DROP: "undone",
    Way.COMPENSATE: "undo_sent",
    Way.WAIT: "undo_waits",
    Way.REFUSE: "undo_refused",
}


@dataclass(frozen=True, slots=True)
class Feedback:
    """What the operator sees and hears. `message` fits the display, `prompt` says what to do next.

    `key` is there when a command is in the outbox by this: the entry of a STORED, the opposite of an UNDONE.
    """

    tone: Tone
    mode: str
    message: str
    prompt: str
    key: str | None = None
    #: The reason in full, where the message has no room for it.
    detail: str = ""
    operator: str = ""


@dataclass(frozen=True, slots=True)
class _State:
    """What a scan changes; it becomes the station's own only when the scan is on disk."""

    entry: Entry = field(default_factory=Entry)
    operator: str = ""
    #: When the last scan came, UTC milliseconds.
    touched_ms: int = 0
    #: Number and moment of the last scan; the moment is also that of the last command at least.
    seq: int = 0
    last_ms: int = 0


class Station:
    """The operator's side of a station. Nothing raises for a scan; nothing it calls stored is lost afterwards."""

    def __init__(
        self,
        station_id: str,
        outbox: Outbox,
        reader: CodeReader,
        lookup: Lookup,
        *,
        bounce_ms: int = BOUNCE_MS,
        repeat_seconds: float = REPEAT_SECONDS,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._station_id = station_id
        self._outbox = outbox
        self._reader = reader
        self._lookup = lookup
        self._captures = Captures(outbox)
        self._labels = RepeatedLabels(self._captures, repeat_seconds)
        self._clock_ms = clock_ms
        self.bounces = BounceFilter(bounce_ms)
        seq, last_ms = self._captures.last()
        latest = outbox.latest()
        self._state = _State(seq=seq, last_ms=max(last_ms, 0 if latest is None else latest.stock_timestamp))

    @property
    def mode(self) -> str:
        """The mode, as the screen shows it."""
        mode = self._state.entry.mode
        return "no mode" if mode is None else mode.value

    @property
    def operator(self) -> str:
        """The operator's name; empty when nobody is logged in."""
        return self._state.operator

    def greet(self) -> Feedback:
        """Give the first feedback, before any scan."""
        return self._feedback(self._state, Tone.NOTE, line("ready", station=self._station_id))

    async def prepare(self, raw: bytes) -> None:
        """Look up what a scan will need; without it, `scan` goes by what is kept."""
        await self._lookup.prepare(self._reader.read(raw).code)

    def scan(self, raw: bytes, device: str = "", at_ms: int | None = None) -> Feedback:
        """Take one scan as it came from a device; `at_ms` is when its end arrived, UTC milliseconds."""
        now = self._clock_ms() if at_ms is None else at_ms
        before = _aged(self._state, now)
        reading = self._reader.read(raw)
        record = ScanRecord(
            seq=before.seq + 1,
            scan_id=scan_id(now),
            station=self._station_id,
            device=device,
            operator=before.operator,
            # Fixed here: it becomes part of the command's key and never changes again.
            captured_at_ms=max(now, before.last_ms + 1),
            raw=raw,
            aim=reading.aim,
            repairs=reading.repairs,
        )
        try:
            with self._outbox.changing() as database:
                state, feedback = self._taken(database, before, record, reading, now)
                if self._state.entry.is_open and not before.entry.is_open:
                    feedback = replace(feedback, detail=f"{_EXPIRED}; {feedback.detail}".rstrip("; "))
                self._captures.add_scan(database, record, feedback.tone, feedback.message, feedback.key)
        except OutboxError as error:
            return self._feedback(self._state, Tone.ERROR, line("not_stored"), detail=f"scan again later: {error}")
        self._state = replace(state, seq=record.seq, last_ms=record.captured_at_ms)
        return feedback

    def tick(self) -> Feedback | None:
        """Drop an unfinished entry that is too old, log an idle operator out; to be called every second or so.

        The mode never changes by itself.
        """
        before, self._state = self._state, _aged(self._state, self._clock_ms())
        if before.entry.is_open and not self._state.entry.is_open:
            return self._feedback(self._state, Tone.EXPIRED, line("expired"))
        if before.operator and not self._state.operator:
            return self._feedback(self._state, Tone.NOTE, line("logged_out", name=before.operator))
        return None

    def settle(self, key: str) -> Feedback | None:
        """Take back an entry that waits for that, now that its outcome is known; None when nothing is to be done."""
        entry = self._captures.entry_wanted_back(key)
        stored = None if entry is None else self._outbox.find(key)
        if entry is None or stored is None or stored.state is OutboxState.HELD:
            return None
        how, detail = way(entry.kind, entry.fields, stored)
        if how not in (Way.DROP, Way.COMPENSATE):
            return None
        moment = max(self._clock_ms(), self._state.last_ms + 1)
        with self._outbox.changing() as database:
            self._captures.mark_undo(database, key, "undone")
            made = self._compensate(database, entry, moment, {}) if how is Way.COMPENSATE else None
        self._state = replace(self._state, last_ms=moment)
        return self._feedback(self._state, Tone.UNDONE, line("undone", summary=entry.summary), made, detail)

    def settle_all(self) -> tuple[Feedback, ...]:
        """Do the same for all whose outcome became known while the station was off."""
        return tuple(done for done in map(self.settle, self._captures.wanted_back()) if done is not None)

    def _taken(
        self, database: sqlite3.Connection, before: _State, record: ScanRecord, reading: Reading, now: int
    ) -> tuple[_State, Feedback]:
        if self.bounces.is_bounce(record.raw, record.device, now):
            return before, self._feedback(before, Tone.BOUNCE, line("bounced"))
        state = replace(before, touched_ms=now)
        if isinstance(reading.code, Badge):
            return self._log_in(state, reading.code)
        if reading.code is Instruction.UNDO:
            return self._undo(database, state, record)
        reply = self._reply(state.entry, reading.code, now)
        if reply.draft is not None:
            return self._stored(database, state, record, reply, reply.draft)
        after = replace(state, entry=reply.entry)
        return after, self._feedback(after, reply.tone, reply.message, detail=reply.detail)

    def _reply(self, entry: Entry, code: Code, now: int) -> Reply:
        match code:
            case VendorIdCode() | LabelCode():
                found = lookups.meaning(code, self._lookup)
            case Badge():
                raise TypeError("a badge is no part of an entry")
            case _:
                return take(entry, code)
        if isinstance(found, str):
            return take(entry, Unreadable(found, "scan the part's own code"))
        if entry.mode is not None and Slot.PART in wanted(entry):
            found, booked = self._labels.judge(found, entry.mode, now)
            if booked:
                return Reply(entry, Tone.ERROR, refusal(found), detail=booked)
        return take(entry, found)

    def _log_in(self, state: _State, badge: Badge) -> tuple[_State, Feedback]:
        dropped = state.entry.is_open and badge.name != state.operator
        entry = Entry(state.entry.mode) if dropped else state.entry
        after = replace(state, entry=entry, operator=badge.name)
        word = "operator_dropped" if dropped else "operator"
        return after, self._feedback(after, Tone.OK, line(word, name=badge.name))

    def _stored(
        self, database: sqlite3.Connection, state: _State, record: ScanRecord, reply: Reply, draft: Draft
    ) -> tuple[_State, Feedback]:
        summary = _summary(draft)
        moment = record.captured_at_ms
        comments = _comment(draft.remark, f"by {state.operator}" if state.operator else "")
        try:
            key = self._keep(database, draft.kind, draft.fields, moment, comments, summary, record.origin())
        except InvalidCommandError as error:
            # The ids and the quantity are checked by now: this is a clock that was never set.
            return state, self._feedback(state, Tone.ERROR, line("not_stored"), detail=str(error))
        self._captures.add_entry(database, BookedEntry(key, draft.kind, draft.fields, summary), record.seq)
        if draft.label and state.entry.mode is not None:
            self._captures.add_label(database, SCOPES[state.entry.mode], draft.label, key, moment)
        after = replace(state, entry=reply.entry)
        return after, self._feedback(after, Tone.STORED, line(draft.done, **draft.words), key)

    def _keep(
        self,
        database: sqlite3.Connection,
        kind: str,
        fields: dict[str, Any],
        moment: int,
        comments: str,
        summary: str,
        origin: dict[str, Any],
    ) -> str:
        """Put a command into the outbox; InvalidCommandError when it is none, and nothing is stored."""
        body = {**fields, "stock_timestamp": moment, "source": self._station_id}
        if comments:
            body["comments"] = comments
        command = parse_command(kind, body)
        text = json.dumps({"kind": kind, **body}, separators=(",", ":"), ensure_ascii=False)
        key = command.key()
        self._outbox.add(database, Capture(key, command.lanes(), moment, text, summary, json.dumps(origin)))
        return key

    def _undo(self, database: sqlite3.Connection, state: _State, record: ScanRecord) -> tuple[_State, Feedback]:
        if not state.entry.is_between:
            detail = "scan CANCEL to drop it, or finish it"
            return state, self._feedback(state, Tone.ERROR, line("undo_open"), detail=detail)
        entry = self._captures.last_entry()
        if entry is None:
            return state, self._feedback(state, Tone.NOTE, line("nothing_to_undo"))
        if self._outbox.withdraw(entry.key):
            how, detail = Way.DROP, "it had not left this station"
        else:
            how, detail = way(entry.kind, entry.fields, self._outbox.find(entry.key))
        message = line(_UNDO_WORDS[how], summary=entry.summary)
        detail = f"{entry.summary}: {detail}"
        if how is Way.REFUSE:
            return state, self._feedback(state, Tone.ERROR, message, detail=detail)
        self._captures.mark_undo(database, entry.key, "wanted" if how is Way.WAIT else "undone")
        made = None
        if how is Way.COMPENSATE:
            made = self._compensate(database, entry, record.captured_at_ms, record.origin())
        after = replace(state, entry=replace(state.entry, done=max(0, state.entry.done - 1)))
        return after, self._feedback(after, Tone.UNDONE, message, made, detail)

    def _compensate(
        self, database: sqlite3.Connection, entry: BookedEntry, moment: int, origin: dict[str, Any]
    ) -> str | None:
        reverse = opposite(entry.kind, entry.fields)
        if reverse is None:
            return None
        summary = f"UNDO {entry.summary}"
        return self._keep(database, *reverse, moment, _comment(summary), summary, {**origin, "undoes": entry.key})

    def _feedback(self, state: _State, tone: Tone, message: str, key: str | None = None, detail: str = "") -> Feedback:
        mode = "no mode" if state.entry.mode is None else state.entry.mode.value
        return Feedback(tone, mode, message, prompt(state.entry), key, detail, state.operator)


def _aged(state: _State, now: int) -> _State:
    """Give the state without what has expired; a clock that was set back expires nothing."""
    idle_ms = now - state.touched_ms
    if state.entry.is_open and idle_ms >= ENTRY_SECONDS * 1000:
        state = replace(state, entry=Entry(state.entry.mode))
    if state.operator and idle_ms >= BADGE_SECONDS * 1000:
        state = replace(state, operator="")
    return state


def _summary(draft: Draft) -> str:
    """Say in full what is stored, for the outbox and for taking it back."""
    text = WORDS[draft.done].format_map(draft.words).removesuffix(REMARK)
    source = draft.words.get(Slot.FROM.value, "")
    return f"{text} (from {source})" if source and source != draft.words["place"] else text


def _comment(*parts: str) -> str:
    """Put texts of people and labels into one comment that every vendor takes."""
    text = ", ".join(filter(None, parts))
    return "".join(character if character.isprintable() else " " for character in text).replace("[", "(")[:200]
