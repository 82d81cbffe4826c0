"""What a person asks of the dead-letter desk over HTTP, read and checked, and what each refusal is answered with."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.exceptions import RedisError

from producers.relays import LEDGER_SECONDS
from producers.webhooks.body import read_object
from producers.webhooks.problems import ProblemError, unavailable
from tasks.dead_letter_records import Filter, LetterState
from tasks.dead_letters import MAX_PER_SECOND
from tasks.errors import DamagedRecordError, TransitionRefusedError, UnknownCommandError, UnknownRedriveError
from tasks.people import MAX_REASON
from tasks.registry import InvalidCommandError, Problem
from tasks.telemetry import LEDGER_UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from aiohttp import web

M = TypeVar("M", bound=BaseModel)

logger = logging.getLogger(__name__)

#: Longer than any reason or part number that a person looks for.
MAX_SEARCHED: Final = 200
#: The letters of one page of the list.
MAX_LISTED: Final = 500
LISTED: Final = 50
#: Beyond the year 9999 no moment is meant.
_LAST_MS: Final = 253_402_300_800_000
#: The most that is said of a wrong value.
_SHOWN: Final = 80

_Text = Annotated[str, Field(max_length=MAX_SEARCHED)]
_Moment = Annotated[int, Field(ge=0, le=_LAST_MS, description="UTC milliseconds.")]
_Revision = Annotated[
    str | None,
    Field(max_length=64, description="Of the dead letter as it was shown: refused when it has changed since."),
]
_Edits = Annotated[
    dict[str, Any], Field(min_length=1, max_length=100, description="New values by field; null takes one out.")
]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class DeadLetterFilter(_Asked):
    """Which dead letters; all that is given must fit, and texts are searched without regard to capitals."""

    vendor: _Text | None = None
    kind: _Text | None = None
    state: Literal["rejected", "held", "damaged"] | None = None
    reason: Annotated[_Text, Field(description="Stands in the reason.")] = ""
    text: Annotated[_Text, Field(description="Stands in the key, the summary or the name of a lane.")] = ""
    since_ms: Annotated[_Moment | None, Field(description="Died at or after this moment, UTC milliseconds.")] = None
    until_ms: Annotated[_Moment | None, Field(description="Died before this moment, UTC milliseconds.")] = None

    def to_filter(self) -> Filter:
        """Give it as the desk takes it."""
        state = None if self.state is None else LetterState(self.state)
        return Filter(
            vendor=self.vendor or None,
            kind=self.kind or None,
            state=state,
            reason=self.reason,
            text=self.text,
            since_ms=self.since_ms,
            until_ms=self.until_ms,
        )


class DeadLetterQuestion(DeadLetterFilter):
    """Which dead letters, and which page of them."""

    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = LISTED
    after: Annotated[_Text | None, Field(description="The `after` of the page before.")] = None


class _Decision(_Asked):
    model_config = ConfigDict(strict=True)


class Correction(_Decision):
    """New values for some fields of a command."""

    edits: _Edits
    revision: _Revision = None


class Replay(_Decision):
    """How a dead letter shall run again."""

    edits: _Edits | None = None
    at: Annotated[
        Literal["head", "tail"] | None,
        Field(description="Where in its lanes; without it a held one stays in its place and a rejected one is last."),
    ] = None
    revision: _Revision = None


class Discard(_Decision):
    """Why a dead letter stays undone."""

    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]
    revision: _Revision = None


class RedriveFilter(_Decision):
    """Which dead letters a bulk replay would take."""

    filter: DeadLetterFilter


class RedriveOrder(RedriveFilter):
    """Which dead letters shall be replayed, and how fast."""

    per_second: Annotated[float, Field(gt=0, le=MAX_PER_SECOND, description="Replays a second at each vendor.")]


async def read_body_as(request: web.Request, model: type[M]) -> M:
    """Read the body as a model; raises ProblemError naming every field at fault."""
    return _read(model, await read_object(request))


def read_question(request: web.Request) -> DeadLetterQuestion:
    """Read the query; raises ProblemError naming every parameter at fault."""
    twice = [name for name in request.query if len(request.query.getall(name)) > 1]
    if twice:
        raise invalid_request([Problem(twice[0], "not shown", "given more than once")])
    return _read(DeadLetterQuestion, {name: text for name, text in request.query.items() if text})


def invalid_request(problems: Sequence[Problem]) -> ProblemError:
    """Say what of a request is wrong, naming every field at fault."""
    named = "; ".join(dict.fromkeys(f"{problem.field}: {problem.message}" for problem in problems))
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-request", named, errors=problems)


@contextlib.asynccontextmanager
async def asking(seconds: float | None = None) -> AsyncIterator[None]:
    """Ask the desk, and turn what it refuses a request with into a problem. `seconds`: not the usual patience."""
    try:
        async with asyncio.timeout(LEDGER_SECONDS if seconds is None else seconds):
            yield
    except UnknownCommandError as error:
        raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-command", str(error)) from error
    except UnknownRedriveError as error:
        raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-redrive", str(error)) from error
    except TransitionRefusedError as error:
        raise ProblemError(HTTPStatus.CONFLICT, "conflict", str(error)) from error
    except DamagedRecordError as error:
        detail = f"its record cannot be read ({error.record.problem}), so it can only be discarded"
        raise ProblemError(HTTPStatus.CONFLICT, "damaged-record", detail) from error
    except InvalidCommandError as error:
        raise invalid_request(error.problems) from error
    except (RedisError, OSError) as error:  # TimeoutError is an OSError
        logger.warning(LEDGER_UNREACHABLE, extra={"error": type(error).__name__})
        raise unavailable("the ledger does not answer; look again before you decide anew, it may be done") from error


def _read(model: type[M], fields: Mapping[str, Any]) -> M:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid_request(
            [
                Problem(".".join(map(str, each["loc"])) or "(body)", repr(each["input"])[:_SHOWN], each["msg"])
                for each in error.errors(include_url=False, include_context=False)
            ]
        ) from None
