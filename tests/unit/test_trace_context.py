"""Which trace a command belongs to: the standard's examples, garbage, and ids that follow from keys."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.trace_context import (
    capture_of,
    context_of,
    read_traceparent,
    span_of,
    trace_below,
    trace_of_capture,
    traces_of,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
KEY, OTHER = "mzxw6ytboi2tsnzqgi3a", "nzxw6ytboi2tsnzqgi3b"
FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        # only the first flag is known to version 00
        (f"00-{TRACE}-{SPAN}-03", f"00-{TRACE}-{SPAN}-01"),
        (f"00-{TRACE}-{SPAN}-fe", f"00-{TRACE}-{SPAN}-00"),
        # section 4.3: of a later version what version 00 has is read
        (f"cc-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01"),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like", f"00-{TRACE}-{SPAN}-01"),
        (f"cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like", ""),
        (f"ff-{TRACE}-{SPAN}-01", ""),
        (f"00-{TRACE}-{SPAN}-01-more", ""),
        (f"00-{TRACE}-{SPAN}-01-", ""),
        (f"00-{'0' * 32}-{SPAN}-01", ""),
        (f"00-{TRACE}-{'0' * 16}-01", ""),
        (f"00-{TRACE.upper()}-{SPAN}-01", ""),
        (f"00-{TRACE[1:]}-{SPAN}-01", ""),
        (f"00-{TRACE}-{SPAN}-1", ""),
        (f"00-{TRACE}-{SPAN}", ""),
        (f"00-{TRACE}-{SPAN}-0x", ""),
        (f"00-{TRACE}-{SPAN}-\u0660\u0661", ""),
        (f" 00-{TRACE}-{SPAN}-01", ""),
        (f"00-{TRACE}-{SPAN}-01\n", ""),
        ("", ""),
    ],
)
def test_a_header_is_read_as_the_standard_says(given: str, read: str) -> None:
    assert read_traceparent([given]) == read


def test_two_headers_or_none_are_no_trace() -> None:
    good = f"00-{TRACE}-{SPAN}-01"

    assert read_traceparent([]) == ""
    assert read_traceparent([good, good]) == ""


@given(st.text() | st.from_regex(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}.{0,9}"))
def test_garbage_becomes_nothing_or_a_valid_header(text: str) -> None:
    read = read_traceparent([text])

    assert read == "" or FORM.fullmatch(read)
    assert read_traceparent([read]) == read


@given(st.text())
def test_a_record_with_garbage_is_in_the_trace_of_its_key(text: str) -> None:
    if not re.match("[0-9a-f]{2}-", text):
        assert context_of(KEY, text) == context_of(KEY)


def test_ids_follow_from_the_key_alone_and_differ() -> None:
    ids = {context_of(KEY).trace_id, context_of(OTHER).trace_id, *map(span_of, (KEY, OTHER)), capture_of(KEY)}

    assert len(ids) == 5
    # written into the ledger by one process and looked for by another, of another release too
    assert f"{span_of(KEY):016x}" == "c4b9285c1d8335e3"
    assert f"{context_of(KEY).trace_id:032x}" == "1f50827db4188da629920f56da7411c7"


def test_a_command_stands_below_the_span_that_was_stored_with_it() -> None:
    place = context_of(KEY, f"00-{TRACE}-{SPAN}-00", parent=OTHER)

    assert (place.trace_id, place.span_id, place.sampled) == (int(TRACE, 16), int(SPAN, 16), False)


@pytest.mark.parametrize("parent", [OTHER, f"routing:{OTHER}"])
def test_a_child_stands_below_its_parent_though_nothing_was_stored(parent: str) -> None:
    place = context_of(KEY, "", parent)

    assert (place.trace_id, place.span_id) == (context_of(OTHER).trace_id, span_of(OTHER))
    assert trace_below(OTHER) == ""


def test_a_childs_child_is_told_the_trace_of_both() -> None:
    told = trace_below(KEY, "", f"routing:{OTHER}")

    assert context_of("a" * 20, told).trace_id == context_of(OTHER).trace_id
    assert context_of("a" * 20, told).span_id == span_of(KEY)


def test_what_is_not_recorded_stays_so_below() -> None:
    assert context_of("a" * 20, trace_below(KEY, f"00-{TRACE}-{SPAN}-00")).sampled is False


def test_the_sampler_decides_about_a_trace_that_follows_from_the_key() -> None:
    assert context_of(KEY, trace_of_capture(KEY)).sampled is None
    assert context_of(KEY, trace_of_capture(KEY)).span_id == capture_of(KEY)


def test_one_header_of_a_station_stands_for_all_that_it_hands_over() -> None:
    assert traces_of(trace_of_capture(KEY), [OTHER, KEY]) == [trace_of_capture(OTHER), trace_of_capture(KEY)]


def test_a_header_of_somebody_else_is_for_all_of_them_alike() -> None:
    foreign = f"00-{TRACE}-{SPAN}-01"

    assert traces_of(foreign, [KEY, OTHER]) == [foreign, foreign]
    assert traces_of("", [KEY, OTHER]) == ["", ""]
