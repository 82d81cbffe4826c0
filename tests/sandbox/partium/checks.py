"""The forms of requests: top-level arrays of items or ids, paging, projections."""

from dataclasses import dataclass
from typing import Any

from tests.sandbox.partium.wire import Record
from tests.sandbox.wire import RefusedError


@dataclass(frozen=True)
class Page:
    """Which results a /list asks for."""

    limit: int
    #: last_object_id of the page before; None for the first
    after: str | None = None


def items(body: Any, id_name: str) -> list[Record]:
    """Read a top-level array of objects, each with an id."""
    if not isinstance(body, list):
        raise _invalid("The body must be an array")
    for item in body:
        if not isinstance(item, dict) or not _is_id(item.get(id_name)):
            raise _invalid(f"Every item must be an object with {id_name}")
    return body


def ids(value: Any, name: str) -> list[str]:
    """Read an array of ids."""
    if not isinstance(value, list) or not all(_is_id(one) for one in value):
        raise _invalid(f"{name} must be an array of ids")
    return value


def query(body: Any, *known: str) -> Record:
    """Read the object that a /list or /select sends."""
    if not isinstance(body, dict):
        raise _invalid("The body must be an object")
    if unknown := sorted(body.keys() - set(known)):
        raise _invalid(f"Unknown field {unknown[0]}")
    return body


def page(body: Record) -> Page:
    """Read `paging`."""
    paging = body.get("paging")
    if not isinstance(paging, dict) or paging.keys() - {"limit", "last_object_id"}:
        raise _invalid("paging must have limit and may have last_object_id")
    limit, after = paging.get("limit"), paging.get("last_object_id")
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise _invalid("paging.limit must be a positive integer")
    if "last_object_id" in paging and not isinstance(after, str):
        raise _invalid("paging.last_object_id must be a string")
    return Page(limit, after)


def projection(body: Record, fields: tuple[str, ...]) -> tuple[str, ...]:
    """Read `projection`, all fields when absent."""
    if "projection" not in body:
        return fields
    given = body["projection"]
    if not isinstance(given, list) or not all(name in fields for name in given):
        raise _invalid(f"projection may have {', '.join(fields)}")
    return tuple(given)


def parent_ids(body: Record) -> list[str] | None:
    """Read `query.parent_ids`, where "" stands for the roots; None when absent."""
    if "query" not in body:
        return None
    given = body["query"]
    if not isinstance(given, dict) or given.keys() - {"parent_ids"}:
        raise _invalid("query may have parent_ids")
    if "parent_ids" not in given:
        return None
    parents = given["parent_ids"]
    if not isinstance(parents, list) or not all(isinstance(one, str) for one in parents):
        raise _invalid("query.parent_ids must be an array of ids")
    return parents


def texts_by_language(value: Any, languages: tuple[str, ...], what: str) -> None:
    """Check that every language is one of the catalog's and every text has something in it."""
    if not isinstance(value, dict) or not value:
        raise _invalid(f"{what} must be a dictionary of texts by language")
    for language, text in value.items():
        if language not in languages:
            raise _invalid(f"{what} has the language {language}, which the catalog does not have")
        if not isinstance(text, str) or not text.strip():
            raise _invalid(f"{what} has no text in the language {language}")


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _invalid(message: str) -> RefusedError:
    return RefusedError("invalid", message)
