"""What strangers could learn from a refusal, and what is kept of a delivery that is held."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

import pytest

from producers.webhooks.held import HeldDelivery, kept_headers
from producers.webhooks.hooks import Hook, Hooks
from producers.webhooks.mapping import Delivered, Mapper, MappingError
from tests.unit.webhook_senders import NOW, OTHER, SECRET, STANDARD_SECRET, github, source, standard

if TYPE_CHECKING:
    from collections.abc import Mapping

BODY = b'{"part": "x"}' * 1_000


@pytest.fixture
def hooks() -> Hooks:
    known = {
        "repo": Hook("repo", source("github"), [SECRET, OTHER, SECRET[::-1]]),
        "shop": Hook("shop", source("standard-webhooks"), [STANDARD_SECRET]),
        "rack": Hook("rack", source("bearer"), [SECRET]),
    }
    return Hooks(known)


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("nobody", {}),
        ("nobody", github(BODY)),
        ("repo", {}),
        ("repo", github(BODY + b" ")),
        ("repo", {"X-Hub-Signature-256": "sha1=00"}),
        ("shop", {}),
        ("shop", standard(BODY + b" ")),
        ("shop", standard(BODY, at=NOW - 10_000)),
        ("rack", {}),
        ("rack", {"Authorization": "Bearer wrong"}),
    ],
)
def test_how_long_a_refusal_takes_does_not_tell_which_sources_there_are(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, name: str, headers: Mapping[str, str]
) -> None:
    digested: list[int] = []
    real = hmac.digest

    def digest(key: Any, message: bytes, algorithm: str) -> bytes:
        digested.append(len(message))
        return real(key, message, algorithm)

    monkeypatch.setattr(hmac, "digest", digest)
    given = {header.lower(): (value,) for header, value in headers.items()}

    assert hooks.verify(name, given, BODY, NOW)[0] is None
    assert sum(length >= len(BODY) for length in digested) == 3


def test_a_reason_that_quotes_the_sender_steers_no_terminal_and_is_text() -> None:
    held = HeldDelivery("a" * 20, "shop", NOW, "gave \x1b[2J and \ud800 and ä", {}, b"")

    assert held.reason == r"gave \x1b[2J and \ud800 and ä"
    assert HeldDelivery.from_json(held.to_json()) == held


def test_nothing_that_proves_who_sent_it_is_kept() -> None:
    given = {
        "authorization": "Bearer x",
        "cookie": "x",
        "x-hub-signature-256": "x",
        "x-shopify-hmac-sha256": "x",
        "x-gitlab-token": "x",
        "x-api-key": "x",
        "x-telegram-bot-api-secret-token": "x",
        "x-webhook-secret": "x",
        "x-github-delivery": "g-1",
        "x-note": "\udcff",
    }

    assert kept_headers(given) == {"x-github-delivery": "g-1", "x-note": "?"}


def test_a_sum_that_python_cannot_write_is_held_and_not_a_failure() -> None:
    rules = {
        "kind": "stock.add",
        "fields": {"part_id": "event.part", "storage_id": "event.place", "quantity": "event.quantity"},
        "when": "sum(event.numbers)",
    }
    mapper = Mapper("repo", source("github", commands=[rules]))
    event = {"numbers": [10**4299 * 9, 10**4299 * 9]}

    with pytest.raises(MappingError, match="thousands of digits, must give true or false"):
        mapper.map(Delivered("repo", "g-1", event, {}), NOW)
