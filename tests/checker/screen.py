"""What the checker shows: a table of what must be 0, and everything that is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from tests.checker.verdict import WRONGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from tests.checker.verdict import Finding, Verdict

#: Of each sort of findings; a broken run has thousands.
SHOWN_FINDINGS: Final = 20
COUNTS: Final = ("commands", "applied", "held", "requests", "effects")


def table(verdict: Verdict) -> Table:
    """Make the table of counts: a row for each vendor, a column for each sort of wrongs."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("vendor")
    for name in (*COUNTS, *(name.replace("_", " ") for name in WRONGS)):
        shown.add_column(name, justify="right")
    rows = {vendor: (_counts(verdict, vendor), _wrongs(verdict, vendor)) for vendor in verdict.vendors}
    for vendor, (counts, wrongs) in rows.items():
        shown.add_row(vendor, *map(str, counts), *map(_zero, wrongs))
    sums = [[sum(column) for column in zip(*part, strict=True)] for part in zip(*rows.values(), strict=True)]
    if len(rows) > 1:
        shown.add_row("all", *map(str, sums[0]), *map(_zero, sums[1]), style="bold")
    return shown


def _counts(verdict: Verdict, vendor: str) -> list[int]:
    commands = {state: count for (name, state), count in verdict.commands.items() if name == vendor}
    return [
        sum(commands.values()),
        commands.get("applied", 0),
        commands.get("held", 0),
        verdict.requests[vendor],
        verdict.effects[vendor],
    ]


def _wrongs(verdict: Verdict, vendor: str) -> list[int]:
    return [sum(finding.vendor == vendor for finding in found) for found in verdict.wrongs().values()]


def _zero(count: int) -> str:
    return f"[{'bold red' if count else 'green'}]{count}[/]"


def report(verdict: Verdict) -> Group:
    """Make everything that a person should see: the table, faults, held commands, and the first of each sort."""
    parts: list[RenderableType] = [table(verdict), Text(f"faults fired: {_fired(verdict) or 'none'}")]
    for (vendor, reason), count in sorted(verdict.held.items()):
        parts.append(Text(f"held at {vendor}: {count} with: {reason}"))
    for name in ("decidable", "repeated", "vendors_own"):
        found: list[Finding] = getattr(verdict, name)
        parts += [Text(f"{name.replace('_', ' ')}: {line}") for line in _first(found)]
    for name, found in verdict.wrongs().items():
        parts += [Text.assemble((f"{name.replace('_', ' ')}: ", "red"), line) for line in _first(found)]
    return Group(*parts)


def _fired(verdict: Verdict) -> str:
    vendors = dict.fromkeys(vendor for vendor, _ in verdict.fired)
    return "; ".join(
        f"{vendor} " + ", ".join(f"{kind} {count}" for (name, kind), count in verdict.fired.items() if name == vendor)
        for vendor in vendors
    )


def _first(found: list[Finding]) -> Iterator[str]:
    yield from map(str, found[:SHOWN_FINDINGS])
    if len(found) > SHOWN_FINDINGS:
        yield f"… and {len(found) - SHOWN_FINDINGS} more"
