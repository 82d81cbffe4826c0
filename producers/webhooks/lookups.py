"""What a station asks to show names and read labels: ids, part numbers, and the text of a scanned label."""

from __future__ import annotations

import asyncio
import dataclasses
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from pydantic import ValidationError
from redis.exceptions import RedisError

from producers.relays import LEDGER_SECONDS
from producers.scanner.labels import Refusal, read_label
from producers.tokens import Role
from producers.webhooks.body import read_object
from producers.webhooks.openapi import Answer, Body, Operation, Parameter, Route
from producers.webhooks.problems import ProblemError, invalid, malformed
from producers.webhooks.schemas import FoundParts, LabelAnswer, LabelScan, ShownThing
from producers.webhooks.submissions import ledger_away
from tasks.directory import MAX_CODE
from tasks.registry import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import TypeVar

    from tasks.directory import Directory, Thing

    T = TypeVar("T")


class LookupRoutes:
    """The handlers."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    def routes(self) -> list[Route]:
        """List what is served."""
        return [
            ("GET", "/v1/directory/ids/{id}", self.show_id, _SHOW_ID),
            ("GET", "/v1/directory/parts", self.find_parts, _FIND_PARTS),
            ("POST", "/v1/labels", self.read_label, _READ_LABEL),
        ]

    async def show_id(self, request: web.Request) -> web.Response:
        """`GET /v1/directory/ids/{id}`: what the id stands for."""
        vendor_id = request.match_info["id"]
        thing = await _from_redis(self._directory.resolve(vendor_id))
        if thing is None:
            await _from_redis(self._directory.wanted(vendor_id))
            raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-id", "nothing of this id is in the directory yet")
        return web.json_response(_shown(thing))

    async def find_parts(self, request: web.Request) -> web.Response:
        """`GET /v1/directory/parts?code=`: the parts of a part number."""
        code = request.query.get("code", "")
        if not code.strip() or len(code) > MAX_CODE:
            raise malformed(f"code: send one part number of 1 to {MAX_CODE} characters")
        parts = await _from_redis(self._directory.parts_of(code))
        if not parts:
            await _from_redis(self._directory.wanted(code))
        return web.json_response({"parts": [_shown(part) for part in parts], "known": bool(parts)})

    async def read_label(self, request: web.Request) -> web.Response:
        """`POST /v1/labels`: the label, or why it is none."""
        try:
            scan = LabelScan.model_validate(await read_object(request)).scan
        except ValidationError as error:
            raise invalid([_problem(item) for item in error.errors(include_url=False)]) from error
        found = read_label(scan)
        fields = _as_json(found)
        if isinstance(found, Refusal):
            return web.json_response({"label": None, "refusal": fields})
        return web.json_response({"label": fields, "refusal": None})


async def _from_redis(answer: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(LEDGER_SECONDS):
            return await answer
    except (RedisError, OSError) as error:
        raise ledger_away(error) from error


def _shown(thing: Thing) -> dict[str, Any]:
    return {
        "id": thing.id,
        "type": thing.type.value,
        "name": thing.name,
        "archived": thing.archived,
        "manufacturer": thing.manufacturer,
    }


def _as_json(found: Any) -> dict[str, Any]:
    values = {each.name: getattr(found, each.name) for each in dataclasses.fields(found)}
    return {
        name: list(value) if isinstance(value, tuple) else dict(value) if hasattr(value, "keys") else value
        for name, value in values.items()
    }


def _problem(item: Any) -> Problem:
    field = ".".join(map(str, item["loc"])) or "(body)"
    return Problem(field, "not shown", item["msg"])


_PART: Final = {
    "id": "4kd1m0q7x3c9v5b2n8hj6gtrwz",
    "type": "part",
    "name": "RC0603-10R",
    "archived": False,
    "manufacturer": "Yageo",
}
_AWAY: Final = {503: "The directory is away."}
_SHOW_ID: Final = Operation(
    summary="What a vendor's id stands for",
    tag="lookups",
    roles=(Role.READ,),
    description="From the directory in Redis, never from the vendor. A miss lets the directory be read anew soon.",
    parameters=(
        Parameter(name="id", place="path", description="The id of a part, place, lot or order.", example=_PART["id"]),
    ),
    answers={200: Answer(description="The thing.", schema=ShownThing, example=_PART)},
    problems={404: "`unknown-id`: not in the directory, or not yet.", **_AWAY},
)
_FIND_PARTS: Final = Operation(
    summary="The parts of a part number",
    tag="lookups",
    roles=(Role.READ,),
    description="By the manufacturer's number or a supplier's; capitals and blanks make no difference.",
    parameters=(
        Parameter(name="code", place="query", description="A part number.", required=True, example="RC0603-10R"),
    ),
    answers={
        200: Answer(
            description="All parts of that number, none when it is not known.",
            schema=FoundParts,
            example={"parts": [_PART], "known": True},
        )
    },
    problems={400: "No code, or a longer one than any part number.", **_AWAY},
)
_READ_LABEL: Final = Operation(
    summary="Read a distributor's label",
    tag="lookups",
    roles=(Role.READ,),
    description="What a scanned label says, with the damage of the scanner's transport undone. Nothing is booked. A "
    "label with `doubts` must be asked about before it is.",
    body=Body(
        schema=LabelScan,
        examples={"ISO 15434": {"scan": "[)>\u001e06\u001dK4500012345\u001d1PRC0603-10R\u001dQ5000\u001e\u0004"}},
    ),
    answers={200: Answer(description="The label, or the refusal.", schema=LabelAnswer)},
    problems={422: "`invalid-command`: no scan, or more than 4,096 characters."},
)
