"""storage/…: the locations and what lies in them."""

from tests.sandbox.partsbox import checks
from tests.sandbox.partsbox.bookings import booking_of, change_fields
from tests.sandbox.partsbox.journal import Booking
from tests.sandbox.partsbox.operations import Caller, Operation, Read, Write
from tests.sandbox.partsbox.sources import summarize
from tests.sandbox.partsbox.state import State, StockEntry
from tests.sandbox.partsbox.wire import Answer, Record, RefusedError

#: what storage/change-settings can set, as the document spells it; the wire takes the namespaced form too
SETTINGS = ("full?", "single-part?", "existing-parts-only?")
NAMESPACE = "storage/"


def get(state: State, params: Record) -> Answer:
    """storage/get: one location; its settings are absent until first set."""
    return Answer(dict(state.storage(checks.identifier(params, "storage/id"))))


def get_all(state: State, _params: Record) -> Answer:
    """storage/all: every location, archived ones too."""
    return Answer([dict(storage) for storage in state.storages.values()])


def parts(state: State, params: Record) -> Answer:
    """storage/parts: one row per part in the location, lots aggregated."""
    return Answer(summarize(_entries_in(state, params)))


def lots(state: State, params: Record) -> Answer:
    """storage/lots: one row per part and lot in the location."""
    return Answer(summarize(_entries_in(state, params), by_lot=True))


def update(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """storage/update: set description and tags, as far as they were sent; nothing else can be set here."""
    storage_id = checks.identifier(params, "storage/id")
    fields = checks.sent(params, "storage", ("description",))
    storage = state.storage(storage_id)

    return Answer(), booking_of(params, change_fields(f"storage:{storage_id}", storage, caller.stored(fields)))


def rename(state: State, params: Record, _caller: Caller) -> tuple[Answer, Booking]:
    """storage/rename: the name, unless another location has it, an archived one counts too."""
    storage_id = checks.identifier(params, "storage/id")
    name = checks.label(params, "storage/name")
    storage = state.storage(storage_id)
    owners = {other_id for other_id, other in state.storages.items() if other["storage/name"] == name}
    if not state.assumptions.own_name_is_taken:
        owners.discard(storage_id)
    if owners:
        raise RefusedError("conflict", "A storage location with this name already exists")

    return Answer(), booking_of(params, change_fields(f"storage:{storage_id}", storage, {"storage/name": name}))


def change_settings(state: State, params: Record, caller: Caller) -> tuple[Answer, Booking]:
    """storage/change-settings: one setting of several locations; one unknown location refuses all of them."""
    ids = checks.identifiers(params, "ids")
    spellings = [*SETTINGS, *(NAMESPACE + setting for setting in SETTINGS)]
    setting = checks.choice(params, "param", spellings).removeprefix(NAMESPACE)
    value = checks.flag(params, "value")
    storages = {storage_id: state.storage(storage_id) for storage_id in ids}

    changes = [
        change_fields(f"storage:{storage_id}", storages[storage_id], {NAMESPACE + setting: value})
        for storage_id in caller.portion(ids)
    ]
    return Answer(), booking_of(params, *changes)


def archive(state: State, params: Record, _caller: Caller) -> tuple[Answer, Booking]:
    """storage/archive: out of sight, still there; archiving it again changes nothing."""
    return _set_archived(state, params, archived=True)


def restore(state: State, params: Record, _caller: Caller) -> tuple[Answer, Booking]:
    """storage/restore: a normal location again."""
    return _set_archived(state, params, archived=False)


def _set_archived(state: State, params: Record, *, archived: bool) -> tuple[Answer, Booking]:
    storage_id = checks.identifier(params, "storage/id")
    storage = state.storage(storage_id)
    # The key is absent until first set, so restoring what never was archived leaves it out.
    fields = {"storage/archived?": archived} if archived or "storage/archived?" in storage else {}
    return Answer(), booking_of(params, change_fields(f"storage:{storage_id}", storage, fields))


def _entries_in(state: State, params: Record) -> list[StockEntry]:
    storage_id = checks.identifier(params, "storage/id")
    state.storage(storage_id)
    return [entry for history in state.history.values() for entry in history if entry.storage_id == storage_id]


OPERATIONS: dict[str, Operation] = {
    "storage/get": Read(get),
    "storage/all": Read(get_all),
    "storage/parts": Read(parts),
    "storage/lots": Read(lots),
    "storage/update": Write(update),
    "storage/rename": Write(rename),
    "storage/change-settings": Write(change_settings),
    "storage/archive": Write(archive),
    "storage/restore": Write(restore),
}
