"""What an answer of Partium means for each record that the request named."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import Exchange, InDoubtError, RejectedError, RetryableError, VendorBlockedError
from tasks.registry import parse_command
from tests.unit.batching_harness import API_KEY, LOST, NOW_MS, Bench, Reply, Sender, bench, outcomes

__all__ = ["bench"]

#: Word for word (vendor reference 3.3).
MAINTENANCE = (
    "Catalog manager is in maintenance mode - all processing is suspended and changes are currently not possible"
)
TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJpbnZlbnRlZCJ9.c2lnbmF0dXJl"


def answer(**fields: Any) -> Reply:
    return Reply(body={"created": [], "updated": [], "errors": {}} | fields)


async def one_write(bench: Bench, reply: Reply, *, delete: bool = False) -> Any:
    bench.limiter.open = True
    # a read that follows finds the record
    bench.session.answer = lambda request: Reply(body=[{"part_id": "a"}]) if request.path.endswith("/select") else reply
    (found,) = await outcomes([bench.delete("a") if delete else bench.upsert("a")])
    return found


# done, refused, neither


@pytest.mark.parametrize("name", ["created", "updated"])
async def test_what_was_created_or_updated_is_done(bench: Bench, name: str) -> None:
    found = await one_write(bench, answer(**{name: ["a"]}))

    assert isinstance(found, Exchange)
    assert found.answer == {name: ["a"]}


async def test_what_was_deleted_is_done(bench: Bench) -> None:
    found = await one_write(bench, Reply(body={"deleted": ["a"], "errors": {}}), delete=True)

    assert isinstance(found, Exchange)
    assert found.answer == {"deleted": ["a"]}
    assert found.operation == "DELETE /1/catalog/parts"


async def test_fields_that_nobody_announced_change_nothing(bench: Bench) -> None:
    assert isinstance(await one_write(bench, answer(created=["a", "stranger"], skipped=[], took_ms=3)), Exchange)


@pytest.mark.parametrize("said", ["unknown attribute", {"code": 7, "text": "unknown attribute"}, ["unknown attribute"]])
async def test_an_error_of_one_record_is_its_refusal_with_the_vendors_words(bench: Bench, said: object) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: answer(created=["b"], errors={"a": said})

    a, b = await outcomes([bench.upsert("a"), bench.upsert("b")])

    assert type(a) is RejectedError
    assert a.code == "refused"
    assert "unknown attribute" in str(a)
    assert a.exchange is not None
    assert a.exchange.answer == {"errors": {"a": said}}
    assert isinstance(b, Exchange)
    assert b.answer == {"created": ["b"]}
    assert len(bench.session.sent) == 1


@pytest.mark.parametrize(
    "reply",
    [
        answer(created=["b"]),
        answer(created=["b"], errors={"0": "refused by index"}),
        answer(created=["b", "a"], errors={"a": "both"}),
    ],
)
async def test_a_record_that_the_answer_does_not_account_for_is_in_doubt_alone(bench: Bench, reply: Reply) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: reply

    a, b = await outcomes([bench.upsert("a"), bench.upsert("b")])

    assert type(a) is InDoubtError
    assert a.exchange is not None
    assert a.exchange.request["item"]["part_id"] == "a"
    assert isinstance(b, Exchange)


@pytest.mark.parametrize("part_is_there", [True, False])
async def test_a_delete_that_is_refused_although_the_part_is_gone_is_in_doubt(
    bench: Bench,
    part_is_there: bool,  # noqa: FBT001  a case, not a switch
) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda request: (
        Reply(body=[{"part_id": "a"}] if part_is_there else [])
        if request.path.endswith("/select")
        else Reply(body={"deleted": [], "errors": {"a": "not found or in use"}})
    )

    (found,) = await outcomes([bench.delete("a")])

    assert type(found) is (RejectedError if part_is_there else InDoubtError)


async def test_a_delete_that_was_refused_whole_needs_no_read(bench: Bench) -> None:
    found = await one_write(bench, Reply(400, {}), delete=True)

    assert (type(found), found.code) == (RejectedError, "invalid")
    assert len(bench.session.sent) == 1


# the documented form


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        None,
        [],
        {},
        {"created": ["a"]},
        {"created": ["a"], "updated": []},
        {"created": "a", "updated": [], "errors": {}},
        {"created": {"a": 1}, "updated": [], "errors": {}},
        {"created": [0], "updated": [], "errors": {}},
        {"created": ["a"], "updated": [], "errors": []},
        {"created": ["a"], "updated": [], "errors": None},
        {"deleted": ["a"], "errors": {}},
    ],
)
async def test_an_answer_in_another_form_says_nothing(bench: Bench, body: Any) -> None:
    assert type(await one_write(bench, Reply(200, body))) is InDoubtError


async def test_a_delete_is_not_confirmed_in_the_form_of_an_upsert(bench: Bench) -> None:
    assert type(await one_write(bench, answer(created=["a"]), delete=True)) is InDoubtError


@pytest.mark.parametrize("status", [201, 202, 204])
async def test_only_a_200_is_documented(bench: Bench, status: int) -> None:
    reply = answer(created=["a"])
    reply.status = status

    assert type(await one_write(bench, reply)) is InDoubtError


# maintenance


@pytest.mark.parametrize("detail", [MAINTENANCE, f" {MAINTENANCE}\n"])
async def test_maintenance_is_certainly_not_applied_and_only_slows_down(bench: Bench, detail: str) -> None:
    found = await one_write(bench, Reply(503, {"detail": detail}, {"Retry-After": "120"}))

    assert type(found) is VendorBlockedError
    assert (found.throttled, found.retry_after_seconds) == (True, 120)
    assert [entry[0] for entry in bench.limiter.log] == ["acquire", "release"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>503</html>",
        {},
        {"detail": ""},
        {"detail": [MAINTENANCE]},
        {"detail": f"{MAINTENANCE}."},
        {"detail": MAINTENANCE.lower()},
        {"message": MAINTENANCE},
        MAINTENANCE,
    ],
)
async def test_any_other_503_leaves_a_write_in_doubt(bench: Bench, body: Any) -> None:
    found = await one_write(bench, Reply(503, body))

    assert type(found) is InDoubtError
    assert found.overloaded


async def test_the_words_of_maintenance_mean_nothing_with_another_status(bench: Bench) -> None:
    assert type(await one_write(bench, Reply(500, {"detail": MAINTENANCE}))) is InDoubtError


# words and secrets


async def test_a_422_is_quoted_field_by_field(bench: Bench) -> None:
    detail = [{"loc": ["body", 0, "name"], "msg": "field required"}, {"msg": "too long"}, "odd"]
    found = await one_write(bench, Reply(422, {"detail": detail}))

    assert type(found) is RejectedError
    assert "field required; too long" in str(found)


@pytest.mark.parametrize("said", [f"key {API_KEY} may not", {"token": TOKEN, "why": [API_KEY, TOKEN]}])
async def test_no_secret_is_left_in_words_and_evidence(bench: Bench, said: object) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: answer(errors={"a": said})

    (found,) = await outcomes([bench.upsert("a", text=f"sent by mistake: {API_KEY}")])

    assert type(found) is RejectedError
    shown = str(found) + repr(found.exchange)
    assert API_KEY not in shown
    assert TOKEN not in shown


async def test_no_secret_is_left_in_the_evidence_of_what_was_sent(bench: Bench) -> None:
    bench.limiter.open = True
    values = [{"value": {"en": f"sent by mistake: {API_KEY}"}}]
    attributes = [{"attribute_id": "x", "values": values}]
    given = {"stock_timestamp": NOW_MS, "part_id": "a", "name": {"en": "x"}, "attributes": attributes}
    command: Any = parse_command("catalog.upsert_part", given)

    found = await bench.partium.upsert_part(command, Sender())

    assert API_KEY in repr(bench.session.sent[0].body)
    assert API_KEY not in repr(found)


async def test_no_secret_is_left_in_what_was_read(bench: Bench) -> None:
    bench.limiter.open = True
    values = [{"organization": "", "value": {"en": f"Bearer {API_KEY}", "de": TOKEN}}]
    body = {"part_id": "a", "name": {"en": API_KEY}, "attributes": [{"attribute_id": "x", "values": values}]}
    bench.session.answer = lambda _: Reply(body=[body])

    found = repr(await bench.read("a"))

    assert API_KEY not in found
    assert TOKEN not in found


async def test_the_words_are_one_short_line(bench: Bench) -> None:
    found = await one_write(bench, answer(errors={"a": "no\r\nFORGED line\x1b[31m " + "no " * 2000}))

    assert str(found).isprintable()
    assert len(str(found)) < 300


# reads


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"part_id": "a", "new": 1}, {"name": {}, "attributes": []}),
        ({"part_id": "a", "name": None, "attributes": None}, {"name": {}, "attributes": []}),
        (
            {
                "part_id": "a",
                "name": {"en": "x"},
                "attributes": [{"attribute_id": "w", "values": [{"value": {"en": 5}}]}],
            },
            {
                "name": {"en": "x"},
                "attributes": [{"attribute_id": "w", "values": [{"organization": "", "value": {"en": 5}}]}],
            },
        ),
    ],
)
async def test_a_part_is_read_patiently(bench: Bench, body: dict[str, Any], fields: dict[str, Any]) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: Reply(body=[body])

    record = await bench.read("a")

    assert (record.noun, record.record_id, record.fields) == ("part", "a", fields)
    assert json.loads(json.dumps(record.fields)) == record.fields


@pytest.mark.parametrize(
    "bodies",
    [
        [{"part_id": "stranger"}],
        [{"part_id": "a"}, {"part_id": "a"}],
        [{"part_id": 1}],
        [{"part_id": ["a"]}],
        [{"name": {"en": "x"}}],
        ["a"],
        {"result": []},
    ],
)
async def test_an_answer_about_something_else_is_not_taken_for_absence(bench: Bench, bodies: Any) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: Reply(body=bodies)

    found = await outcomes([bench.read("a"), bench.read("b")])

    assert [type(one) for one in found] == [RetryableError] * 2


async def test_a_record_that_cannot_be_read_is_no_trouble_for_the_others(bench: Bench) -> None:
    bench.limiter.open = True
    deep: Any = "x"
    for _ in range(400):
        deep = {"en": [deep]}
    bench.session.answer = lambda _: Reply(
        body=[{"part_id": "a", "name": "x"}, {"part_id": "b"}, {"part_id": "c", "name": deep}]
    )

    a, b, c = await outcomes([bench.read(name) for name in "abc"])

    assert (type(a), type(c)) == (RetryableError, RetryableError)
    assert "name" in str(a)
    assert b.record_id == "b"


async def test_what_is_missing_from_the_answer_is_absent(bench: Bench) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: Reply(body=[])

    assert await bench.read("a") is None
    assert await bench.partium.assembly("a") is None


@pytest.mark.parametrize("reply", [LOST, Reply(503, {"detail": MAINTENANCE}), Reply(429, {})])
async def test_a_read_without_an_answer_is_no_absence(bench: Bench, reply: Reply) -> None:
    bench.limiter.open = True
    bench.session.answer = lambda _: reply

    (found,) = await outcomes([bench.read("a")])

    assert isinstance(found, RetryableError | VendorBlockedError)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "x"]), inner, max_size=3),
    max_leaves=8,
)
_IDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=4)
_BODIES = _JSON | st.fixed_dictionaries(
    {"created": _IDS, "updated": _IDS, "errors": st.dictionaries(st.sampled_from(["a", "b", "c"]), _JSON)}
)


@given(_BODIES)
def test_whatever_comes_back_is_done_only_if_the_answer_says_so_clearly(body: Any) -> None:
    async def ask() -> list[Any]:
        bench = Bench()
        bench.limiter.open = True
        bench.session.answer = lambda _: Reply(body=body)
        return await outcomes([bench.upsert("a"), bench.upsert("b")])

    for record_id, found in zip("ab", asyncio.run(ask()), strict=True):
        if isinstance(found, Exchange):
            assert record_id in body["created"] + body["updated"]
            assert record_id not in body["errors"]
        elif isinstance(found, RejectedError):
            assert record_id in body["errors"]
            assert record_id not in body["created"] + body["updated"]
        else:
            assert type(found) is InDoubtError
