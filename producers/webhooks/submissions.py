"""From the JSON of one command to its acceptance: whose it is, what it asks, and what each failure is answered with."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from redis.exceptions import OutOfMemoryError, RedisError

from producers.relays import LEDGER_SECONDS
from producers.webhooks.problems import ProblemError, invalid, malformed, unavailable
from producers.webhooks.signatures import VISIBLE
from tasks import tracing
from tasks.errors import KeyReusedError
from tasks.registry import InvalidCommandError, Problem, parse_command, submittable_kinds
from tasks.telemetry import COMMAND_ACCEPTED, LEDGER_UNREACHABLE

if TYPE_CHECKING:
    from producers.webhooks.metrics import Metrics
    from tasks.commands import Command

logger = logging.getLogger(__name__)


class Acceptance(Protocol):
    """A command that is kept; `duplicate` when it was before."""

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def duplicate(self) -> bool: ...


class Accepts(Protocol):
    """Where commands go: into the ledger, or onto this machine's disk while the ledger is away."""

    async def accept(
        self, command: Command, *, idempotency_key: str | None, client: str, trace: str = ""
    ) -> Acceptance:
        """Keep the command; raises InvalidCommandError, KeyReusedError, a ProblemError, or Redis' own errors."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A valid command of a known client."""

    command: Command
    client: str
    idempotency_key: str | None
    #: The `traceparent` that it came with.
    trace: str = ""


def read_submission(fields: dict[str, Any], client: str) -> Submission:
    """Make a submission of a decoded object; raises ProblemError (403, 422)."""
    given = dict(fields)
    idempotency_key = given.pop("idempotency_key", None)
    if idempotency_key is not None and not (isinstance(idempotency_key, str) and VISIBLE.fullmatch(idempotency_key)):
        raise invalid([Problem("idempotency_key", "not shown", "not 1 to 255 visible ASCII characters")])
    kind = given.pop("kind", None)
    if not isinstance(kind, str):
        message = f"missing or not a string; send one of {', '.join(submittable_kinds())}"
        raise invalid([Problem("kind", "null", message)])
    source = given.setdefault("source", client)
    if isinstance(source, str) and source != client:
        detail = f"source: this token may only ask as {client}"
        raise ProblemError(HTTPStatus.FORBIDDEN, "foreign-source", detail)
    try:
        return Submission(parse_command(kind, given), client, idempotency_key)
    except InvalidCommandError as error:
        raise invalid(error.problems) from error


def is_idempotency_key(text: str) -> bool:
    """Tell whether a text may be a sender's own key."""
    return VISIBLE.fullmatch(text) is not None


class Admissions:
    """Hands submissions to the intake, and turns whatever it refuses them with into a problem."""

    def __init__(self, intake: Accepts, metrics: Metrics) -> None:
        self._intake = intake
        self._metrics = metrics

    async def admit(self, submission: Submission, request_id: str) -> Acceptance:
        """Return when the command is kept; raises ProblemError (422 for good, 503 for now)."""
        command, client, trace = submission.command, submission.client, submission.trace
        began = tracing.now()
        try:
            async with asyncio.timeout(LEDGER_SECONDS):
                accepted = await self._intake.accept(
                    command, idempotency_key=submission.idempotency_key, client=client, trace=trace
                )
        except InvalidCommandError as error:
            raise invalid(error.problems) from error
        except KeyReusedError as error:
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "key-reused", str(error)) from error
        except (RedisError, OSError) as error:  # TimeoutError is an OSError
            raise ledger_away(error) from error
        fields = {"key": accepted.key, "kind": accepted.kind, "duplicate": accepted.duplicate}
        logger.info(COMMAND_ACCEPTED, extra={**fields, "client": client, "request_id": request_id})
        self._metrics.accepted(accepted)
        show_accepted(accepted, trace, began)
        return accepted


def show_accepted(accepted: Acceptance, trace: str, began: int) -> None:
    """Show the acceptance as a span, which began at that UTC nanosecond."""
    about = {"kind": accepted.kind, "state": str(accepted.state)}
    tracing.accepted(accepted.key, trace, began, duplicate=accepted.duplicate, **about)


def ledger_away(error: Exception) -> ProblemError:
    """Say that Redis does not take or tell anything now."""
    logger.warning(LEDGER_UNREACHABLE, extra={"error": type(error).__name__})
    if isinstance(error, OutOfMemoryError):
        return unavailable("Redis is full and stores nothing more; once it has room, send the same request again")
    return unavailable("the ledger does not answer; send the same request again, it counts once")


def not_an_idempotency_key() -> ProblemError:
    """Say what an Idempotency-Key looks like."""
    return malformed("Idempotency-Key: send one, of 1 to 255 visible ASCII characters")
