"""`stockrelay-webhooks check`: what a sender's file would become by the rules of a source, or what is wrong."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from producers.exits import UsageError
from producers.plain_text import plain
from producers.settings import WEBHOOKS_PREFIX
from producers.webhooks.hooks import Hook, open_hook
from producers.webhooks.mapping import MappingError
from producers.webhooks.sources import SourcesError
from producers.webhooks.unpacking import UnpackError
from tasks.submit import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.option("--config", type=click.Path(path_type=Path), envvar=f"{WEBHOOKS_PREFIX}CONFIG", help="The TOML file.")
@click.option("--source", required=True, help="The name of the source, as in [sources.NAME].")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header it came with; repeatable.")
@click.option("--verify", is_flag=True, help="Check the signature too; needs the headers and the secrets.")
@click.option("--json", "as_json", is_flag=True, help="Show the commands as JSON.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
def check(  # the options of a command line
    config: Path | None, source: str, headers: Sequence[str], file: str, *, verify: bool, as_json: bool
) -> None:
    """Show the commands that the body in FILE (- for standard input) would become. Nothing is sent or stored.

    Exit codes: 0 good, 1 it would be held or refused, 2 wrong usage or configuration.
    """
    given = _read_headers(headers)
    try:
        hook = open_hook(config, source, os.environ if verify else None)
    except SourcesError as error:
        raise UsageError(str(error)) from error
    with click.open_file(file, "rb") as opened:
        body = opened.read()
    if verify:
        reason = hook.verifier.verify({name: (value,) for name, value in given.items()}, body, time.time())
        if reason:
            raise click.ClickException(f"would be refused: {reason}")
    try:
        shown = _map(hook, given, body)
    except (UnpackError, MappingError) as error:
        raise click.ClickException(f"would be held: {plain(str(error))}") from error
    click.echo(json.dumps(shown, indent=2) if as_json else _text(shown))


def _read_headers(headers: Sequence[str]) -> dict[str, str]:
    found = {}
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.BadParameter(f"{header!r}: write NAME:VALUE", param_hint="--header")
        found[name.strip().lower()] = value.strip()
    return found


def _map(hook: Hook, headers: dict[str, str], body: bytes) -> list[dict[str, Any]]:
    shown = []
    for unpacked in hook.unpack(headers, body):
        delivered = unpacked.delivered
        mapped = hook.map(delivered, now_ms())
        commands = [
            {"kind": command.kind, "summary": command.summary(), "fields": command.model_dump(mode="json")}
            for command in mapped.commands
        ]
        moment = "told by the sender" if mapped.is_told else "when the event comes first"
        shown.append({"delivery": delivered.identity, "moment": moment, "commands": commands})
    return shown


def _text(shown: list[dict[str, Any]]) -> str:
    lines = []
    for event in shown:
        count = len(event["commands"])
        what = f"{count} command{'s' if count != 1 else ''}" if count else "ignored: no rule is for it"
        lines.append(f"delivery {event['delivery']}: {what}")
        for command in event["commands"]:
            lines.append(f"  {command['kind']}: {command['summary']}")
            given = {name: value for name, value in command["fields"].items() if value not in (None, "", [])}
            lines += [f"    {name} = {json.dumps(value)}" for name, value in given.items()]
        if count:
            lines.append(f"  stock_timestamp: {event['moment']}")
    return "\n".join(lines)
