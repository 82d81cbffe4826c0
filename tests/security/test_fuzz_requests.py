"""What arrives over HTTP, read by its decoders: nothing but their own refusals comes out, whatever it is."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from producers.tokens import ClientToken, parse_tokens
from producers.webhooks.cloudevents import BATCH, STRUCTURED, CloudEventError, read_events
from producers.webhooks.events import Position
from producers.webhooks.mapping import Mapper, MappingError, parse_event
from producers.webhooks.sessions import DESK, STATION
from producers.webhooks.signatures import Verifier
from producers.webhooks.unpacking import UnpackError, Unpacking
from tests.security.depth import fuzz
from tests.security.hostile import as_json, damaged, json_values, nearly, refusal, texts
from tests.unit.webhook_senders import (
    NOW,
    OTHER,
    RULE,
    SECRET,
    SHELF,
    STANDARD_SECRET,
    github,
    shopify,
    source,
    standard,
    stripe,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from producers.webhooks.sources import Source
    from producers.webhooks.unpacking import Unpacked

EVENT: Final = {
    "specversion": "1.0",
    "id": "1",
    "source": "/shop",
    "type": "sold",
    "datacontenttype": "application/json",
}
EVENT_DATA: Final = {"part": "p" * 26, "quantity": 5, "lines": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}], "at": NOW}
NAMES: Final = ("content-type", "ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-x", "x-event-id")
CONTENT_TYPES: Final = (STRUCTURED, BATCH, "application/json", "text/plain; charset=utf-16", "application/x+json", "")
headers: Final = st.dictionaries(st.sampled_from(NAMES), texts | st.sampled_from(CONTENT_TYPES), max_size=7)
bodies: Final = (
    json_values.map(as_json)
    | nearly([EVENT | {"data": EVENT_DATA}, [EVENT, EVENT], EVENT_DATA]).map(as_json)
    | damaged([as_json(EVENT_DATA), as_json([EVENT])])
    | st.binary(max_size=60)
)
#: Every feature of a source's rules: a condition, an item each, tables, functions, the sender's moment.
RULES: Final[dict[str, Any]] = {
    "kind": "stock.remove",
    "when": "event.part != `null`",
    "each": "event.lines",
    "fields": {
        "part_id": "lookup('parts', item.sku)",
        "storage_id": {"literal": SHELF},
        "quantity": "to_number(item.n)",
    },
}
MAPPING: Final = source(
    "bearer",
    id={"field": "event.part"},
    time={"field": "event.at", "unit": "s"},
    tables={"parts": {"a": "p" * 26, "b": "q" * 26}},
    commands=[RULE, RULES],
)
CLOUD: Final = source("bearer", format="cloudevents", id=None, commands=[RULE])
SIGNED: Final[dict[str, tuple[str, Callable[[bytes], dict[str, str]]]]] = {
    "standard-webhooks": (STANDARD_SECRET, standard),
    "github": (SECRET, github),
    "stripe": (SECRET, stripe),
    "shopify": (SECRET, shopify),
}


@fuzz
@given(headers, bodies)
def test_no_request_makes_the_reader_of_cloudevents_raise_anything_else(given: dict[str, str], body: bytes) -> None:
    with contextlib.suppress(CloudEventError):
        found = read_events(given, body, parse_event)
        assert all(isinstance(event["id"], str) and isinstance(event["source"], str) for event in found)


@fuzz
@given(st.sampled_from([MAPPING, CLOUD]), headers, bodies)
def test_no_event_makes_the_rules_of_a_source_raise_anything_else(
    chosen: Source, given: dict[str, str], body: bytes
) -> None:
    unpacked: Sequence[Unpacked] = ()
    refused: UnpackError | None = None
    try:
        unpacked = Unpacking("shop", chosen).unpack(given, body)
    except UnpackError as error:
        refused = error
    assert refused is None or (len(refused.key) == 20 and len(str(refused)) < 2_000)
    for one in unpacked:
        with contextlib.suppress(MappingError):
            for command in Mapper("shop", chosen).map(one.delivered, NOW * 1000).commands:
                assert command.lanes()
                assert json.loads(command.model_dump_json())


@fuzz
@given(
    st.sampled_from(sorted(SIGNED)),
    st.dictionaries(st.integers(0, 3), texts, max_size=3),
    st.integers(1, 2),
    st.binary(max_size=40).map(lambda body: b"!" + body),
)
def test_no_set_of_headers_passes_for_a_signature_or_makes_a_verifier_raise(
    scheme: str,
    changes: dict[int, str],
    times: int,
    body: bytes,
) -> None:
    secret, sign = SIGNED[scheme]
    names = [name.lower() for name in sign(b"another body")]
    given = {name: [value] for name, value in zip(names, sign(b"another body").values(), strict=True)}
    for place, value in changes.items():
        given[names[place % len(names)]] = [value] * times

    assert Verifier(source(scheme), [secret]).verify(given, body, NOW) != ""


@fuzz
@given(
    st.sampled_from(["ST-01", "", "*", "ST-01:1"]),
    st.integers(),
    texts | st.text("0123456789abcdef", max_size=70),
    st.text(max_size=20),
)
def test_no_session_is_taken_that_was_not_issued(client: str, ends: int, signature: str, other: str) -> None:
    # as a header's bytes arrive
    signature = signature.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    tokens = [ClientToken("ST-01", SecretStr(SECRET)), ClientToken("ST-02", SecretStr(OTHER))]
    genuine = STATION.issue("ST-01", SECRET.encode(), NOW)

    for forged in (
        f"{client}:{ends}:{signature}",
        genuine + other,
        other + genuine,
        genuine.replace("ST-01", "ST-02"),
        signature,
    ):
        assert forged == genuine or STATION.find(forged, tokens, NOW) is None
    assert STATION.find(genuine, tokens, NOW) == tokens[0]
    assert DESK.find(genuine, tokens, NOW) is None


@fuzz
@given(texts | st.text("abz:,-0123456789{}", max_size=40))
def test_no_last_event_id_is_more_than_a_position_or_none(text: str) -> None:
    found = Position.parse(text)

    assert found is None or Position.parse(str(found)) is not None or str(found) == ""


@fuzz
@given(
    st.lists(st.text(":,\n +=aA0submitread", max_size=30) | texts, max_size=4).map(",".join),
    st.text("abcdefXYZ0189", min_size=12, max_size=15),
)
def test_no_list_of_tokens_is_refused_with_a_word_of_it(text: str, secret: str) -> None:
    for given_text in (
        text,
        f"c:{secret}",
        f"c:{secret}:submit",
        f"c:{secret}${secret}",
        f"{secret}",
        f"c:{secret}{secret}:{secret}",
    ):
        refused = refusal(ValueError, lambda given_text=given_text: parse_tokens(given_text))  # type: ignore[misc]  # a default
        assert secret not in refused
        assert len(refused) < 200
