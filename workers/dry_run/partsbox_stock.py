"""The stock of PartsBox as it is assumed: what each write adds to a part's history, and how that changes the places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from workers.dry_run.books import RefusedError, StockChange

if TYPE_CHECKING:
    from workers.dry_run.partsbox import PartsBoxBooks

#: A part, a storage location and a lot, where there is one.
Place = tuple[str, str | None, str | None]

_STOCK: Final = "part/stock"
_ORDERED: Final = "ordered"
_CONFLICT: Final = "conflict"


def add(books: PartsBoxBooks, body: dict[str, Any]) -> None:
    """Carry out stock/add."""
    _book(books, (body["stock/part-id"], body["stock/storage-id"], None), body["stock/quantity"], body)


def remove(books: PartsBoxBooks, body: dict[str, Any]) -> None:
    """Carry out stock/remove; raises RefusedError where there is less."""
    _take(books, body)


def move(books: PartsBoxBooks, body: dict[str, Any]) -> None:
    """Carry out stock/move; raises RefusedError where there is less."""
    part_id, _, lot_id = _take(books, body)
    arriving = None if body.get("split-lot?") else lot_id
    _book(books, (part_id, body["stock/storage-id"], arriving), body["stock/quantity"], body)


def update(books: PartsBoxBooks, body: dict[str, Any]) -> None:
    """Carry out stock/update; raises RefusedError where there is no such entry."""
    part_id = body["stock/part-id"]
    part = books.find("parts", part_id)
    entry = next((one for one in part.get(_STOCK) or [] if one["stock/timestamp"] == body["stock/timestamp"]), None)
    if entry is None:
        raise RefusedError("not-found", f"no entry {body['stock/timestamp']}")
    if "stock/quantity" in body and entry.get("stock/status") is None:
        place = part_id, entry.get("stock/storage-id"), entry.get("stock/lot-id")
        delta = body["stock/quantity"] - entry["stock/quantity"] if books.parts.is_given(part_id) else None
        books.moved.append(StockChange(*place, on_hand(books, place), delta))
    entry.update(body)


def receive(books: PartsBoxBooks, body: dict[str, Any]) -> None:
    """Carry out order/receive of the lines named; raises RefusedError where one is not open that far."""
    order = books.find("orders", body["order/id"])
    lines = {line.get("stock/id"): line for line in order.get("order/entries") or []}
    for wanted in body["stock-entries"]:
        line = lines.get(wanted["stock/id"])
        if line is None or line["stock/quantity"] < wanted["stock/quantity"]:
            raise RefusedError(_CONFLICT, f"line {wanted['stock/id']} is not open that far")
        line["stock/quantity"] -= wanted["stock/quantity"]
        if not line["stock/quantity"]:
            del lines[wanted["stock/id"]]
        _book(books, (line["stock/part-id"], body["storage/id"], None), wanted["stock/quantity"], body)
    order["order/entries"] = list(lines.values())
    if not any(line.get("stock/status") == _ORDERED for line in lines.values()):
        order["order/status"] = "received"


def drop(books: PartsBoxBooks, part_id: str) -> None:
    """Note that all stock of a part goes with it."""
    entries = books.find("parts", part_id).get(_STOCK) or []
    for storage_id in dict.fromkeys(entry.get("stock/storage-id") for entry in entries):
        place = part_id, storage_id, None
        if before := on_hand(books, place):
            books.moved.append(StockChange(*place, before, -before))


def on_hand(books: PartsBoxBooks, place: Place) -> int | None:
    """Count the pieces at a place, of every lot where none is named; None where the part is only supposed."""
    part_id, storage_id, lot_id = place
    if not books.parts.is_given(part_id):
        return None
    return sum(
        int(entry["stock/quantity"])
        for entry in books.find("parts", part_id).get(_STOCK) or []
        if entry.get("stock/status") is None
        and entry.get("stock/storage-id") == storage_id
        and lot_id in (None, entry.get("stock/lot-id"))
    )


def _take(books: PartsBoxBooks, body: dict[str, Any]) -> Place:
    source = body["stock/source"]
    place = source["source/part-id"], source["source/storage-id"], source.get("source/lot-id")
    there = on_hand(books, place)
    if there is not None and there < body["stock/quantity"]:
        raise RefusedError(_CONFLICT, f"not enough stock: {there} there")
    _book(books, place, -body["stock/quantity"], body)
    return place


def _book(books: PartsBoxBooks, place: Place, quantity: int, body: dict[str, Any]) -> None:
    part_id, storage_id, lot_id = place
    books.moved.append(StockChange(*place, on_hand(books, place), quantity))
    part = books.find("parts", part_id)
    entries = part.get(_STOCK) or []
    entry = {
        "stock/quantity": quantity,
        "stock/storage-id": storage_id,
        "stock/lot-id": lot_id,
        "stock/timestamp": max((one["stock/timestamp"] for one in entries), default=0) + 1,
        "stock/comments": body["stock/comments"],
    }
    part[_STOCK] = [*entries, {name: value for name, value in entry.items() if value is not None}]
