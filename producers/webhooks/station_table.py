"""What the browser station goes by: the flows of the terminal station, how scans are read without us, what undoes what.

The page holds no rules of its own: everything that can differ between versions stands in this table.
"""

from __future__ import annotations

from typing import Any, Final

from producers.scanner.commands import MAX_NAME_CHARACTERS
from producers.scanner.flows import MAX_CHOICES, SHOWN_ID_CHARACTERS, Tone
from producers.scanner.labels import DEFAULT_PATTERN, MAX_LABEL_CHARACTERS
from producers.scanner.lookups import FRESH_MS
from producers.scanner.modes import PATHS, flow_table
from producers.scanner.sounds import sound_of
from producers.scanner.undo import opposite
from producers.webhooks.schemas import MAX_SCANS
from tasks.commands import MAX_QUANTITY
from tasks.directory import MAX_CODE

#: As `producers.scanner.codes` reads them, written for JavaScript; a test holds the two against each other.
_READING: Final = {
    "aim": r"^\][A-Za-z][0-9A-Za-z]",
    "sheet_aim": r"^\](?:C0|Q[0-9])$",
    "article_aim": r"^\][Ee]",
    "digits": rf"^[0-9]{{1,{len(str(MAX_QUANTITY))}}}$",
    "vendor_id": "^[0-9a-hjkmnp-tv-z]{26}$",
}


def station_table() -> dict[str, Any]:
    """Give the table as JSON."""
    return {
        **flow_table(),
        "reading": {
            **_READING,
            "id": "^(?:" + DEFAULT_PATTERN.replace("(?P<", "(?<") + ")$",
            "max_characters": MAX_LABEL_CHARACTERS,
            "max_quantity": MAX_QUANTITY,
            "max_name_characters": MAX_NAME_CHARACTERS,
        },
        "max_choices": MAX_CHOICES,
        "shown_id_characters": SHOWN_ID_CHARACTERS,
        "max_code_characters": MAX_CODE,
        "max_scans": MAX_SCANS,
        "fresh_ms": FRESH_MS,
        "opposites": _opposites(),
        "sounds": {tone.value: sound.value for tone in Tone if (sound := sound_of(tone)) is not None},
    }


def _opposites() -> dict[str, Any]:
    """Say for each kind which command undoes it, each of its fields by the name of the field it is taken from."""
    found: dict[str, Any] = {}
    for path in (path for paths in PATHS.values() for path in paths):
        reverse = opposite(path.kind, {name: name for name in path.fields.values()})
        if reverse is not None:
            found[path.kind] = {"kind": reverse[0], "fields": reverse[1]}
    return found
