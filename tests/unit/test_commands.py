"""The door: what is not a command is refused with its field and a reason, and what makes two commands the same one."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydantic import ValidationError
from redis.asyncio import Redis

from tasks.commands import MAX_QUANTITY, Command
from tasks.identity import derive_key, is_key, marker_of, markers_in, with_marker
from tasks.orders import ReceiveLine, ReceiveOrder
from tasks.registry import InvalidCommandError, command_type, kinds, parse_command, submittable_kinds, vendors
from tasks.stock import AddStock, CorrectStock, MoveStock, RemoveStock
from tasks.submit import Submitter, to_new_command
from tests.command_examples import GOOD, LINE, NOW_MS, ORDER, PART, SHELF, another
from tests.unit.command_checks import assert_survives_the_ledger

DAY_MS = 86_400_000

ADD, REMOVE, MOVE, CORRECT, LINES, RECEIVE_LINE = (
    GOOD[kind]
    for kind in ("stock.add", "stock.remove", "stock.move", "stock.correct", "order.receive", "order.receive_line")
)
RECEIVE = {name: value for name, value in LINES.items() if name != "lines"}

#: A summary is one line of a table, and of Flower.
MAX_SUMMARY = 200

BAD: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("stock.add", ADD, {"part_id": "unknown"}, "part_id", "pattern"),
    ("stock.add", ADD, {"part_id": "p" * 25}, "part_id", "pattern"),
    ("stock.add", ADD, {"part_id": PART + "\n"}, "part_id", "pattern"),
    ("stock.add", ADD, {"part_id": PART.upper()}, "part_id", "pattern"),
    ("stock.add", ADD, {"part_id": "l" * 26}, "part_id", "pattern"),
    ("stock.add", ADD, {"part_id": None}, "part_id", "string"),
    ("stock.add", ADD, {"part_id": 7}, "part_id", "string"),
    ("stock.add", ADD, {"storage_id": "shelf 1"}, "storage_id", "pattern"),
    ("stock.add", ADD, {"quantity": 0}, "quantity", "greater than 0"),
    ("stock.add", ADD, {"quantity": -1}, "quantity", "greater than 0"),
    ("stock.add", ADD, {"quantity": 1.5}, "quantity", "integer"),
    ("stock.add", ADD, {"quantity": 3.0}, "quantity", "integer"),
    ("stock.add", ADD, {"quantity": True}, "quantity", "integer"),
    ("stock.add", ADD, {"quantity": "3"}, "quantity", "integer"),
    ("stock.add", ADD, {"quantity": None}, "quantity", "integer"),
    ("stock.add", ADD, {"quantity": float("nan")}, "quantity", "integer"),
    ("stock.add", ADD, {"quantity": MAX_QUANTITY + 1}, "quantity", "less than or equal to 10000000"),
    ("stock.add", ADD, {"quantity": 4_006_381_333_931}, "quantity", "less than or equal to 10000000"),
    ("stock.add", ADD, {"quantity": 10**40}, "quantity", "less than or equal to 10000000"),
    ("stock.correct", CORRECT, {"quantity": 10**40}, "quantity", "less than or equal to 10000000"),
    ("stock.correct", CORRECT, {"quantity": -(10**40)}, "quantity", "greater than or equal to -10000000"),
    ("stock.add", ADD, {"price": "1", "currency": "xyz"}, "currency", "'eur'"),
    ("stock.add", ADD, {"price": "1", "currency": "EUR"}, "currency", "'eur'"),
    ("stock.add", ADD, {"price": "1"}, "currency", "needs its currency"),
    ("stock.add", ADD, {"currency": "eur"}, "price", "needs its price"),
    ("stock.correct", CORRECT, {"price": "1"}, "currency", "needs its currency"),
    ("stock.add", ADD, {"price": "-1", "currency": "eur"}, "price", "greater than or equal to 0"),
    ("stock.add", ADD, {"price": "NaN", "currency": "eur"}, "price", "finite"),
    ("stock.add", ADD, {"price": float("inf"), "currency": "eur"}, "price", "finite"),
    ("stock.add", ADD, {"price": True, "currency": "eur"}, "price", "Decimal"),
    ("stock.add", ADD, {"price": "cheap", "currency": "eur"}, "price", 'send one like "0.0628"'),
    ("stock.add", ADD, {"price": "0.123456789", "currency": "eur"}, "price", "8 decimal places"),
    ("stock.add", ADD, {"stock_timestamp": "2023-11-14T22:13:20Z"}, "stock_timestamp", "integer"),
    ("stock.add", ADD, {"stock_timestamp": float(NOW_MS)}, "stock_timestamp", "integer"),
    ("stock.add", ADD, {"stock_timestamp": True}, "stock_timestamp", "integer"),
    ("stock.add", ADD, {"stock_timestamp": NOW_MS // 1000}, "stock_timestamp", "UTC milliseconds"),
    ("stock.add", ADD, {"stock_timestamp": NOW_MS * 1000}, "stock_timestamp", "UTC milliseconds"),
    ("stock.correct", CORRECT, {"entry_timestamp": 0}, "entry_timestamp", "UTC milliseconds"),
    ("stock.add", ADD, {"colour": "red"}, "colour", "not permitted"),
    ("stock.add", ADD, {"key": "a" * 20}, "key", "not permitted"),
    ("stock.add", ADD, {"lot": {"colour": "red"}}, "lot.colour", "not permitted"),
    ("stock.add", ADD, {"lot": {"tags": ["no spaces"]}}, "lot.tags.0", "pattern"),
    ("stock.add", ADD, {"comments": "x" * 1_001}, "comments", "1000 characters"),
    ("stock.add", ADD, {"comments": "bell \x07"}, "comments", "control characters"),
    ("stock.add", ADD, {"comments": f"fake {marker_of('a' * 20)}"}, "comments", "reserved"),
    ("stock.add", ADD, {"source": "two words"}, "source", "pattern"),
    ("stock.add", ADD, {"order_id": ORDER}, "vendor_sku", "vendor's SKU"),
    ("stock.add", ADD, {"order_id": ORDER, "order": {}, "vendor_sku": "x"}, "order", "not allowed together"),
    ("stock.move", MOVE, {"to_storage_id": SHELF}, "to_storage_id", "different destination"),
    ("stock.move", MOVE, {"lot": {"name": "a"}}, "lot", "split_lot=true"),
    ("stock.remove", REMOVE, {"lot_id": "x"}, "lot_id", "pattern"),
    ("stock.correct", {**CORRECT, "quantity": None}, {}, "quantity", "at least one of"),
    ("order.receive", RECEIVE, {"lines": []}, "lines", "at least 1 item"),
    ("order.receive", LINES, {"lines": [{"stock_id": LINE, "quantity": -1}]}, "lines.0.quantity", "greater than 0"),
    ("order.receive", LINES, {"lines": [{"stock_id": LINE, "quantity": 1}] * 2}, "lines", "twice"),
]


def problem(kind: str, payload: dict[str, Any] | bytes) -> tuple[str, str]:
    with pytest.raises(InvalidCommandError) as caught:
        parse_command(kind, payload)
    (found,) = caught.value.problems
    assert str(found) in str(caught.value)
    return found.field, found.message


@pytest.mark.parametrize(("kind", "good", "change", "field", "reason"), BAD)
@pytest.mark.parametrize("as_text", [False, True])
def test_bad_input_is_refused_with_its_field_and_a_reason(
    kind: str, good: dict[str, Any], change: dict[str, Any], field: str, reason: str, *, as_text: bool
) -> None:
    payload = {**good, **change}
    found, message = problem(kind, json.dumps(payload).encode() if as_text else payload)
    assert found == field
    assert reason in message


@pytest.mark.parametrize(("kind", "good"), [*GOOD.items(), ("order.receive", RECEIVE)])
def test_good_input_is_a_command_and_survives_the_ledger(kind: str, good: dict[str, Any]) -> None:
    assert_survives_the_ledger(kind, good)


@pytest.mark.parametrize("name", ["part_id", "storage_id", "quantity", "stock_timestamp"])
def test_a_missing_field_is_named_without_quoting_the_whole_body(name: str) -> None:
    with pytest.raises(InvalidCommandError, match=rf"^{name}: Field required \(got nothing\)$"):
        parse_command("stock.add", {key: value for key, value in ADD.items() if key != name})


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(InvalidCommandError) as caught:
        parse_command("stock.add", {**ADD, "part_id": "x", "quantity": 0})
    assert [found.field for found in caught.value.problems] == ["part_id", "quantity"]


def test_nine_thousand_unknown_fields_gave_nine_thousand_problems() -> None:
    with pytest.raises(InvalidCommandError) as caught:
        parse_command("stock.add", {**ADD, **{f"x{number}": 1 for number in range(9_000)}})
    assert len(caught.value.problems) == 101
    assert str(caught.value.problems[-1].message) == "8900 further problems"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b'{"comments": "\\ud800"}', b"[" * 10_000])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidCommandError, match=r"\(body\)"):
        parse_command("stock.add", body)


@pytest.mark.parametrize("kind", ["", "stock.steal", "stock.add ", "__class__"])
def test_an_unknown_kind_is_refused_with_the_known_ones(kind: str) -> None:
    with pytest.raises(
        InvalidCommandError, match=r"^kind: unknown; send one of bom\.set_property, .*storage\.update \(got"
    ):
        parse_command(kind, ADD)
    with pytest.raises(InvalidCommandError):
        command_type(kind)


def test_a_refused_value_is_quoted_in_part_only() -> None:
    with pytest.raises(InvalidCommandError) as caught:
        parse_command("stock.add", {**ADD, "comments": "x" * 100_000})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("kind", kinds())
def test_commands_are_frozen(kind: str) -> None:
    command = parse_command(kind, GOOD[kind])
    with pytest.raises(ValidationError, match="frozen"):
        command.stock_timestamp = 1  # type: ignore[misc]  # that is what is tested


# the clock and what a client may send


def submitter() -> Submitter:
    # never connected: what is refused at the door reaches no server
    return Submitter(Redis.from_url("redis://127.0.0.1:1/0"), clock_ms=lambda: NOW_MS)


@pytest.mark.parametrize("ahead_ms", [DAY_MS + 1, 365 * DAY_MS])
async def test_a_moment_far_in_the_future_is_refused_at_the_door(ahead_ms: int) -> None:
    command = parse_command("stock.add", {**ADD, "stock_timestamp": NOW_MS + ahead_ms})
    with pytest.raises(InvalidCommandError, match="stock_timestamp: more than a day in the future; check the clock"):
        await submitter().submit(command)


async def test_what_only_a_parent_makes_cannot_be_submitted_by_a_client() -> None:
    with pytest.raises(InvalidCommandError, match=r"kind: not for clients; send one of bom\.set_property"):
        await submitter().submit(parse_command("order.receive_line", RECEIVE_LINE))


def test_there_is_an_example_of_every_kind() -> None:
    assert sorted(kinds()) == sorted(GOOD)


def test_the_kinds_and_their_vendors() -> None:
    assert set(kinds()) - set(submittable_kinds()) == {"order.receive_line", "part.create", "catalog.route_part"}
    assert vendors() == ("partsbox", "partium", "openbom", "partbolt", "routing")


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_names_its_lanes_and_says_what_it_does(kind: str) -> None:
    command = parse_command(kind, GOOD[kind])

    assert command.lanes()
    assert len(set(command.lanes())) == len(command.lanes())
    assert command.summary() != kind
    assert len(command.summary()) < MAX_SUMMARY


@pytest.mark.parametrize("kind", kinds())
@pytest.mark.parametrize(("field", "value"), [("colour", "red"), ("stock_timestamp", None), ("source", "two words")])
def test_every_kind_refuses_what_none_may_have(kind: str, field: str, value: Any) -> None:
    found, message = problem(kind, {**GOOD[kind], field: value})

    assert found == field
    assert message


# prices


@pytest.mark.parametrize("text", ["0.1", "0.0628", "1234567890.12345678", "9999999999.99999999", "0", "1e2"])
def test_a_price_sent_as_a_string_is_kept_to_the_last_digit(text: str) -> None:
    command = parse_command("stock.add", {**ADD, "price": text, "currency": "eur"})
    assert isinstance(command, AddStock)
    assert command.price == Decimal(text)
    assert json.loads(to_new_command(command, "k", "c").command)["price"] == str(Decimal(text))


@given(st.decimals(min_value=0, max_value=9_999_999, places=8))
def test_a_price_sent_as_a_number_is_the_number_that_was_written(price: Decimal) -> None:
    body = json.dumps({**ADD, "currency": "eur"})[:-1] + f', "price": {price:f}}}'
    command = parse_command("stock.add", body.encode())
    assert isinstance(command, AddStock)
    assert command.price == price


@pytest.mark.parametrize("text", ["1234567890.12345678", "0.06280000000000001"])
def test_a_price_that_a_binary_float_would_change_is_refused(text: str) -> None:
    body = json.dumps({**ADD, "currency": "eur"})[:-1] + f', "price": {text}}}'
    assert problem("stock.add", body.encode()) == (
        "price",
        "more digits than a JSON number keeps; send it as a string",
    )


# identity


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (AddStock, {"stock_timestamp", "source", "part_id", "storage_id", "quantity", "order_id"}),
        (RemoveStock, {"stock_timestamp", "source", "part_id", "storage_id", "lot_id", "quantity"}),
        (
            MoveStock,
            {"stock_timestamp", "source", "part_id", "from_storage_id", "to_storage_id", "lot_id", "quantity"},
        ),
        (
            CorrectStock,
            {
                "stock_timestamp",
                "source",
                "part_id",
                "entry_timestamp",
                "quantity",
                "price",
                "currency",
                "new_comments",
            },
        ),
        (ReceiveOrder, {"stock_timestamp", "source", "order_id", "storage_id", "lines"}),
        (
            ReceiveLine,
            {"stock_timestamp", "source", "order_id", "stock_id", "part_id", "storage_id", "quantity"},
        ),
    ],
)
def test_the_identity_of_a_command_is_these_fields(model: type[Command], fields: set[str]) -> None:
    assert set(model.identity_fields()) == fields


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("stock.add", "gfrwm3i3pvovyqzxdpvb"),
        ("stock.remove", "4sr25kjdljnpoay3wubb"),
        ("stock.move", "3w75kz33lwt3haqqalph"),
        ("stock.correct", "v437e52jqmhtmiktyyco"),
        ("order.receive", "zeqcqx7ghl7ccdmgaeqr"),
        ("order.receive_line", "qla62fepvpk2gfljkjtl"),
    ],
)
def test_the_key_of_a_command_never_changes(kind: str, key: str) -> None:
    assert parse_command(kind, GOOD[kind]).key() == key
    assert is_key(key)


@pytest.mark.parametrize("kind", kinds())
def test_any_other_value_of_an_identity_field_is_another_command(kind: str) -> None:
    keys = {parse_command(kind, GOOD[kind]).key()}
    names = command_type(kind).identity_fields()
    keys |= {parse_command(kind, another(kind, name)).key() for name in names}
    assert len(keys) == len(names) + 1


def test_the_same_event_of_another_kind_is_another_command() -> None:
    assert parse_command("stock.add", ADD).key() != parse_command("stock.remove", REMOVE).key()


@given(
    st.integers(1, MAX_QUANTITY),
    st.integers(NOW_MS, NOW_MS + DAY_MS),
    st.text("abcXYZ09 .", max_size=30),
    st.randoms(use_true_random=False),
)
def test_a_re_delivery_has_the_same_key_whatever_else_it_says(
    quantity: int, stamp: int, comments: str, chance: Any
) -> None:
    payload = {**ADD, "quantity": quantity, "stock_timestamp": stamp}
    shuffled = list({**payload, "comments": comments, "vendor_sku": "sku"}.items())
    chance.shuffle(shuffled)
    assert parse_command("stock.add", dict(shuffled)).key() == parse_command("stock.add", payload).key()


@given(st.tuples(st.integers(1, 50), st.integers(0, 50)), st.tuples(st.integers(1, 50), st.integers(0, 50)))
def test_keys_are_equal_exactly_when_the_events_are(one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = (
        parse_command("stock.add", {**ADD, "quantity": quantity, "stock_timestamp": NOW_MS + later})
        for quantity, later in (one, other)
    )
    assert (first.key() == second.key()) == (one == other)


def test_a_clients_own_key_is_its_own() -> None:
    keys = {
        derive_key("idempotency-key", "station-1", "7"),
        derive_key("idempotency-key", "station-2", "7"),
        derive_key("idempotency-key", "station-1", "8"),
        derive_key("idempotency-key", "station-17"),
    }
    assert len(keys) == 4


# keys and markers


@pytest.mark.parametrize(
    "text", ["", "a" * 19, "a" * 21, "A" * 20, "1" * 20, "a" * 20 + "\n", " " + "a" * 19, "ä" * 20, "a" * 19 + "*"]
)
def test_a_malformed_key_is_no_key(text: str) -> None:
    assert not is_key(text)


@given(st.text(max_size=50), st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=20, max_size=20))
def test_a_marker_is_found_behind_any_text(comments: str, key: str) -> None:
    assert key in markers_in(with_marker(comments, key))


@pytest.mark.parametrize(
    "text", ["cmd:" + "a" * 20, "[cmd:" + "a" * 20, "[cmd:" + "a" * 19 + "]", "[cmd:" + "a" * 21 + "]", "[cmd:]"]
)
def test_part_of_a_marker_is_none(text: str) -> None:
    assert markers_in(text) == frozenset()
