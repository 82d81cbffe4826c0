"""What a write of records, not of stock, tells the journal: which ones, and what of them changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.sandbox.partsbox.journal import Booking, marker_in
from tests.sandbox.partsbox.wire import Record


@dataclass(frozen=True)
class Change:
    """One record before and after; of an update only the fields that differ, an absent one left out."""

    #: noun and id, as `project:<id>`
    subject: str
    before: Record
    after: Record


def change_fields(subject: str, record: Record, fields: Record) -> Change:
    """Set the fields of a record, and tell what that changed."""
    differing = {name for name, value in fields.items() if name not in record or record[name] != value}
    before = {name: record[name] for name in differing if name in record}
    record.update(fields)
    return Change(subject, before, {name: record[name] for name in differing})


def booking_of(params: Record, *changes: Change, about: str | None = None) -> Booking:
    """Make the booking of a request; `about` is a subject beside the changed ones, such as an entry's project."""
    subjects = [about] if about else []
    return Booking(
        comment=next((text for text in _texts(params) if marker_in(text)), None),
        subjects=tuple(dict.fromkeys([*subjects, *(change.subject for change in changes)])),
        details={
            "before": {change.subject: change.before for change in changes},
            "after": {change.subject: change.after for change in changes},
        },
    )


def _texts(value: Any) -> Iterator[str]:
    """Walk every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
