"""`stockrelay submit`: asking for commands from the command line, or only looking at what they would send."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import IO, TYPE_CHECKING, Any, Final

import click
from redis.exceptions import RedisError, ResponseError

from tasks.errors import KeyReusedError
from tasks.redis_client import durability_of
from tasks.registry import InvalidCommandError
from tasks.settings import SettingsError, routes_from
from tasks.submit import Submitter
from tasks.trace_context import read_traceparent
from workers.cli.arguments import by_option, json_option
from workers.cli.field_values import field_pair
from workers.cli.relay import ConfigurationError, RefusedError, Relay, with_relay
from workers.cli.screen import Screen, print_json, state_name
from workers.cli.submission import check_all, from_file, from_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.routes import Routes
    from tasks.submit import Accepted
    from workers.cli.submission import Given

#: Stands for standard input.
_STDIN: Final = "-"


@click.command()
@click.argument("kind", required=False, metavar="[KIND|-]")
@click.argument("fields", nargs=-1, type=field_pair, metavar="[FIELD=VALUE]...")
@click.option("--file", "source", type=click.File("rb"), metavar="FILE", help="Commands in JSON; - is standard input.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent; send and store nothing.")
@click.option(
    "--assume",
    type=click.File("rb"),
    metavar="FILE",
    help="With --dry-run: what the vendors have, in JSON.",
)
@by_option()
@json_option()
def submit(
    kind: str | None,
    fields: tuple[tuple[str, str], ...],
    *,
    source: IO[bytes] | None,
    dry_run: bool,
    assume: IO[bytes] | None,
    by: str,
    as_json: bool,
) -> None:
    """Submit a command, or those of a file, as any producer does.

    KIND is a kind of command such as stock.add. VALUE is text where the field takes text, JSON where it does not (5,
    true, {"name": "B7"}). A file has one command as JSON, {"kind": "stock.add", "part_id": …}, a list of them, or one
    on each line. All are checked before the first is accepted.

    The key follows from the event: the same command submitted again, after a failure for example, counts once.

    --dry-run asks neither Redis nor a vendor. It shows each request as the worker would send it, secrets as ***, and
    the stock expected after it. What the vendor has comes from --assume; what is not said there is supposed, and
    told. Exit code 1: something would be refused or held, or depends on what is not known.

    --json: {commands: [{key, kind, vendor, summary, state, duplicate}]}. With --dry-run: {commands: [{key or null,
    kind, vendor, summary, outcome, reason, command, lanes, effect, look_up, limits {rates, concurrency,
    settle_seconds}, supposed, unknown, note, requests [{purpose, changes, method, url, headers, body}], stock,
    children [the same]}], stock [{part_id, storage_id, lot_id, before, delta, after}; null is not known]}.
    """
    if assume is not None and not dry_run:
        raise click.UsageError("--assume goes with --dry-run only: what the vendors really have decides otherwise")
    given = _read(kind, fields, source)
    try:
        routes = routes_from(os.environ)
    except SettingsError as error:
        raise ConfigurationError(str(error)) from None
    check_all(given, routes)
    if dry_run:
        _show(given, routes, assume, in_json=as_json)
    else:
        _accept(given, routes, by, in_json=as_json)


def _read(kind: str | None, fields: Sequence[tuple[str, str]], source: IO[bytes] | None) -> list[Given]:
    if kind == _STDIN and source is None:
        kind, source = None, sys.stdin.buffer
    if source is not None:
        if kind is not None or fields:
            raise click.UsageError("give either KIND with its fields, or a file")
        return from_file(source)
    if kind is None:
        raise click.UsageError("name the KIND of command, or give --file")
    return from_words(kind, fields)


def _show(given: Sequence[Given], routes: Routes, assume: IO[bytes] | None, *, in_json: bool) -> None:
    # the adapters and their HTTP library would double the start of every other command
    from workers.cli.dry_run import show_dry_run  # noqa: PLC0415

    text = None if assume is None else assume.read()
    is_good = asyncio.run(show_dry_run([each.command for each in given], routes, text, in_json=in_json))
    if not is_good:
        raise SystemExit(RefusedError.exit_code)


@with_relay
async def _accept(relay: Relay, given: Sequence[Given], routes: Routes, by: str, *, in_json: bool) -> None:
    await _check_durability(relay)
    submitter = Submitter(relay.redis, routes=routes, retention_days=relay.ledger_settings.retention_days)
    trace = read_traceparent([os.environ.get("TRACEPARENT", "")])
    accepted: list[tuple[Given, Accepted]] = []
    try:
        for each in given:
            accepted.append((each, await submitter.submit(each.command, client=by, trace=trace)))
    except (KeyReusedError, InvalidCommandError) as error:
        raise RefusedError(f"{each.place}: {error}; nothing behind it was submitted") from None
    except RedisError:
        if len(given) > 1:
            told = f"{len(accepted)} of {len(given)} commands are accepted; submit all of them again, each counts once"
            click.echo(told, err=True)
        raise
    finally:
        _tell(accepted, in_json=in_json)


async def _check_durability(relay: Relay) -> None:
    """Refuse a Redis that would lose what it acknowledges, as every producer does."""
    try:
        durability = await durability_of(relay.redis)
    except ResponseError:  # CONFIG is often forbidden on managed servers
        return
    if not durability.is_durable and not relay.ledger_settings.allow_weak_redis:
        raise ConfigurationError(
            f"REDIS_URL: Redis would lose accepted commands: {durability}; "
            "STOCKRELAY_LEDGER_ALLOW_WEAK_REDIS=1 submits all the same"
        )


def _tell(accepted: Sequence[tuple[Given, Accepted]], *, in_json: bool) -> None:
    if in_json:
        print_json({"commands": [_listed(each, answer) for each, answer in accepted]})
        return
    screen = Screen()
    for each, answer in accepted:
        how = "was accepted before, now " if answer.duplicate else "accepted, now "
        screen.line(f"{answer.key} {how}", state_name(answer.state), f": {each.command.summary()}")


def _listed(each: Given, answer: Accepted) -> dict[str, Any]:
    return {
        "key": answer.key,
        "kind": answer.kind,
        "vendor": each.command.vendor,
        "summary": each.command.summary(),
        "state": answer.state.value,
        "duplicate": answer.duplicate,
    }
