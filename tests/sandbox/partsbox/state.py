"""Everything the vendor remembers, and the rules no operation may break (vendors.md 2.10 a, c, d, g)."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.sandbox.clock import wall_clock_ms
from tests.sandbox.partsbox.assumptions import Assumptions
from tests.sandbox.partsbox.ids import new_id
from tests.sandbox.partsbox.wire import Record, RefusedError

#: an invented key of the form the vendor documents
API_KEY = "partsboxapi_sandbox0000"
#: the name that key writes into stock/user
API_USER = "relay"


@dataclass(frozen=True)
class ApiUser:
    """Who a key belongs to, and the operations its role denies."""

    name: str
    denied: frozenset[str] = frozenset()


@dataclass
class StockEntry:
    """One line of a part's stock history; no status means on hand."""

    part_id: str
    quantity: int
    timestamp_ms: int
    user: str
    storage_id: str | None = None
    lot_id: str | None = None
    status: str | None = None
    stock_id: str | None = None
    order_id: str | None = None
    vendor_sku: str | None = None
    comments: str | None = None
    price: float | None = None
    currency: str | None = None
    linked: bool = False

    def describe(self, *, with_part: bool = False) -> Record:
        """Give the entry as the vendor writes it; absent fields have no key."""
        fields = {
            "stock/id": self.stock_id,
            "stock/part-id": self.part_id if with_part else None,
            "stock/comments": self.comments,
            "stock/currency": self.currency,
            "stock/linked?": self.linked or None,
            "stock/lot-id": self.lot_id,
            "stock/order-id": self.order_id,
            "stock/price": self.price,
            "stock/quantity": self.quantity,
            "stock/status": self.status,
            "stock/storage-id": self.storage_id,
            "stock/timestamp": self.timestamp_ms,
            "stock/user": self.user,
            "stock/vendor-sku": self.vendor_sku,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass
class State:
    """Parts, stock history, storages, lots, orders, projects and builds of one database."""

    assumptions: Assumptions = field(default_factory=Assumptions)
    #: reads the vendor's clock, UTC milliseconds
    now_ms: Callable[[], int] = wall_clock_ms
    #: seeds the ids
    seed: int | None = None
    lot_control: bool = False
    #: the setting of the database that makes a second part of the same name a conflict
    unique_part_names: bool = False
    users: dict[str, ApiUser] = field(default_factory=lambda: {API_KEY: ApiUser(API_USER)})
    parts: dict[str, Record] = field(default_factory=dict)
    storages: dict[str, Record] = field(default_factory=dict)
    lots: dict[str, Record] = field(default_factory=dict)
    orders: dict[str, Record] = field(default_factory=dict)
    projects: dict[str, Record] = field(default_factory=dict)
    builds: dict[str, Record] = field(default_factory=dict)
    #: the current entries of each project, by their ids
    project_entries: dict[str, dict[str, Record]] = field(default_factory=lambda: defaultdict(dict))
    #: the entries each build was made with
    build_entries: dict[str, dict[str, Record]] = field(default_factory=dict)
    #: history per part, ascending by timestamp
    history: dict[str, list[StockEntry]] = field(default_factory=lambda: defaultdict(list))
    #: every entry that belongs to an order, by order
    order_entries: dict[str, list[StockEntry]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self._ids = random.Random(self.seed)
        self._balances: dict[str, dict[tuple[str, str | None], int]] = defaultdict(lambda: defaultdict(int))

    def new_id(self) -> str:
        """Draw an id that was not used before."""
        return new_id(self._ids)

    def part(self, part_id: str) -> Record:
        """Find a part; raises RefusedError."""
        return _found(self.parts, part_id, "Part")

    def storage(self, storage_id: str) -> Record:
        """Find a storage location, archived ones too; raises RefusedError."""
        return _found(self.storages, storage_id, "Storage location")

    def lot(self, lot_id: str) -> Record:
        """Find a lot; raises RefusedError."""
        return _found(self.lots, lot_id, "Lot")

    def order(self, order_id: str) -> Record:
        """Find an order; raises RefusedError."""
        return _found(self.orders, order_id, "Order")

    def project(self, project_id: str) -> Record:
        """Find a project, archived ones too; raises RefusedError."""
        return _found(self.projects, project_id, "Project")

    def project_entry(self, project_id: str, entry_id: str) -> Record:
        """Find an entry of a project as it is now; raises RefusedError."""
        return _found(self.project_entries.get(project_id, {}), entry_id, "Project entry")

    def build(self, build_id: str) -> Record:
        """Find a build; raises RefusedError."""
        return _found(self.builds, build_id, "Build")

    def next_timestamp(self, part_id: str) -> int:
        """Give the time of the part's next entry: unique and ascending even when the clock is not."""
        history = self.history[part_id]
        last = history[-1].timestamp_ms if history else 0
        return max(self.now_ms(), last + 1)

    def book(self, entry: StockEntry) -> StockEntry:
        """Append an entry to its part's history."""
        history = self.history[entry.part_id]
        if history and entry.timestamp_ms <= history[-1].timestamp_ms:
            raise AssertionError("timestamps ascend within a part")
        history.append(entry)
        if entry.order_id:
            self.order_entries[entry.order_id].append(entry)
        self._count(entry, entry.quantity)
        return entry

    def amend(self, entry: StockEntry, quantity: int) -> None:
        """Set the quantity of an entry that is already in the history."""
        self._count(entry, quantity - entry.quantity)
        entry.quantity = quantity

    def withdraw(self, entry: StockEntry) -> None:
        """Take an order line out of the history, because all of it was received."""
        self.history[entry.part_id].remove(entry)
        if entry.order_id:
            self.order_entries[entry.order_id].remove(entry)
        self._count(entry, -entry.quantity)

    def forget_part(self, part_id: str) -> None:
        """Remove a part with its whole stock history, order lines included; what names it elsewhere stays."""
        del self.parts[part_id]
        for entry in self.history.pop(part_id, []):
            if entry.order_id:
                self.order_entries[entry.order_id].remove(entry)
            self._count(entry, -entry.quantity)

    def entry_at(self, part_id: str, timestamp_ms: int) -> StockEntry:
        """Find an entry by its identity, part and timestamp; raises RefusedError."""
        for entry in reversed(self.history[part_id]):
            if entry.timestamp_ms == timestamp_ms:
                return entry
        raise RefusedError("not-found", "Stock entry not found")

    def on_hand(self, part_id: str, storage_id: str, lot_id: str | None) -> int:
        """Count the parts in one place, entries with a status left out."""
        return self._balances[storage_id].get((part_id, lot_id), 0)

    def parts_in(self, storage_id: str) -> set[str]:
        """List the parts that lie in a storage."""
        return {part_id for (part_id, _), quantity in self._balances[storage_id].items() if quantity > 0}

    def balances(self) -> Iterator[tuple[str, str, str | None, int]]:
        """Walk all stock on hand as (part, storage, lot, quantity), empty places left out."""
        for storage_id, balances in self._balances.items():
            for (part_id, lot_id), quantity in balances.items():
                if quantity:
                    yield part_id, storage_id, lot_id, quantity

    def require_room(self, storage_id: str, part_id: str) -> None:
        """Refuse new stock that the storage's settings do not allow; raises RefusedError."""
        storage = self.storage(storage_id)
        others = self.parts_in(storage_id) - {part_id}
        if storage.get("storage/full?"):
            raise RefusedError("conflict", "Storage location is full")
        if storage.get("storage/single-part?") and others:
            raise RefusedError("conflict", "Storage location holds another part")
        if storage.get("storage/existing-parts-only?") and part_id not in self.parts_in(storage_id):
            raise RefusedError("conflict", "Storage location accepts only parts that are already there")

    def require_stock(self, part_id: str, storage_id: str, lot_id: str | None, quantity: int) -> None:
        """Refuse to take more than there is; raises RefusedError."""
        if self.on_hand(part_id, storage_id, lot_id) < quantity:
            raise RefusedError("conflict", "Not enough stock")

    def create_lot(self, part_id: str, fields: Record | None) -> str:
        """Open a new lot of a part."""
        lot_id = self.new_id()
        self.lots[lot_id] = {
            "lot/id": lot_id,
            "lot/part-id": part_id,
            "lot/created": self.now_ms(),
            **(fields or {}),
        }
        return lot_id

    def _count(self, entry: StockEntry, difference: int) -> None:
        if entry.status is None and entry.storage_id:
            self._balances[entry.storage_id][entry.part_id, entry.lot_id] += difference


def _found(records: dict[str, Record], record_id: str, noun: str) -> Record:
    if record_id not in records:
        raise RefusedError("not-found", f"{noun} not found")
    return records[record_id]
