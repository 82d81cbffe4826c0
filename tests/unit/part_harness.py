"""A scripted vendor that shows one part, the steps of its tasks against it, and what the tests ask of it."""

from __future__ import annotations

import json
from typing import Any

from tasks.errors import Exchange
from tasks.lookup import Finding, Image
from tasks.parts import Part
from tasks.registry import parse_command, task_of
from tasks.task import Before, Target

PART, ONE, TWO, THREE = "2" * 26, "3" * 26, "4" * 26, "5" * 26
KEY = "abcdefghijklmnopqrst"
BARE = {"stock_timestamp": 1_700_000_000_000, "part_id": PART}

LOCAL = Part(PART, "C0603 10n", "local", description="old", tags=("b", "a"))
META = Part(PART, "any 10n", "meta", member_ids=(ONE,), substitute_ids=(ONE,))


class Vendor:
    """Shows the part as it is scripted, the last state for ever, and keeps what is sent."""

    def __init__(self, *states: Part | None) -> None:
        self.states = list(states)
        self.sent: list[tuple[str, Any]] = []

    async def part(self, part_id: str) -> Part | None:
        assert part_id == PART
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def __getattr__(self, name: str) -> Any:
        async def send(command: Any, sending: Any) -> Exchange:
            self.sent.append((name, command))
            return Exchange(name, {"key": sending.key})

        return send


class Permission:
    key = KEY

    def ahead(self, grant: object) -> None: ...

    async def permitted(self) -> None: ...

    def may_leave(self) -> bool:
        return True


def target(*states: Part | None, image: Image | None = None, doubted: bool = False) -> Target[Any]:
    return Target(Vendor(*states), KEY, doubted=doubted, image=image or Image())


async def before(kind: str, payload: dict[str, Any], *states: Part | None, doubted: bool = False) -> Before:
    return await task_of(kind).before(parse_command(kind, payload), target(*states, doubted=doubted))


async def look(kind: str, payload: dict[str, Any], then: Part | None, now: Part | None) -> Finding:
    """Look with what `before` had read, as it comes back from the ledger."""
    image = (await before(kind, payload, then, doubted=True)).image
    restored = Image.model_validate(json.loads(image.model_dump_json()), strict=False)
    return await task_of(kind).look(parse_command(kind, payload), target(now, image=restored))


async def proof(kind: str, payload: dict[str, Any], then: Part | None, now: Part | None) -> Finding:
    image = (await before(kind, payload, then, doubted=True)).image
    return await task_of(kind).proof(parse_command(kind, payload), target(now, image=image))


UPDATE = {**BARE, "description": "new", "tags": ["c"]}
DELETE = BARE
ADD = {**BARE, "member_ids": [TWO, ONE]}
REMOVE = {**BARE, "member_ids": [TWO, ONE]}
ADD_SUBSTITUTES = {**BARE, "substitute_ids": [TWO, ONE]}
REMOVE_SUBSTITUTES = {**BARE, "substitute_ids": [TWO, ONE]}
SET_CUSTOM = {**BARE, "custom_fields": [{"key": "b", "value": "2"}, {"key": "a", "value": ""}]}
DELETE_CUSTOM = {**BARE, "field_key": "a"}
