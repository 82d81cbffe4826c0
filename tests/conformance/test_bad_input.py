"""Commands that PartsBox's own data forbid: each is a dead letter that says why, and nothing is half done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tasks.records import State
from tasks.registry import parse_command, submittable_kinds
from tests.conformance.catalogue import CASES
from tests.conformance.catalogue.case import event
from tests.sandbox.partsbox import id_for

if TYPE_CHECKING:
    from tests.relay import Relay
    from tests.sandbox.partsbox import PartsBoxSandbox

NOTHING = "0" * 26
R_1K, R_10K, ANY = id_for("part", "R-1K"), id_for("part", "R-10K"), id_for("part", "R-10K-ANY")
SHELF, FULL, BAG = (id_for("storage", name) for name in ("shelf-1", "full-box", "shelf-2"))
LAMP, CLOCK = id_for("project", "lamp"), id_for("project", "clock")
ENTRY = id_for("entry", "lamp/1")
ORDER, OPEN = id_for("order", "SO-1"), id_for("order", "SO-3")
LINE = id_for("line", "SO-1/1")

#: kind, fields, the beginning of the reason, whether the vendor was asked to write
REFUSED: tuple[tuple[str, dict[str, Any], str, bool], ...] = (
    (
        "stock.add",
        {"part_id": NOTHING, "storage_id": SHELF, "quantity": 1},
        "part/get: HTTP 404 “Part not found”",
        False,
    ),
    ("stock.add", {"part_id": R_1K, "storage_id": NOTHING, "quantity": 1}, "stock/add: HTTP 404", True),
    (
        "stock.add",
        {"part_id": R_1K, "storage_id": FULL, "quantity": 1},
        "stock/add: HTTP 409 “Storage location is full”",
        True,
    ),
    (
        "stock.remove",
        {"part_id": R_1K, "storage_id": SHELF, "quantity": 1001},
        "stock/remove: HTTP 409 “Not enough stock”",
        True,
    ),
    (
        "stock.move",
        {"part_id": R_1K, "from_storage_id": SHELF, "to_storage_id": FULL, "quantity": 1},
        "stock/move: HTTP 409 “Storage location is full”",
        True,
    ),
    (
        "stock.correct",
        {"part_id": R_1K, "entry_timestamp": 1_700_000_000_000, "quantity": 1},
        "entry_timestamp: there is no",
        False,
    ),
    ("order.receive", {"order_id": NOTHING, "storage_id": SHELF}, "order/get: ", False),
    ("order.receive", {"order_id": OPEN, "storage_id": SHELF}, f"order_id: order {OPEN} is open, not ordered", False),
    (
        "order.receive",
        {"order_id": ORDER, "storage_id": SHELF, "lines": [{"stock_id": NOTHING, "quantity": 1}]},
        f"stock_id: order {ORDER} has no open line {NOTHING}",
        False,
    ),
    (
        "order.receive",
        {"order_id": ORDER, "storage_id": SHELF, "lines": [{"stock_id": LINE, "quantity": 101}]},
        "quantity: 101 asked, 100 open",
        False,
    ),
    ("part.update", {"part_id": NOTHING, "description": "x"}, f"part_id: there is no {NOTHING}", False),
    (
        "part.update",
        {"part_id": R_1K, "name": "R-10K"},
        "part/update: HTTP 409 “A part with this name already exists”",
        True,
    ),
    ("part.delete", {"part_id": NOTHING}, f"part_id: there is no {NOTHING}", False),
    ("part.upsert", {"name": "R-10K-ANY", "part_type": "local", "notes": "x"}, f"part_type: part {ANY} is meta", False),
    ("part.add_members", {"part_id": R_1K, "member_ids": [R_10K]}, f"part_id: part {R_1K} is local, not meta", False),
    ("part.add_members", {"part_id": ANY, "member_ids": [R_1K, NOTHING]}, "part/add-meta-part-ids: HTTP 404", True),
    ("part.remove_members", {"part_id": NOTHING, "member_ids": [R_1K]}, f"part_id: there is no {NOTHING}", False),
    (
        "part.add_substitutes",
        {"part_id": R_1K, "substitute_ids": [R_10K, NOTHING]},
        "part/add-substitute-ids: HTTP 404",
        True,
    ),
    (
        "part.remove_substitutes",
        {"part_id": NOTHING, "substitute_ids": [R_1K]},
        f"part_id: there is no {NOTHING}",
        False,
    ),
    (
        "part.set_custom_fields",
        {"part_id": NOTHING, "custom_fields": [{"key": "a", "value": "b"}]},
        f"part_id: there is no {NOTHING}",
        False,
    ),
    ("part.delete_custom_field", {"part_id": NOTHING, "field_key": "a"}, f"part_id: there is no {NOTHING}", False),
    ("lot.update", {"lot_id": NOTHING, "name": "L"}, f"lot_id: there is no {NOTHING}", False),
    ("storage.update", {"storage_id": NOTHING, "description": "x"}, f"storage_id: there is no {NOTHING}", False),
    ("storage.rename", {"storage_id": SHELF, "name": "shelf-2"}, "storage/rename: HTTP 409", True),
    (
        "storage.change_setting",
        {"storage_id": NOTHING, "setting": "full", "value": True},
        f"storage_id: there is no {NOTHING}",
        False,
    ),
    ("storage.archive", {"storage_id": NOTHING}, f"storage_id: there is no {NOTHING}", False),
    ("storage.restore", {"storage_id": NOTHING}, f"storage_id: there is no {NOTHING}", False),
    ("project.create", {"name": "lamp"}, f"name: there is a project of this name already: {LAMP}", False),
    ("project.update", {"project_id": NOTHING, "name": "x"}, f"project_id: there is no {NOTHING}", False),
    ("project.delete", {"project_id": NOTHING}, f"project_id: there is no {NOTHING}", False),
    ("project.archive", {"project_id": NOTHING}, f"project_id: there is no {NOTHING}", False),
    ("project.restore", {"project_id": NOTHING}, f"project_id: there is no {NOTHING}", False),
    (
        "project.add_entries",
        {"project_id": NOTHING, "entries": [{"part_id": R_1K, "quantity": 1}]},
        f"project_id: there is no {NOTHING}",
        False,
    ),
    (
        "project.add_entries",
        {"project_id": LAMP, "entries": [{"part_id": R_1K, "quantity": 1}, {"part_id": NOTHING, "quantity": 1}]},
        "project/add-entries: HTTP 404 “Part not found”",
        True,
    ),
    (
        "project.update_entries",
        {"project_id": LAMP, "entries": [{"entry_id": ENTRY, "quantity": 2}, {"entry_id": NOTHING, "quantity": 1}]},
        f"project {LAMP} has no entry {NOTHING}",
        False,
    ),
    (
        "project.delete_entries",
        {"project_id": LAMP, "entry_ids": [ENTRY, NOTHING]},
        f"project {LAMP} has no entry {NOTHING}",
        False,
    ),
    ("build.update", {"build_id": NOTHING, "new_comments": "x"}, f"build_id: there is no {NOTHING}", False),
)


def test_every_kind_is_refused_somewhere() -> None:
    at_partsbox = {case.kind for case in CASES.values() if str(case).startswith("partsbox-")}

    assert {kind for kind, *_ in REFUSED} == at_partsbox & set(submittable_kinds())


@pytest.mark.parametrize(
    ("kind", "fields", "words", "sent"), REFUSED, ids=[f"{kind} {number}" for number, (kind, *_) in enumerate(REFUSED)]
)
async def test_what_the_vendors_data_forbid_is_a_dead_letter_that_says_why(
    relay: Relay, sandbox: PartsBoxSandbox, kind: str, fields: dict[str, Any], words: str, *, sent: bool
) -> None:
    before = sandbox.describe_state()
    command = parse_command(kind, {**event(), **fields})

    key = await relay.submit(command)
    record = await relay.until(key)

    assert (record.state, record.attempts) == (State.REJECTED, int(sent)), record.reason
    assert record.reason.startswith(words)
    assert [letter.key for letter in await relay.ledger.dead_letters()] == [key]
    assert sandbox.describe_state() == before
    assert any(sandbox.operations[request.operation] for request in sandbox.journal.requests) is sent
