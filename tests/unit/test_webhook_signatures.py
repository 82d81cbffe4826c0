"""Signatures of webhooks: what the documented senders sign is taken, everything else is refused, and nothing raises."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.webhooks.signatures import MAX_SIGNATURES, Verifier
from tests.unit.webhook_senders import (
    NOW,
    OTHER,
    SECRET,
    SLACK,
    STANDARD_OTHER,
    STANDARD_SECRET,
    github,
    several,
    shopify,
    slack,
    source,
    standard,
    stripe,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BODY = '{"part":"ä","quantity":3}'.encode()

SENDERS: dict[str, tuple[Verifier, Callable[[bytes], dict[str, str]]]] = {
    "standard-webhooks": (Verifier(source("standard-webhooks"), [STANDARD_SECRET]), standard),
    "github": (Verifier(source("github"), [SECRET]), github),
    "stripe": (Verifier(source("stripe"), [SECRET]), stripe),
    "shopify": (Verifier(source("shopify"), [SECRET]), shopify),
    "hmac": (Verifier(source("hmac", signature=SLACK), [SECRET]), slack),
    "bearer": (Verifier(source("bearer"), [SECRET]), lambda _: {"Authorization": f"Bearer {SECRET}"}),
}
#: A header may hold any byte; this is how the server gives it to us.
RAW = st.binary(max_size=60).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
#: Of which `int()` or `float()` take several.
ODD_TIMESTAMPS = [
    *("", "0", "-1", "nan", "inf", "1_795_278_010", "\N{FULLWIDTH DIGIT ONE}"),
    *(f" {NOW}", f"{NOW} ", f"+{NOW}", f"0{NOW}", f"{NOW}.0"),
]
#: What no signature covers.
UNSIGNED = {"X-GitHub-Delivery", "X-GitHub-Event", "X-Shopify-Event-Id", "X-Shopify-Topic"}
SIGNED = [name for name in SENDERS if name != "bearer"]
TIMED = ["standard-webhooks", "stripe", "hmac"]


def _verify(name: str, headers: dict[str, str], body: bytes = BODY, now: float = NOW) -> str:
    return SENDERS[name][0].verify(several(headers), body, now)


@pytest.mark.parametrize("name", SENDERS)
def test_what_the_sender_signed_is_taken(name: str) -> None:
    assert _verify(name, SENDERS[name][1](BODY)) == ""


@pytest.mark.parametrize("name", SIGNED)
@pytest.mark.parametrize("body", [b"", BODY[:-1], BODY + b"\n", b"\xff\xfe" + BODY])
def test_another_body_than_the_signed_one_is_refused(name: str, body: bytes) -> None:
    assert _verify(name, SENDERS[name][1](BODY), body) != ""


@pytest.mark.parametrize("name", SENDERS)
def test_a_repeated_header_is_refused_so_that_nobody_has_to_choose(name: str) -> None:
    verifier, sign = SENDERS[name]
    for header in several(sign(BODY)):
        doubled = several(sign(BODY))
        doubled[header] *= 2
        if header not in {name.lower() for name in UNSIGNED}:
            assert verifier.verify(doubled, BODY, NOW) != "", header


@pytest.mark.parametrize("name", TIMED)
@pytest.mark.parametrize(("seconds", "is_good"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_a_replay_is_refused_beyond_the_tolerance(name: str, seconds: int, *, is_good: bool) -> None:
    assert (_verify(name, SENDERS[name][1](BODY), now=NOW + seconds) == "") is is_good


@pytest.mark.parametrize("timestamp", ODD_TIMESTAMPS)
@pytest.mark.parametrize("name", ["standard-webhooks", "hmac"])
def test_a_timestamp_that_is_not_written_canonically_is_refused(name: str, timestamp: str) -> None:
    headers = {**SENDERS[name][1](BODY)}
    header = "webhook-timestamp" if name == "standard-webhooks" else "X-Slack-Request-Timestamp"

    assert _verify(name, {**headers, header: timestamp}) == "no usable timestamp"


@pytest.mark.parametrize("name", ["github", "stripe", "shopify"])
def test_each_of_several_secrets_counts_while_one_takes_the_place_of_another(name: str) -> None:
    sign: Any = SENDERS[name][1]
    both = Verifier(source(name), [OTHER, SECRET])
    first_only = Verifier(source(name), [OTHER])

    assert both.verify(several(sign(BODY, secret=SECRET)), BODY, NOW) == ""
    assert both.verify(several(sign(BODY, secret=OTHER)), BODY, NOW) == ""
    assert first_only.verify(several(sign(BODY, secret=SECRET)), BODY, NOW) != ""


def test_a_sender_in_rotation_signs_with_both_and_either_is_enough() -> None:
    old, new = standard(BODY), standard(BODY, secret=STANDARD_OTHER)
    headers = {**old, "webhook-signature": f"{old['webhook-signature']} {new['webhook-signature']}"}

    for secret in (STANDARD_SECRET, STANDARD_OTHER):
        assert Verifier(source("standard-webhooks"), [secret]).verify(several(headers), BODY, NOW) == ""
    assert Verifier(source("stripe"), [OTHER]).verify(several(stripe(BODY, also=OTHER)), BODY, NOW) == ""


def test_the_good_one_counts_behind_others_but_not_behind_a_flood() -> None:
    good = standard(BODY)["webhook-signature"]
    wrong = "v1," + base64.b64encode(bytes(32)).decode()

    def with_(*tokens: str) -> str:
        return _verify("standard-webhooks", {**standard(BODY), "webhook-signature": " ".join(tokens)})

    assert with_("v1a,AAAA", "v2,BBBB", wrong, good) == ""
    assert with_(*[wrong] * (MAX_SIGNATURES - 1), good) == ""
    assert with_(*[wrong] * MAX_SIGNATURES, good) != ""


def test_an_asymmetric_signature_is_not_taken_for_a_symmetric_one() -> None:
    signature = standard(BODY)["webhook-signature"].replace("v1,", "v1a,")

    assert _verify("standard-webhooks", {**standard(BODY), "webhook-signature": signature}) != ""


def test_the_names_of_svix_are_the_same_scheme() -> None:
    headers = {name.replace("webhook-", "svix-"): value for name, value in standard(BODY).items()}
    verifier = Verifier(source("standard-webhooks", header_prefix="svix"), [STANDARD_SECRET])

    assert verifier.verify(several(headers), BODY, NOW) == ""
    assert verifier.verify(several(standard(BODY)), BODY, NOW) != ""


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_sender_with_a_recipe_of_its_own_is_described_in_the_configuration(algorithm: str, encoding: str) -> None:
    import hmac  # noqa: PLC0415  the only use

    signing = {
        "header": "X-Sign",
        "algorithm": algorithm,
        "encoding": encoding,
        "prefix": "h=",
        "signed": "{id}|{body}",
        "id_header": "X-Id",
    }
    digest = hmac.new(SECRET.encode(), b"e-7|" + BODY, algorithm).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    verifier = Verifier(source("hmac", signature=signing), [SECRET])

    assert verifier.verify(several({"X-Sign": f"h={text}", "X-Id": "e-7"}), BODY, NOW) == ""
    assert verifier.verify(several({"X-Sign": f"h={text}", "X-Id": "e-8"}), BODY, NOW) != ""
    assert verifier.verify(several({"X-Sign": text, "X-Id": "e-7"}), BODY, NOW) != ""
    assert verifier.verify(several({"X-Sign": f"h={text}"}), BODY, NOW) == "no usable id header"


@pytest.mark.parametrize(
    ("scheme", "secret", "reason"),
    [
        ("github", "x" * 23, "shorter than 24 bytes"),
        ("stripe", "", "shorter than 24 bytes"),
        ("hmac", "brief", "shorter than 24 bytes"),
        ("bearer", "x" * 23, "shorter than 24 bytes"),
        ("standard-webhooks", "whsec_" + base64.b64encode(b"x" * 23).decode(), "shorter than 24 bytes"),
        ("standard-webhooks", "whsec_not base64 at all, really", "is not whsec_ and base64"),
        ("standard-webhooks", "ä" * 40, "is not whsec_ and base64"),
    ],
)
def test_a_secret_that_could_be_guessed_is_refused_without_quoting_it(scheme: str, secret: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        Verifier(source(scheme), [secret])

    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize("name", SENDERS)
@given(value=RAW | st.text("v1,=t0123456789abcdef .", max_size=80), place=st.integers(0, 2))
def test_no_header_makes_a_verifier_raise_and_none_is_taken(name: str, value: str, place: int) -> None:
    headers = SENDERS[name][1](BODY)
    header = list(headers)[place % len(headers)]
    if headers[header] == value or header in UNSIGNED:
        return

    assert _verify(name, {**headers, header: value}) != ""
