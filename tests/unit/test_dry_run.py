"""A dry run tells what would become of a command, what it takes for granted, and what it cannot know."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tasks.identity import marker_of
from tasks.registry import kinds, parse_command
from tasks.routes import Routes
from tasks.settings import SettingsError
from tests.command_examples import GOOD
from tests.unit.dry_run_harness import BIN, EVENT_MS, LINE, ORDER, OTHER, PART, SHELF, a_part, dry, moved, writes
from workers.dry_run.assumptions import NOTHING_KNOWN
from workers.dry_run.books import NOT_KNOWN
from workers.dry_run.recording import PLACEHOLDER, Purpose
from workers.dry_run.running import Outcome, open_dry_runner

if TYPE_CHECKING:
    from workers.dry_run.running import DryRun

ADD: dict[str, Any] = {"kind": "stock.add", "part_id": PART, "storage_id": SHELF, "quantity": 3}
REMOVE: dict[str, Any] = {**ADD, "kind": "stock.remove"}
MOVE: dict[str, Any] = {
    "kind": "stock.move",
    "part_id": PART,
    "from_storage_id": SHELF,
    "to_storage_id": BIN,
    "quantity": 3,
}
RECEIVE: dict[str, Any] = {"kind": "order.receive", "order_id": ORDER, "storage_id": SHELF}
UPSERT: dict[str, Any] = {"kind": "part.upsert", "name": "R-10R", "description": "thick film"}
ROUTES = Routes.model_validate(
    {
        "routes": {
            "catalog_part": {
                "partsbox": {"name": "name.en"},
                "openbom": {"catalog_id": "catalog-1", "properties": {"Weight": "attributes.weight.en"}},
            }
        },
        "imports": {"partbolt": {"name": {"en": "name"}}},
    }
)
WEIGHT = {"attribute_id": "weight", "values": [{"value": {"en": "2 g"}}]}
CATALOG_PART: dict[str, Any] = {
    "kind": "catalog.upsert_part",
    "part_id": "P-1",
    "name": {"en": "Screw"},
    "attributes": [WEIGHT],
}


def an_order(status: str = "ordered", **lines: int) -> dict[str, Any]:
    entries = [
        {
            "stock/id": name[0] * 26,
            "stock/part-id": PART,
            "stock/quantity": quantity,
            "stock/status": "ordered",
            "stock/timestamp": 1,
        }
        for name, quantity in lines.items()
    ]
    return {"order/id": ORDER, "order/status": status, "order/entries": entries}


async def test_stock_that_is_known_is_counted_before_and_after() -> None:
    (run,) = await dry(MOVE, assume={"partsbox": {"parts": [a_part(shelf=10, bin=1)]}})

    assert run.outcome is Outcome.SENT
    assert moved(run) == [(PART, SHELF, 10, -3, 7), (PART, BIN, 1, 3, 4)]
    assert (run.supposed, run.unknown) == ((), ())


async def test_stock_that_nobody_has_told_is_not_invented() -> None:
    (run,) = await dry(MOVE)

    assert moved(run) == [(PART, SHELF, None, -3, None), (PART, BIN, None, 3, None)]
    assert run.supposed == (f"part {PART} is there", f"storage {SHELF} has 3 of it")


async def test_ordered_pieces_and_other_lots_are_not_on_hand() -> None:
    part = a_part(shelf=10)
    part["part/stock"] += [
        {"stock/quantity": 7, "stock/storage-id": SHELF, "stock/status": "ordered", "stock/timestamp": 5},
        {"stock/quantity": 4, "stock/storage-id": SHELF, "stock/lot-id": OTHER, "stock/timestamp": 6},
    ]

    runs = await dry(REMOVE, {**REMOVE, "lot_id": OTHER}, assume={"partsbox": {"parts": [part]}})

    assert [moved(run) for run in runs] == [[(PART, SHELF, 14, -3, 11)], [(PART, SHELF, 4, -3, 1)]]


async def test_a_value_that_is_there_already_sends_nothing() -> None:
    update = {"kind": "part.update", "part_id": PART, "description": "thick film"}
    part = {**a_part(), "part/description": "thick film"}

    (run,) = await dry(update, assume={"partsbox": {"parts": [part]}})

    assert (run.outcome, writes(run)) == (Outcome.NOTHING_TO_SEND, [])
    assert [request.purpose for request in run.requests] == [Purpose.BEFORE]


async def test_a_list_that_is_given_is_complete() -> None:
    (run,) = await dry(ADD, assume={"partsbox": {"parts": [a_part(OTHER)]}})

    assert (run.outcome, writes(run), run.supposed) == (Outcome.REJECTED, [], ())
    assert "not-found" in run.reason


async def test_a_marker_in_the_history_settles_the_command() -> None:
    (alone,) = await dry(ADD)
    part = a_part(shelf=3)
    part["part/stock"][0]["stock/comments"] = f"seen {marker_of(str(alone.key))}"

    (run,) = await dry(ADD, assume={"partsbox": {"parts": [part]}})

    assert (run.outcome, run.stock) == (Outcome.NOTHING_TO_SEND, ())


async def test_half_a_command_in_the_history_is_for_a_person() -> None:
    (alone,) = await dry(ADD)
    part = a_part(shelf=2)
    part["part/stock"][0]["stock/comments"] = marker_of(str(alone.key))

    (run,) = await dry(ADD, assume={"partsbox": {"parts": [part]}})

    assert (run.outcome, run.requests[-1].purpose) == (Outcome.HELD, Purpose.BEFORE)


async def test_a_corrected_entry_changes_the_stock_by_the_difference() -> None:
    correct = {"kind": "stock.correct", "part_id": PART, "entry_timestamp": EVENT_MS - 9, "quantity": 4}

    (known,) = await dry(correct, assume={"partsbox": {"parts": [a_part(shelf=10)]}})
    (unknown,) = await dry(correct)

    assert moved(known) == [(PART, SHELF, 10, -6, 4)]
    assert moved(unknown) == [(PART, None, None, None, None)]
    assert writes(known) == writes(unknown)


async def test_a_deleted_part_takes_its_stock_along() -> None:
    (run,) = await dry(
        {"kind": "part.delete", "part_id": PART}, assume={"partsbox": {"parts": [a_part(shelf=10, bin=2)]}}
    )

    assert moved(run) == [(PART, SHELF, 10, -10, 0), (PART, BIN, 2, -2, 0)]


async def test_an_order_is_received_line_by_line() -> None:
    assume = {"partsbox": {"orders": [an_order(northern=4, quick=5)], "parts": [a_part(shelf=1)]}}

    (run,) = await dry(RECEIVE, assume=assume)

    assert (run.outcome, [child.outcome for child in run.children]) == (Outcome.EXPANDED, [Outcome.SENT] * 2)
    assert [writes(child)[0][1]["stock-entries"] for child in run.children] == [
        [{"stock/id": "n" * 26, "stock/quantity": 4}],
        [{"stock/id": "q" * 26, "stock/quantity": 5}],
    ]
    assert [moved(child) for child in run.children] == [[(PART, SHELF, 1, 4, 5)], [(PART, SHELF, 5, 5, 10)]]
    assert [child.key in writes(child)[0][1]["stock/comments"] for child in run.children if child.key] == [True, True]


async def test_a_received_order_has_nothing_more_to_receive() -> None:
    assume = {"partsbox": {"orders": [an_order(northern=4)], "parts": [a_part()]}}

    first, second = await dry(RECEIVE, RECEIVE, assume=assume)

    assert (first.outcome, second.outcome, second.children) == (Outcome.EXPANDED, Outcome.REJECTED, ())


async def test_the_open_lines_of_an_unknown_order_are_named_as_unknown() -> None:
    (run,) = await dry(RECEIVE)

    assert (run.outcome, run.requests, run.children) == (Outcome.NOT_KNOWN, (), ())
    assert "open lines of order" in run.unknown[0]


async def test_a_key_that_depends_on_an_unknown_part_is_left_open() -> None:
    (run,) = await dry({**RECEIVE, "lines": [{"stock_id": LINE, "quantity": 3}]})

    (child,) = run.children
    (_, sent), name = writes(child)[0], f"<the part of order line {LINE}>"
    assert (child.key, sent["stock/comments"]) == (None, "[cmd:????????????????????]")
    assert sent["stock-entries"] == [{"stock/id": LINE, "stock/quantity": 3}]
    assert child.unknown == (f"the part of order line {LINE}",)
    assert json.loads(child.requests[0].body) == {"part/id": name}
    assert (json.loads(child.asked)["part_id"], child.lanes[1], moved(child)[0][0]) == (name, f"part:{name}", name)
    assert name in child.summary


async def test_a_name_that_nobody_has_told_is_supposed_to_be_new() -> None:
    (run,) = await dry(UPSERT)

    assert run.supposed == ("no part is named R-10R; else part/update of that part is sent",)
    assert [writes(child)[0][0] for child in run.children] == ["part/create"]


async def test_a_routed_part_shows_what_every_vendor_gets() -> None:
    (run,) = await dry(CATALOG_PART, routes=ROUTES)

    def leaves(each: DryRun) -> list[DryRun]:
        return [each] if not each.children else [leaf for child in each.children for leaf in leaves(child)]

    assert (run.kind, run.vendor, run.requests) == ("catalog.route_part", "routing", ())
    assert {(leaf.vendor, leaf.kind, writes(leaf)[0][0]) for leaf in leaves(run)} == {
        ("partium", "catalog.upsert_part", "catalog/parts"),
        ("partsbox", "part.create", "part/create"),
        ("openbom", "catalog.set_property", "catalog-1/propertyvalue"),
    }


async def test_an_imported_part_shows_the_read_with_its_query_and_what_comes_of_it() -> None:
    assume = {"partbolt": {"parts": [{"id": "ABCDE12345", "name": "Screw"}]}}

    (run,) = await dry({"kind": "cad.import_part", "item_id": "ABCDE12345"}, assume=assume, routes=ROUTES)

    assert [request.url.partition(".com")[2] for request in run.requests] == ["/parts/get?id=ABCDE12345"]
    assert {child.vendor for child in run.children} == {"partium", "partsbox"}


async def test_a_part_that_is_not_there_cannot_be_imported() -> None:
    asked = {"kind": "cad.import_part", "item_id": "ABCDE12345"}

    (run,) = await dry(asked, assume={"partbolt": {"parts": []}}, routes=ROUTES)

    assert (run.outcome, run.children) == (Outcome.REJECTED, ())
    assert "there is no part ABCDE12345" in run.reason


async def test_an_assembly_whose_parent_is_missing_waits() -> None:
    assembly = {"kind": "catalog.upsert_assembly", "ass_id": "A-1", "parent_id": "A-0", "name": {"en": "Saw"}}

    (run,) = await dry(assembly, assume={"partium": {"assemblies": []}})

    assert (run.outcome, [request.changes for request in run.requests]) == (Outcome.POSTPONED, [True, False])
    assert "there is no assembly A-0 yet" in run.reason


async def test_an_assembly_with_others_below_it_is_not_deleted() -> None:
    assume = {"partium": {"assemblies": [{"ass_id": "A-0"}, {"ass_id": "A-1", "parent_id": "A-0"}]}}

    above, below, again = await dry(
        *({"kind": "catalog.delete_assembly", "ass_id": name} for name in ("A-0", "A-1", "A-0")), assume=assume
    )

    assert (above.outcome, below.outcome, again.outcome) == (Outcome.POSTPONED, Outcome.SENT, Outcome.SENT)
    assert "still assemblies below A-0" in above.reason


@pytest.mark.parametrize(
    "document",
    [
        {"columns": ["Part Number", " Bin"], "cells": [["R-1", "A"], ["R-2", "B"]]},
        {"columns": ["Part Number", "Bin", "Part Number"], "cells": []},
    ],
    ids=["one row", "an ambiguous column"],
)
async def test_a_document_decides_as_at_the_vendor(document: dict[str, Any]) -> None:
    cell = {"kind": "bom.set_property", "bom_id": "b-1", "part_number": "R-2", "property": "Bin", "value": "C"}

    runs = await dry(cell, cell, assume={"openbom": {"boms": [{"id": "b-1", **document}]}})

    two = [Outcome.REJECTED] * 2 if len(document["columns"]) > 2 else [Outcome.SENT, Outcome.NOTHING_TO_SEND]
    assert [run.outcome for run in runs] == two


async def test_every_secret_is_hidden_and_no_setting_of_one_is_read() -> None:
    secret = "canary-0123456789"
    names = ("PARTSBOX_API_KEY", "PARTIUM_API_KEY_FILE", "OPENBOM_PASSWORD_FILE", "PARTBOLT_TOKEN")
    environ = {f"STOCKRELAY_{name}": f"/nowhere/{secret}" for name in names}
    assume = {"partbolt": {"parts": [{"id": "ABCDE12345", "name": "Screw"}]}}
    importing = {"kind": "cad.import_part", "item_id": "ABCDE12345"}

    runs = await dry(ADD, CATALOG_PART, importing, assume=assume, routes=ROUTES, environ=environ)

    headers = [request.headers for run in _every(runs) for request in run.requests]
    hidden = {(name, value) for each in headers for name, value in each.items() if "***" in value}
    assert hidden == {
        ("Authorization", "APIKey ***"),
        ("Authorization", "Bearer ***"),
        ("Authentication", "PartBoltAPI ***"),
        ("X-OpenBOM-AppKey", "***"),
        ("X-OpenBOM-AccessToken", "***"),
    }
    assert secret not in repr(runs)
    assert PLACEHOLDER not in repr(runs)


def _every(runs: list[DryRun]) -> list[DryRun]:
    return [each for run in runs for each in (run, *_every(list(run.children)))]


async def test_address_and_limits_are_those_of_the_settings() -> None:
    prefix = "STOCKRELAY_PARTSBOX_"
    environ = {f"{prefix}URL": "https://parts.example.org/base/api/1", f"{prefix}RATES": "3/1s"}

    (run,) = await dry(ADD, environ=environ)

    assert {request.url for request in run.requests if request.changes} == {
        "https://parts.example.org/base/api/1/stock/add"
    }
    assert list(map(str, run.policy.rates)) == ["3/1s"]


async def test_a_wrong_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="STOCKRELAY_PARTSBOX_RATES"):
        await dry(ADD, environ={"STOCKRELAY_PARTSBOX_RATES": "fast"})


@pytest.mark.parametrize("kind", kinds())
async def test_a_command_of_every_kind_says_what_it_rests_on_where_nothing_is_known(kind: str) -> None:
    command = parse_command(kind, GOOD[kind])
    async with open_dry_runner({}, ROUTES, NOTHING_KNOWN) as runner:
        run = await runner.run(command, command.key())

    every = _every([run])
    ends = [each for each in every if not each.children]
    assert not any(json.dumps(NOT_KNOWN)[1:-1].encode() in request.body for each in every for request in each.requests)
    assert [each.outcome for each in ends] in ([Outcome.SENT], [Outcome.NOT_KNOWN])
    assert all(each.supposed or each.unknown or each.kind == "catalog.upsert_part" for each in ends)
