"""part/…: what a part is, its stock history and where it lies."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.bookings import Change, booking_of, change_fields
from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.operations import Caller, Operation, Read, Write
from tests.sandbox.partsbox.part_links import LINKS
from tests.sandbox.partsbox.sources import summarize
from tests.sandbox.partsbox.state import State
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError

TYPES = ("sub-assembly", "meta", "linked", "local")
#: the others are made in the vendor's own interface
CREATABLE_TYPES = ("meta", "local")


def get(state: State, params: Record) -> Answer:
    """part/get: the part with its stock history, ascending by timestamp."""
    return Answer(_describe(state, checks.identifier(params, "part/id")))


def get_all(state: State, _params: Record) -> Answer:
    """part/all: every part, without pages or filters."""
    return Answer([_describe(state, part_id) for part_id in state.parts])


def storage(state: State, params: Record) -> Answer:
    """part/storage: one row per storage, lots aggregated."""
    part_id = checks.identifier(params, "part/id")
    state.part(part_id)
    return Answer(summarize(state.history.get(part_id, ())))


def lots(state: State, params: Record) -> Answer:
    """part/lots: one row per storage and lot."""
    part_id = checks.identifier(params, "part/id")
    state.part(part_id)
    return Answer(summarize(state.history.get(part_id, ()), by_lot=True))


def stock(state: State, params: Record) -> Answer:
    """part/stock: the total on hand, beside the data and inside it (vendors.md 2.7, contradiction 5)."""
    part_id = checks.identifier(params, "part/id")
    storage_id = checks.optional_identifier(params, "storage/id")
    state.part(part_id)
    if storage_id is not None:
        state.storage(storage_id)
    rows = [r for r in summarize(state.history.get(part_id, ())) if storage_id in (None, r["source/storage-id"])]
    total = {"source/quantity": sum(row["source/quantity"] for row in rows)}
    return Answer(total, beside=total)


def create(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """part/create: a new local part or meta-part; answers its id inside the data only."""
    kind = checks.choice(params, "part/type", TYPES)
    name = checks.label(params, "part/name")
    fields = _read_fields(params)
    if kind not in CREATABLE_TYPES:
        raise RefusedError("invalid", f"a {kind} part cannot be created directly")
    _require_free_name(state, name, None)

    part_id = state.new_id()
    state.parts[part_id] = {
        "part/id": part_id,
        "part/name": name,
        "part/type": kind,
        "part/created": state.now_ms(),
        **caller.stored(fields),
    }
    return Answer({"part/id": part_id}), booking_of(params, Change(f"part:{part_id}", {}, dict(state.parts[part_id])))


def update(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """part/update: set the fields sent, whole lists and maps included."""
    part_id = checks.identifier(params, "part/id")
    fields = _read_fields(params)
    if "part/name" in params:
        fields["part/name"] = checks.label(params, "part/name")
    part = state.part(part_id)
    if "part/name" in fields:
        _require_free_name(state, fields["part/name"], part_id)

    return Answer(), booking_of(params, change_fields(f"part:{part_id}", part, caller.stored(fields)))


def delete(state: State, params: Record, _caller: Caller) -> tuple[Answer, Booking]:
    """part/delete: the part, its stock history and the links of other parts to it are gone.

    Entries of projects and builds, and lots, keep an id that leads nowhere.
    """
    part_id = checks.identifier(params, "part/id")
    before = _describe(state, part_id)

    state.forget_part(part_id)
    changes = [Change(f"part:{part_id}", before, {})]
    for other_id, other in state.parts.items():
        cut = {field: [link for link in other[field] if link != part_id] for field in LINKS if field in other}
        change = change_fields(f"part:{other_id}", other, cut)
        changes += [change] if change.before else []
    return Answer(), booking_of(params, *changes)


def _read_fields(params: Record) -> Record:
    fields = checks.sent(params, "part", ("description", "notes", "footprint"))
    if "part/attrition" in params:
        given = checks.mapping(params, "part/attrition")
        percentage = {"percentage": checks.amount(given, "percentage")} if "percentage" in given else {}
        quantity = {"quantity": checks.count(given, "quantity")} if "quantity" in given else {}
        fields["part/attrition"] = percentage | quantity
    if "part/low-stock" in params:
        given = checks.mapping(params, "part/low-stock")
        fields["part/low-stock"] = {"report": checks.count(given, "report")} if "report" in given else {}
    return fields


def _require_free_name(state: State, name: str, part_id: str | None) -> None:
    """Refuse a name that another part has, where the database enforces unique names."""
    taken = any(part["part/name"] == name and other != part_id for other, part in state.parts.items())
    if state.unique_part_names and taken:
        raise RefusedError("conflict", "A part with this name already exists")


def _describe(state: State, part_id: str) -> Record:
    part = dict(state.part(part_id))
    if history := state.history.get(part_id):
        part["part/stock"] = [entry.describe() for entry in history]
    return part


OPERATIONS: dict[str, Operation] = {
    "part/get": Read(get),
    "part/all": Read(get_all),
    "part/storage": Read(storage),
    "part/lots": Read(lots),
    "part/stock": Read(stock),
    "part/create": Write(create),
    "part/update": Write(update),
    "part/delete": Write(delete),
}
