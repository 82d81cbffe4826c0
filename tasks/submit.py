"""Submitting: the one way a command enters the ledger."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from redis.exceptions import ConnectionError  # noqa: A004  Redis' own, not the builtin

from tasks.catalog import UpsertPart
from tasks.errors import KeyReusedError
from tasks.identity import derive_key
from tasks.ledger import RETENTION_DAYS, Ledger
from tasks.records import CommandRecord, NewCommand, State
from tasks.registry import InvalidCommandError, Problem, submittable_kinds, vendors
from tasks.routes import ROUTING, Routes
from tasks.routing import RoutePart, UnroutableError, route
from tasks.trace_context import trace_below

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis.asyncio import Redis

    from tasks.commands import Command
    from tasks.records import Admission

#: A station's clock may be wrong by this much; a later moment is a wrong clock or a wrong unit.
MAX_AHEAD_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Accepted:
    """The command is in the ledger; `duplicate` when it already was."""

    key: str
    kind: str
    state: State
    duplicate: bool


def now_ms() -> int:
    """Tell the time of this machine in UTC milliseconds."""
    return time.time_ns() // 1_000_000


def to_new_command(
    command: Command,
    key: str,
    client: str,
    *,
    asked: Command | None = None,
    alias: str = "",
    family: bool = False,
    trace: str = "",
) -> NewCommand:
    """Make the ledger's form of a command; `asked` is what was submitted where that is another one."""
    return NewCommand(
        key=key,
        kind=command.kind,
        command=command.model_dump_json(exclude_none=True),
        summary=command.summary(),
        lanes=command.lanes(),
        digest=_digest(asked or command),
        client=client,
        alias=alias,
        family=family,
        trace=trace,
    )


def to_child(command: Command, vendor: str, parent: str, client: str, trace: str = "") -> NewCommand:
    """Make the ledger's form of a child; `vendor` and `parent` name its parent, `trace` is from `trace_below` that."""
    key = derive_key(command.kind, command.vendor, parent, fields=command.identity())
    new = to_new_command(command, key, client, trace=trace)
    return new if command.vendor == vendor else replace(new, parent=f"{vendor}:{parent}")


def check_submittable(command: Command, at_ms: int) -> None:
    """Refuse what no producer may submit, and an event of a wrong clock; raises InvalidCommandError."""
    if command.kind not in submittable_kinds():
        message = f"not for clients; send one of {', '.join(submittable_kinds())}"
        raise InvalidCommandError((Problem("kind", f'"{command.kind}"', message),))
    if command.stock_timestamp - at_ms > MAX_AHEAD_SECONDS * 1000:
        message = "more than a day in the future; check the clock, and send UTC milliseconds"
        raise InvalidCommandError((Problem("stock_timestamp", str(command.stock_timestamp), message),))


def as_routed(command: Command, routes: Routes) -> Command:
    """Give what is accepted for a command: itself, or the parent of what several vendors get.

    Raises InvalidCommandError for a part that the routes make no command of.
    """
    if not isinstance(command, UpsertPart):
        return command
    try:
        return route(command, routes)
    except UnroutableError as error:
        raise InvalidCommandError((Problem(error.place, "not shown", error.message),)) from error


def _digest(command: Command) -> str:
    # without defaults: a field that a later version adds must not make a re-delivery look different
    said = command.model_dump_json(exclude_defaults=True)
    return hashlib.sha256(f"{command.kind} {said}".encode()).hexdigest()[:32]


class Submitter:
    """Accepts commands durably: when `submit` returns, the command survives any process and the Redis server."""

    def __init__(
        self,
        redis: Redis,
        *,
        routes: Routes | None = None,
        clock_ms: Callable[[], int] = now_ms,
        retention_days: float = RETENTION_DAYS,
    ) -> None:
        self._routes = Routes() if routes is None else routes
        self._clock_ms = clock_ms
        self._ledgers = {vendor: Ledger(redis, vendor, retention_days=retention_days) for vendor in vendors()}

    async def submit(
        self, command: Command, *, idempotency_key: str | None = None, client: str = "api", trace: str = ""
    ) -> Accepted:
        """Admit the command once: the same event is the same command, with or without an `idempotency_key`.

        The client's own key is a second lock: used again, it must come with the same command. `trace` is the
        `traceparent` that its trace goes on from.
        Raises InvalidCommandError for what may not be submitted, KeyReusedError when either key is known with another
        command, and Redis errors as they are: then nothing is promised and the same submission may be repeated.
        """
        check_submittable(command, self._clock_ms())
        vendor, routed = await self._route(command)
        alias = "" if idempotency_key is None else derive_key("idempotency-key", client, idempotency_key)
        # the same event is the same command, whatever the routes make of it by now
        family = isinstance(routed, RoutePart)
        new = to_new_command(routed, command.key(), client, asked=command, alias=alias, family=family, trace=trace)
        (admission,) = await self._admit(vendor, new)
        if admission.conflict:
            raise KeyReusedError(
                f"{admission.key}: the key is used for a different command; send a new event with its own timestamp"
            )
        if isinstance(routed, RoutePart):
            await self._admit_children(routed, new, admission)
        return Accepted(new.key, routed.kind, admission.state, duplicate=not admission.fresh)

    async def _admit_children(self, parent: RoutePart, new: NewCommand, admission: Admission) -> None:
        """Put the children into their vendors' lanes before anything is promised: what comes later is behind them.

        The parent is in the ledger by then: should this process die here, a worker admits them.
        """
        trace = new.trace
        if not admission.fresh:
            record = await self._ledgers[parent.vendor].read(new.key)
            # about a damaged one no machine can decide: it is held, or will be when it is claimed
            if not isinstance(record, CommandRecord) or record.total or record.state.is_final:
                return
            trace = record.trace
        below = trace_below(new.key, trace)
        for command in parent.commands():
            await self._admit(command.vendor, to_child(command, parent.vendor, new.key, new.client, below))

    async def _route(self, command: Command) -> tuple[str, Command]:
        """Give what is accepted for a command, and where: itself, or the parent of what several vendors get.

        An event that was accepted before the routes changed stays what it was then.
        """
        if not isinstance(command, UpsertPart):
            return command.vendor, command
        routed = as_routed(command, self._routes)
        other = command.vendor if routed.vendor == ROUTING else ROUTING
        if await self._ledgers[other].knows(command.key()):
            return other, command
        return routed.vendor, routed

    async def _admit(self, vendor: str, command: NewCommand) -> tuple[Admission, ...]:
        try:
            return await self._ledgers[vendor].admit([command])
        except ConnectionError:
            # a server that was restarted leaves dead connections behind; admitting twice is admitting once
            return await self._ledgers[vendor].admit([command])

    async def find(self, key: str) -> CommandRecord | None:
        """Look a command up over all vendors."""
        for ledger in self._ledgers.values():
            record = await ledger.find(key)
            if record is not None:
                return record
        return None
