"""Labels on bags, reels and cartons: one scan in, what the label says out. Pure: no files, no network, no clock."""

from __future__ import annotations

from producers.scanner.labels.label import Label, Refusal
from producers.scanner.labels.reading import MAX_LABEL_CHARACTERS, read_label
from producers.scanner.labels.vendor_ids import DEFAULT_PATTERN, compile_pattern
from producers.scanner.labels.vouching import open_doubts, vouched

__all__ = [
    "DEFAULT_PATTERN",
    "MAX_LABEL_CHARACTERS",
    "Label",
    "Refusal",
    "compile_pattern",
    "open_doubts",
    "read_label",
    "vouched",
]
