"""`POST /v1/scans`: what a station has collected, up to 500 commands in one request with an answer for each."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from producers.tokens import Role
from producers.webhooks.auth import CALLER
from producers.webhooks.body import read_array
from producers.webhooks.examples import ACCEPTED, COMMANDS
from producers.webhooks.middleware import REQUEST_ID
from producers.webhooks.openapi import TRACE, Answer, Body, Operation, Route
from producers.webhooks.problems import ProblemError, document_of, malformed, unavailable
from producers.webhooks.schemas import COMMAND, MAX_SCANS, ScanResults
from producers.webhooks.submissions import Submission, read_submission
from tasks.trace_context import TRACEPARENT, read_traceparent, traces_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from producers.webhooks.submissions import Acceptance, Admissions

#: 500 commands of a usual size are a quarter of it.
MAX_BYTES: Final = 1024 * 1024
#: Shorter than a station waits for its answer; what is not stored by then is said to be unavailable.
TOTAL_SECONDS: Final = 10.0

_LATE: Final = "not stored within the time for one request; send it again, it counts once"
_BEHIND: Final = "an earlier one that must go first could not be stored; send both again, they count once"


@dataclass(frozen=True, slots=True)
class _Item:
    """One element of the array: readable, or refused before anything was tried."""

    submission: Submission | None
    problem: ProblemError | None


class _Upload:
    """One request: items that share no lane go side by side, the others in the order they stand in."""

    def __init__(self, admissions: Admissions, request_id: str) -> None:
        self._admissions = admissions
        self._request_id = request_id

    async def take(self, items: Sequence[_Item]) -> list[Acceptance | ProblemError]:
        """Give what became of each item, in order."""
        last: dict[str, asyncio.Task[Acceptance | ProblemError]] = {}
        tasks = []
        for item in items:
            lanes = _lanes_of(item)
            before = {last[lane] for lane in lanes if lane in last}
            task = asyncio.create_task(self._take(item, before))
            last.update(dict.fromkeys(lanes, task))
            tasks.append(task)
        try:
            await asyncio.wait(tasks, timeout=TOTAL_SECONDS)
        finally:
            late = [task for task in tasks if not task.done()]
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        return [unavailable(_LATE) if task.cancelled() else task.result() for task in tasks]

    async def _take(
        self, item: _Item, before: set[asyncio.Task[Acceptance | ProblemError]]
    ) -> Acceptance | ProblemError:
        if item.submission is None:
            return item.problem or malformed("not a command")
        if before:
            await asyncio.wait(before)
            if any(_is_unavailable(task.result()) for task in before):
                return unavailable(_BEHIND)
        try:
            return await self._admissions.admit(item.submission, self._request_id)
        except ProblemError as error:
            return error


class ScanRoutes:
    """The handler."""

    def __init__(self, admissions: Admissions) -> None:
        self._admissions = admissions

    def routes(self) -> list[Route]:
        """List what is served."""
        return [("POST", "/v1/scans", self.take, _TAKE)]

    async def take(self, request: web.Request) -> web.Response:
        """`POST /v1/scans`: 200 with one result for each item; 503 when nothing could be stored."""
        client = request[CALLER].client
        given = await read_array(request, max_bytes=MAX_BYTES)
        if not 1 <= len(given) <= MAX_SCANS:
            raise malformed(f"the array has {len(given)} items; send 1 to {MAX_SCANS}")
        trace = read_traceparent(request.headers.getall(TRACEPARENT, []))
        items = _traced([_read(fields, client) for fields in given], trace)
        found = await _Upload(self._admissions, request[REQUEST_ID]).take(items)
        if all(map(_is_unavailable, found)):
            raise next(result for result in found if isinstance(result, ProblemError))
        results = [_result(item, result) for item, result in zip(items, found, strict=True)]
        return web.json_response({"results": results})


def _read(fields: Any, client: str) -> _Item:
    if not isinstance(fields, dict):
        return _Item(None, malformed("the item is not a JSON object"))
    try:
        return _Item(read_submission(fields, client), None)
    except ProblemError as error:
        return _Item(None, error)


def _traced(items: list[_Item], trace: str) -> list[_Item]:
    """Give each item the trace that it goes on from, by the header of the request that they came with."""
    known = [item.submission for item in items if item.submission]
    if not trace or not known:
        return items
    traces = iter(traces_of(trace, [each.command.key() for each in known]))
    return [_Item(replace(item.submission, trace=next(traces)), None) if item.submission else item for item in items]


def _lanes_of(item: _Item) -> list[str]:
    if item.submission is None:
        return []
    command = item.submission.command
    return [f"{command.vendor}:{lane}" for lane in command.lanes()]


def _is_unavailable(result: Acceptance | ProblemError) -> bool:
    return isinstance(result, ProblemError) and result.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _result(item: _Item, result: Acceptance | ProblemError) -> dict[str, Any]:
    key = item.submission.command.key() if item.submission else None
    if isinstance(result, ProblemError):
        status = "unavailable" if _is_unavailable(result) else "refused"
        return {"key": key, "status": status, "state": None, "problem": document_of(result)}
    status = "duplicate" if result.duplicate else "stored"
    return {"key": result.key, "status": status, "state": str(result.state)}


_TAKE: Final = Operation(
    summary="Submit what a station has collected",
    tag="commands",
    roles=(Role.SUBMIT,),
    description="Each item is a command as `POST /v1/commands` takes it. Items that touch the same thing (a part, a "
    "place, an order) are stored in the order of the array; when one of them is `unavailable`, so are those after it. "
    "Send the unavailable ones again; the refused ones never.",
    parameters=(TRACE,),
    body=Body(
        schema={"type": "array", "items": COMMAND, "minItems": 1, "maxItems": MAX_SCANS},
        examples={"two scans": [COMMANDS["stock.add"], COMMANDS["stock.move"]]},
    ),
    answers={
        200: Answer(
            description="What became of each item.",
            schema=ScanResults,
            example={
                "results": [
                    {"key": ACCEPTED["key"], "status": "stored", "state": "ready"},
                    {
                        "key": None,
                        "status": "refused",
                        "state": None,
                        "problem": {
                            "type": "urn:stockrelay:problem:malformed",
                            "title": "Bad Request",
                            "status": 400,
                            "detail": "the item is not a JSON object",
                            "code": "malformed",
                        },
                    },
                ]
            },
        )
    },
    problems={503: "Nothing could be stored: send all of it again after `Retry-After` seconds."},
)
