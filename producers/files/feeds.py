"""Feeds: the tables `[feeds.<name>]` of stockrelay.toml, each a folder whose files become commands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from producers.files.encodings import checked_encoding
from producers.files.moments import check_format, check_zone
from producers.files.numbers import NumberStyle
from producers.files.options import FIXED_VALUES, is_fixed_value, unfit_options
from producers.files.targets import Target, find_target, required_fields
from tasks.registry import command_type, submittable_kinds

Format = Literal["csv", "tsv", "xlsx", "json", "ndjson", "xml", "x12-856", "edifact-desadv", "bom"]
#: Short enough for a command's source, `<feed>:<digest>:<row>`.
FeedName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
Column = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _as_tuple(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _plain_pattern(pattern: str) -> str:
    if "/" in pattern or pattern in (".", ".."):
        raise ValueError("is matched against file names; give one without a slash, as *.csv")
    return pattern


#: One name, or several of which the first that the file has counts.
Columns = Annotated[tuple[Column, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=20)]
Values = Annotated[tuple[str, ...], BeforeValidator(_as_tuple), Field(max_length=1000)]


class FeedsError(ValueError):
    """The feeds cannot be used; the text names the file, the table and the key."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Filling(_Section):
    """Where the value of one field comes from: a column of the row, or a constant."""

    column: Columns | None = None
    value: str | int | bool | None = None
    #: What the cell says = what it means; a cell that is not here is refused.
    values: Annotated[Mapping[str, str], Field(min_length=1, max_length=10_000)] | None = None
    #: The cell holds a part number; the directory knows the part's id.
    lookup: Literal["part"] | None = None
    #: The cell holds a list, with this between the items; blanks around them do not count.
    split: Annotated[str, StringConstraints(min_length=1, max_length=5)] | None = None
    #: Stands in for an empty cell.
    default: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.column is None) == (self.value is None):
            raise ValueError('give either column = "…" or value = "…"')
        if self.column is None and (self.values or self.lookup or self.split or self.default is not None):
            raise ValueError("values, lookup, split and default are for a column; a value is taken as it is")
        if self.values and self.lookup:
            raise ValueError("values and lookup both say what the cell means; give one")
        return self


class TimestampColumn(_Section):
    """The column that says when the event happened; a row needs no other identity then than what it says."""

    column: Columns
    #: `iso`, `unix-s`, `unix-ms`, or a format of strptime with a time of day.
    format: Annotated[str, AfterValidator(check_format)] = "iso"
    #: Of times that name none.
    zone: Annotated[str, AfterValidator(check_zone)] = "UTC"


class Feed(_Section):
    """One feed: which files, how they are read, and what becomes of a row."""

    name: FeedName
    #: Holds the folders of the feed's files; relative to the working folder of the process.
    path: Annotated[Path, Field(strict=False)]
    pattern: Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_plain_pattern)] = "*"
    format: Format
    kind: str

    encoding: Annotated[str, AfterValidator(checked_encoding)] = "cp1252"
    #: None: counted in the header, outside quotes.
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    #: None: `.`, and a number that could mean a thousand as well is refused.
    decimal: Literal[".", ","] | None = None
    thousands: Literal["", ".", ",", " ", "'", "\u2019"] = ""
    leading_zeros: bool = False
    #: The line (or row of the sheet) with the column names; None: the first, or for bom the first that looks like one.
    header_row: Annotated[int, Field(ge=1, le=1000)] | None = None
    #: The names of the columns of files without a header.
    columns: Annotated[tuple[Column, ...], BeforeValidator(_as_tuple), Field(min_length=1, max_length=200)] | None = (
        None
    )
    #: None: the only sheet.
    sheet: Annotated[str, StringConstraints(min_length=1, max_length=31)] | None = None
    #: Where the records are: keys (json) or element names (xml), joined by dots.
    record: Annotated[str, StringConstraints(pattern=r"^[^.\s][^.]*(\.[^.]+){0,9}$", max_length=400)] | None = None

    fields: Annotated[Mapping[str, Filling], Field(min_length=1, max_length=200)]
    #: Rows are taken only where the column has one of the values.
    when: Mapping[Column, Values] = Field(default_factory=dict)
    #: Rows are left out where the column has one of the values.
    unless: Mapping[Column, Values] = Field(default_factory=dict)
    timestamp: TimestampColumn | None = None

    policy: Literal["all-or-nothing", "skip-bad-rows"] = "all-or-nothing"
    on_duplicate: Literal["refuse", "process"] = "refuse"
    #: A file is complete when `<name>.done` lies beside it.
    done_marker: bool = False
    settle_seconds: Annotated[float, Field(ge=0, le=3600, strict=False)] = 5.0
    poll_seconds: Annotated[float, Field(ge=0.1, le=3600, strict=False)] = 2.0
    max_bytes: Annotated[int, Field(ge=1, le=1_000_000_000)] = 100_000_000
    max_rows: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000_000

    @field_validator("kind")
    @classmethod
    def _submittable(cls, kind: str) -> str:
        if kind not in submittable_kinds():
            raise ValueError(f"no command that may be asked for; give one of {', '.join(submittable_kinds())}")
        return kind

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for option, reason in unfit_options(self.format, self.model_fields_set):
            raise ValueError(f"{option}: {reason}")
        if self.format == "xml" and self.record is None:
            raise ValueError('record: missing; name the element that is one row, as record = "Order.Line"')
        if self.columns is not None and self.header_row is not None:
            raise ValueError("columns: names the columns of files without a header; leave header_row out")
        if self.thousands and self.thousands == (self.decimal or "."):
            raise ValueError("thousands: is the decimal mark as well; declare decimal")
        self._check_fields()
        return self

    def _check_fields(self) -> None:
        targets = self.targets
        if len({target.path for target in targets.values()}) < len(targets):
            raise ValueError("fields: two names mean the same field; keep one")
        for name in required_fields(command_type(self.kind)):
            if not any(target.path[0] == name for target in targets.values()):
                raise ValueError(f"fields.{name}: missing; every {self.kind} needs it")
        if self.format in FIXED_VALUES:
            self._check_values(FIXED_VALUES[self.format])

    def _check_values(self, known: AbstractSet[str]) -> None:
        for columns in self.used_columns():
            if not any(is_fixed_value(self.format, column) for column in columns):
                gives = ", ".join(sorted(known))
                raise ValueError(f"column {columns[0]}: {self.format} gives no such value; it gives {gives}")

    @cached_property
    def targets(self) -> Mapping[str, Target]:
        """The fields to fill, by the names they have in the feed."""
        model = command_type(self.kind)
        found = {}
        for name in self.fields:
            try:
                found[name] = find_target(model, name)
            except ValueError as error:
                raise ValueError(f"fields.{name}: {error}") from None
        return found

    @cached_property
    def number_style(self) -> NumberStyle:
        """How its files write numbers; EDI standards leave no choice."""
        decimal = "." if self.format in FIXED_VALUES else self.decimal
        return NumberStyle(decimal, self.thousands, self.leading_zeros)

    def used_columns(self) -> tuple[tuple[str, ...], ...]:
        """List the columns that it reads, each with its other names."""
        filled = [filling.column for filling in self.fields.values() if filling.column is not None]
        at = [self.timestamp.column] if self.timestamp else []
        return (*filled, *at, *((column,) for column in (*self.when, *self.unless)))


def read_feeds(path: Path) -> tuple[Feed, ...]:
    """Read the feeds of a configuration file, which may have none; raises FeedsError naming what is wrong."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FeedsError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FeedsError(f"{path}: not TOML: {error}") from error
    tables = found.get("feeds", {})
    if not isinstance(tables, dict):
        raise FeedsError(f"{path}: feeds: not a table; write [feeds.<name>]")
    return tuple(_feed(path, name, table) for name, table in tables.items())


_SUFFIX: Final = re.compile(r"^Value error, ")


def _feed(path: Path, name: str, table: Any) -> Feed:
    place = f"{path}: feeds.{name}"
    if not isinstance(table, dict):
        raise FeedsError(f"{place}: not a table; write [feeds.{name}]")
    if "name" in table:
        raise FeedsError(f"{place}.name: unknown; the name stands in the head of the table")
    try:
        return Feed.model_validate({**table, "name": name})
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, (place, *first["loc"])))
        message = _SUFFIX.sub("", first["msg"])
        if first["type"] == "extra_forbidden":
            message = "unknown key; see the documentation of feeds"
        # what a rule about several keys says opens with the key
        separator = "." if first["type"] == "value_error" and not first["loc"] else ": "
        raise FeedsError(f"{where}{separator}{message}") from None
