"""A trace tells what happened and nothing of the machine: neither the order of maps nor names of processes."""

from __future__ import annotations

import pytest

from tests.simulation.clock import Scheduler
from tests.simulation.trace import Trace

LEDGER = ("EVALSHA", "sha", 1, "sr:{partium}:")


def _told(*call: object, answer: object) -> list[str]:
    trace = Trace(Scheduler())
    trace.called("worker-1", call, answer)
    return trace.lines


def test_a_step_of_the_ledger_is_told_without_what_is_long_or_the_same_each_time() -> None:
    step = (*LEDGER, "intent", "vendor.partium", "{a template}", b'{"key": "k", "image": "{\\"a\\": [1]}", "n": 1}')
    (line,) = _told(*step, answer='{"damaged":{},"answer":{"attempts":1}}')
    assert line == '0.000000 worker-1 sr:{partium}: intent {"key": "k", "n": 1} -> {"attempts": 1}'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(
            '{"answer":{"a":1,"b":2},"damaged":{}}', '{"damaged":{},"answer":{"b":2,"a":1}}', id="order of a map"
        ),
        pytest.param(
            '{"answer":{"verdict":"fresh","record":{"state":"sending","kind":"x"}}}',
            '{"answer":{"record":{"kind":"x","state":"sending"},"verdict":"fresh"}}',
            id="order of a record",
        ),
    ],
)
def test_answers_that_are_the_same_are_told_alike(one: str, other: str) -> None:
    step = (*LEDGER, "claim", "queue", "template", b"{}")
    assert _told(*step, answer=one) == _told(*step, answer=other)


def test_a_hint_is_told_without_the_process_that_made_its_template() -> None:
    hints = [
        f'{{"body": "W10=", "headers": {{"id": "k1", "shadow": null, "origin": "{origin}"}}, "properties": '
        '{"delivery_tag": "k1:5:1"}}'
        for origin in ("1@one", "2@two")
    ]
    one, other = (
        _told("EVALSHA", "sha", 2, "vendor.partium", "vendor.partbolt", 32, answer=[[hint]]) for hint in hints
    )
    assert one == other
    assert "k1:5:1" in one[0]


def test_a_look_that_finds_nothing_is_not_told() -> None:
    nothing = '{"answer":{"promoted":0,"recovered":0,"hinted":0,"republished":0,"closed":0,"next_in_ms":-1}}'
    assert _told(*LEDGER, "promote", "queue", "template", b"{}", answer=nothing) == []
    assert _told(*LEDGER, "promote", "queue", "template", b"{}", answer=nothing.replace('"hinted":0', '"hinted":1'))
    assert _told("EVALSHA", "sha", 1, "sr:{partium}:limit:state", "paused", answer=[0]) == []
