"""From a sender's JSON to commands: what the rules give and refuse, and that the same event is the same command."""

from __future__ import annotations

from typing import Any

import pytest

from producers.webhooks.expressions import Expression, ExpressionError, Tables
from producers.webhooks.mapping import MAX_COMMANDS, MAX_DEPTH, Delivered, Mapped, Mapper, MappingError, parse_event
from producers.webhooks.unpacking import UnpackError, Unpacking
from tasks.commands import MAX_TIMESTAMP_MS
from tasks.registry import InvalidCommandError
from tests.unit.webhook_senders import PART, SHELF, source

NOW_MS = 1_795_278_010_123
LINES = {"name": "#7", "lines": [{"sku": "R-10R", "qty": 3}, {"sku": "R-10R", "qty": 3}, {"sku": "C-1u", "qty": 1}]}
OTHER_PART = "q" * 26
EACH = {
    "when": "event.name != `null`",
    "kind": "stock.remove",
    "each": "event.lines",
    "fields": {
        "part_id": "lookup('parts', item.sku)",
        "storage_id": {"literal": SHELF},
        "quantity": "item.qty",
        "comments": "join(' ', ['order', event.name])",
    },
}
TABLES = {"parts": {"R-10R": PART, "C-1u": OTHER_PART}}


def mapped(event: Any, identity: str = "e-1", headers: dict[str, str] | None = None, **more: Any) -> Mapped:
    mapper = Mapper("shop", source("github", **{"commands": [EACH], "tables": TABLES, **more}))
    return mapper.map(Delivered("shop", identity, event, headers or {}), NOW_MS)


def rule(**changes: Any) -> list[dict[str, Any]]:
    return [{**EACH, **changes}]


def fields(**changes: Any) -> list[dict[str, Any]]:
    return rule(fields={**EACH["fields"], **changes})  # type: ignore[dict-item]


def test_an_event_becomes_a_command_for_each_of_its_items_a_millisecond_apart() -> None:
    found = mapped(LINES)

    assert [(command.kind, command.model_dump()["part_id"]) for command in found.commands] == [
        ("stock.remove", PART),
        ("stock.remove", PART),
        ("stock.remove", OTHER_PART),
    ]
    assert [command.stock_timestamp for command in found.commands] == [NOW_MS, NOW_MS + 1, NOW_MS + 2]
    assert {command.comments for command in found.commands} == {"order #7"}
    assert not found.is_told


def test_a_rule_that_names_the_senders_proof_quoted_it_in_its_refusal() -> None:
    secret = {"authorization": "Bearer c2VjcmV0LXNlY3JldA", "x-topic": "ok"}

    with pytest.raises(MappingError) as caught:
        mapped(LINES, "e-1", secret, commands=fields(storage_id="headers.authorization"))
    assert "c2VjcmV0" not in str(caught.value)
    with pytest.raises((MappingError, InvalidCommandError), match="ok"):
        mapped(LINES, "e-1", secret, commands=fields(storage_id='headers."x-topic"'))


def test_two_equal_lines_and_two_equal_events_are_never_one_command() -> None:
    keys = [command.key() for identity in ("e-1", "e-2") for command in mapped(LINES, identity).commands]

    assert len(set(keys)) == len(keys) == 6


def test_the_same_event_at_its_first_moment_is_the_same_commands() -> None:
    first, again = mapped(LINES), mapped(LINES)

    assert [one.key() for one in again.at(first.moment_ms).commands] == [one.key() for one in first.commands]
    assert [one.key() for one in again.at(first.moment_ms + 1).commands] != [one.key() for one in first.commands]


@pytest.mark.parametrize(
    ("found", "unit", "moment_ms"),
    [
        ("2026-11-02T10:00:00Z", "iso8601", 1_793_613_600_000),
        ("2026-11-02T10:00:00.123456+01:00", "iso8601", 1_793_610_000_123),
        (1_793_613_600, "s", 1_793_613_600_000),
        (1_793_613_600.5, "s", 1_793_613_600_500),
        (1_793_613_600_001, "ms", 1_793_613_600_001),
    ],
)
def test_the_moment_is_the_one_that_the_sender_tells(found: Any, unit: str, moment_ms: int) -> None:
    told = mapped({**LINES, "at": found}, time={"field": "event.at", "unit": unit})

    assert told.is_told
    assert told.commands[0].stock_timestamp == moment_ms
    assert told.commands[0].source.startswith("shop:")


@pytest.mark.parametrize(
    ("found", "unit"),
    [
        (None, "iso8601"),
        ("2026-11-02T10:00:00", "iso8601"),
        ("yesterday", "iso8601"),
        (7, "iso8601"),
        ("1793613600", "s"),
        (True, "s"),
        (1_793_613_600, "ms"),
        (1_793_613_600_000, "s"),
        (1e300, "s"),
        (MAX_TIMESTAMP_MS, "ms"),
    ],
)
def test_a_moment_that_is_none_is_not_replaced_by_a_guess(found: Any, unit: str) -> None:
    with pytest.raises(MappingError, match=r"source shop: time: event\.at: gave .*, (which is no|not between)"):
        mapped({**LINES, "at": found}, time={"field": "event.at", "unit": unit})


def test_what_no_rule_is_for_becomes_nothing() -> None:
    assert mapped({"lines": []}).commands == ()
    assert mapped({**LINES, "lines": []}).commands == ()
    assert mapped(LINES, commands=rule(when='headers."x-topic" == `"other"`')).commands == ()
    assert mapped(LINES, "e-1", {"x-topic": "ok"}, commands=rule(when='headers."x-topic" == `"ok"`')).commands


@pytest.mark.parametrize(
    ("rules", "event", "reason"),
    [
        (rule(when="event.flag"), LINES, "commands.1.when: event.flag: gave null, must give true or false"),
        (rule(each="event.name"), LINES, 'commands.1.each: event.name: gave "#7", must give a list'),
        (rule(each="event.nothing"), LINES, "commands.1.each: event.nothing: gave null, must give a list"),
        (rule(), {**LINES, "lines": [{"sku": "X", "qty": 1}]}, "lookup: table parts has no 'X'"),
        (rule(), {**LINES, "lines": [{"sku": None, "qty": 1}]}, "commands.1.fields.part_id: lookup('parts', item.sku)"),
        (rule(), {**LINES, "lines": [{"sku": "R-10R"}]}, "quantity: Field required (got nothing) from item.qty"),
        (rule(), {**LINES, "lines": [{"sku": "R-10R", "qty": "3"}]}, 'valid integer (got "3") from item.qty'),
        (rule(), {**LINES, "lines": [{"sku": "R-10R", "qty": True}]}, "valid integer (got true) from item.qty"),
        (rule(), {**LINES, "lines": [{"sku": "R-10R", "qty": 2.5}]}, "(got 2.5) from item.qty"),
        (rule(), {**LINES, "lines": [{"sku": "R-10R", "qty": -1}]}, "greater than 0 (got -1) from item.qty"),
        (fields(comments="join(' ', event.name)"), LINES, "commands.1.fields.comments: join(' ', event.name): "),
        (fields(part_id={"literal": "short"}), LINES, "part_id: String should match pattern"),
        (rule(), {**LINES, "lines": [{"sku": "R-10R", "qty": 1}] * (MAX_COMMANDS + 1)}, "more than 500 commands"),
        (fields(part_id="lookup('parts ', item.sku)"), LINES, "there is no table 'parts '; known are parts"),
    ],
)
def test_what_cannot_become_a_command_names_source_field_and_expression(
    rules: list[dict[str, Any]], event: Any, reason: str
) -> None:
    with pytest.raises(MappingError) as caught:
        mapped(event, commands=rules)

    assert str(caught.value).startswith("source shop: ")
    assert reason in str(caught.value)


def test_an_optional_field_that_is_not_there_keeps_its_default() -> None:
    event = {"part": PART, "quantity": 2}

    found = mapped(
        event,
        commands=[
            {
                "kind": "stock.add",
                "fields": {
                    "part_id": "event.part",
                    "storage_id": {"literal": SHELF},
                    "quantity": "event.quantity",
                    "vendor_sku": "event.sku",
                },
            }
        ],
    )

    assert found.commands[0].model_dump()["vendor_sku"] is None


def test_the_lines_of_an_order_are_shaped_by_one_expression() -> None:
    order = {"id": "h" * 26, "items": [{"line": "n" * 26, "got": 4}]}

    found = mapped(
        order,
        commands=[
            {
                "kind": "order.receive",
                "fields": {
                    "order_id": "event.id",
                    "storage_id": {"literal": SHELF},
                    "lines": "event.items[].{stock_id: line, quantity: got}",
                },
            }
        ],
    )

    (line,) = found.commands[0].model_dump()["lines"]
    assert (line["stock_id"], line["quantity"]) == ("n" * 26, 4)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("10", 10), ("-3", -3), ("0.5", 0.5), ("0", 0)),
        *(
            (text, None)
            for text in ("1_000", " 1", "1 ", "+1", "01", "1E5", "0x10", "nan", "", "\N{ARABIC-INDIC DIGIT THREE}")
        ),
        ("9" * 31, None),
    ],
)
def test_numbers_in_text_are_read_as_json_writes_them(text: str, number: float | None) -> None:
    assert Expression("to_number(event)").find({"event": text}, Tables({})) == number


def test_functions_are_told_from_what_they_got() -> None:
    with pytest.raises(ExpressionError, match=r"^length\(event\): "):
        Expression("length(event)").find({"event": 7}, Tables({}))


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff{}", "not UTF-8"),
        (b'{"a":1,"a":2}', "a name occurs twice"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":1e999}', "larger than can be kept"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nests deeper"),
        (b"[" * 100_000, "nests deeper"),
    ],
)
def test_a_body_that_two_readers_might_take_differently_is_none(raw: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_event(raw)


def test_other_peoples_json_may_nest_and_be_precise() -> None:
    assert parse_event(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert parse_event(b'{"lat": 0.1000000000000000055511151231257827}') == {"lat": 0.1}


@pytest.mark.parametrize(
    ("scheme", "more", "headers", "body", "identity"),
    [
        ("github", {}, {"x-github-delivery": "g-1"}, b"{}", "g-1"),
        ("stripe", {}, {}, b'{"id":"evt_1"}', "evt_1"),
        ("shopify", {}, {"x-shopify-event-id": "s-1", "x-shopify-webhook-id": "w-1"}, b"{}", "s-1"),
        ("shopify", {}, {"x-shopify-webhook-id": "w-1"}, b"{}", "w-1"),
        ("standard-webhooks", {}, {"webhook-id": "msg_1"}, b"{}", "msg_1"),
        ("standard-webhooks", {"header_prefix": "svix"}, {"svix-id": "msg_2"}, b"{}", "msg_2"),
        ("github", {"id": {"field": "event.n"}}, {"x-github-delivery": "g-1"}, b'{"n":5}', "5"),
        ("github", {"id": {"header": "X-Mine"}}, {"x-mine": "m-1"}, b"{}", "m-1"),
    ],
)
def test_a_delivery_is_told_from_others_as_its_sender_means_it(
    scheme: str, more: dict[str, Any], headers: dict[str, str], body: bytes, identity: str
) -> None:
    (unpacked,) = Unpacking("shop", source(scheme, **more)).unpack(headers, body)

    assert unpacked.delivered.identity == identity


def test_without_an_id_the_content_tells_deliveries_apart() -> None:
    unpacking = Unpacking("shop", source("bearer"))

    first, again, other = (unpacking.unpack({}, body)[0].delivered for body in (b'{"a":1}', b'{"a":1}', b'{"a":2}'))

    assert first.key == again.key != other.key


@pytest.mark.parametrize(
    ("headers", "body"),
    [({}, b"{}"), ({"x-github-delivery": "two words"}, b"{}"), ({"x-github-delivery": "\udcff"}, b"{}"), ({}, b"no")],
)
def test_a_delivery_without_an_id_is_named_by_its_bytes(headers: dict[str, str], body: bytes) -> None:
    unpacking = Unpacking("shop", source("github"))
    keys = []
    for raw in (body, body, body + b" "):
        with pytest.raises(UnpackError, match="source shop: ") as caught:
            unpacking.unpack(headers, raw)
        keys.append(caught.value.key)

    assert keys[0] == keys[1] != keys[2]
