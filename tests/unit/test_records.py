"""Reading a command's hash: what cannot be read is named by its field."""

from __future__ import annotations

import pytest

from tasks.errors import DamagedRecordError, LedgerError
from tasks.records import CommandRecord

KEY = "a" * 20
SOUND = {"kind": "stock.add", "state": "held", "lanes": "[]", "accepted_ms": "1", "updated_ms": "1"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", ""),
        ("state", ""),
        ("state", "verifying"),
        ("lanes", '"part:a"'),
        ("lanes", "[null]"),
        ("lanes", '{"part": "a"}'),
        ("lanes", "[" * 100_000),
        ("attempts", "nan"),
        ("due_ms", "later"),
        ("image", "[]"),
        ("refusal", "[" * 100_000),
    ],
)
def test_a_damaged_field_is_named_and_no_other_error_comes_out(field: str, value: str) -> None:
    with pytest.raises(DamagedRecordError, match=f"{KEY}: damaged record: field {field}: ") as caught:
        CommandRecord.from_hash(KEY, "partsbox", {**SOUND, field: value})

    assert isinstance(caught.value, LedgerError)
    assert caught.value.record.fields[field] == value


def test_a_damaged_record_with_a_moment_of_thousands_of_digits_can_be_shown() -> None:
    with pytest.raises(DamagedRecordError) as caught:
        CommandRecord.from_hash(KEY, "partsbox", {**SOUND, "kind": "", "updated_ms": "1" * 5_000})

    assert caught.value.record.updated_ms is None


def test_empty_lists_are_read_in_both_forms_that_the_ledger_writes() -> None:
    assert CommandRecord.from_hash(KEY, "partsbox", {**SOUND, "lanes": "{}"}).lanes == ()
    assert CommandRecord.from_hash(KEY, "partsbox", SOUND).lanes == ()
