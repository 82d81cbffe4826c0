"""A damaged label is not booked without asking, wherever the damage can be seen; where it cannot, that is counted.

The directory knows every true number of the collection, so that a wrong one can only be found out by being unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from producers.scanner.labels import Label, read_label, vouched
from tests.unit.labels_harness import (
    ACCEPTED,
    CLEAN_ISO,
    GS,
    Damage,
    digit_changed,
    directory,
    end_lost,
    neighbours_swapped,
    one_character_lost,
    one_separator_lost,
    outcome,
    separator_mistaken,
    start_lost,
    two_separators_lost,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Labels whose supplier, part and symbol are all sure: what is not booked of them is asked about because of damage.
BOOKED_INTACT = tuple(sample for sample in ACCEPTED if vouched(sample.label, directory()))
MATRIX = tuple(sample for sample in BOOKED_INTACT if sample.format in ("iso15434-06", "lcsc", "tme-qr", "tme-dm"))


def test_most_clean_labels_are_booked_so_that_the_damage_is_what_stops_them() -> None:
    assert len(CLEAN_ISO) == 29
    assert sum(sample in BOOKED_INTACT for sample in CLEAN_ISO) == 28


def test_no_label_that_lost_one_separator_is_booked() -> None:
    assert outcome(CLEAN_ISO, one_separator_lost) == Damage(234, 0, (), ())


def test_no_label_that_lost_two_separators_is_booked() -> None:
    assert outcome(CLEAN_ISO, two_separators_lost) == Damage(943, 0, (), ())


def test_no_label_with_a_separator_read_as_something_else_is_booked_wrong() -> None:
    found = outcome(CLEAN_ISO, separator_mistaken)

    assert (found.wrong_parts, found.wrong_quantities) == ((), ())


def test_no_order_of_fields_makes_a_wrong_booking() -> None:
    def turned(text: str) -> list[str]:
        head, *fields = text.removesuffix("\x1e\x04").split(GS)
        return [GS.join([head, *fields[at:], *fields[:at]]) for at in range(1, len(fields))]

    found = outcome([sample for sample in CLEAN_ISO if sample in BOOKED_INTACT], lambda text: iter(turned(text)))

    assert found.booked == found.cases > 0
    assert (found.wrong_parts, found.wrong_quantities) == ((), ())


@pytest.mark.parametrize("damage", [one_character_lost, neighbours_swapped, end_lost, start_lost])
def test_a_wrong_part_is_never_booked_and_a_wrong_quantity_only_by_its_own_digits(
    damage: Callable[[str], Iterator[str]],
) -> None:
    assert outcome(BOOKED_INTACT, damage).wrong_parts == ()
    found = outcome(MATRIX, damage)

    assert found.cases > 2_000
    for text in found.wrong_quantities:
        assert _only_the_quantity_differs(text), text


def test_a_lost_or_swapped_digit_of_the_quantity_is_the_only_damage_that_passes() -> None:
    """Q has no check digit. These are all such labels of the collection, a lost digit and two swapped ones."""
    assert len(outcome(MATRIX, one_character_lost).wrong_quantities) == 18
    assert len(outcome(MATRIX, neighbours_swapped).wrong_quantities) == 5
    assert outcome(MATRIX, end_lost).wrong_quantities == ()
    assert outcome(MATRIX, start_lost).wrong_quantities == ()


def test_a_changed_digit_books_a_wrong_quantity_only_inside_the_quantity_and_never_a_wrong_part() -> None:
    found = outcome(MATRIX, digit_changed)

    assert found.wrong_parts == ()
    assert all(map(_only_the_quantity_differs, found.wrong_quantities))
    assert len(found.wrong_quantities) < found.cases / 40


def _only_the_quantity_differs(text: str) -> bool:
    """Tell whether a damaged label says what a true one says, its quantity excepted."""
    damaged = read_label(text)
    assert isinstance(damaged, Label)
    names = ("Q", "qty", "QTY", "37")
    rest = {name: value for name, value in damaged.fields.items() if name not in names}
    return any(
        rest == {name: value for name, value in sample.fields.items() if name not in names} for sample in ACCEPTED
    )
