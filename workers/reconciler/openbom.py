"""Comparing OpenBOM: the properties that were set last, row by row of each BOM and catalog."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tasks.boms import same_value
from workers.reconciler.cells import compare
from workers.reconciler.findings import Finding

if TYPE_CHECKING:
    from tasks.boms import Document
    from workers.reconciler.claims import Subject
    from workers.reconciler.comparison import Look
    from workers.reconciler.standings import Standing

#: What its reads cannot tell.
NOTE: Final = (
    "documents have no history: the last value applied to a property is compared with what is there, so neither a "
    "doubled write nor who wrote instead can be seen"
)


async def compare_openbom(look: Look, port: Any) -> None:
    """Note every difference."""
    documents: dict[str, dict[Subject, Standing]] = defaultdict(dict)
    for subject, standing in look.standings.items():
        documents[subject.within][subject] = standing
    for place, rows in documents.items():
        noun, _, document_id = place.partition(" ")
        read = await look.read(place, partial(port.bom if noun == "bom" else port.catalog, document_id))
        if read is not None:
            for subject, standing in rows.items():
                _compare_row(look, subject, standing, read[0])


def _compare_row(look: Look, subject: Subject, standing: Standing, document: Document | None) -> None:
    if document is None:
        compare(look.findings, subject, standing, None, place=subject.within)
        return
    numbers = _columns(document, subject.noun.removeprefix("row "))
    if len(numbers) != 1:
        look.findings.skip(str(subject), f"{len(numbers)} columns are called {subject.noun.removeprefix('row ')}")
        return
    rows = [row for row in document.rows if same_value(row[numbers[0]], subject.id)]
    if len(rows) > 1:
        _several(look, subject, standing, rows)
        return
    columns = {name: _columns(document, name) for name in standing.cells}
    for name in [name for name, found in columns.items() if len(found) != 1]:
        look.findings.skip(f"{name} in {subject}", f"{len(columns.pop(name))} columns have this name")
    found = {name: rows[0][places[0]] for name, places in columns.items()} if rows else None
    compare(look.findings, subject, standing, found, place=subject.within, same=_same)


def _several(look: Look, subject: Subject, standing: Standing, rows: list[tuple[Any, ...]]) -> None:
    look.findings.compared |= standing.tellers()
    if standing.unsure:
        return
    last = max((cell.told for cell in standing.cells.values()), key=lambda told: told.settled_ms)
    look.findings.add(
        Finding.DOUBLE,
        str(subject),
        f"{len(rows)} rows have this part number: which of them was meant cannot be told",
        place=subject.within,
        key=last.key,
        kind=last.command.kind,
        found=[list(row) for row in rows],
    )


def _columns(document: Document, name: str) -> list[int]:
    return [place for place, column in enumerate(document.columns) if column.strip() == name]


def _same(_name: str, there: Any, wanted: Any) -> bool:
    return same_value(there, wanted)
