"""Loading parts, storages, lots, orders, stock and projects past the HTTP API (vendors.md 2.7, contradiction 11)."""

from typing import Any

from tests.sandbox.partsbox.ids import id_for, is_id
from tests.sandbox.partsbox.orders import LINE_STATUSES
from tests.sandbox.partsbox.state import ApiUser, State, StockEntry
from tests.sandbox.partsbox.wire import Record

#: who made what a fixture loads
FIXTURE_USER = "owner"


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

    def lot(self, part_id: str, name: str, lot_id: str | None = None, **fields: Any) -> str:
        """Add a lot of a part and give its id."""
        lot_id = _chosen(lot_id, "lot", name)
        record = {"lot/part-id": part_id, "lot/name": name, "lot/created": self._state.now_ms()}
        self._state.lots[lot_id] = {"lot/id": lot_id, **record, **_namespaced("lot", fields)}
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

    def project(
        self, name: str, entries: list[Record] | None = None, project_id: str | None = None, **fields: Any
    ) -> tuple[str, list[str]]:
        """Add a project and give its id and those of its entries, in order; entries are of wire names."""
        project_id = _chosen(project_id, "project", name)
        record = {"project/name": name, "project/created": self._state.now_ms()}
        self._state.projects[project_id] = {"project/id": project_id, **record, **_namespaced("project", fields)}
        for position, entry in enumerate(entries or [], 1):
            entry_id = _chosen(entry.get("entry/id"), "entry", f"{name}/{position}")
            self._state.project_entries[project_id][entry_id] = {"entry/id": entry_id, **entry}
        return project_id, list(self._state.project_entries[project_id])

    def build(self, project_id: str, quantity: int, build_id: str | None = None, **fields: Any) -> str:
        """Add a build of a project as it is now, and give its id; it takes no stock."""
        project = self._state.project(project_id)
        position = sum(build["build/project-id"] == project_id for build in self._state.builds.values()) + 1
        build_id = _chosen(build_id, "build", f"{project['project/name']}/{position}")
        record = {"build/project-id": project_id, "build/quantity": quantity, "build/timestamp": self._state.now_ms()}
        self._state.builds[build_id] = {
            "build/id": build_id, **record, "build/user": FIXTURE_USER, **_namespaced("build", fields)
        }  # fmt: skip
        entries = self._state.project_entries[project_id]
        self._state.build_entries[build_id] = {entry_id: dict(entry) for entry_id, entry in entries.items()}
        return build_id

    def load(self, fixture: Record) -> Record:
        """Load a whole fixture of wire names, as the control API receives it, and give the ids by noun."""
        self._state.lot_control = bool(fixture.get("lot_control", self._state.lot_control))
        self._state.unique_part_names = bool(fixture.get("unique_part_names", self._state.unique_part_names))
        for user in fixture.get("users", []):
            self.user(user["name"], user["key"], tuple(user.get("denied", ())))
        parts = [self.part(p["part/name"], p.get("part/id"), **_rest(p, "part")) for p in fixture.get("parts", [])]
        storages = [
            self.storage(s["storage/name"], s.get("storage/id"), **_rest(s, "storage"))
            for s in fixture.get("storages", [])
        ]
        lots = [self._load_lot(lot) for lot in fixture.get("lots", [])]
        for entry in fixture.get("stock", []):
            self.stock(**_entry(entry))
        orders = [self._load_order(order) for order in fixture.get("orders", [])]
        projects = [self._load_project(project) for project in fixture.get("projects", [])]
        return {"parts": parts, "storages": storages, "lots": lots, "orders": orders, "projects": projects}

    def _load_lot(self, lot: Record) -> str:
        return self.lot(_ref(lot, "lot", "part"), lot["lot/name"], lot.get("lot/id"), **_rest(lot, "lot"))

    def _load_order(self, order: Record) -> Record:
        lines = [_entry(line) for line in order.get("order/entries", [])]
        status = order.get("order/status", "ordered")
        fields = _rest(order, "order")
        order_id, line_ids = self.order(order["order/number"], lines, status, order.get("order/id"), **fields)
        return {"order/id": order_id, "stock/ids": line_ids}

    def _load_project(self, project: Record) -> Record:
        entries = [
            {**{name: value for name, value in entry.items() if name.startswith("entry/")}, **_part_of(entry)}
            for entry in project.get("entries", [])
        ]
        name, fields = project["project/name"], _rest(project, "project")
        project_id, entry_ids = self.project(name, entries, project.get("project/id"), **fields)
        builds = [
            self.build(project_id, build["build/quantity"], build.get("build/id"), **_rest(build, "build"))
            for build in project.get("builds", [])
        ]
        return {"project/id": project_id, "entry/ids": entry_ids, "build/ids": builds}


def _chosen(given: str | None, noun: str, name: str) -> str:
    if given is not None and not is_id(given):
        raise ValueError(f"{given!r} is no id")
    return given or id_for(noun, name)


def _namespaced(noun: str, fields: Record) -> Record:
    return {f"{noun}/{name.replace('_', '-')}": value for name, value in fields.items()}


def _rest(record: Record, noun: str) -> Record:
    """Take the further fields of a record, without their namespace."""
    known = {
        *(f"{noun}/{name}" for name in ("id", "name", "part-id")),
        *("order/number", "order/status", "order/entries", "build/quantity"),
    }
    prefix = f"{noun}/"
    return {
        key.removeprefix(prefix): value
        for key, value in record.items()
        if key.startswith(prefix) and key not in known
    }  # fmt: skip


def _ref(record: Record, owner: str, noun: str) -> str:
    """Read a reference, by id (`stock/part-id`) or by fixture name (`part`)."""
    given: str | None = record.get(f"{owner}/{noun}-id")
    return given or id_for(noun, record[noun])


def _part_of(entry: Record) -> Record:
    """Read the part of a project's entry, which may have none."""
    return {"entry/part-id": _ref(entry, "entry", "part")} if "part" in entry else {}


def _entry(record: Record) -> Record:
    """Turn wire names of a stock entry into the fields of StockEntry."""
    known = ("part", "storage", "lot", "stock/part-id", "stock/storage-id", "stock/id", "stock/timestamp")
    entry = {
        key.removeprefix("stock/").replace("-", "_"): value for key, value in record.items() if key not in known
    }  # fmt: skip
    entry["part_id"] = _ref(record, "stock", "part")
    if "storage" in record or "stock/storage-id" in record:
        entry["storage_id"] = _ref(record, "stock", "storage")
    if "lot" in record:
        entry["lot_id"] = id_for("lot", record["lot"])
    if "stock/id" in record:
        entry["stock_id"] = record["stock/id"]
    if "stock/timestamp" in record:
        entry["timestamp_ms"] = record["stock/timestamp"]
    return entry
