"""The settings of the webhooks' server that are not its tokens: origins, limits, how long a first moment is kept."""

from __future__ import annotations

import pytest

from producers.settings import WEBHOOKS_PREFIX, WebhookSettings
from tasks.settings import SettingsError, read_environment

TOKENS = "erp:invented-token-of-erp"


def settings(**values: str) -> WebhookSettings:
    given = {"TOKENS": TOKENS, **values}
    return read_environment(WebhookSettings, WEBHOOKS_PREFIX, {WEBHOOKS_PREFIX + name: given[name] for name in given})


def test_no_page_of_another_origin_may_ask_as_it_comes() -> None:
    assert settings().cors_origins == ()


def test_origins_are_separated_by_commas() -> None:
    origins = settings(CORS_ORIGINS="https://app.example, http://localhost:5173,").cors_origins

    assert origins == ("https://app.example", "http://localhost:5173")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"CORS_ORIGINS": "*"}, "STOCKRELAY_WEBHOOKS_CORS_ORIGINS: entry 1: is not an origin"),
        ({"CORS_ORIGINS": "https://a.example,https://b.example/"}, "entry 2: is not an origin"),
        ({"CORS_ORIGINS": "app.example"}, "entry 1: is not an origin"),
        ({"CORS_ORIGINS": "https://App.example"}, "entry 1: a browser would never send it"),
        ({"CORS_ORIGINS": "https://me@app.example"}, "entry 1: a browser would never send it"),
        ({"FIRST_SEEN_DAYS": "6"}, "STOCKRELAY_WEBHOOKS_FIRST_SEEN_DAYS"),
        ({"SPOOL_MAX_MIB": "0"}, "STOCKRELAY_WEBHOOKS_SPOOL_MAX_MIB"),
        ({"REQUESTS_PER_MINUTE": "-1"}, "STOCKRELAY_WEBHOOKS_REQUESTS_PER_MINUTE"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings(**values)

    assert message in str(caught.value)
