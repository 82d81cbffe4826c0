"""The relay beside the ledger: hands over what an outbox holds to the ledger itself, without HTTP."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from redis.exceptions import RedisError, ResponseError

from producers.handover import Refused, Status, Taken, Unavailable
from tasks import tracing
from tasks.errors import DamagedRecordError, KeyReusedError, LedgerError
from tasks.registry import InvalidCommandError, Problem, parse_command

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from producers.handover import Answer
    from producers.outbox import Stored
    from tasks.commands import Command
    from tasks.records import CommandRecord
    from tasks.submit import Accepted

#: Redis answers in milliseconds; one that does not must not make a station wait.
LEDGER_SECONDS: Final = 4.0
#: So many go to Redis side by side, where they share no lane.
_AT_ONCE: Final = 64
#: Answers of Redis that are about Redis and not about one command.
_REDIS_ITSELF: Final = (
    "OOM",
    "READONLY",
    "LOADING",
    "MISCONF",
    "NOAUTH",
    "NOPERM",
    "MASTERDOWN",
    "BUSY",
    "CLUSTERDOWN",
)


class Submits(Protocol):
    """What the relay needs of `tasks.submit.Submitter`."""

    async def submit(
        self, command: Command, *, idempotency_key: str | None = None, client: str = "api", trace: str = ""
    ) -> Accepted:
        """Accept a command durably, once."""

    async def find(self, key: str) -> CommandRecord | None:
        """Look a command up."""


class LedgerRelay:
    """Hands over to the ledger. Bodies are `{"kind": …, fields…}`, as `POST /v1/commands` takes them.

    Beside the command's fields a body may have `"idempotency_key"`, the sender's own key, and `"client"`, who is to see
    the command as theirs; without it that is `client`. `is_ready` gives the reason why nothing may be handed over now,
    or an empty text; it may raise Redis errors. `capture` names the span that each entry gets, where it was captured
    here; else an entry's origin may have `"trace"`, the `traceparent` that it came with.
    """

    def __init__(
        self,
        ledger: Submits,
        *,
        client: str = "api",
        is_ready: Callable[[], Awaitable[str]] | None = None,
        capture: str = "",
    ) -> None:
        self._ledger = ledger
        self._client = client
        self._is_ready = is_ready
        self._capture = capture
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def submit(self, batch: Sequence[Stored]) -> Sequence[Answer]:
        """Hand a batch over: side by side where entries share no lane, else one behind the other."""
        reason = await self._why_not()
        if reason:
            return (Unavailable(reason, unreached=True),) * len(batch)
        before = _predecessors(batch)
        tasks: list[asyncio.Task[Answer]] = []
        async with asyncio.TaskGroup() as group:
            for stored, places in zip(batch, before, strict=True):
                behind = [tasks[place] for place in places]
                tasks.append(group.create_task(self._hand_over(stored, behind)))
        return [task.result() for task in tasks]

    async def status(self, keys: Sequence[str]) -> Mapping[str, Status] | Unavailable:
        """Look commands up in the ledger; one whose record is damaged is left out."""
        found: dict[str, Status] = {}
        for key in keys:
            try:
                async with asyncio.timeout(LEDGER_SECONDS):
                    record = await self._ledger.find(key)
            except DamagedRecordError:
                continue
            except (RedisError, OSError) as error:
                return _away(error)
            found[key] = Status("unknown", "") if record is None else Status(record.state.value, record.reason)
        return found

    async def _why_not(self) -> str:
        if self._is_ready is None:
            return ""
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                return await self._is_ready()
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            return _away(error).reason

    async def _hand_over(self, stored: Stored, behind: Sequence[asyncio.Task[Answer]]) -> Answer:
        for task in behind:
            answer = await task
            if isinstance(answer, Unavailable):
                return Unavailable("what is before it has to wait", alone=answer.alone, unreached=True)
        async with self._places:
            return await self._hand_over_one(stored)

    async def _hand_over_one(self, stored: Stored) -> Answer:
        try:
            command, idempotency_key, client = _read(stored.body)
            origin = json.loads(stored.origin)
            trace = tracing.captured_trace(command.key()) if self._capture else origin.get("trace", "")
            async with asyncio.timeout(LEDGER_SECONDS):
                accepted = await self._ledger.submit(
                    command, idempotency_key=idempotency_key, client=client or self._client, trace=trace
                )
        except InvalidCommandError as error:
            return _unread(error)
        except KeyReusedError as error:
            return Refused(str(error))
        except LedgerError as error:
            return Unavailable(f"its record in the ledger: {error}", alone=True)
        except (RedisError, OSError) as error:
            return _away(error)
        if self._capture:
            began_ms = origin.get("stored_ms", stored.stock_timestamp)
            tracing.captured(self._capture, accepted.key, began_ms, kind=accepted.kind, duplicate=accepted.duplicate)
        return Taken(duplicate=accepted.duplicate)


def _read(body: str) -> tuple[Command, str | None, str | None]:
    """Read a body as command, idempotency key and client; InvalidCommandError when it is none."""
    try:
        fields: Any = json.loads(body)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict) or not isinstance(fields.get("kind"), str):
        raise InvalidCommandError((Problem("(body)", "not shown", "not a JSON object with a kind"),))
    kind, idempotency_key, client = (fields.pop(name, None) for name in ("kind", "idempotency_key", "client"))
    return parse_command(kind, fields), idempotency_key, client


def _unread(error: InvalidCommandError) -> Unavailable | Refused:
    # it was read when it was stored: what is unheard of now was stored by a newer release, before a step back
    return Unavailable(f"waits for a newer release: {error}", alone=True) if error.unheard_of else Refused(str(error))


def _away(error: Exception) -> Unavailable:
    # Redis answered, and not in one of the ways that have a class of their own: it is about this command's record
    alone = type(error) is ResponseError and not str(error).startswith(_REDIS_ITSELF)
    return Unavailable(f"the ledger does not answer ({type(error).__name__})", alone=alone)


def _predecessors(batch: Sequence[Stored]) -> list[set[int]]:
    """Give for each entry the places of those that it has to wait for."""
    last: dict[str, int] = {}
    since_barrier: set[int] = set()
    barrier: set[int] = set()
    before: list[set[int]] = []
    for place, stored in enumerate(batch):
        if not stored.lanes:
            before.append(since_barrier or barrier)
            last, since_barrier, barrier = {}, set(), {place}
            continue
        before.append({last[lane] for lane in stored.lanes if lane in last} or barrier)
        last.update(dict.fromkeys(stored.lanes, place))
        since_barrier.add(place)
    return before
