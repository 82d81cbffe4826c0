"""Every kind of command, and the door where untrusted input becomes one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from tasks import (
    boms,
    builds,
    cad,
    catalog,
    custom_fields,
    lots,
    orders,
    part_links,
    part_upsert,
    parts,
    project_entries,
    projects,
    routing,
    stock,
    storage,
)
from tasks.errors import StockrelayError

if TYPE_CHECKING:
    from tasks.commands import Command
    from tasks.task import Expansion, Task

_TASKS: Final[Mapping[type[Command], Task[Any]]] = {
    **stock.TASKS,
    **orders.TASKS,
    **parts.TASKS,
    **part_upsert.TASKS,
    **part_links.TASKS,
    **custom_fields.TASKS,
    **lots.TASKS,
    **storage.TASKS,
    **projects.TASKS,
    **project_entries.TASKS,
    **builds.TASKS,
    **catalog.TASKS,
    **boms.TASKS,
}
_EXPANSIONS: Final[Mapping[type[Command], Expansion[Any]]] = {
    **orders.EXPANSIONS,
    **part_upsert.EXPANSIONS,
    **cad.EXPANSIONS,
    **routing.EXPANSIONS,
}
_BY_KIND: Final[Mapping[str, type[Command]]] = {
    command.kind: command for command in sorted((*_TASKS, *_EXPANSIONS), key=lambda command: command.kind)
}
#: Not for producers: children that follow from what a read has found, and parents that routes make.
_INTERNAL_KINDS: Final = frozenset({orders.ReceiveLine.kind, part_upsert.CreatePart.kind, routing.RoutePart.kind})
#: A refused value is quoted back this long, no longer.
_SHOWN_LENGTH: Final = 80
#: A sender who has so many of them wrong reads no further.
_MOST_PROBLEMS: Final = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a command: where, what was sent, and what to do."""

    field: str
    value: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message} (got {self.value})"


class InvalidCommandError(StockrelayError):
    """The input is not a command; `problems` names every field at fault.

    `unheard_of`: all that is wrong is a kind or fields that this release does not have. A newer one may have them.
    """

    def __init__(self, problems: tuple[Problem, ...], *, unheard_of: bool = False) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems
        self.unheard_of = unheard_of


def kinds() -> tuple[str, ...]:
    """List the wire names of all commands."""
    return tuple(_BY_KIND)


def submittable_kinds() -> tuple[str, ...]:
    """List the wire names a producer may submit."""
    return tuple(kind for kind in _BY_KIND if kind not in _INTERNAL_KINDS)


def vendors() -> tuple[str, ...]:
    """List the vendors that commands are for."""
    return tuple(dict.fromkeys(command.vendor for command in (*_TASKS, *_EXPANSIONS)))


def task_of(kind: str) -> Task[Any]:
    """Give what applies commands of this kind."""
    return _TASKS[_BY_KIND[kind]]


def expansion_of(kind: str) -> Expansion[Any] | None:
    """Give what expands commands of this kind; None for kinds that write themselves."""
    return _EXPANSIONS.get(_BY_KIND[kind])


def command_type(kind: str) -> type[Command]:
    """Give the model of a kind; raises InvalidCommandError for an unknown one."""
    if kind not in _BY_KIND:
        known = ", ".join(submittable_kinds())
        problem = Problem("kind", _shown(kind), f"unknown; send one of {known}")
        raise InvalidCommandError((problem,), unheard_of=True)
    return _BY_KIND[kind]


def parse_command(kind: str, payload: Mapping[str, Any] | bytes) -> Command:
    """Turn JSON (its text, or already decoded) into a command; raises InvalidCommandError naming each field."""
    model = command_type(kind)
    try:
        text = payload if isinstance(payload, bytes) else json.dumps(dict(payload)).encode()
        return model.model_validate_json(text)
    except ValidationError as error:
        unheard_of = all(item["type"] == "extra_forbidden" for item in error.errors(include_url=False))
        raise InvalidCommandError(tuple(_problems(error)), unheard_of=unheard_of) from error
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidCommandError((Problem("(body)", "", f"not JSON: {type(error).__name__}"),)) from error


def _shown(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=True)
    return text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "…"


def _problems(error: ValidationError) -> list[Problem]:
    found = []
    items = error.errors(include_url=False, include_context=False)
    for item in items:
        if item["type"] == "too_short" and any(other["loc"][:-1][: len(item["loc"])] == item["loc"] for other in items):
            # a refused element is said to be missing as well
            continue
        field = ".".join(str(step) for step in item["loc"]) or "(body)"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "missing":
            value = "nothing"  # its input is the whole body
        elif item["type"] == "extra_forbidden" or not item["loc"]:
            value = "not shown"  # whatever was put there may be a secret, sent by mistake
        else:
            value = _shown(item["input"])
        if item["type"] == "value_error" and not item["loc"]:
            # a rule about several fields opens with the name of the one to change
            field, _, message = message.partition(": ")
            body = item["input"]
            value = _shown(body.get(field)) if isinstance(body, Mapping) else "nothing"
        found.append(Problem(field, value, message))
    if len(found) > _MOST_PROBLEMS:
        found[_MOST_PROBLEMS:] = [Problem("(more)", "not shown", f"{len(found) - _MOST_PROBLEMS} further problems")]
    return found
