"""The writes of PartsBox on its records as they are assumed; those of stock are next door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.dry_run import partsbox_stock as stock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from workers.dry_run.partsbox import PartsBoxBooks

#: The parameters of one request.
Body = dict[str, Any]

#: Writes that set the fields sent.
_SETS: Final = {
    "part/update": ("parts", "part/id"),
    "lot/update": ("lots", "lot/id"),
    "storage/update": ("storages", "storage/id"),
    "storage/rename": ("storages", "storage/id"),
    "project/update": ("projects", "project/id"),
    "build/update": ("builds", "build/id"),
}
_FLAGS: Final = {
    "storage/archive": ("storages", "storage/id", "storage/archived?", True),
    "storage/restore": ("storages", "storage/id", "storage/archived?", False),
    "project/archive": ("projects", "project/id", "project/archived?", True),
    "project/restore": ("projects", "project/id", "project/archived?", False),
}
_CREATES: Final = {"part/create": ("parts", "part"), "project/create": ("projects", "project")}
#: Changes of a list of part ids: the list, and whether they are added.
_LINKS: Final = {
    "part/add-meta-part-ids": ("part/part-ids", True),
    "part/remove-meta-part-ids": ("part/part-ids", False),
    "part/add-substitute-ids": ("part/substitute-ids", True),
    "part/remove-substitute-ids": ("part/substitute-ids", False),
}
_FIELDS: Final = "part/custom-fields"
_ENTRIES: Final = "project/entries"


def write(books: PartsBoxBooks, path: str, body: Body) -> Body | None:
    """Carry out one write, and give the data of its answer; raises RefusedError."""
    if path in _SETS:
        noun, name = _SETS[path]
        books.find(noun, body[name]).update(body)
    elif path in _FLAGS:
        noun, name, flag, value = _FLAGS[path]
        books.find(noun, body[name])[flag] = value
    elif path in _CREATES:
        return _create(books, *_CREATES[path], body)
    elif path in _LINKS:
        field, is_added = _LINKS[path]
        _link(books, field, body, is_added=is_added)
    else:
        _OTHERS[path](books, body)
    return None


def _create(books: PartsBoxBooks, noun: str, prefix: str, body: Body) -> Body:
    made = books.new_id(f"the id of the new {prefix} {body[f'{prefix}/name']}")
    books.shelf(noun).put(made, {f"{prefix}/id": made, **body})
    return {f"{prefix}/id": made}


def _delete_part(books: PartsBoxBooks, body: Body) -> None:
    stock.drop(books, body["part/id"])
    books.parts.remove(body["part/id"])


def _delete_project(books: PartsBoxBooks, body: Body) -> None:
    books.projects.remove(body["project/id"])


def _link(books: PartsBoxBooks, field: str, body: Body, *, is_added: bool) -> None:
    part = books.find("parts", body["part/id"])
    others = [part_id for part_id in part.get(field) or [] if part_id not in body[field]]
    part[field] = [*others, *body[field]] if is_added else others


def _set_fields(books: PartsBoxBooks, body: Body) -> None:
    part = books.find("parts", body["part/id"])
    given = {field["key"]: field for field in body["custom-fields"]}
    part[_FIELDS] = [*(field for field in part.get(_FIELDS) or [] if field["key"] not in given), *given.values()]


def _delete_field(books: PartsBoxBooks, body: Body) -> None:
    part = books.find("parts", body["part/id"])
    part[_FIELDS] = [field for field in part.get(_FIELDS) or [] if field["key"] != body["custom-field-key"]]


def _change_settings(books: PartsBoxBooks, body: Body) -> None:
    for storage_id in body["ids"]:
        books.find("storages", storage_id)[body["param"]] = body["value"]


def _add_entries(books: PartsBoxBooks, body: Body) -> None:
    project = books.find("projects", body["project/id"])
    meaning = f"the id of a new entry of project {body['project/id']}"
    added = [{"entry/id": books.new_id(meaning), **entry} for entry in body["entries"]]
    project[_ENTRIES] = [*(project.get(_ENTRIES) or []), *added]


def _update_entries(books: PartsBoxBooks, body: Body) -> None:
    project = books.find("projects", body["project/id"])
    changed = {entry["entry/id"]: entry for entry in body["entries"]}
    project[_ENTRIES] = [entry | changed.get(entry["entry/id"], {}) for entry in project.get(_ENTRIES) or []]


def _delete_entries(books: PartsBoxBooks, body: Body) -> None:
    project = books.find("projects", body["project/id"])
    project[_ENTRIES] = [entry for entry in project.get(_ENTRIES) or [] if entry["entry/id"] not in body["ids"]]


_OTHERS: Final[Mapping[str, Callable[[PartsBoxBooks, Body], None]]] = {
    "part/delete": _delete_part,
    "project/delete": _delete_project,
    "part/update-custom-fields": _set_fields,
    "part/delete-custom-field": _delete_field,
    "storage/change-settings": _change_settings,
    "project/add-entries": _add_entries,
    "project/update-entries": _update_entries,
    "project/delete-entries": _delete_entries,
    "stock/add": stock.add,
    "stock/remove": stock.remove,
    "stock/move": stock.move,
    "stock/update": stock.update,
    "order/receive": stock.receive,
}
