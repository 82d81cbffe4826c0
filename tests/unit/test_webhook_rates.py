"""How often a client may ask: a bucket for each, refilled by time."""

from __future__ import annotations

from producers.webhooks.rates import Allowance, Rates


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_client_may_use_its_minute_at_once_and_then_waits_for_each_token() -> None:
    clock = Clock()
    rates = Rates(3, clock=clock)

    assert [rates.spend("erp").remaining for _ in range(3)] == [2, 1, 0]
    assert rates.spend("erp") == Allowance(remaining=0, reset_seconds=60, retry_after_seconds=20)
    clock.now += 19
    assert rates.spend("erp").retry_after_seconds == 1
    clock.now += 1
    assert rates.spend("erp") == Allowance(remaining=0, reset_seconds=60, retry_after_seconds=0)


def test_a_refused_request_costs_nothing_and_another_client_has_its_own_bucket() -> None:
    clock = Clock()
    rates = Rates(1, clock=clock)
    rates.spend("erp")
    for _ in range(100):
        assert rates.spend("erp").retry_after_seconds == 60

    assert rates.spend("shop").retry_after_seconds == 0
    clock.now += 60
    assert rates.spend("erp").retry_after_seconds == 0


def test_an_idle_client_saves_no_more_than_its_minute() -> None:
    clock = Clock()
    rates = Rates(5, clock=clock)
    rates.spend("erp")
    clock.now += 86_400

    assert rates.spend("erp").remaining == 4
