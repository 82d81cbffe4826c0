"""`stockrelay-station parse`: what a label says, how it was read, and why it is taken, asked about or refused."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import click

from producers.plain_text import plain
from producers.scanner.inputs.splitter import ScanSplitter
from producers.scanner.labels import DEFAULT_PATTERN, Label, Refusal, compile_pattern, read_label
from producers.scanner.labels.suppliers import supplier_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_READ_BYTES: Final = 65_536
#: What is said of a label elsewhere than in its table of values.
_TOLD_APART: Final = frozenset({"format", "fields", "vendor", "repairs", "doubts", "codes_to_check"})


@click.command()
@click.argument("raw", required=False)
@click.option("--file", "file", type=click.File("rb"), help="Read scans from a file, one a line; - is standard input.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
@click.option(
    "--code-pattern",
    default=DEFAULT_PATTERN,
    envvar="STOCKRELAY_STATION_CODE_PATTERN",
    show_envvar=True,
    help="Regular expression of an id code, with one named group (?P<id>...).",
)
def parse(*, raw: str | None, file: BinaryIO | None, as_json: bool, code_pattern: str) -> None:
    """Explain a label: RAW as the scanner sends it, or what stands in a file or on standard input.

    The exit code is 1 when a scan is refused.
    """
    if raw is not None and file is not None:
        raise click.UsageError("give either RAW or --file, not both")
    try:
        ids = compile_pattern(code_pattern)
    except ValueError as error:
        raise click.UsageError(f"--code-pattern: {error}") from error
    refused = False
    for scan in _scans(file) if raw is None else [os.fsencode(raw)]:
        found = read_label(scan, ids)
        refused = refused or isinstance(found, Refusal)
        if as_json:
            click.echo(json.dumps(to_document(scan, found)))
        else:
            click.echo("\n".join(_explained(scan, found)) + "\n")
    sys.exit(1 if refused else 0)


def to_document(scan: bytes, found: Label | Refusal) -> dict[str, Any]:
    """Describe a scan and what was read from it, for programs."""
    raw = scan.decode("utf-8", "backslashreplace")
    if isinstance(found, Refusal):
        return {"scan": raw, "refused": asdict(found)}
    return {"scan": raw, "label": {**asdict(found), "vendor_reason": vendor_reason(found)}}


def vendor_reason(label: Label) -> str:
    """Say by what the supplier was recognised; empty when none was."""
    if label.vendor is None:
        return ""
    supplier = supplier_of(label.fields)
    if supplier is None:
        return f"the form {label.format} is its own"
    marks = sorted(supplier.marks & label.fields.keys())
    if marks:
        return f"its labels carry {', '.join(marks)}"
    return "the fields are those of its labels, each in its form"


def _explained(scan: bytes, found: Label | Refusal) -> Iterator[str]:
    yield f"scan     {scan.decode('utf-8', 'backslashreplace')!a}"
    if isinstance(found, Refusal):
        yield f"REFUSED  {found.reason}"
        if found.advice:
            yield f"advice   {found.advice}"
        return
    yield f"format   {found.format}"
    yield from (f"repaired {repair}" for repair in found.repairs)
    if found.vendor is not None:
        yield f"vendor   {found.vendor}: {vendor_reason(found)}"
    yield from _table("field", found.fields)
    values = {name: value for name, value in asdict(found).items() if name not in _TOLD_APART and value is not None}
    yield from _table("value", values)
    yield from (f"DOUBT    {doubt}" for doubt in found.doubts)
    if found.codes_to_check:
        yield f"check    the directory must know one part by {' or '.join(found.codes_to_check)}"
    if not found.doubts:
        yield "verdict  may be booked without asking once the directory knows it"
    else:
        yield "verdict  is asked about before it is booked"


def _table(name: str, values: Mapping[str, object]) -> Iterator[str]:
    width = max(map(len, values), default=0)
    for key, value in values.items():
        yield f"{name}    {key:<{width}}  {plain(str(value))}".rstrip()


def _scans(file: BinaryIO | None) -> Iterator[bytes]:
    stream = sys.stdin.buffer if file is None else file
    splitter = ScanSplitter()
    while chunk := stream.read(_READ_BYTES):
        yield from splitter.feed(chunk)
    yield from splitter.end()
