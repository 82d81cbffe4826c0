"""`stockrelay-webhooks dead`: deliveries that are held, and spooled commands that the ledger refused, for a person."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from redis.exceptions import RedisError

from producers.exits import EXIT_FAILURE, TryLaterError, UsageError
from producers.outbox import OutboxError, OutboxState, OutboxView
from producers.plain_text import plain
from producers.settings import WEBHOOKS_PREFIX, WebhookSettings
from producers.webhooks.held import HeldDeliveries
from producers.webhooks.hooks import open_hooks
from producers.webhooks.mapping import MappingError
from producers.webhooks.moments import Moments
from producers.webhooks.sources import SourcesError
from producers.webhooks.unpacking import UnpackError
from tasks.errors import KeyReusedError
from tasks.redis_client import open_redis
from tasks.registry import InvalidCommandError
from tasks.settings import LedgerSettings, SettingsError, read_environment, redis_url, routes_from
from tasks.submit import Submitter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from redis.asyncio import Redis

    from producers.outbox import Stored
    from producers.webhooks.held import HeldDelivery

T = TypeVar("T")
#: Of a reason, in a list.
_SHOWN: Final = 160
_SPOOL: Final = "(spool)"
_STILL_HELD: Final = (MappingError, UnpackError, InvalidCommandError, KeyReusedError)


@click.group()
def dead() -> None:
    """Look at what was accepted and could not become commands; mend the cause, and retry it.

    Deliveries are held in Redis, for all servers; commands that the ledger refused after Redis had been away are in the
    spool of the server that took them.
    """


@dead.command("ls")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_dead(*, as_json: bool) -> None:
    """List them, oldest first."""
    desk = _Desk.at(os.environ)
    found = [_described(held) for held in desk.ask(lambda redis: HeldDeliveries(redis).all())]
    with desk.spool() as spool:
        found += [_described_row(row) for row in (spool.every_row(OutboxState.REFUSED) if spool else ())]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        lines = [f"{one['id']}  {one['at']}  {one['source']}  {one['reason'][:_SHOWN]}" for one in found]
        click.echo("\n".join(lines) or "nothing is held")


@dead.command()
@click.argument("id_", metavar="ID")
def show(id_: str) -> None:
    """Show one as it came, as JSON."""
    desk = _Desk.at(os.environ)
    held = desk.ask(lambda redis: HeldDeliveries(redis).find(id_))
    if held is not None:
        body = held.body.decode("utf-8", "backslashreplace")
        shown = {**_described(held), "headers": dict(held.headers), "body": body}
    else:
        with desk.spool() as spool:
            row = _refused_row(spool, id_)
        shown = {**_described_row(row), "command": json.loads(row.body)}
    click.echo(json.dumps(shown, indent=2))


@dead.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def retry(ids: Sequence[str]) -> None:
    """Try these again by the rules as they are now; what becomes commands is no longer held.

    Exit codes: 0 all are accepted, 1 some are still held, 75 Redis is away.
    """
    desk = _Desk.at(os.environ)
    failed = [id_ for id_ in ids if not _retried(desk, id_)]
    if failed:
        raise SystemExit(EXIT_FAILURE)


@dead.command()
@click.argument("id_", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(id_: str, *, yes: bool) -> None:
    """Forget a held delivery for good; look at it first."""
    desk = _Desk.at(os.environ)
    if not yes:
        click.confirm(f"forget {id_} for good?", abort=True)
    if not desk.ask(lambda redis: HeldDeliveries(redis).remove(id_)):
        raise _unknown(id_)
    click.echo(f"{id_}: forgotten")


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where a person works on what is held."""

    settings: WebhookSettings
    environ: Mapping[str, str]

    @classmethod
    def at(cls, environ: Mapping[str, str]) -> _Desk:
        try:
            return cls(read_environment(WebhookSettings, WEBHOOKS_PREFIX, environ), environ)
        except SettingsError as error:
            raise UsageError(str(error)) from error

    @contextlib.contextmanager
    def spool(self) -> Iterator[OutboxView | None]:
        """Open the spool of this machine, where there is one."""
        try:
            with OutboxView(self.settings.spool) if self.settings.spool.exists() else contextlib.nullcontext() as view:
                yield view
        except OutboxError as error:
            raise click.ClickException(str(error)) from error

    def ask(self, question: Callable[[Redis], Awaitable[T]]) -> T:
        """Ask Redis something."""

        async def run() -> T:
            redis = open_redis(redis_url(self.environ))
            try:
                return await question(redis)
            finally:
                await redis.aclose()

        try:
            return asyncio.run(run())
        except (SettingsError, SourcesError) as error:
            raise UsageError(str(error)) from error
        except (RedisError, OSError) as error:
            raise TryLaterError(f"Redis does not answer ({type(error).__name__})") from error

    async def submit(self, redis: Redis, held: HeldDelivery) -> list[str]:
        """Submit what a held delivery becomes now; gives the keys."""
        hook = open_hooks(self.settings.config, self.environ).find(held.source)
        if hook is None:
            raise MappingError(f"there is no source {held.source} any more")
        ledger = read_environment(LedgerSettings, "STOCKRELAY_LEDGER_", self.environ)
        submitter = Submitter(redis, routes=routes_from(self.environ), retention_days=ledger.retention_days)
        moments = Moments(redis, keep_days=self.settings.first_seen_days)
        keys = []
        for unpacked in hook.unpack(held.headers, held.body):
            delivered = unpacked.delivered
            mapped = hook.map(delivered, held.received_ms)
            if not mapped.is_told:
                mapped = mapped.at(await moments.first(delivered.key, held.received_ms))
            for place, command in enumerate(mapped.commands):
                name = delivered.place_key(place)
                accepted = await submitter.submit(
                    command, idempotency_key=name, client=held.source, trace=delivered.trace
                )
                keys.append(accepted.key)
        return keys


def _retried(desk: _Desk, id_: str) -> bool:
    async def retry_held(redis: Redis) -> list[str] | None:
        store = HeldDeliveries(redis)
        held = await store.find(id_)
        if held is None:
            return None
        keys = await desk.submit(redis, held)
        await store.remove(id_)
        return keys

    try:
        keys = desk.ask(retry_held)
    except _STILL_HELD as error:
        click.echo(f"{id_}: still held: {plain(str(error))}", err=True)
        return False
    if keys is None:
        with desk.spool() as spool:
            row = _refused_row(spool, id_)
            if spool is not None:
                spool.retry(row.key)
        click.echo(f"{id_}: goes to the ledger again")
    else:
        click.echo(f"{id_}: accepted {', '.join(keys)}" if keys else f"{id_}: no rule is for it any more; forgotten")
    return True


def _refused_row(spool: OutboxView | None, id_: str) -> Stored:
    row = spool.find(id_) if spool else None
    if row is None or row.state is not OutboxState.REFUSED:
        raise _unknown(id_)
    return row


def _unknown(id_: str) -> click.ClickException:
    return click.ClickException(f"nothing is held as {id_}; `stockrelay-webhooks dead ls` lists what is")


def _described(held: HeldDelivery) -> dict[str, Any]:
    return {"id": held.id, "source": held.source, "at": _moment(held.received_ms), "reason": held.reason}


def _described_row(row: Stored) -> dict[str, Any]:
    return {"id": row.key, "source": _SPOOL, "at": _moment(row.stock_timestamp), "reason": plain(row.result or "")}


def _moment(at_ms: int) -> str:
    return dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).isoformat(timespec="seconds")
