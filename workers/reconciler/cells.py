"""Comparing one record at the vendor, field by field, with how it stands by the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workers.reconciler.findings import Finding, shown
from workers.reconciler.offers import made_anew, repeated, set_again

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.reconciler.books import Told
    from workers.reconciler.claims import Subject
    from workers.reconciler.findings import Findings
    from workers.reconciler.standings import Standing


def is_equal(_name: str, there: Any, wanted: Any) -> bool:
    """Tell whether a field that was found is as it was applied, where both are kept in one form."""
    return bool(there == wanted)


def compare(
    findings: Findings,
    subject: Subject,
    standing: Standing,
    found: Mapping[str, Any] | None,
    *,
    place: str,
    same: Callable[[str, Any, Any], bool] = is_equal,
    returned: Finding = Finding.MISSING,
) -> None:
    """Note how a record differs; `found` is None where it is not there, and has only what the vendor shows.

    `returned` is what it is called when a deleted record is there.
    """
    findings.compared |= standing.tellers()
    if standing.unsure:
        return
    if standing.gone is not None:
        if found is not None:
            _still_there(findings, subject, standing.gone, found, place, returned)
    elif found is None:
        _not_there(findings, subject, standing, place)
    else:
        _differing(findings, subject, standing, found, place, same)


def _differing(
    findings: Findings,
    subject: Subject,
    standing: Standing,
    found: Mapping[str, Any],
    place: str,
    same: Callable[[str, Any, Any], bool],
) -> None:
    wrong: dict[str, tuple[Told, dict[str, Any]]] = {}
    for name, cell in standing.cells.items():
        allowed = (cell.value, *standing.maybe[name])
        if name in found and not any(same(name, found[name], value) for value in allowed):
            wrong.setdefault(cell.told.key, (cell.told, {}))[1][name] = cell.value
    for told, wanted in wrong.values():
        findings.add(
            Finding.CHANGED,
            str(subject),
            "; ".join(f"{name} is {shown(found[name])}, not {shown(value)}" for name, value in wanted.items()),
            place=place,
            key=told.key,
            kind=told.command.kind,
            expected=wanted,
            found={name: found[name] for name in wanted},
            offers=set_again(told, subject, frozenset(wanted)),
        )


def _not_there(findings: Findings, subject: Subject, standing: Standing, place: str) -> None:
    tellers = {cell.told.key: cell.told for cell in standing.cells.values()}
    last = max(tellers.values(), key=lambda told: told.settled_ms)
    findings.add(
        Finding.MISSING,
        str(subject),
        "it is not there" + (f"; {len(tellers)} commands wrote to it" if len(tellers) > 1 else ""),
        place=place,
        key=last.key,
        kind=last.command.kind,
        expected={name: cell.value for name, cell in standing.cells.items()},
        offers=made_anew(tellers.values(), subject),
    )


def _still_there(
    findings: Findings, subject: Subject, told: Told, found: Mapping[str, Any], place: str, returned: Finding
) -> None:
    foreign = returned is Finding.FOREIGN
    findings.add(
        returned,
        str(subject),
        "it was deleted, and someone has made another one" if foreign else "it was deleted, and is there",
        place=place,
        key=told.key,
        kind=told.command.kind,
        found=dict(found),
        offers=() if foreign else (repeated(told),),
    )
