"""The fields that a feed fills: their paths inside a command, and what kind of value each of them takes."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

if TYPE_CHECKING:
    from tasks.commands import Command

Step = str | int
#: Fixed by the feed for every row.
_FIXED: Final = {
    "stock_timestamp": "fixed at capture; name its column in [feeds.….timestamp]",
    "source": "fixed by the feed",
}


class Shape(Enum):
    """What kind of value a field takes."""

    TEXT = "text"
    TEXTS = "list of texts"
    WHOLE = "whole number"
    DECIMAL = "decimal number"
    CHOICE = "one of some words"
    YES_NO = "yes or no"


@dataclass(frozen=True, slots=True)
class Target:
    """One field of a command, by the way to it."""

    path: tuple[Step, ...]
    shape: Shape
    #: The way to the list element that it belongs to; empty when to none.
    element: tuple[Step, ...]


def find_target(model: type[Command], name: str) -> Target:
    """Find the field of a dotted name; ValueError says what there is instead.

    A field inside a list is that of its first element, unless a number names another: `lines.1.quantity`.
    """
    if name in _FIXED:
        raise ValueError(_FIXED[name])
    path: list[Step] = []
    annotation: Any = model
    for step in name.split("."):
        if _is_list_of_models(annotation):
            annotation = typing.get_args(annotation)[0]
            path.append(int(step) if step.isdecimal() else 0)
            if step.isdecimal():
                continue
        annotation = _inside(annotation, step, model)
        path.append(step)
    shape = _shape_of(annotation)
    if shape is None:
        raise ValueError(f"has fields of its own; name one, as {name}.{_first_field(annotation)}")
    return Target(tuple(path), shape, _element_of(tuple(path)))


def required_fields(model: type[Command]) -> tuple[str, ...]:
    """List the fields that every command of this kind needs, without those the feed fixes."""
    return tuple(name for name, field in model.model_fields.items() if field.is_required() and name not in _FIXED)


def _element_of(path: tuple[Step, ...]) -> tuple[Step, ...]:
    for place in range(len(path) - 1, -1, -1):
        if isinstance(path[place], int):
            return path[: place + 1]
    return ()


def _bare(annotation: Any) -> Any:
    """Take away what says only how a value is checked, and that it may be left out."""
    while True:
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in (typing.Union, types.UnionType):
            annotation = next(each for each in typing.get_args(annotation) if each is not type(None))
        else:
            return annotation


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_list_of_models(annotation: Any) -> bool:
    return typing.get_origin(annotation) is tuple and _is_model(_bare(typing.get_args(annotation)[0]))


def _inside(annotation: Any, step: str, model: type[Command]) -> Any:
    annotation = _bare(annotation)
    if _is_model(annotation):
        fields = annotation.model_fields
        if step not in fields:
            known = ", ".join(each for each in fields if each not in _FIXED)
            raise ValueError(f"{model.kind} has no {step} there; it has {known}")
        return _bare(fields[step].annotation)
    if _is_mapping(annotation):
        return _bare(typing.get_args(annotation)[1])
    raise ValueError(f"{step} is behind a field that holds one value")


def _is_mapping(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _shape_of(annotation: Any) -> Shape | None:
    if typing.get_origin(annotation) is tuple and not _is_list_of_models(annotation):
        return Shape.TEXTS
    if not isinstance(annotation, type) or typing.get_origin(annotation) is not None or _is_model(annotation):
        return None
    for of_type, shape in (
        (bool, Shape.YES_NO),
        (int, Shape.WHOLE),
        (Decimal, Shape.DECIMAL),
        (StrEnum, Shape.CHOICE),
        (str, Shape.TEXT),
    ):
        if issubclass(annotation, of_type):
            return shape
    return None


def _first_field(annotation: Any) -> str:
    if _is_list_of_models(annotation):
        annotation = _bare(typing.get_args(annotation)[0])
    return next(iter(annotation.model_fields)) if _is_model(annotation) else "en"
