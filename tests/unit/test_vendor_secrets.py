"""No secret gets out of the vendor client, and what it keeps as evidence is small."""

from __future__ import annotations

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.errors import InDoubtError, RejectedError, VendorError
from tests.scripted_vendor import (
    API_KEY,
    Session,
    envelope,
    write_once,
)
from workers.vendors.evidence import MAX_EVIDENCE_BYTES, Scrubber

OTHER_KEY = "partsboxapi_fedcba9876543210fedcba9876543210"


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


async def test_control_characters_of_a_vendor_reach_no_message() -> None:
    error = await write_once(Session(400, envelope(message="a\r\nb\x1b[31mc\u202ed")))

    assert "“a  b [31mc d”" in str(error)


@pytest.mark.parametrize("body", [b"[" * 500 + b"]" * 500, json.dumps([["x"] * 999] * 999).encode(), b"[1e999]"])
async def test_evidence_of_a_monstrous_answer_is_small_and_json(body: bytes) -> None:
    error = await write_once(Session(500, body))

    assert isinstance(error, InDoubtError)
    assert error.exchange is not None
    assert len(json.dumps(error.exchange.answer, allow_nan=False, ensure_ascii=False).encode()) < 2 * MAX_EVIDENCE_BYTES
