"""The demo's count can fail: each kind of wrong is seen."""

from __future__ import annotations

from typing import Any

from tests.demo.scenario import Booking, plan_day
from tests.demo.verdict import Verdict, count_bookings, count_order, count_stock
from tests.sandbox.partsbox import id_for
from tests.sandbox.partsbox.fixtures import WAREHOUSE

BOOKING = Booking("stock/add", "R-1K", "shelf-3", 5)


def an_effect(booking: Booking = BOOKING, marker: str = "[cmd:a]") -> dict[str, Any]:
    part, storage = id_for("part", booking.part), id_for("storage", booking.storage)
    leg = {"part_id": part, "storage_id": storage, "quantity": booking.quantity}
    return {"operation": booking.operation, "marker": marker, "legs": [leg], "part_ids": [part]}


def counted(planned: list[Booking], effects: list[dict[str, Any]]) -> Verdict:
    verdict = Verdict()
    count_bookings(verdict, planned, effects)
    return verdict


def test_a_right_day_has_no_wrongs() -> None:
    verdict = counted([BOOKING], [an_effect()])

    assert verdict.is_right


def test_a_missing_booking_is_lost() -> None:
    assert counted([BOOKING], []).lost == [str(BOOKING)]


def test_a_booking_made_twice_is_doubled() -> None:
    verdict = counted([BOOKING], [an_effect(), an_effect(marker="[cmd:b]")])

    assert verdict.doubled == [str(BOOKING)]


def test_one_marker_on_two_effects_is_doubled_even_when_two_were_planned() -> None:
    verdict = counted([BOOKING, BOOKING], [an_effect(), an_effect()])

    assert verdict.doubled == ["marker [cmd:a]"]


def test_a_booking_of_another_quantity_is_unexpected_and_the_planned_one_lost() -> None:
    other = Booking("stock/add", "R-1K", "shelf-3", 6)

    verdict = counted([BOOKING], [an_effect(other)])

    assert (verdict.unexpected, verdict.lost) == ([str(other)], [str(BOOKING)])


def test_entries_against_the_order_of_acceptance_are_seen() -> None:
    verdict = Verdict()

    count_order(verdict, ["a", "b"], [an_effect(marker="[cmd:b]"), an_effect(marker="[cmd:a]")])

    assert verdict.out_of_order == ["part R-1K: [1, 0]"]


def test_stock_that_differs_from_the_plan_is_seen() -> None:
    on_hand = [
        {
            "part_id": id_for("part", entry["part"]),
            "storage_id": id_for("storage", entry["storage"]),
            "quantity": entry["stock/quantity"],
        }
        for entry in WAREHOUSE["stock"]
    ]
    verdict = Verdict()

    count_stock(verdict, [BOOKING], on_hand)

    assert verdict.wrong_stock == ["R-1K in shelf-3: 0 instead of 5"]


def test_an_unapplied_command_makes_the_day_wrong() -> None:
    verdict = Verdict()
    verdict.planned["stock.add"] = 1

    assert not verdict.is_right


def test_the_day_has_at_least_sixty_commands_from_several_stations() -> None:
    day = plan_day(1_800_000_000_000)

    assert sum(day.commands.values()) >= 60
    assert len(day.scans) == 3
    assert len({str(call) for call in day.calls}) < len(day.calls)
