"""What lies beside a file that is over: a report for programs, and the rows that became no command, to be mended."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from typing import TYPE_CHECKING, Any, Final

from producers.files.folders import write_whole

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from producers.files.ledger import DroppedFile, Refusal

REPORT_SUFFIX: Final = ".report.json"
REJECTED_SUFFIX: Final = ".rejected.csv"
#: A spreadsheet program runs a cell that begins so (OWASP, "CSV Injection").
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r")


def write_reports(file: DroppedFile, target: Path, refusals: Sequence[Refusal], *, delimiter: str) -> None:
    """Write both reports beside where the file is or will be; written again they replace the old ones.

    Their folder is to be synced then, which moving the file there does as well.
    """
    if refusals:
        write_whole(target.with_name(target.name + REJECTED_SUFFIX), rejected_rows(refusals, delimiter=delimiter))
    text = json.dumps(report_of(file, refusals), indent=2, ensure_ascii=False)
    write_whole(target.with_name(target.name + REPORT_SUFFIX), text + "\n")


def report_of(file: DroppedFile, refusals: Sequence[Refusal]) -> dict[str, Any]:
    """Say what became of a file, for JSON."""
    return {
        "feed": file.feed,
        "file": file.name,
        "id": file.id,
        "sha256": file.sha256,
        "bytes": file.size,
        "first_seen": _moment(file.first_seen_ms),
        "ended": None if file.ended_ms is None else _moment(file.ended_ms),
        "state": file.outcome or file.state.value,
        "problem": file.problem or None,
        "rows": {"stored": file.stored, "known": file.known, "refused": file.refused, "left_out": file.left_out},
        "refused": [
            {"row": one.number, "line": one.line, "column": one.column, "value": one.value, "reason": one.reason}
            for one in refusals
        ],
    }


def rejected_rows(refusals: Sequence[Refusal], *, delimiter: str) -> str:
    """Write refused rows as CSV; what a spreadsheet would run as a formula gets an apostrophe in front."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(("row", "line", "column", "value", "reason", "text"))
    for one in refusals:
        cells = (one.number, one.line, one.column, one.value, one.reason, one.text)
        writer.writerow([f"'{cell}" if str(cell).startswith(_FORMULA_STARTS) else cell for cell in cells])
    return text.getvalue()


def _moment(moment_ms: int) -> str:
    return dt.datetime.fromtimestamp(moment_ms / 1000, dt.UTC).isoformat(timespec="milliseconds")
