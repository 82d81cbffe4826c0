"""Parsing an untrusted JSON body."""

from __future__ import annotations

import contextlib
import json
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.webhooks.body import MAX_DEPTH, parse_object
from producers.webhooks.problems import ProblemError


def _nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def test_a_plain_object_is_parsed() -> None:
    assert parse_object(b'{"kind": "stock.add", "quantity": 5, "price": 0.25, "lot": {"tags": ["a"]}}') == {
        "kind": "stock.add",
        "quantity": 5,
        "price": 0.25,
        "lot": {"tags": ["a"]},
    }


@pytest.mark.parametrize(
    ("raw", "because"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON: Unexpected UTF-8 BOM"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
        (b'{"a": {"b": 1, "b": 1}}', "occurs twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1e400}', "more digits than can be kept"),
        (b'{"a": 1e1000000000000000000}', "more digits than can be kept"),
        (b'{"a": 0e9999999999999999999}', "more digits than can be kept"),
        (b'{"a": 1234567890.12345678}', "more digits than can be kept"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "not usable JSON"),
        (_nested(MAX_DEPTH + 1), "nests deeper"),
        (_nested(100_000), "nests deeper"),
        (b'{"a":' * 100_000, "nests deeper"),
    ],
)
def test_a_body_that_is_wrong_or_ambiguous_is_refused_with_the_reason(raw: bytes, because: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_object(raw)

    assert caught.value.status == HTTPStatus.BAD_REQUEST
    assert because in caught.value.detail


def test_nesting_up_to_the_limit_is_parsed() -> None:
    assert parse_object(_nested(MAX_DEPTH))


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_problem(raw: bytes) -> None:
    with contextlib.suppress(ProblemError):
        assert isinstance(parse_object(raw), dict)


@given(
    st.dictionaries(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.text())
)
def test_every_number_that_is_taken_is_taken_exactly(fields: dict[str, object]) -> None:
    assert parse_object(json.dumps(fields).encode()) == fields
