"""A right run to be judged: a few commands that tests spoil, and others beside them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tasks.effects import Effect
from tasks.identity import marker_of
from tests.checker.evidence import Entry, Evidence, Expected, Step, Told, VendorBooks
from tests.checker.judge import judge

if TYPE_CHECKING:
    from tests.checker.evidence import Json
    from tests.checker.verdict import Verdict

STOCK, CATALOG = "partsbox", "partium"
ADD, MOVE, FIRST, SECOND, GONE, IMPORT = (letter * 20 for letter in "abcdef")
PART, SHELF, LINE = "p1", "s1", "s2"


def expected(key: str, vendor: str, kind: str, effect: Effect, place: int, **more: Any) -> Expected:
    return Expected(key=key, vendor=vendor, kind=kind, effect=effect, place=place, **more)


def booked(key: str, operation: str, **legs: int) -> Json:
    marker = marker_of(key)
    return {
        "operation": operation, "marker": marker, "subjects": [f"part:{PART}"], "comment": f"by a test {marker}",
        "legs": [
            {"storage_id": storage, "quantity": pieces, "comments": f"by a test {marker}"}
            for storage, pieces in legs.items()
        ],
        "details": {},
    }  # fmt: skip


def written(part_id: str, before: str | None, after: str | None) -> Json:
    operation = "parts/delete" if after is None else "parts/upsert"
    images = {"before": before, "after": after}
    details = {moment: None if name is None else {"name": {"en": name}} for moment, name in images.items()}
    return {"operation": operation, "marker": None, "subjects": [part_id], "details": details}


#: Beside the commands that are spoiled, so that one of them is not a fifth of all.
OTHERS = range(10)


class RightRun:
    """Everything that is judged; change what you like before `judged`."""

    def __init__(self) -> None:
        stock: dict[str, Any] = {"lanes": (f"part:{PART}",), "subject": f"part:{PART}"}
        catalog: dict[str, Any] = {"lanes": ("catalog-part:SP-1",), "subject": "SP-1"}
        upsert = (CATALOG, "catalog.upsert_part", Effect.UPSERT)
        gone = (CATALOG, "catalog.delete_part", Effect.GUARDED)
        added: dict[str, Any] = {"fingerprint": marker_of(ADD), "legs": ((SHELF, 5),)}
        moved: dict[str, Any] = {"fingerprint": marker_of(MOVE), "legs": ((SHELF, -2), (LINE, 2))}
        self.expected = [
            expected(ADD, STOCK, "stock.add", Effect.RELATIVE, 1, **added, **stock),
            expected(MOVE, STOCK, "stock.move", Effect.RELATIVE, 2, **moved, **stock),
            expected(FIRST, *upsert, 1, fingerprint="one", **catalog),
            expected(SECOND, *upsert, 2, fingerprint="two", **catalog),
            expected(GONE, *gone, 3, fingerprint="parts/delete SP-1", **catalog),
            expected(IMPORT, CATALOG, "cad.import_part", Effect.EXPAND, 4, lanes=("item:9",), subject="parts:9"),
        ]  # fmt: skip
        self.effects: dict[str, list[Json]] = {
            STOCK: [booked(ADD, "stock/add", s1=5), booked(MOVE, "stock/move", s1=-2, s2=2)],
            CATALOG: [
                written("SP-1", None, "part one"),
                written("SP-1", "part one", "part two"),
                written("SP-1", "part two", None),
            ],
        }
        for number in OTHERS:
            self._add_others(number)
        self.entries = {each.key: Entry(each.vendor, each.key, each.kind, "applied") for each in self.expected}
        self.steps: dict[str, list[Step]] = {STOCK: [], CATALOG: []}
        self.violations: dict[str, list[Json]] = {STOCK: [], CATALOG: []}
        self.faults: dict[str, list[Json]] = {STOCK: [], CATALOG: []}
        #: By the number of the effect that it causes at the vendor.
        self.request_faults: dict[str, dict[int, list[str]]] = {STOCK: {}, CATALOG: {}}
        self.read = ["parts:9"]
        self.read_outcome = "ok"
        self.must_fire = True

    def _add_others(self, number: int) -> None:
        keys = [f"{letter}{number}" * 10 for letter in "op"]
        part, name = {"lanes": (f"part:{number}",)}, {"lanes": (f"catalog-part:O-{number}",), "subject": f"O-{number}"}
        self.expected += [
            expected(keys[0], STOCK, "stock.add", Effect.RELATIVE, number, fingerprint=marker_of(keys[0]), **part),
            expected(keys[1], CATALOG, "catalog.upsert_part", Effect.UPSERT, number, fingerprint="other", **name),
        ]
        self.effects[STOCK].append(booked(keys[0], "stock/add", s1=1))
        self.effects[CATALOG].append(written(f"O-{number}", None, "an other"))

    def put(self, key: str, **changes: Any) -> None:
        """Have the ledger say something else of a command."""
        self.entries[key] = replace(self.entries[key], **changes)

    def judged(self) -> Verdict:
        told = {
            vendor: Told([entry for entry in self.entries.values() if entry.vendor == vendor], self.steps[vendor])
            for vendor in (STOCK, CATALOG)
        }
        books = {vendor: self._books(vendor) for vendor in (STOCK, CATALOG)}
        return judge(Evidence(self.expected, books, told), must_fire=self.must_fire)

    def _books(self, vendor: str) -> VendorBooks:
        effects = [
            {"seq": seq, "request_seq": seq, "foreign": False, **effect}
            for seq, effect in enumerate(self.effects[vendor], 1)
        ]
        requests = [
            {
                "seq": effect["request_seq"], "marker": effect["marker"], "subjects": effect["subjects"],
                "outcome": "ok", "faults": self.request_faults[vendor].get(effect["seq"], []),
            }
            for effect in effects
        ]  # fmt: skip
        reads = [
            {"seq": 1000, "marker": None, "subjects": self.read, "outcome": self.read_outcome, "faults": []},
        ]
        return VendorBooks(
            vendor,
            {"effects": effects, "requests": requests + reads},
            {"violations": self.violations[vendor]},
            faults=self.faults[vendor],
        )
