"""What the journal of the OpenBOM sandbox notes of a write: the cell, before and after."""

from dataclasses import dataclass
from typing import Any

from tests.sandbox import journal


@dataclass(frozen=True, kw_only=True)
class Effect(journal.Effect):
    """One cell written; its subject is `<bom|catalog>:<id>:<part number>`, and `before` may equal `after`."""

    property_name: str
    #: as stored; None for what was never set
    before: Any
    after: Any


Journal = journal.Journal[Effect]


def subject_of(kind: str, document_id: str, part_number: str) -> str:
    """Name a row for the journal."""
    return f"{kind}:{document_id}:{part_number}"
