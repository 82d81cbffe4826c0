"""No secret gets out of the vendor client, and what it keeps as evidence is small."""

from __future__ import annotations

import json
import traceback
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InDoubtError, RejectedError, RetryableError, VendorError
from tests.scripted_vendor import (
    API_KEY,
    KEY,
    OK,
    Session,
    envelope,
    make,
    write_once,
)
from workers.vendors.evidence import MAX_EVIDENCE_BYTES, Scrubber
from workers.vendors.partsbox.client import PartsBoxClient
from workers.vendors.partsbox.stock import PartsBoxStock
from workers.vendors.request import Answer, Call

OTHER_KEY = "partsboxapi_fedcba9876543210fedcba9876543210"
MARKER = f"[cmd:{KEY}]"
KEY_SCRUBBER = Scrubber([f"APIKey {API_KEY}"], PartsBoxClient.key_pattern)


def words_of(error: BaseException) -> str:
    """Give everything a log, a traceback or a store could show of the error and all it drags along."""
    shown = "".join(traceback.format_exception(error)) + repr(error) + repr(getattr(error, "exchange", None))
    for further in (error.__cause__, error.__context__):
        shown += repr(further) + repr(vars(further)) if further is not None else ""
    return shown


ESCAPED_KEY = "".join(f"\\u{ord(letter):04x}" for letter in API_KEY)
ECHOES = {
    "in the message": envelope(message=f"bad key {API_KEY}."),
    "as the message": envelope(message=API_KEY),
    "escaped": b'{"partsbox.status/category": "forbidden", "partsbox.status/message": "key %s"}' % ESCAPED_KEY.encode(),
    "as a name": json.dumps({API_KEY: {API_KEY: [API_KEY]}}).encode(),
    "as a header": f"Authorization: APIKey {API_KEY}".encode(),
    "in HTML": f"<p>Authorization: <b>APIKey&nbsp;{API_KEY}</b></p>".encode(),
    "of someone else": f"is it {OTHER_KEY}?".encode(),
    "cut": b"<p>" + API_KEY[:20].encode(),
    "at the edge": b"x " * (4 * MAX_EVIDENCE_BYTES // 2 - 5) + API_KEY.encode(),
    "in a long body": json.dumps({f"n{i}": f"see {API_KEY}" for i in range(500)}).encode(),
    "deep": b'{"a":' * 50 + json.dumps(API_KEY).encode() + b"}" * 50,
    "broken JSON": b'{"a": "' + API_KEY.encode(),
    "in UTF-16": json.dumps({"a": API_KEY}).encode("utf-16"),
    "in UTF-16 that is no JSON": f"key {API_KEY}".encode("utf-16"),
}


@pytest.mark.parametrize("status", [200, 400, 401, 403, 500])
@pytest.mark.parametrize("echo", ECHOES)
async def test_no_echo_of_a_key_gets_out(echo: str, status: int) -> None:
    error = await write_once(Session(status, ECHOES[echo]))

    shown = words_of(error) if isinstance(error, VendorError) else repr(error)
    shown = shown.replace("\0", "").replace("\\x00", "").replace("\\u0000", "")
    assert "0123456789" not in shown
    assert "fedcba98" not in shown
    assert "partsboxapi_0" not in shown


async def test_the_vendors_words_are_kept_around_the_secret() -> None:
    error = await write_once(
        Session(403, envelope(category="forbidden", message=f"The key {API_KEY} may not add stock"))
    )

    assert isinstance(error, RejectedError)
    assert "“The key [removed] may not add stock”" in str(error)
    assert error.exchange is not None
    assert error.exchange.answer["partsbox.status/message"] == "The key [removed] may not add stock"


NO_SECRETS = [
    "no bearer of bad news, basic resistors",
    "part 1pbqre1cfg4f59azmvsyftqsxe in [cmd:abcdefghijklmnopqrst]",
    "-" * 60,
]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Authorization: anything at all", "[removed]"),
        ("authorization=Digest abc", "[removed]"),
        ('{"Authorization": "APIKey x"', '{"[removed]"'),
        ("Bearer abcdef0123456789", "[removed]"),
        ("sha 0123456789abcdef0123456789abcdef01234567 here", "sha [removed] here"),
        ("half \ud83d of it", "half ? of it"),
        *((text, text) for text in NO_SECRETS),
    ],
)
def test_secrets_go_and_words_stay(text: str, kept: str) -> None:
    assert Scrubber([], "never").text(text) == kept


@pytest.mark.parametrize("text", ["Scheme open sesame", "it is open here", "it is sesame"])
def test_a_secret_of_any_form_is_known_by_its_value(text: str) -> None:
    kept = Scrubber(["Scheme open sesame"], "never").text(text)

    assert "open" not in kept
    assert "sesame" not in kept


def test_a_secret_that_is_cut_in_two_by_shortening_is_dropped() -> None:
    secret = "opensesame" * 6
    for shift in range(len(secret) + 1):
        kept = Scrubber([f"Scheme {secret}"], "never").text("." * shift + f"{secret} " * 1000)
        assert "o" not in kept.replace("[removed]", "")


@pytest.mark.parametrize(
    "name", ["Authorization", "api_key", "apiKey", "app-key", "X-Token", "password", "clientSecret"]
)
def test_what_has_a_secret_name_is_removed_whole(name: str) -> None:
    assert Scrubber([], "never").tree({name: {"deep": "x"}, "stock/price": 1.5}) == {
        name: "[removed]",
        "stock/price": 1.5,
    }


@given(st.text(alphabet="ab€\U0001f600 ", min_size=0, max_size=5000))
def test_evidence_text_fits(text: str) -> None:
    kept = Scrubber([], "never").text(text)

    assert len(kept.encode()) <= MAX_EVIDENCE_BYTES
    assert len(text.encode()) > MAX_EVIDENCE_BYTES or kept == text


#: Hypothesis makes texts of what it finds in the code, the beginning of a key among them.
TEXT = st.text().filter(lambda text: "partsboxapi_" not in text)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | TEXT
    | st.from_regex(r"[a-z0-9]{26}", fullmatch=True)
    | st.from_regex(r"[a-zA-Z ]{0,20}\[cmd:[a-z2-7]{20}\]", fullmatch=True)
    | st.from_regex(r"(APIKey|Bearer|Authorization:) [A-Za-z0-9]{0,60}", fullmatch=True),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN)
def test_what_is_read_keeps_every_id_and_marker_and_text(body: Any) -> None:
    assert KEY_SCRUBBER.whole(body) == body


@given(PLAIN.map(json.dumps), st.text(), st.sampled_from([API_KEY, f"APIKey {API_KEY}", OTHER_KEY]))
def test_what_is_read_keeps_no_key_and_every_word_around_it(before: str, after: str, key: str) -> None:
    after = f".{after}"  # a letter there would be one more of the key
    kept = KEY_SCRUBBER.whole({"stock/comments": [before + key + after], key: {"deep": key}})

    shown = before + ("APIKey [removed]" if key.startswith("APIKey ") else "[removed]") + after
    assert kept in (
        {"stock/comments": [shown], "[removed]": {"deep": "[removed]"}},
        {"stock/comments": [shown.replace("APIKey [removed]", "[removed]")], "[removed]": {"deep": "[removed]"}},
    )


def test_a_long_text_that_is_read_is_not_cut() -> None:
    text = "received from the shelf " * 1000

    assert KEY_SCRUBBER.whole([text]) == [text]


async def test_what_the_vendor_echoed_of_our_key_was_kept_as_comment_user_and_status() -> None:
    entry = {"stock/quantity": 1, "stock/timestamp": 5, "stock/storage-id": "s" * 26, "stock/status": {API_KEY: 1}}
    entry |= {"stock/comments": f"{MARKER} by APIKey {API_KEY}", "stock/user": API_KEY}
    body = json.dumps(OK | {"data": {"part/id": "p" * 26, "part/stock": [entry]}}).encode()

    (read,) = await PartsBoxStock(make(Session(200, body))).stock_entries("p" * 26)

    assert API_KEY not in repr(read)
    assert (read.comments, read.user) == (f"{MARKER} by [removed]", "[removed]")
    assert (read.storage_id, read.quantity, read.part_id) == ("s" * 26, 1, "p" * 26)


async def test_an_answer_that_is_too_deep_to_search_for_secrets_is_not_used() -> None:
    body = json.dumps(OK | {"user": API_KEY}).encode()[:-1]
    body += b',"data":{"part/id":"p","x":' + b"[" * 900 + b"]" * 900 + b"}}"

    with pytest.raises(RetryableError):
        await PartsBoxStock(make(Session(200, body))).stock_entries("p" * 26)


async def test_control_characters_of_a_vendor_reach_no_message() -> None:
    error = await write_once(Session(400, envelope(message="a\r\nb\x1b[31mc\u202ed")))

    assert "“a  b [31mc d”" in str(error)


@pytest.mark.parametrize("body", [b"[" * 500 + b"]" * 500, json.dumps([["x"] * 999] * 999).encode(), b"[1e999]"])
async def test_evidence_of_a_monstrous_answer_is_small_and_json(body: bytes) -> None:
    error = await write_once(Session(500, body))

    assert isinstance(error, InDoubtError)
    assert error.exchange is not None
    assert len(json.dumps(error.exchange.answer, allow_nan=False, ensure_ascii=False).encode()) < 2 * MAX_EVIDENCE_BYTES


def test_our_key_typed_into_a_comment_is_in_no_evidence_of_what_was_sent() -> None:
    call = Call.post("stock/add", {"stock/comments": f"see {API_KEY}", "token": "whatever it is"})

    request = Answer(call, call.payload(), KEY_SCRUBBER).exchange().request

    assert request == {"stock/comments": "see [removed]", "token": "[removed]"}
