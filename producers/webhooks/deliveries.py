"""Webhooks: `/v1/hooks/{source}` and `/v1/events`. Verified over the raw bytes, then kept, and only then answered.

A genuine delivery is never refused for what is in it: its sender would repeat it for days and then drop it. What cannot
become commands is held for a person instead.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiohttp import web

from producers.webhooks.body import read_body, refuse_encoding
from producers.webhooks.cloudevents import allowance
from producers.webhooks.held import HeldDelivery, kept_headers
from producers.webhooks.hook_operations import ASK, EVENTS, HOOK
from producers.webhooks.mapping import MappingError
from producers.webhooks.middleware import REQUEST_ID
from producers.webhooks.problems import ProblemError
from producers.webhooks.submissions import show_accepted
from producers.webhooks.unpacking import UnpackError
from tasks import tracing
from tasks.errors import KeyReusedError
from tasks.registry import InvalidCommandError
from tasks.submit import now_ms
from tasks.telemetry import HOOK_ACCEPTED, HOOK_HELD, HOOK_IGNORED, HOOK_REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from producers.webhooks.hooks import Hook, Hooks
    from producers.webhooks.mapping import Delivered, Mapped
    from producers.webhooks.openapi import Route
    from producers.webhooks.rates import Rates
    from producers.webhooks.spool import Intaken
    from producers.webhooks.unpacking import Unpacked

#: Of a text that anybody may send.
_LOGGED: Final = 80

logger = logging.getLogger(__name__)


class Takes(Protocol):
    """What the handlers need of the intake."""

    async def deliver(self, delivered: Delivered, mapped: Mapped) -> tuple[Intaken, ...]:
        """Keep the commands of an event, once; raises InvalidCommandError, KeyReusedError, ProblemError."""

    async def hold(self, held: HeldDelivery) -> bool:
        """Keep a delivery that cannot become commands; False when it is held already."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one event: its commands, or the id under which it is held, or neither when no rule is for it."""

    commands: tuple[Intaken, ...] = ()
    held: str = ""
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class _Unproved:
    """A request that is from no source, as far as it shows; the reason is for the log."""

    asked: str
    reason: str


class DeliveryRoutes:
    """The handlers."""

    def __init__(
        self,
        hooks: Hooks,
        intake: Takes,
        rates: Rates,
        *,
        requests_per_minute: int = 0,
        count: Callable[[Intaken], None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._count = count
        self._hooks = hooks
        self._intake = intake
        self._rates = rates
        self._requests_per_minute = requests_per_minute
        self._clock = clock

    def routes(self) -> list[Route]:
        """List what is served."""
        return [
            ("POST", "/v1/hooks/{source}", self.take, HOOK),
            ("OPTIONS", "/v1/hooks/{source}", self.ask, ASK),
            ("POST", "/v1/events", self.take_events, EVENTS),
        ]

    async def take(self, request: web.Request) -> web.Response:
        """`POST /v1/hooks/{source}`: 202 when kept, 200 when it was before, 401 whatever is wrong with the proof."""
        name = request.match_info["source"]
        body = await self._read(request)
        headers = _headers_of(request)
        hook, reason = self._hooks.verify(name, headers, body, self._clock())
        return await self._answer(request, hook or _Unproved(name, reason), headers, body)

    async def take_events(self, request: web.Request) -> web.Response:
        """`POST /v1/events`: CloudEvents, from the source that the bearer token belongs to."""
        body = await self._read(request)
        headers = _headers_of(request)
        hook, reason = self._hooks.verify_token(headers, body, self._clock())
        return await self._answer(request, hook or _Unproved("(events)", reason), headers, body)

    async def ask(self, request: web.Request) -> web.Response:
        """`OPTIONS /v1/hooks/{source}`: whether a sender of CloudEvents that names itself is welcome."""
        allowed = self._hooks.origins_of(request.match_info["source"])
        headers = allowance(request.headers.get("WebHook-Request-Origin"), allowed, self._requests_per_minute)
        return web.Response(status=HTTPStatus.NO_CONTENT, headers={"Allow": "OPTIONS, POST", **headers})

    async def _read(self, request: web.Request) -> bytes:
        refuse_encoding(request)
        # one limit for all before the proof, so that nobody learns which sources there are
        return await read_body(request, max_bytes=self._hooks.max_body_bytes)

    async def _answer(
        self, request: web.Request, hook: Hook | _Unproved, headers: dict[str, tuple[str, ...]], body: bytes
    ) -> web.Response:
        if isinstance(hook, _Unproved):
            fields = {"source": hook.asked[:_LOGGED], "reason": hook.reason, "remote": request.remote}
            logger.warning(HOOK_REFUSED, extra={**fields, "request_id": request[REQUEST_ID]})
            detail = "the delivery is not proved to come from a source of this server"
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", detail)
        self._rates.admit(request, hook.name)
        if len(body) > hook.max_body_bytes:
            detail = f"the body is larger than {hook.max_body_bytes // 1024} KiB"
            raise ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "request-entity-too-large", detail)
        outcomes = await self._take(hook, {name: values[0] for name, values in headers.items()}, body)
        return _response(outcomes)

    async def _take(self, hook: Hook, headers: dict[str, str], body: bytes) -> Sequence[Outcome]:
        try:
            unpacked = hook.unpack(headers, body)
        except UnpackError as error:
            held = HeldDelivery(error.key, hook.name, now_ms(), str(error), kept_headers(headers), body)
            return [await self._hold(held)]
        # one after the other: the events of a batch may share a lane
        return [await self._take_event(hook, one) for one in unpacked]

    async def _take_event(self, hook: Hook, unpacked: Unpacked) -> Outcome:
        delivered = unpacked.delivered
        received_ms, began = now_ms(), tracing.now()
        try:
            mapped = hook.map(delivered, received_ms)
            if not mapped.commands:
                logger.info(HOOK_IGNORED, extra={"source": hook.name, "delivery": delivered.key})
                return Outcome()
            taken = await self._intake.deliver(delivered, mapped)
        except (MappingError, InvalidCommandError, KeyReusedError) as error:
            headers = kept_headers(unpacked.headers)
            return await self._hold(
                HeldDelivery(delivered.key, hook.name, received_ms, str(error), headers, unpacked.body)
            )
        for one in taken:
            self._count(one)
            show_accepted(one, delivered.trace, began)
        duplicate = all(one.duplicate for one in taken)
        fields = {"source": hook.name, "delivery": delivered.key, "duplicate": duplicate}
        logger.info(HOOK_ACCEPTED, extra={**fields, "keys": [one.key for one in taken]})
        return Outcome(taken, duplicate=duplicate)

    async def _hold(self, held: HeldDelivery) -> Outcome:
        is_new = await self._intake.hold(held)
        fields = {"source": held.source, "delivery": held.id, "reason": held.reason, "duplicate": not is_new}
        logger.error(HOOK_HELD, extra=fields)
        return Outcome(held=held.id, duplicate=not is_new)


def _headers_of(request: web.Request) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        found[lower] = (*found.get(lower, ()), value)
    return found


def _response(outcomes: Sequence[Outcome]) -> web.Response:
    commands = [
        {"key": one.key, "kind": one.kind, "state": one.state, "duplicate": one.duplicate}
        for outcome in outcomes
        for one in outcome.commands
    ]
    answer: dict[str, Any] = {"commands": commands}
    if held := [outcome.held for outcome in outcomes if outcome.held]:
        answer["held"] = held
    ignored = sum(not outcome.commands and not outcome.held for outcome in outcomes)
    if ignored:
        answer["ignored"] = ignored
    is_replay = bool(outcomes) and all(outcome.duplicate for outcome in outcomes)
    return web.json_response(
        answer,
        status=HTTPStatus.OK if is_replay else HTTPStatus.ACCEPTED,
        headers={"Idempotency-Replayed": "true"} if is_replay else {},
    )
