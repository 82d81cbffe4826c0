"""Server-sent events as the HTML standard cuts them, whatever the chunks."""

from __future__ import annotations

import random

import pytest

from producers.scanner.event_stream import MAX_EVENT_BYTES, EventParser, ServerEvent

STREAM = (
    b"\xef\xbb\xbf: a comment\n\n"
    b'event: command.state\nid: p1\ndata: {"a":\ndata: 1}\n\n'
    b"data:no blank\r\nid\r\n\r\n"
    b"event: lost, without data\n\n"
    b"id: p3\n: alive\n\n"
    b"data: after\rretry: 10\rother: x\r\r"
    b"id: p\x004\ndata: \xff\n\n"
    b"data:  two blanks\n\n"
    b"data: cut off\n"
)
EVENTS = [
    ServerEvent("command.state", '{"a":\n1}', "p1"),
    ServerEvent("message", "no blank", ""),
    ServerEvent("", "", "p3"),
    ServerEvent("message", "after", "p3"),
    ServerEvent("message", "\ufffd", "p3"),
    ServerEvent("message", " two blanks", "p3"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_the_same_events_come_of_any_chunks(size: int) -> None:
    parser = EventParser()

    found = [event for start in range(0, len(STREAM), size) for event in parser.feed(STREAM[start : start + size])]

    assert found == EVENTS


def test_chunks_of_any_sizes_give_the_same_events() -> None:
    for seed in range(200):
        chance, parser, rest, found = random.Random(seed), EventParser(), STREAM, []
        while rest:
            size = chance.randrange(1, 9)
            found += parser.feed(rest[:size])
            rest = rest[size:]
        assert found == EVENTS, seed


def test_it_goes_on_from_the_place_of_the_last_connection() -> None:
    assert EventParser("p9").feed(b"data: x\n\n") == [ServerEvent("message", "x", "p9")]


@pytest.mark.parametrize("chunk", [b"x" * 1_000, b"data: " + b"x" * 993 + b"\n"])
def test_what_never_ends_is_given_up(chunk: bytes) -> None:
    parser = EventParser()

    for _ in range(MAX_EVENT_BYTES // 1_000):
        assert parser.feed(chunk) == []
    with pytest.raises(ValueError, match="more than"):
        parser.feed(chunk)


def test_many_events_are_not_one_that_is_too_long() -> None:
    parser = EventParser()

    for _ in range(MAX_EVENT_BYTES // 1_000 * 2):
        assert len(parser.feed(b"data: " + b"x" * 993 + b"\n\n")) == 1
