"""What is asked in a chaos run: seeded commands for all vendors, and the effect that each must have once."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from tasks import catalog, orders, part_upsert
from tasks.effects import Effect
from tasks.identity import marker_of
from tasks.registry import parse_command
from tasks.routing import RoutePart, route
from tasks.submit import to_child
from tests.chaos import warehouse
from tests.chaos.warehouse import BIN, BOM, CATALOG, LINE, SHELF, part_name, texts
from tests.checker.evidence import Expected
from tests.sandbox import partsbox

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from tasks.commands import Command
    from tasks.routes import Routes
    from tests.chaos.warehouse import Json, Sizes

#: Of a thousand commands, by the method that makes them; the rest are movements of stock.
SHARES: Final = {
    "storage": 40,
    "description": 50,
    "correction": 20,
    "new_part": 15,
    "new_project": 10,
    "entry": 30,
    "catalog_part": 240,
    "assembly": 30,
    "bom_cell": 50,
    "catalog_cell": 40,
}
#: So many commands are about each part of the catalog; of every other one the last deletes it.
EDITIONS: Final = 6


@dataclass(slots=True)
class Asked:
    """One command to be submitted: as it is posted, and what must come of it."""

    body: Json
    #: What its one sender keeps in order.
    lane: str
    key: str
    #: The command itself, and what it becomes.
    expected: list[Expected] = field(default_factory=list)


class Commands:
    """Makes the commands of one run; `source` is the client that posts them."""

    def __init__(self, chance: random.Random, sizes: Sizes, routes: Routes, *, source: str, start_ms: int) -> None:
        self._chance = chance
        self._sizes = sizes
        self._routes = routes
        self._source = source
        self._moments = itertools.count(start_ms)
        self._words = itertools.count()
        self._lanes: dict[str, deque[Asked]] = {}

    def make(self, count: int) -> list[Asked]:
        """Make about so many commands: each lane's in their order, the lanes mixed."""
        for what, share in SHARES.items():
            for number in range(max(count * share // 1000, 1)):
                getattr(self, f"_{what}")(number)
        for number in range(self._sizes.orders):
            self._order(number)
        for number in range(self._sizes.items):
            self._import(number)
        for number in range(self._sizes.routed):
            self._routed(number)
        for number in range(max(count - sum(map(len, self._lanes.values())), 0)):
            self._movement(number)
        return list(self._mixed())

    def _mixed(self) -> Iterator[Asked]:
        turns = [lane for lane, waiting in self._lanes.items() for _ in waiting]
        self._chance.shuffle(turns)
        for place, lane in enumerate(turns):
            asked = self._lanes[lane].popleft()
            asked.expected = [replace(each, place=place) for each in asked.expected]
            yield asked

    def _ask(self, lane: str, kind: str, mark: Json, **fields: Any) -> Asked:
        """Ask for a command; a `mark` without a fingerprint stands for the command's marker."""
        body = {"kind": kind, "stock_timestamp": next(self._moments), **fields}
        given = {name: value for name, value in body.items() if name != "kind"}
        command = parse_command(kind, {**given, "source": self._source})
        asked = Asked(body, lane, command.key())
        self._expect(asked, asked.key, command, mark)
        self._lanes.setdefault(lane, deque()).append(asked)
        return asked

    def _expect(self, asked: Asked, key: str, command: Command, mark: Json, *, parent: str = "") -> None:
        known = {"fingerprint": "" if command.effect is Effect.EXPAND else marker_of(key), "lanes": (asked.lane,)}
        asked.expected.append(
            Expected(
                key=key, vendor=command.vendor, kind=command.kind, effect=command.effect, place=0, parent=parent,
                **{**known, **mark},
            )
        )  # fmt: skip

    def _child(self, asked: Asked, command: Command, mark: Json, *, of: tuple[str, str] | None = None) -> str:
        """Expect what the command becomes, or what that becomes: `of` names vendor and key of a nearer parent."""
        vendor, parent = of or (asked.expected[0].vendor, asked.key)
        key = to_child(command, vendor, parent, self._source).key
        self._expect(asked, key, command, mark, parent=parent)
        return key

    def _word(self) -> str:
        """Give a word that no other command has."""
        return f"word-{next(self._words)}"

    def _event(self, asked: Asked) -> Json:
        return {"stock_timestamp": asked.body["stock_timestamp"], "source": self._source}

    # PartsBox

    def _movement(self, number: int) -> None:
        name = part_name(number % self._sizes.parts)
        part_id, pieces = partsbox.id_for("part", name), self._chance.randint(1, 40)
        kind = self._chance.choice(("stock.add", "stock.remove", "stock.move"))
        fields, legs = {
            "stock.add": ({"storage_id": BIN}, [(BIN, pieces)]),
            "stock.remove": ({"storage_id": SHELF}, [(SHELF, -pieces)]),
            "stock.move": ({"from_storage_id": SHELF, "to_storage_id": LINE}, [(SHELF, -pieces), (LINE, pieces)]),
        }[kind]
        mark = {"subject": f"part:{part_id}", "legs": tuple(sorted(legs))}
        self._ask(f"part {name}", kind, mark, part_id=part_id, quantity=pieces, **fields)

    def _correction(self, number: int) -> None:
        name, word = part_name(number % self._sizes.parts), self._word()
        part_id = partsbox.id_for("part", name)
        mark = {"subject": f"part:{part_id}", "fingerprint": word}
        entry = {"entry_timestamp": warehouse.ENTRY_MS, "new_comments": f"counted {word}"}
        self._ask(f"part {name}", "stock.correct", mark, part_id=part_id, **entry)

    def _description(self, number: int) -> None:
        name, word = part_name(number % self._sizes.parts), self._word()
        part_id = partsbox.id_for("part", name)
        mark = {"subject": f"part:{part_id}", "fingerprint": word}
        self._ask(f"part {name}", "part.update", mark, part_id=part_id, description=f"Described {word}")

    def _storage(self, number: int) -> None:
        name, word = f"room-{number % self._sizes.storages}", self._word()
        storage_id = partsbox.id_for("storage", name)
        mark = {"subject": f"storage:{storage_id}", "fingerprint": word}
        self._ask(f"storage {name}", "storage.update", mark, storage_id=storage_id, description=f"Aisle {word}")

    def _new_part(self, number: int) -> None:
        name = f"CN-{number:03d}"
        description = f"New {self._word()}"
        asked = self._ask(f"new part {name}", "part.upsert", {}, name=name, description=description)
        self._created(asked, name, description, of=("partsbox", asked.key))

    def _created(self, asked: Asked, name: str, description: str, *, of: tuple[str, str]) -> None:
        command = part_upsert.CreatePart(name=name, description=description, **self._event(asked))
        self._child(asked, command, {"fingerprint": description.rsplit(maxsplit=1)[-1]}, of=of)

    def _new_project(self, number: int) -> None:
        self._ask(f"new project {number}", "project.create", {}, name=f"new-{number}", description="Ordered")

    def _entry(self, number: int) -> None:
        name = f"chaos-{number % self._sizes.projects}"
        project_id = partsbox.id_for("project", name)
        part_id = partsbox.id_for("part", part_name(number % self._sizes.parts))
        entries = [{"part_id": part_id, "quantity": self._chance.randint(1, 9)}]
        mark = {"subject": f"project:{project_id}"}
        self._ask(f"project {name}", "project.add_entries", mark, project_id=project_id, entries=entries)

    def _order(self, number: int) -> None:
        order_id = partsbox.id_for("order", f"CO-{number}")
        asked = self._ask(f"order {number}", "order.receive", {}, order_id=order_id, storage_id=BIN)
        for line in range(warehouse.ORDER_LINES):
            part_id = partsbox.id_for("part", warehouse.ordered_part(number, line))
            command = orders.ReceiveLine(
                order_id=order_id, stock_id=partsbox.id_for("line", f"CO-{number}/{line + 1}"), part_id=part_id,
                storage_id=BIN, quantity=warehouse.LINE_PIECES, **self._event(asked),
            )  # fmt: skip
            legs = ((BIN, warehouse.LINE_PIECES),)
            self._child(asked, command, {"subject": f"part:{part_id}", "legs": legs})

    # Partium

    def _catalog_part(self, number: int) -> None:
        row, edition = divmod(number, EDITIONS)
        part_id, word = f"SP-{row:04d}", self._word()
        lane = f"catalog part {part_id}"
        if edition == EDITIONS - 1 and row % 2:
            mark = {"subject": part_id, "fingerprint": f"parts/delete {part_id}"}
            self._ask(lane, "catalog.delete_part", mark, part_id=part_id)
            return
        mark = {"subject": part_id, "fingerprint": word}
        self._ask(lane, "catalog.upsert_part", mark, part_id=part_id, name=texts(f"Spare part {word}"))

    def _assembly(self, number: int) -> None:
        """Hang each below the one of half its number: parents, children and their editions on their way together."""
        row, word = number // 2, self._word()
        ass_id, parent_id = f"AS-{row:03d}", f"AS-{row // 2:03d}" if row else ""
        mark = {"subject": ass_id, "fingerprint": word, "lanes": (f"assembly {ass_id}",)}
        fields = {"ass_id": ass_id, "parent_id": parent_id, "name": texts(f"Group {word}")}
        self._ask("assemblies", "catalog.upsert_assembly", mark, **fields)

    # OpenBOM

    def _bom_cell(self, number: int) -> None:
        self._cell("bom", BOM, number)

    def _catalog_cell(self, number: int) -> None:
        self._cell("catalog", CATALOG, number)

    def _cell(self, noun: str, document_id: str, number: int) -> None:
        row, word = part_name(number % self._sizes.rows), self._word()
        mark = {"subject": f"{noun}:{document_id}:{row}", "fingerprint": word}
        fields = {f"{noun}_id": document_id, "part_number": row, "value": word}
        column = self._chance.choice(warehouse.COLUMNS)
        self._ask(f"{noun} row {row}", f"{noun}.set_property", mark, property=column, **fields)

    # several

    def _import(self, number: int) -> None:
        item_id, part_id, name = warehouse.imported(number)
        asked = self._ask(f"item {number}", "cad.import_part", {"subject": f"parts:{item_id}"}, item_id=item_id)
        command = catalog.UpsertPart(part_id=part_id, name=name, **self._event(asked))
        self._child(asked, command, {"subject": part_id, "fingerprint": warehouse.imported_word(number)})

    def _routed(self, number: int) -> None:
        """Have the routes bring a part to the catalog, to PartsBox as a new part, and to its row at OpenBOM."""
        name, word, place = warehouse.routed_part(number), self._word(), self._word()
        given = {"stock-name": name, "bin": place}
        attributes = [{"attribute_id": key, "values": [{"value": texts(text)}]} for key, text in given.items()]
        fields = {"part_id": name, "name": texts(f"Routed {word}"), "attributes": attributes}
        asked = self._ask(f"routed part {name}", "catalog.upsert_part", {}, **fields)
        parent = self._route(asked)
        for child in parent.commands():
            match child.kind:
                case "catalog.upsert_part":
                    self._child(asked, child, {"subject": name, "fingerprint": word})
                case "catalog.set_property":
                    self._child(asked, child, {"subject": f"catalog:{CATALOG}:{name}", "fingerprint": place})
                case _:
                    key = self._child(asked, child, {})
                    self._created(asked, name, f"Routed {word}", of=(child.vendor, key))

    def _route(self, asked: Asked) -> RoutePart:
        """Expect the parent of all instead of the catalog's own command, under the same key."""
        given = {name: value for name, value in asked.body.items() if name != "kind"}
        part = catalog.UpsertPart.model_validate({**given, "source": self._source}, strict=False)
        parent = route(part, self._routes)
        assert isinstance(parent, RoutePart), parent
        asked.expected.clear()
        self._expect(asked, asked.key, parent, {})
        return parent
