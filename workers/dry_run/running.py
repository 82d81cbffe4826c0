"""Running a command dry: the real task and the real adapter, against what is assumed of the vendor."""

from __future__ import annotations

import copy
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, cast

from pydantic import SecretStr

from tasks.effects import Effect
from tasks.errors import RejectedError, VendorError
from tasks.lookup import Landed, Undecidable
from tasks.registry import expansion_of, task_of
from tasks.routes import ROUTING
from tasks.submit import as_routed, to_child
from tasks.task import Target
from workers.adapters import close_adapter, open_adapter
from workers.dry_run.books import NotKnownError
from workers.dry_run.openbom import OpenBomBooks
from workers.dry_run.partbolt import PartBoltBooks
from workers.dry_run.partium import PartiumBooks
from workers.dry_run.partsbox import PartsBoxBooks
from workers.dry_run.recording import PLACEHOLDER, FreeToLeave, KnownToken, NoLimiter, Purpose, RecordingSession
from workers.settings import ROUTING_POLICY, keyless_settings
from workers.vendor_settings import PartsBoxSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from tasks.commands import Command
    from tasks.routes import Routes
    from tasks.task import Expansion
    from workers.dry_run.assumptions import Assumptions
    from workers.dry_run.books import Books, StockChange
    from workers.dry_run.recording import SentRequest
    from workers.limits import LimitPolicy
    from workers.vendor_settings import VendorSettings

_BOOKS: Final[Mapping[str, Callable[[Any], Books]]] = {
    "partsbox": PartsBoxBooks,
    "partium": PartiumBooks,
    "openbom": OpenBomBooks,
    "partbolt": PartBoltBooks,
}
#: In the form that each vendor's key must have.
_PLACEHOLDERS: Final[Mapping[str, Mapping[str, str]]] = {
    "partsbox": {"api_key": f"partsboxapi_{PLACEHOLDER}"},
    "partium": {"api_key": PLACEHOLDER},
    "openbom": {"app_key": PLACEHOLDER, "username": f"{PLACEHOLDER}@{PLACEHOLDER}", "password": PLACEHOLDER},
    "partbolt": {"token": PLACEHOLDER},
}
#: What the requests of a vendor depend on besides its records.
_NOTES: Final[Mapping[str, str]] = {
    "partium": "other commands that wait for the same operation may share the request of this one",
    "openbom": "without a stored access token, a login comes first",
}
#: As long as a key: shown in the place of one that depends on what is not known.
_NO_KEY: Final = "?" * 20


class Outcome(StrEnum):
    """What a worker would do with a command."""

    SENT = "sent"
    NOTHING_TO_SEND = "nothing_to_send"
    REJECTED = "rejected"
    HELD = "held"
    #: Certainly not carried out, and tried again later.
    POSTPONED = "postponed"
    #: It becomes other commands.
    EXPANDED = "expanded"
    #: What it depends on is not known.
    NOT_KNOWN = "not_known"


@dataclass(frozen=True, slots=True)
class DryRun:
    """What would become of one command; `children` are the commands that it becomes."""

    kind: str
    vendor: str
    effect: Effect
    #: None where it depends on what is not known.
    key: str | None
    summary: str
    lanes: tuple[str, ...]
    #: What is asked for, as JSON.
    asked: str
    policy: LimitPolicy
    settle_seconds: float
    outcome: Outcome
    reason: str = ""
    requests: tuple[SentRequest, ...] = ()
    stock: tuple[StockChange, ...] = ()
    #: What is taken for granted, since nobody has said otherwise.
    supposed: tuple[str, ...] = ()
    #: What the requests depend on, and nobody has said; it stands in them under these names.
    unknown: tuple[str, ...] = ()
    note: str = ""
    children: tuple[DryRun, ...] = ()

    @classmethod
    def of(cls, command: Command, key: str, vendor: _Vendor | None) -> DryRun:
        """Begin with a command; without a vendor it is one that asks none."""
        return cls(
            kind=command.kind,
            vendor=command.vendor,
            effect=command.effect,
            key=key,
            summary=command.summary(),
            lanes=command.lanes(),
            asked=command.model_dump_json(exclude_none=True),
            policy=ROUTING_POLICY if vendor is None else vendor.settings.limit_policy(),
            settle_seconds=0.0 if vendor is None else vendor.settings.settle_seconds,
            outcome=Outcome.EXPANDED if command.effect is Effect.EXPAND else Outcome.SENT,
            note="" if vendor is None else vendor.note,
        )


@dataclass(slots=True)
class _Vendor:
    """One vendor as it is assumed, and the way there."""

    settings: VendorSettings
    books: Books
    session: RecordingSession
    port: Any
    note: str


@dataclass(slots=True)
class DryRunner:
    """Renders commands in the order they come; each sees what those before it have made of the records given.

    Opens no socket and no file, and asks for no secret. `environ` has the settings as a worker reads them; raises
    SettingsError where they are wrong.
    """

    environ: Mapping[str, str]
    routes: Routes
    assumptions: Assumptions
    _vendors: dict[str, _Vendor] = field(default_factory=dict)
    #: By their keys.
    _submitted: dict[str, Command] = field(default_factory=dict)

    async def submit(self, command: Command) -> DryRun:
        """Run what would be accepted for a command; raises InvalidCommandError where the routes make no command."""
        key, routed = command.key(), as_routed(command, self.routes)
        earlier = self._submitted.get(key)
        if earlier is None:
            self._submitted[key] = command
            return await self.run(routed, key)
        plan = DryRun.of(routed, key, None if routed.vendor == ROUTING else self._vendor(routed.vendor))
        if earlier == command:
            return replace(plan, outcome=Outcome.NOTHING_TO_SEND, reason="the same event as a command before it")
        reason = "its key is that of a different command before it; give each event its own stock_timestamp"
        return replace(plan, outcome=Outcome.REJECTED, reason=reason)

    async def run(self, command: Command, key: str) -> DryRun:
        """Run a command under its key, and all that it becomes."""
        if command.vendor == ROUTING:
            return await self._expanded(DryRun.of(command, key, None), command, None)
        vendor = self._vendor(command.vendor)
        vendor.books.begin()
        plan = DryRun.of(command, key, vendor)
        try:
            plan = replace(plan, supposed=tuple(vendor.books.suppose(command)))
        except NotKnownError as error:
            return replace(plan, outcome=Outcome.NOT_KNOWN, unknown=(str(error),))
        if command.effect is Effect.EXPAND:
            return await self._expanded(plan, command, vendor)
        plan = await _attempted(plan, command, self._target(key, vendor), vendor.session)
        return _unsure(replace(plan, requests=vendor.session.take(), stock=tuple(vendor.books.moved)), vendor.books)

    async def _expanded(self, plan: DryRun, command: Command, vendor: _Vendor | None) -> DryRun:
        key = plan.key or ""
        children: tuple[Command, ...] = ()
        try:
            children = await cast("Expansion[Any]", expansion_of(command.kind)).children(
                command, self._target(key, vendor)
            )
        except VendorError as error:
            plan = _not_confirmed(plan, error)
        plan = plan if vendor is None else replace(plan, requests=vendor.session.take())
        keys = [to_child(child, command.vendor, key, "").key for child in children]
        run = [await self.run(child, child_key) for child, child_key in zip(children, keys, strict=True)]
        return replace(plan, children=tuple(run))

    def _target(self, key: str, vendor: _Vendor | None) -> Target[Any]:
        if vendor is None:
            return Target(None, key, routes=self.routes)
        vendor.session.purpose = Purpose.BEFORE
        user = vendor.settings.user if isinstance(vendor.settings, PartsBoxSettings) else None
        return Target(vendor.port, key, user, routes=self.routes)

    def _vendor(self, name: str) -> _Vendor:
        if name not in self._vendors:
            secrets = _PLACEHOLDERS[name]
            chosen = keyless_settings(name, self.environ)
            settings = chosen.model_copy(update={field: SecretStr(text) for field, text in secrets.items()})
            books = _BOOKS[name](copy.deepcopy(self.assumptions.get(name, {})))
            session = RecordingSession(settings.url, books, tuple(secrets.values()))
            port = open_adapter(settings, cast("Any", session), NoLimiter(), cast("Any", KnownToken()))
            self._vendors[name] = _Vendor(settings, books, session, port, _NOTES.get(name, ""))
        return self._vendors[name]

    async def aclose(self) -> None:
        """End what the adapters still do by themselves."""
        for vendor in self._vendors.values():
            await close_adapter(vendor.port)


@asynccontextmanager
async def open_dry_runner(
    environ: Mapping[str, str], routes: Routes, assumptions: Assumptions
) -> AsyncIterator[DryRunner]:
    """Open a runner, and close it behind the block."""
    runner = DryRunner(environ, routes, assumptions)
    try:
        yield runner
    finally:
        await runner.aclose()


async def _attempted(plan: DryRun, command: Command, target: Target[Any], session: RecordingSession) -> DryRun:
    """Do as `workers.executor` does with a command that is new, where every answer comes."""
    task = task_of(command.kind)
    try:
        before = await task.before(command, target)
        target = replace(target, image=before.image)
        match before.finding:
            case Landed():
                return replace(plan, outcome=Outcome.NOTHING_TO_SEND, reason="already at the vendor")
            case Undecidable(why):
                return replace(plan, outcome=Outcome.HELD, reason=why.value)
        session.purpose = Purpose.WRITE
        await task.send(command, target, FreeToLeave(target.key))
        session.purpose = Purpose.PROOF
        await task.proof(command, target)
        session.purpose = Purpose.LOOK_UP
        await task.look(command, target)
    except VendorError as error:
        return _not_confirmed(plan, error)
    return plan


def _not_confirmed(plan: DryRun, error: VendorError) -> DryRun:
    outcome = Outcome.REJECTED if isinstance(error, RejectedError) else Outcome.POSTPONED
    return replace(plan, outcome=outcome, reason=str(error))


def _unsure(plan: DryRun, books: Books) -> DryRun:
    """Name the ids that only the vendor can give, wherever one stands; what decides the key leaves that open."""
    sent = "".join(f"{request.url} {request.body.decode()}" for request in plan.requests)
    used = {made: meaning for made, meaning in books.stand_ins.items() if made in plan.asked or made in sent}
    if not used:
        return plan
    shown = {made: f"<{meaning}>" for made, meaning in used.items()}
    # as a summary shortens it
    shown |= {f"{made[:8]}…": name for made, name in shown.items()}
    if any(made in plan.asked for made in used):
        shown[plan.key or ""] = _NO_KEY
        plan = replace(plan, key=None)

    def named(text: str) -> str:
        for made, name in shown.items():
            text = text.replace(made, name)
        return text

    return replace(
        plan,
        summary=named(plan.summary),
        lanes=tuple(map(named, plan.lanes)),
        asked=named(plan.asked),
        reason=named(plan.reason),
        supposed=tuple(map(named, plan.supposed)),
        requests=tuple(
            replace(request, url=named(request.url), body=named(request.body.decode()).encode())
            for request in plan.requests
        ),
        stock=tuple(replace(change, part_id=named(change.part_id)) for change in plan.stock),
        unknown=tuple(used.values()),
    )
