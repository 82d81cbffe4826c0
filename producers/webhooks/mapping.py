"""From what a sender sent to commands, by the rules of its source."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

from producers.webhooks.expressions import Expression, ExpressionError, Tables
from producers.webhooks.held import kept_headers
from producers.webhooks.signatures import digest_of
from tasks.commands import MAX_TIMESTAMP_MS, MIN_TIMESTAMP_MS
from tasks.identity import derive_key
from tasks.registry import InvalidCommandError, parse_command
from tasks.strict_json import read_json, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from producers.webhooks.sources import FixedValue, Rule, Source
    from tasks.commands import Command

#: Of one event: an order of so many lines is one command already.
MAX_COMMANDS: Final = 500
#: Other people's JSON may nest deeper than ours, but not without end.
MAX_DEPTH: Final = 64


class MappingError(ValueError):
    """An event cannot become commands by the rules there are; the text names source, field and expression."""


def event_key(source: str, identity: str) -> str:
    """Name an event of a source in 20 characters."""
    return derive_key("event", source, identity)


@dataclass(frozen=True, slots=True)
class Delivered:
    """One event as it arrived: `identity` is the same on every delivery of it; `headers` by lower-case name."""

    source: str
    identity: str
    event: Any
    headers: Mapping[str, str]
    #: The `traceparent` that it came with.
    trace: str = ""
    #: Names the event in 20 characters: for what is kept about it.
    key: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", event_key(self.source, self.identity))

    def place_key(self, place: int) -> str:
        """Name one of its commands by its place: a second lock beside what the command says."""
        return f"{self.key}:{place}"

    @property
    def command_source(self) -> str:
        """What its commands carry as `source`: two events are never one command, however much alike they are."""
        return f"{self.source}:{digest_of(self.identity)}"


@dataclass(frozen=True, slots=True)
class Mapped:
    """What became of an event. `commands` carry the moments from `moment_ms` on, one millisecond apart.

    `is_told` says that the sender told the moment; otherwise it is only when the event came.
    """

    commands: tuple[Command, ...]
    moment_ms: int
    is_told: bool

    def at(self, moment_ms: int) -> Mapped:
        """Give the same with the moment at which the event came first."""
        if moment_ms == self.moment_ms:
            return self
        commands = tuple(
            command.model_copy(update={"stock_timestamp": moment_ms + place})
            for place, command in enumerate(self.commands)
        )
        return Mapped(commands, moment_ms, self.is_told)


class Mapper:
    """The rules of one source."""

    def __init__(self, name: str, source: Source) -> None:
        self._name = name
        self._source = source
        self._tables = Tables(source.tables)

    def map(self, delivered: Delivered, now_ms: int) -> Mapped:
        """Make the commands of an event; none when no rule is for it. Raises MappingError."""
        # what proves the sender is nobody's value: a refusal would quote it, and the held delivery keep it
        headers = kept_headers(delivered.headers)
        data = {"event": delivered.event, "headers": headers, "id": delivered.identity, "item": None}
        found: list[tuple[int, str, dict[str, Any]]] = []
        for number, rule in enumerate(self._source.commands, start=1):
            for fields in self._rule(number, rule, data):
                found.append((number, rule.kind, fields))
                if len(found) > MAX_COMMANDS:
                    raise MappingError(f"source {self._name}: more than {MAX_COMMANDS} commands in one event")
        told_ms = self._told_ms(data) if found else None
        moment_ms = now_ms if told_ms is None else told_ms
        commands = tuple(
            self._command(number, kind, {**fields, "source": delivered.command_source}, moment_ms + place)
            for place, (number, kind, fields) in enumerate(found)
        )
        return Mapped(commands, moment_ms, is_told=told_ms is not None)

    def _rule(self, number: int, rule: Rule, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        where = f"commands.{number}"
        if rule.when is not None:
            holds = self._find(f"{where}.when", rule.when, data)
            if not isinstance(holds, bool):
                self._fail(f"{where}.when", rule.when, f"gave {shown(holds)}, must give true or false")
            if not holds:
                return
        items = [None]
        if rule.each is not None:
            items = self._find(f"{where}.each", rule.each, data)
            if not isinstance(items, list):
                self._fail(f"{where}.each", rule.each, f"gave {shown(items)}, must give a list")
        for item in items:
            seen = {**data, "item": item}
            values = {name: self._value(f"{where}.fields.{name}", value, seen) for name, value in rule.fields.items()}
            # nothing found is nothing said: an optional field keeps its default, a missing one is named
            yield {name: value for name, value in values.items() if value is not None}

    def _told_ms(self, data: Mapping[str, Any]) -> int | None:
        time = self._source.time
        if time is None:
            return None
        found = self._find("time", time.field, data)
        try:
            moment_ms = _milliseconds(found, time.unit)
        except (ValueError, OverflowError, TypeError):
            self._fail("time", time.field, f"gave {shown(found)}, which is no {time.unit}")
        if not MIN_TIMESTAMP_MS <= moment_ms <= MAX_TIMESTAMP_MS - MAX_COMMANDS:
            self._fail("time", time.field, f"gave {shown(found)}, not between 2000 and 2100 in {time.unit}")
        return moment_ms

    def _command(self, number: int, kind: str, fields: dict[str, Any], moment_ms: int) -> Command:
        try:
            return parse_command(kind, {**fields, "stock_timestamp": moment_ms})
        except InvalidCommandError as error:
            problem = error.problems[0]
            rule = self._source.commands[number - 1]
            value = rule.fields.get(problem.field.partition(".")[0])
            by = f" from {value.text}" if isinstance(value, Expression) else ""
            text = f"source {self._name}: commands.{number} ({kind}): {problem}{by}"
            raise MappingError(text) from None

    def _value(self, where: str, value: Expression | FixedValue, data: Mapping[str, Any]) -> Any:
        return self._find(where, value, data) if isinstance(value, Expression) else value.value

    def _find(self, where: str, expression: Expression, data: Mapping[str, Any]) -> Any:
        try:
            return expression.find(data, self._tables)
        except ExpressionError as error:
            raise MappingError(f"source {self._name}: {where}: {error}") from None

    def _fail(self, where: str, expression: Expression, what: str) -> NoReturn:
        raise MappingError(f"source {self._name}: {where}: {expression.text}: {what}")


def parse_event(raw: bytes) -> Any:
    """Read the JSON of a sender; raises ValueError for what two readers might take differently."""
    return read_json(raw, max_depth=MAX_DEPTH)


def _milliseconds(found: Any, unit: str) -> int:
    """Read a moment; ValueError or TypeError for what is none."""
    if unit == "iso8601":
        moment = dt.datetime.fromisoformat(found)
        if moment.tzinfo is None:
            raise ValueError("without an offset nobody knows when that was")
        # whole numbers all the way: a float would move the moment by a millisecond now and then
        since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        return since // dt.timedelta(milliseconds=1)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError("not a number")  # noqa: TRY004  one error for all that is no moment
    return int(found) if unit == "ms" else round(found * 1000)
