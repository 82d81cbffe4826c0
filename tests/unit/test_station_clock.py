"""The clock of a station against the relay's Date: told once when it is wrong, and once when it is right again."""

from __future__ import annotations

import pytest

from producers.scanner.clock import ClockWatch

#: Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110.
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
RELAY = 784_111_777.0


@pytest.mark.parametrize(
    ("asked", "answered", "told"),
    [
        (0.0, 0.1, []),
        (5.9, 6.0, []),  # the relay's second had perhaps just ended
        (6.1, 6.2, [5.1]),
        (-5.5, -5.1, [-5.1]),
        (-5.5, -4.9, []),  # the answer took long enough to explain it
        (-3600.0, -3599.0, [-3599.0]),
        (3601.0, 3602.0, [3600.0]),
    ],
)
def test_only_a_clock_that_is_certainly_wrong_is_told(asked: float, answered: float, told: list[float]) -> None:
    found: list[float] = []

    ClockWatch(found.append).compare(RELAY + asked, RELAY + answered, DATE)

    assert found == pytest.approx(told)


def test_it_is_told_again_only_when_it_changes() -> None:
    found: list[float] = []
    watch = ClockWatch(found.append)
    for ahead in (0, 60, 61, 62, 66, 66, 0, 0, -60):
        watch.compare(RELAY + ahead + 1, RELAY + ahead + 1, DATE)

    assert found == pytest.approx([60.0, 66.0, 0.0, -59.0])


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Sun, 99 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 99999999 08:49:37 GMT"]
)
def test_a_date_that_is_none_says_nothing(date: str | None) -> None:
    found: list[float] = []

    ClockWatch(found.append).compare(0, 0, date)

    assert found == []


def test_nobody_has_to_listen() -> None:
    ClockWatch(None).compare(0, 0, DATE)
