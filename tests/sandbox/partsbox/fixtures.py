"""Loading parts, storages, lots, orders and stock past the HTTP API (vendors.md 2.7, contradiction 11)."""

from typing import Any

from tests.sandbox.partsbox.ids import id_for, is_id
from tests.sandbox.partsbox.orders import LINE_STATUSES
from tests.sandbox.partsbox.state import ApiUser, State, StockEntry
from tests.sandbox.partsbox.wire import Record

#: who made what a fixture loads
FIXTURE_USER = "owner"

#: a small store room; ids come from the names, see id_for
WAREHOUSE: Record = {
    "parts": [{"part/name": f"R-{value}"} for value in ("10R", "100R", "1K", "10K", "100K", "1M")]
    + [{"part/name": f"C-{value}"} for value in ("10N", "100N", "1U", "10U", "47U", "100U")],
    "storages": [{"storage/name": name} for name in ("goods-in", "shelf-1", "shelf-2", "shelf-3", "line-1", "line-2")]
    + [
        {"storage/name": "full-box", "storage/full?": True},
        {"storage/name": "bag", "storage/single-part?": True},
        {"storage/name": "bin", "storage/existing-parts-only?": True},
    ],
    "stock": [
        {"part": part, "storage": "shelf-1", "stock/quantity": 1000} for part in ("R-10R", "R-100R", "R-1K", "R-10K")
    ]
    + [{"part": part, "storage": "shelf-2", "stock/quantity": 500} for part in ("C-10N", "C-100N", "C-1U", "C-10U")],
    "orders": [
        {
            "order/number": f"SO-{number}",
            "order/status": status,
            "order/entries": [
                {"part": part, "stock/quantity": 100, "stock/vendor-sku": f"SKU-{part}"}
                for part in ("R-100K", "R-1M", "C-47U", "C-100U")
            ],
        }
        for number, status in ((1, "ordered"), (2, "ordered"), (3, "open"))
    ],
}

SEEDS: dict[str, Record] = {"empty": {}, "warehouse": WAREHOUSE}


class Loader:
    """Puts records straight into the state; ids come from the names unless given."""

    def __init__(self, state: State) -> None:
        self._state = state

    def user(self, name: str, key: str, denied: tuple[str, ...] = ()) -> None:
        """Add an API user; `denied` lists operations that its role answers with 403."""
        self._state.users[key] = ApiUser(name, frozenset(denied))

    def part(self, name: str, part_id: str | None = None, **fields: Any) -> str:
        """Add a part and give its id."""
        part_id = _chosen(part_id, "part", name)
        record = {"part/name": name, "part/type": "local", "part/created": self._state.now_ms()}
        self._state.parts[part_id] = {"part/id": part_id, **record, **_namespaced("part", fields)}
        return part_id

    def storage(self, name: str, storage_id: str | None = None, **fields: Any) -> str:
        """Add a storage and give its id; settings as `full=True`, `single_part=True`, `existing_parts_only=True`."""
        storage_id = _chosen(storage_id, "storage", name)
        settings = {"full": "full?", "single_part": "single-part?", "existing_parts_only": "existing-parts-only?"}
        named = {settings.get(key, key): value for key, value in fields.items()}
        record = {"storage/id": storage_id, "storage/name": name}
        self._state.storages[storage_id] = {**record, **_namespaced("storage", named)}
        return storage_id

    def lot(self, part_id: str, name: str, lot_id: str | None = None) -> str:
        """Add a lot of a part and give its id."""
        lot_id = _chosen(lot_id, "lot", name)
        created = self._state.now_ms()
        self._state.lots[lot_id] = {
            "lot/id": lot_id, "lot/part-id": part_id, "lot/name": name, "lot/created": created
        }  # fmt: skip
        return lot_id

    def stock(self, part_id: str, storage_id: str, quantity: int, **fields: Any) -> int:
        """Add an entry on hand and give its timestamp; fields are those of StockEntry."""
        self._state.part(part_id)
        self._state.storage(storage_id)
        entry = StockEntry(
            part_id,
            quantity,
            fields.pop("timestamp_ms", None) or self._state.next_timestamp(part_id),
            fields.pop("user", FIXTURE_USER),
            storage_id,
            **fields,
        )
        return self._state.book(entry).timestamp_ms

    def order(
        self, number: str, lines: list[Record], status: str = "ordered", order_id: str | None = None, **fields: Any
    ) -> tuple[str, list[str]]:
        """Add an order and give its id and the stock/id of its lines, in order; fields are those of `order/…`.

        A line has part_id and quantity, and may have vendor_sku, price, currency and stock_id. The lines of an order
        that is received already are on hand and need a storage_id.
        """
        order_id = _chosen(order_id, "order", number)
        record = {"order/number": number, "order/status": status, "order/created": self._state.now_ms()}
        self._state.orders[order_id] = {"order/id": order_id, **record, **_namespaced("order", fields)}
        line_ids = []
        for position, line in enumerate(lines, 1):
            stock_id = _chosen(line.get("stock_id"), "line", f"{number}/{position}")
            self._state.part(line["part_id"])
            outstanding = status in LINE_STATUSES
            entry = StockEntry(
                timestamp_ms=self._state.next_timestamp(line["part_id"]),
                user=FIXTURE_USER,
                status=LINE_STATUSES.get(status),
                order_id=order_id,
                **{**line, "stock_id": stock_id if outstanding else None},
            )
            self._state.book(entry)
            line_ids.append(stock_id)
        return order_id, line_ids

    def load(self, fixture: Record) -> Record:
        """Load a whole fixture of wire names, as the control API receives it, and give the ids by noun."""
        self._state.lot_control = bool(fixture.get("lot_control", self._state.lot_control))
        for user in fixture.get("users", []):
            self.user(user["name"], user["key"], tuple(user.get("denied", ())))
        parts = [self.part(p["part/name"], p.get("part/id"), **_rest(p, "part")) for p in fixture.get("parts", [])]
        storages = [
            self.storage(s["storage/name"], s.get("storage/id"), **_rest(s, "storage"))
            for s in fixture.get("storages", [])
        ]
        lots = [self.lot(_ref(e, "lot", "part"), e["lot/name"], e.get("lot/id")) for e in fixture.get("lots", [])]
        for entry in fixture.get("stock", []):
            self.stock(**_entry(entry))
        orders = []
        for order in fixture.get("orders", []):
            lines = [_entry(line) for line in order.get("order/entries", [])]
            status = order.get("order/status", "ordered")
            fields = _rest(order, "order")
            order_id, line_ids = self.order(order["order/number"], lines, status, order.get("order/id"), **fields)
            orders.append({"order/id": order_id, "stock/ids": line_ids})
        return {"parts": parts, "storages": storages, "lots": lots, "orders": orders}


def _chosen(given: str | None, noun: str, name: str) -> str:
    if given is not None and not is_id(given):
        raise ValueError(f"{given!r} is no id")
    return given or id_for(noun, name)


def _namespaced(noun: str, fields: Record) -> Record:
    return {f"{noun}/{name.replace('_', '-')}": value for name, value in fields.items()}


def _rest(record: Record, noun: str) -> Record:
    """Take the further fields of a record, without their namespace."""
    known = {f"{noun}/id", f"{noun}/name", "order/number", "order/status", "order/entries"}
    return {key.removeprefix(f"{noun}/"): value for key, value in record.items() if key not in known}


def _ref(record: Record, owner: str, noun: str) -> str:
    """Read a reference, by id (`stock/part-id`) or by fixture name (`part`)."""
    given: str | None = record.get(f"{owner}/{noun}-id")
    return given or id_for(noun, record[noun])


def _entry(record: Record) -> Record:
    """Turn wire names of a stock entry into the fields of StockEntry."""
    known = ("part", "storage", "stock/part-id", "stock/storage-id", "stock/id", "stock/timestamp")
    entry = {
        key.removeprefix("stock/").replace("-", "_"): value for key, value in record.items() if key not in known
    }  # fmt: skip
    entry["part_id"] = _ref(record, "stock", "part")
    if "storage" in record or "stock/storage-id" in record:
        entry["storage_id"] = _ref(record, "stock", "storage")
    if "stock/id" in record:
        entry["stock_id"] = record["stock/id"]
    if "stock/timestamp" in record:
        entry["timestamp_ms"] = record["stock/timestamp"]
    return entry
